//! A decision of a path through the tree of executions, and what of it is still to be tried.

use crate::cache::Visit;
use crate::step::Task;

/// What the results of a choice other than 0 cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Price {
    Nothing,
    /// One of the budget.
    ToDo,
    /// The same, for which a step is put off.
    ToPutOff,
}

/// What a decision was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Branch {
    /// Which task goes on; `untried` is a mask. `paid`: all but the first cost a preemption. `visit`: its key.
    Task { chosen: Task, untried: u16, tried: u8, paid: bool, visit: Visit },
    /// A choice among `of`; the values up to `chosen` have been tried.
    Choice { chosen: u32, of: u32, price: Price },
}

/// One decision, by the number of events before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) at: u32,
    /// Preemptions that were left to spend here.
    pub(crate) left: u32,
    pub(crate) branch: Branch,
}
