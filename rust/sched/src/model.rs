//! What is explored: a fixed number of tasks over some state that can be put back to its start.

use crate::failure::Defect;
use crate::step::{Object, Step, Task};

/// What a step does and to what, as a number for schedules: the same in every process, and as long as the model
/// calls both the same, whatever else it has learnt meanwhile.
pub type Identity = fn(&Step) -> u64;

/// By the numbers that the model gave them.
fn numbered(step: &Step) -> u64 {
    step.object.0.rotate_left(8) ^ u64::from(step.verb.0)
}

/// A concurrent program, small enough to be run millions of times.
///
/// An execution that ends early leaves the stacks of its suspended tasks behind without
/// dropping what lies on them. A body must therefore own no heap memory, and no guard whose drop
/// matters, across a scheduling point; whatever it keeps elsewhere, `reset` puts back.
pub trait Model {
    /// How many tasks there are, at most [`MOST_TASKS`](crate::MOST_TASKS).
    fn tasks(&self) -> usize;

    /// How many of them, the last ones, are daemons: they need not end. An execution is over when all others
    /// have ended and no daemon can go on; a daemon that waits is no part of a deadlock.
    fn daemons(&self) -> usize {
        0
    }

    /// Whether tasks put steps off ([`put_off`](crate::put_off)).
    fn puts_off(&self) -> bool {
        false
    }

    /// What steps are for the rolling hash of a schedule. Asked for each event of an execution that is written down
    /// or follows a schedule, and of no other.
    fn identity(&self) -> Identity {
        numbered
    }

    /// Puts the state back to the start. Called before each execution, outside any task.
    fn reset(&mut self);

    /// All that tasks share, as words: whatever a step can find or change, in the arrangement of the
    /// model's choice, with nothing that only counts. Equal words mean that any task would find the same. Called
    /// in the midst of an execution, outside any task: points do nothing.
    ///
    /// A task that is alone and comes back to the same words with the same stack is in a livelock; of a model
    /// that cannot say (the default), none is ever told but that in which everybody waits.
    fn state(&self) -> Option<Vec<u64>> {
        None
    }

    /// The body of one task; runs on the task's own stack.
    fn run(&self, task: Task);

    /// The check at the end, once all tasks have ended, outside any task: points do nothing.
    ///
    /// # Errors
    ///
    /// The defect that the final state shows.
    fn finish(&self) -> Result<(), Defect>;

    /// Whether it wants to hear where tasks met; asked after every execution.
    fn asks_who_met(&self) -> bool {
        false
    }

    /// Several tasks, this mask of them, touched an object in the last execution, and one of them wrote it.
    fn met(&mut self, _object: Object, _tasks: u16) {}
}
