//! Who does what, as one number that a CPU is leased under.

use core::fmt;

use program::op::{WorkerId, call_name};

/// A worker in the middle of an operation. Packed into a task id: `number of the call << 8 | worker + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// Who; none for the machine itself.
    pub worker: Option<WorkerId>,
    /// Doing what.
    pub op: &'static str,
}

impl Party {
    /// The task id to lease a CPU under.
    #[must_use]
    pub fn task(worker: WorkerId, call: u8) -> u32 {
        (u32::from(call) << 8) | (u32::from(worker.0) + 1)
    }

    /// The party behind a task id.
    #[must_use]
    pub fn of(task: u32) -> Self {
        let worker = (task as u8).checked_sub(1).map(WorkerId);
        Self { worker, op: call_name((task >> 8) as u8) }
    }

    /// The call it is in; none between two.
    #[must_use]
    pub fn call(self) -> Option<&'static str> {
        (self.op != call_name(0)).then_some(self.op)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.worker, self.call()) {
            (Some(worker), _) => write!(f, "{worker} {}", self.op),
            (None, None) => write!(f, "machine"),
            (None, Some(call)) => write!(f, "machine {call}"),
        }
    }
}
