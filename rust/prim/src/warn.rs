//! `WARN_ON`: what must never happen is recorded, and the world goes on.
//!
//! The first 256 warnings are kept with the CPU and the task that raised them; later ones are only
//! counted. The first warning is the one that explains the others.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{AtomicU64, CpuId, Machine, TaskId};

const KEPT: usize = 256;

/// A warning as raised. Codes below `0xff00` belong to the protocol, the rest to [`code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warn {
    pub code: u16,
    pub object: u64,
    pub value: i64,
}

/// The warnings that this crate raises itself.
pub mod code {
    /// Waiting for a grace period, an IPI or a shoot-down inside one's own such section.
    /// object: slot. value: marker.
    pub const WAIT_INSIDE_SECTION: u16 = 0xff00;
    /// Sleeping inside an RCU, IRQ-off or TLB section, or with a spin lock held ("scheduling while
    /// atomic"). object: what is waited for. value: number of such sections.
    pub const SLEEP_WHILE_ATOMIC: u16 = 0xff01;
    /// Sleeping inside the condition of another sleep. object: what is waited for.
    pub const NESTED_SLEEP: u16 = 0xff02;
    /// Taking a lock that one already holds. object: the lock's address.
    pub const LOCK_RECURSION: u16 = 0xff03;
    /// Freeing a slab object that is free. object: index. value: its link word.
    pub const DOUBLE_FREE: u16 = 0xff04;
    /// A lease ended inside a read-side section, or with a spin lock held. value: how many.
    pub const LEASE_ENDED_ATOMIC: u16 = 0xff05;
    /// Unlocking a bit that was not set. object: the word's address. value: bit.
    pub const UNLOCK_OF_UNLOCKED: u16 = 0xff06;
}

/// A warning as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarnRecord {
    pub warn: Warn,
    pub cpu: CpuId,
    pub task: TaskId,
    /// On real threads, where nothing else tells who did it: the other tasks that ran in this moment. One that has just
    /// come or gone may be missing, or one too many.
    pub beside: Vec<TaskId>,
}

#[derive(Debug, Default)]
pub(crate) struct WarnLog {
    total: AtomicU64,
    first: Mutex<Vec<WarnRecord>>,
}

impl WarnLog {
    fn lock(&self) -> MutexGuard<'_, Vec<WarnRecord>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self, record: WarnRecord) {
        self.total.inc();
        let mut first = self.lock();
        if first.len() < KEPT {
            first.push(record);
        }
    }
}

impl Machine {
    /// The first 256 warnings, oldest first.
    #[must_use]
    pub fn warnings(&self) -> Vec<WarnRecord> {
        self.warnings.lock().clone()
    }

    /// How many warnings there were, kept or not.
    #[must_use]
    pub fn warnings_total(&self) -> u64 {
        self.warnings.total.read()
    }

    /// Forgets all warnings.
    pub fn clear_warnings(&self) {
        let mut first = self.warnings.lock();
        first.clear();
        self.warnings.total.set(0);
    }
}
