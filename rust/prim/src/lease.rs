//! Who runs where: names of CPUs and tasks, and the terms on which a task leases a CPU.

use core::{fmt, time::Duration};

use crate::Waiter;

/// Index of a CPU slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CpuId(pub usize);

/// Name of a task, given by whoever runs it. `u32::MAX` is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u32);

/// Every slot is leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCpu;

impl fmt::Display for NoCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every CPU of the machine is leased")
    }
}

impl core::error::Error for NoCpu {}

/// What a [`Poll`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    None,
    /// Something outside the machine wants the task back, as a signal does.
    Interrupt,
}

/// Something outside that a sleeping thread must look at (an interpreter's signals).
pub trait Poll {
    /// Called by the leasing thread at least every 50 ms while it sleeps. The task may hold locks of
    /// the world, so this must not operate on it.
    fn poll(&self) -> Signal;

    /// Whether nobody is left who could end the sleep that has just begun, or still goes on. The sleep
    /// then ends as at the deadline. Asked before the thread parks; the same holds as for `poll`.
    fn forsaken(&self) -> bool {
        false
    }

    /// A sleep that a signal could have ended ended at the deadline; `waiters` is everybody who waited
    /// then, the task included. The wait returns [`Interrupted`](crate::Interrupted) next.
    fn expired(&self, waiters: Vec<Waiter>) {
        drop(waiters);
    }
}

/// Terms of a lease.
#[derive(Clone, Copy)]
pub struct Lease<'m> {
    pub task: TaskId,
    /// Total time that the operation may wait, counted from its first wait (so that an operation that
    /// never waits reads no clock). None: for ever.
    pub deadline: Option<Duration>,
    pub poll: Option<&'m dyn Poll>,
}

impl Lease<'_> {
    /// No deadline, no poll.
    #[must_use]
    pub const fn of(task: TaskId) -> Self {
        Self { task, deadline: None, poll: None }
    }
}

impl fmt::Debug for Lease<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("task", &self.task)
            .field("deadline", &self.deadline)
            .field("poll", &self.poll.is_some())
            .finish()
    }
}
