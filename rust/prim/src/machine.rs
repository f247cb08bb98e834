//! A machine: a fixed set of CPU slots and what they share outside the world's memory.
//!
//! Linux: `cpu_possible_mask`, the wait-bit hash table, the taint and warning state. Departure: a
//! CPU is not a place where the scheduler puts tasks; it is a slot that a thread leases for one
//! operation, so there are never more tasks than CPUs and "this CPU" never changes under a task.
//!
//! Who may touch what: a slot's markers, record and tallies are written by the thread that leases
//! it; its state word by anybody, by the rules of `slot.rs`; the rest of the machine has
//! locks of its own, innermost to everything.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::{
    AtomicU32, Cpu, CpuId, Lease, NoCpu, TaskId,
    membarrier::AsymmetricFence,
    poison::Poison,
    queue::Queues,
    slot::{NO_TASK, Slot, TALLIES},
    state_word::SlotState,
    warn::WarnLog,
};

/// Index of a per-CPU counter, below 64; meanings belong to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tally(pub u8);

/// An emulated machine. See the module's introduction.
#[derive(Debug)]
pub struct Machine {
    pub(crate) slots: Box<[Slot]>,
    pub(crate) fence: AsymmetricFence,
    pub(crate) queues: Queues,
    pub(crate) warnings: WarnLog,
    pub(crate) started: Instant,
    /// 1 once `poison` is set; what loops look at.
    poisoned: AtomicU32,
    poison: Mutex<Option<Poison>>,
}

/// Looks at every slot before a lease is refused.
const LEASE_PASSES: usize = 64;

impl Machine {
    /// A machine with `cpus` slots (at least one).
    #[must_use]
    pub fn new(cpus: usize) -> Arc<Self> {
        Arc::new(Self::with_fence(cpus, AsymmetricFence::choose()))
    }

    fn with_fence(cpus: usize, fence: AsymmetricFence) -> Self {
        Self {
            slots: (0..cpus.max(1)).map(|_| Slot::default()).collect(),
            fence,
            queues: Queues::default(),
            warnings: WarnLog::default(),
            started: Instant::now(),
            poisoned: AtomicU32::new(0),
            poison: Mutex::new(None),
        }
    }

    /// Number of slots.
    #[must_use]
    pub fn cpus(&self) -> usize {
        self.slots.len()
    }

    /// Leases a slot, by preference the one numbered like the task, so that a task comes back to
    /// cache lines it owns.
    ///
    /// # Errors
    /// [`NoCpu`] if every slot is leased: more tasks at once than the machine has CPUs.
    #[inline]
    pub fn lease<'m>(&'m self, lease: Lease<'m>) -> Result<Cpu<'m>, NoCpu> {
        let hint = lease.task.0 as usize;
        self.lease_at(hint, lease)
    }

    /// Leases the slot `hint` (modulo the number of CPUs), or the next free one after it.
    ///
    /// # Errors
    /// As [`lease`](Self::lease).
    #[inline]
    pub fn lease_at<'m>(&'m self, hint: usize, lease: Lease<'m>) -> Result<Cpu<'m>, NoCpu> {
        // Tasks are usually numbered from 0: spare them the division.
        let first = if hint < self.cpus() { hint } else { hint % self.cpus() };
        if self.slots[first].word.try_lease() {
            return Ok(Cpu::on(self, first, lease));
        }
        self.lease_elsewhere(first, lease)
    }

    /// One pass over the slots is no proof that all are leased: one may be given back behind it while
    /// another is taken ahead of it. Many passes, with the others running in between, are as good as one.
    #[cold]
    fn lease_elsewhere<'m>(&'m self, first: usize, lease: Lease<'m>) -> Result<Cpu<'m>, NoCpu> {
        for _ in 0..LEASE_PASSES {
            let mut ids = (first + 1..self.cpus()).chain(0..=first);
            if let Some(id) = ids.find(|&id| self.slots[id].word.try_lease()) {
                return Ok(Cpu::on(self, id, lease));
            }
            std::thread::yield_now();
        }
        Err(NoCpu)
    }

    /// Sends `task` a signal: its interruptible sleep ends, now or as soon as it begins. Lasts until
    /// the end of the lease; a task without a lease does not notice.
    pub fn signal(&self, task: TaskId) {
        for slot in &self.slots {
            loop {
                let seen = slot.word.read();
                // `task` is read after the word and belongs to no other lease if the word, with its
                // epoch, still is the same when the signal is put in.
                if seen.state() == SlotState::Idle || slot.task.read() != task.0 {
                    break;
                }
                if slot.word.signal(seen) {
                    slot.unpark();
                    break;
                }
            }
        }
    }

    /// The tasks that run on other CPUs than this one. For reports: each is looked at by itself, while it goes on.
    pub(crate) fn running_beside(&self, this: CpuId) -> Vec<TaskId> {
        let others = self.slots.iter().enumerate().filter(|(id, _)| *id != this.0);
        let running = others.filter(|(_, slot)| slot.word.read().state() == SlotState::Running);
        let tasks = running.map(|(_, slot)| slot.task.read());
        tasks.filter(|task| *task != NO_TASK).map(TaskId).collect()
    }

    /// Ends everything: every wait, now and later, abandons its operation. The first poison stays.
    pub fn poison(&self, poison: Poison) {
        self.poison.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(poison);
        // Release pairs with the acquire of `is_poisoned`: who sees the flag finds the reason.
        self.poisoned.set_release(1);
        for slot in &self.slots {
            slot.unpark();
        }
    }

    /// Why the machine is dead, if it is.
    #[must_use]
    pub fn poisoned(&self) -> Option<Poison> {
        if !self.is_poisoned() {
            return None;
        }
        self.poison.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[inline(always)]
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.read_acquire() != 0
    }

    /// Sum of one counter over the slots; exact when nobody counts, otherwise a recent value.
    ///
    /// # Panics
    /// If the index is 64 or more.
    #[must_use]
    pub fn tally(&self, tally: Tally) -> u64 {
        let index = usize::from(tally.0);
        assert!(index < TALLIES, "tally {index} of {TALLIES}");
        self.slots.iter().fold(0, |sum, slot| sum.wrapping_add(slot.tallies[index].read()))
    }

    /// Nanoseconds since the machine started.
    pub(crate) fn clock(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AtomicU64, synchronize_rcu};

    /// The fallback for systems without membarrier; the integration tests use what the system has.
    #[test]
    fn a_machine_with_symmetric_fences_has_grace_periods_too() {
        let machine = Machine::with_fence(2, AsymmetricFence::Symmetric);
        let (published, freed) = (AtomicU64::new(1), AtomicU64::new(0));
        std::thread::scope(|s| {
            s.spawn(|| {
                let cpu = machine.lease(Lease::of(TaskId(1))).expect("a free CPU");
                loop {
                    let _rcu = cpu.rcu_read_lock();
                    let seen = published.read_acquire();
                    if seen == 0 {
                        break;
                    }
                    assert!(freed.read() < seen);
                }
            });
            let cpu = machine.lease(Lease::of(TaskId(0))).expect("a free CPU");
            for generation in 2..2_000 {
                published.set_release(generation);
                synchronize_rcu(&cpu);
                freed.set(generation - 1);
            }
            published.set_release(0);
        });
        assert_eq!(machine.warnings(), []);
    }
}
