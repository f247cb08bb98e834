//! What an execution is told beforehand, who leads it, and how it ends.
//!
//! A way to choose executions is a [`Guide`], and each is a file: `tree` (all within a bound), `dpor` (one of each
//! class), `script` (one that was found before), `strategy` (drawn ones). The engine asks it and knows no more.

use std::cell::RefCell;
use std::rc::Rc;

use crate::decide::Decision;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::step::{Effect, Object, Task};

/// What decides who goes on.
pub(crate) trait Guide {
    /// The task that takes the next step, of those that can. `None`: the execution is over, and the engine knows
    /// how it ended.
    fn next(&mut self, engine: &mut Engine, at: Decision) -> Option<Task>;

    /// The result of a choice among `0..n`.
    fn choose(&mut self, engine: &mut Engine, n: u32) -> u32;

    /// The same of a choice of which all results but 0 are paid for.
    fn choose_paid(&mut self, engine: &mut Engine, n: u32) -> u32;

    /// A task takes a step that is one with the end of its busy-wait: there is no decision.
    fn goes_on(&mut self, _engine: &Engine, _task: Task) {}

    /// Before this many events the task that now goes on need not ask.
    fn calm_until(&self, _engine: &Engine) -> u32 {
        0
    }

    /// What happens now has happened just so in an execution before, of the same search.
    fn repeats(&self) -> bool {
        false
    }

    /// While the engine records ([`Engine::record_accesses`]): what the task that goes on does to an object.
    fn touched(&mut self, _object: Object, _effect: Effect) {}
}

/// A guide as the engine holds it, while whoever made it does, too.
pub(crate) type Led = Rc<RefCell<dyn Guide>>;

/// What is written down of an execution.
#[derive(Clone, Copy, Default)]
pub(crate) struct Keep {
    pub(crate) schedule: bool,
    /// The events.
    pub(crate) trace: bool,
    /// The hash over them.
    pub(crate) hash: bool,
}

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
