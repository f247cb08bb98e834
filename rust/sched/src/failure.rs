//! How an execution can go wrong, as values. Nothing here prints and nothing unwinds.

use core::panic::Location;

use crate::step::{Step, Task, WaitClass};

/// A defect that the model found itself; the numbers are the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Defect {
    pub code: u32,
    pub object: u64,
    pub value: i64,
}

/// One task that cannot run, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    pub task: Task,
    /// The step that cannot run. `None`: the task spins in [`relax`](crate::relax).
    pub step: Option<Step>,
    pub class: WaitClass,
    pub object: u64,
    pub owner: Option<Task>,
    pub site: &'static Location<'static>,
}

/// A task comes back to a step with everything as it was, and is alone: it will come back for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurrence {
    pub task: Task,
    pub step: Step,
    /// Events from one time to the next.
    pub round: u32,
}

/// Why an execution is a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The model said so: from a task, or (`None`) from its final check.
    Defect { task: Option<Task>, defect: Defect },
    /// No task can run, and at least one of them sleeps. `cycle` lists the tasks of a ring in
    /// the wait-for graph, each waiting for the next, when there is one.
    Deadlock { waits: Vec<Blocked>, cycle: Option<Vec<Task>> },
    /// Tasks spin for a change that nobody is left to make.
    Livelock { tasks: Vec<Task>, recurrence: Option<Recurrence> },
    /// The model panicked: in a task, or (`None`) in its final check.
    Panic { task: Option<Task>, message: String },
}
