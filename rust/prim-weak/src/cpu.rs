//! A leased CPU: the identity under which an operation runs, and its read-side sections.
//!
//! RCU sections of both kinds share one marker. Entering stores 1 and fences, leaving stores 0 with release
//! order; [`rcu`](crate::rcu) says why that suffices. The fence makes entering stronger than in the
//! kernel, where it is nothing at all.

use core::{cell::Cell, fmt, marker::PhantomData};

use crate::{AtomicUsize, CpuId, Machine, Tally, TaskId, Warn, WarnRecord, machine::Slot, smp_mb};

/// A CPU leased to this task; dropping it gives the CPU back. Neither `Send` nor `Sync`.
pub struct Cpu<'m> {
    machine: &'m Machine,
    slot: &'m Slot,
    id: usize,
    task: TaskId,
    /// How deep in sections.
    depth: Cell<u32>,
    this_thread: PhantomData<*mut ()>,
}

impl<'m> Cpu<'m> {
    /// The slot must just have been leased by the caller.
    pub(crate) fn on(machine: &'m Machine, slot: &'m Slot, id: usize, task: TaskId) -> Self {
        Self { machine, slot, id, task, depth: Cell::new(0), this_thread: PhantomData }
    }

    /// `smp_processor_id()`.
    #[must_use]
    pub fn id(&self) -> CpuId {
        CpuId(self.id)
    }

    /// The task that leases this CPU.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// The machine that this CPU belongs to.
    #[must_use]
    pub fn machine(&self) -> &'m Machine {
        self.machine
    }

    /// How this CPU signs lock words: its id plus one, 0 being nobody.
    #[must_use]
    pub fn owner_word(&self) -> u32 {
        self.id as u32 + 1
    }

    /// Begins an RCU read-side section; may nest; must not sleep inside.
    pub fn rcu_read_lock(&self) -> RcuGuard<'_> {
        self.enter();
        RcuGuard { cpu: self }
    }

    /// Runs `body` as an RCU read-side section.
    pub fn rcu_read_leaf<R>(&self, body: impl FnOnce() -> R) -> R {
        self.leaf().run(body)
    }

    /// What [`Self::rcu_read_leaf`] needs of the CPU.
    #[must_use]
    pub fn leaf(&self) -> LeafSection<'_> {
        LeafSection { cpu: self }
    }

    fn enter(&self) {
        if self.depth.replace(self.depth.get() + 1) == 0 {
            self.slot.inside.set(1);
            // Pairs with the fence at the beginning of a grace period.
            smp_mb();
        }
    }

    fn leave(&self) {
        self.depth.set(self.depth.get() - 1);
        if self.depth.get() == 0 {
            // Pairs with the acquire of a waiter's scan.
            self.slot.inside.set_release(0);
        }
    }

    pub(crate) fn is_inside(&self) -> bool {
        self.depth.get() > 0
    }

    /// `this_cpu_add`: wrapping. `cell` must be this CPU's own, so a load and a store will do.
    pub fn percpu_add(&self, cell: &AtomicUsize, n: usize) {
        cell.set(cell.read().wrapping_add(n));
    }

    /// Does nothing: see [`Tally`].
    pub fn count(&self, tally: Tally) {
        let _ = tally;
    }

    /// One turn of a busy-wait that another task must end.
    pub fn relax(&self) {
        loom::thread::yield_now();
    }

    /// `WARN_ON`: recorded; the model's run is judged at its end.
    #[cold]
    pub fn warn(&self, warn: Warn) {
        let record = WarnRecord { warn, cpu: self.id(), task: self.task(), beside: Vec::new() };
        self.machine.warnings.record(record);
    }
}

impl Drop for Cpu<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Pairs with the acquire of the next lease.
            self.slot.leased.set_release(0);
        }
    }
}

impl fmt::Debug for Cpu<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cpu({}, task {})", self.id, self.task.0)
    }
}

/// Inside an RCU read-side section.
#[must_use = "the section ends with the guard"]
#[derive(Debug)]
pub struct RcuGuard<'a> {
    cpu: &'a Cpu<'a>,
}

impl Drop for RcuGuard<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.cpu.leave();
        }
    }
}

/// Runs short RCU sections on one CPU.
#[derive(Clone, Copy, Debug)]
pub struct LeafSection<'a> {
    cpu: &'a Cpu<'a>,
}

impl LeafSection<'_> {
    /// Runs `body` as an RCU read-side section.
    pub fn run<R>(self, body: impl FnOnce() -> R) -> R {
        let _section = self.cpu.rcu_read_lock();
        body()
    }
}
