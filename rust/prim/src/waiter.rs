//! A task that waits, as reports tell it.

use core::{fmt, time::Duration};

use crate::{CpuId, TaskId, WaitClass};

/// A task that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    pub cpu: CpuId,
    pub task: TaskId,
    pub class: WaitClass,
    pub object: u64,
    /// Who holds what is waited for, if that is known and still leases its CPU.
    pub owner: Option<TaskId>,
    pub for_: Duration,
}

impl fmt::Display for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, task, class, object, owner, for_ } = self;
        write!(f, "task {} on cpu {} waits for {class} {object:#x}", task.0, cpu.0)?;
        if let Some(owner) = owner {
            write!(f, " held by task {}", owner.0)?;
        }
        write!(f, " since {for_:.1?}")
    }
}
