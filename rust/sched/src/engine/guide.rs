//! What an execution is told beforehand, who leads it, and how it ends.
//!
//! A way to choose executions is a [`Guide`], and each is a file: `tree` (all within a bound), `dpor` (one of each
//! class), `script` (one that was found before), `strategy` (drawn ones). The engine asks it and knows no more.

use std::cell::RefCell;
use std::rc::Rc;

use crate::engine::Engine;
use crate::failure::Failure;
use crate::plan::Stats;
use crate::step::{Effect, Object, Task, Touches};
use crate::storm::STREAK;

/// What is known of the current task when a decision falls.
#[derive(Clone, Copy)]
pub(crate) struct Decision {
    /// The current task, if it can go on.
    pub(crate) stays: Option<Task>,
    /// Leaving it costs nothing.
    pub(crate) free: bool,
}

/// What decides who goes on.
pub(crate) trait Guide {
    /// The task that takes the next step, of those that can. `None`: the execution is over, and the engine knows
    /// how it ended.
    fn next(&mut self, engine: &mut Engine, at: Decision) -> Option<Task>;

    /// The result of a choice among `0..n`.
    fn choose(&mut self, engine: &mut Engine, n: u32) -> u32;

    /// The same of a choice of which all results but 0 are paid for.
    fn choose_paid(&mut self, engine: &mut Engine, n: u32) -> u32;

    /// Whether a task pays and puts off what touches these objects.
    fn put_off(&mut self, engine: &mut Engine, _touches: Touches<'_>) -> bool {
        self.choose_paid(engine, 2) != 0
    }

    /// While the engine records: the task that goes on does something past what it has put off.
    fn goes_past(&mut self) {}

    /// While the engine records: nothing that the task which goes on has put off is still to be taken.
    fn settles(&mut self) {}

    /// A task takes a step that is one with the end of its busy-wait: there is no decision.
    fn goes_on(&mut self, _engine: &Engine, _task: Task) {}

    /// Before this many events the task that now goes on need not ask.
    fn calm_until(&self, _engine: &Engine) -> u32 {
        0
    }

    /// Tasks that it keeps from going on although they could, as a mask.
    fn keeps_back(&mut self, _engine: &mut Engine) -> u16 {
        0
    }

    /// How long a task runs on before it is asked whether it is alone and goes round in circles.
    fn streak(&self) -> u32 {
        STREAK
    }

    /// A task that goes round in circles for ever is one that waits, and no failure.
    fn sets_aside(&self) -> bool {
        false
    }

    /// What happens now has happened just so in an execution before, of the same search.
    fn repeats(&self) -> bool {
        false
    }

    /// While the engine records ([`Engine::record_accesses`]): what the task that goes on does to an object.
    fn touched(&mut self, _object: Object, _effect: Effect) {}

    /// As [`touched`](Self::touched), that it looks at all of these, which always go by this number.
    fn looked_at(&mut self, _number: u32, objects: &[Object]) {
        objects.iter().for_each(|&object| self.touched(object, Effect::Read));
    }
}

/// A guide that goes through all executions, one after the other.
pub(crate) trait Exhaustive: Guide {
    /// Gets ready for the next execution, or for the last one again, to be written down.
    fn begin(&mut self, again: bool);

    /// Whether the execution has ended before the path that it followed.
    fn is_left(&self) -> bool;

    /// Learns from an execution that has ended what else is to be tried.
    fn learn(&mut self, engine: &Engine, end: &End);

    /// Moves to the next execution; `false` when the search is exhausted.
    fn advance(&mut self) -> bool;

    /// Which share of the search is done, by estimate, if executions have at most so many events.
    fn fraction(&self, longest: u32) -> f64;

    /// What other threads have done so far of the same search.
    fn done_by_others(&self) -> Stats {
        Stats::default()
    }

    /// How many events of the execution that has ended one before it had as well.
    fn repeated(&self) -> u32 {
        0
    }

    /// What it remembers of states.
    fn states(&self) -> States {
        States::default()
    }
}

/// How many states a search remembers, and for how many it had no room.
#[derive(Clone, Copy, Default)]
pub(crate) struct States {
    pub(crate) kept: u64,
    pub(crate) refused: u64,
}

/// A guide as the engine holds it, while whoever made it does, too.
pub(crate) type Led = Rc<RefCell<dyn Guide>>;

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Passed,
    Failed(Failure),
    /// Everything from here on has been seen.
    Pruned,
    TooLong,
    /// Nobody wanted the rest of it.
    Halted,
    /// There is no memory for stacks.
    Unable(String),
    /// The model did not do again what it did before.
    Unsteady(u32),
}
