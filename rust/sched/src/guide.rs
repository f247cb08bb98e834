//! What an execution is told beforehand, who leads it, and how it ends.

use crate::failure::Failure;
use crate::schedule::Schedule;
use crate::script::Script;
use crate::strategy::Sampler;

/// What decides who goes on.
#[derive(Default)]
pub(crate) enum Guide {
    /// The search tree: what it prescribes, then the default, leaving a node at each decision.
    #[default]
    Tree,
    /// The path of a search that runs one execution of each class (`dpor`).
    Classes,
    /// A schedule that was found before.
    Script(Script),
    /// A strategy that draws at random.
    Strategy(Box<Sampler>),
}

impl Guide {
    pub(crate) fn script(schedule: Schedule) -> Self {
        Guide::Script(Script::new(schedule))
    }
}

/// What an execution is for, beyond its end.
#[derive(Default)]
pub(crate) struct Wish {
    pub(crate) guide: Guide,
    /// Write down the schedule.
    pub(crate) schedule: bool,
    /// Write down the events.
    pub(crate) trace: bool,
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
