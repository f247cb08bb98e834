//! The emulated machine: its CPUs and its warnings. One is made in each execution.

use std::sync::Arc;

use crate::{AtomicU32, Cpu, Lease, NoCpu, warn::WarnLog};

/// Index of a per-CPU counter. Nothing is counted here: what a run walked through is for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tally(pub u8);

/// One CPU.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// 1 while leased. Acquire and release: who leases a CPU comes after whoever had it.
    pub(crate) leased: AtomicU32,
    /// 1 inside a read-side section; only the CPU writes it.
    pub(crate) inside: AtomicU32,
}

/// An emulated machine.
#[derive(Debug)]
pub struct Machine {
    pub(crate) slots: Box<[Slot]>,
    pub(crate) warnings: WarnLog,
}

impl Machine {
    /// A machine with `cpus` CPUs (at least one).
    #[must_use]
    pub fn new(cpus: usize) -> Arc<Self> {
        let slots = (0..cpus.max(1)).map(|_| Slot::default()).collect();
        Arc::new(Self { slots, warnings: WarnLog::default() })
    }

    /// Number of CPUs.
    #[must_use]
    pub fn cpus(&self) -> usize {
        self.slots.len()
    }

    /// Leases the CPU numbered like the task, and no other: which CPU a task runs on must not depend on
    /// who came first.
    ///
    /// # Errors
    /// [`NoCpu`] if there is none of that number, or somebody has it.
    pub fn lease<'m>(&'m self, lease: Lease<'m>) -> Result<Cpu<'m>, NoCpu> {
        let id = lease.task.0 as usize;
        let slot = self.slots.get(id).ok_or(NoCpu)?;
        slot.leased.cmpxchg_acquire(0, 1).map_err(|_| NoCpu)?;
        Ok(Cpu::on(self, slot, id, lease.task))
    }
}
