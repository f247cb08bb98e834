//! A leased CPU: the identity under which an operation runs, and its read-side sections.
//!
//! As natively; sections are events of the history instead of markers with fences (`section.rs`).

use core::{cell::Cell, fmt, marker::PhantomData, panic::Location, time::Duration};

use pgmap_sched::{self as sched, Defect, Effect, Looks, Step};

use crate::{
    AtomicUsize, CpuId, Lease, LockClass, Machine, Poison, Signal, Sleep, Tally, TaskId, WaitClass,
    Waiter, Warn, WarnRecord, code,
    edits::{self, left_out},
    guard::{self, AccessGuard, IrqGuard, LeafSection, RcuGuard},
    lock::order::HeldLocks,
    object,
    poison::abandon,
    section::Kind,
    slot::{NO_TASK, Slot},
    step::{self, Site},
    verb,
};

/// What a task waits for that an oops has killed ([`Machine::go_on_after_warnings`]).
pub const OOPS: WaitClass = WaitClass::event("nothing: it died of an oops");

/// A CPU slot leased to this task; dropping it gives the slot back. Neither `Send` nor `Sync`. A task
/// leases one at a time.
pub struct Cpu<'m> {
    pub(crate) machine: &'m Machine,
    pub(crate) slot: &'m Slot,
    id: usize,
    terms: Lease<'m>,
    depth: Depth,
    pub(crate) held: HeldLocks,
    /// Level of waiting: 0 none, 1 for an event.
    pub(crate) waiting: Cell<u8>,
    relaxed: Cell<u32>,
    site: Site,
    this_thread: PhantomData<*mut ()>,
}

/// How deep in each kind of section the lease is.
#[derive(Debug, Default)]
struct Depth {
    rcu: Cell<u32>,
    irq: Cell<u32>,
    access: Cell<u32>,
    spin: Cell<u32>,
}

impl Depth {
    /// `preempt_count`.
    #[doc(alias = "preempt_count")]
    fn atomic(&self) -> u32 {
        self.rcu.get() + self.irq.get() + self.access.get() + self.spin.get()
    }
}

/// Turns of a busy-wait outside a run before it counts as one that nobody will end.
const RELAX_PATIENCE: u32 = 1 << 20;

impl<'m> Cpu<'m> {
    /// The slot must just have been leased by the caller.
    pub(crate) fn on(machine: &'m Machine, id: usize, terms: Lease<'m>, site: Site) -> Self {
        debug_assert!(terms.task.0 != NO_TASK, "TaskId(u32::MAX) means that there is no task");
        let slot = &machine.slots[id];
        slot.task.set(terms.task.0.into());
        slot.runner.set(sched::current().map_or(0, |task| u64::from(task.0) + 1));
        Self {
            machine,
            slot,
            id,
            terms,
            depth: Depth::default(),
            held: HeldLocks::default(),
            waiting: Cell::new(0),
            relaxed: Cell::new(0),
            site,
            this_thread: PhantomData,
        }
    }

    /// `smp_processor_id()`.
    #[doc(alias = "smp_processor_id")]
    #[inline]
    #[must_use]
    pub fn id(&self) -> CpuId {
        CpuId(self.id)
    }

    /// The task that leases this CPU.
    #[inline]
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.terms.task
    }

    /// The machine that this CPU belongs to.
    #[inline]
    #[must_use]
    pub fn machine(&self) -> &'m Machine {
        self.machine
    }

    /// How this CPU signs lock words and [`Waiting::owner`](crate::Waiting::owner): its id plus one, 0
    /// being nobody.
    #[inline]
    #[must_use]
    pub fn owner_word(&self) -> u32 {
        self.id as u32 + 1
    }

    /// Begins an RCU read-side section; may nest; must not sleep inside.
    #[track_caller]
    pub fn rcu_read_lock(&self) -> RcuGuard<'_> {
        RcuGuard::new(self.begun("rcu_read_lock", Kind::Rcu, Location::caller()))
    }

    /// Runs `body` as an RCU read-side section. It must be short, must not sleep, and must not contain
    /// another leaf; other sections may be around it and inside it.
    #[track_caller]
    pub fn rcu_read_leaf<R>(&self, body: impl FnOnce() -> R) -> R {
        self.leaf().run(body)
    }

    /// What [`Self::rcu_read_leaf`] needs of the CPU.
    #[must_use]
    pub fn leaf(&self) -> LeafSection<'_> {
        LeafSection::new(self.slot)
    }

    /// Switches interrupts off: holds up [`sync_irq`](crate::sync_irq) and, as on any kernel since
    /// 4.20, RCU grace periods.
    #[track_caller]
    pub fn local_irq_save(&self) -> IrqGuard<'_> {
        IrqGuard::new(self.begun("local_irq_save", Kind::Irq, Location::caller()))
    }

    /// Begins an access through this CPU's TLB: holds up [`sync_access`](crate::sync_access).
    #[track_caller]
    pub fn access_begin(&self) -> AccessGuard<'_> {
        AccessGuard::new(self.begun("access_begin", Kind::Access, Location::caller()))
    }

    fn depth_of(&self, kind: Kind) -> &Cell<u32> {
        match kind {
            Kind::Rcu | Kind::Leaf => &self.depth.rcu,
            Kind::Irq => &self.depth.irq,
            Kind::Access => &self.depth.access,
        }
    }

    /// Enters such a section, unless that is left out.
    fn begun(&self, op: &'static str, kind: Kind, site: Site) -> Option<&Self> {
        if left_out(op, site) {
            return None;
        }
        self.enter(kind, site);
        Some(self)
    }

    fn enter(&self, kind: Kind, site: Site) {
        let depth = self.depth_of(kind);
        if depth.get() == 0 {
            guard::enter(self.slot, kind, site);
        }
        depth.set(depth.get() + 1);
    }

    pub(crate) fn exit(&self, kind: Kind) {
        let depth = self.depth_of(kind);
        depth.set(depth.get() - 1);
        if depth.get() == 0 {
            guard::exit(self.slot, kind, self.site);
        }
    }

    /// A spin lock of this identity is held from now on.
    pub(crate) fn spin_lock_taken(&self, lock: u64, class: &'static LockClass, site: Site) {
        self.depth.spin.set(self.depth.spin.get() + 1);
        self.hold(lock, class, site);
    }

    pub(crate) fn spin_lock_dropped(&self, lock: u64) {
        self.depth.spin.set(self.depth.spin.get() - 1);
        self.unhold(lock);
    }

    /// `might_sleep()`: warns if the task may not.
    pub(crate) fn might_sleep(&self, object: u64) {
        let depth = self.depth.atomic();
        if depth > 0 {
            self.warn(Warn { code: code::SLEEP_WHILE_ATOMIC, object, value: depth.into() });
        }
        if self.waiting.get() > 0 {
            self.warn(Warn { code: code::NESTED_SLEEP, object, value: 0 });
        }
    }

    /// `this_cpu_add`: wrapping. `cell` must be this CPU's own: only the sum over all CPUs, taken after
    /// a grace period, means something.
    #[doc(alias = "this_cpu_add")]
    #[track_caller]
    pub fn percpu_add(&self, cell: &AtomicUsize, n: usize) {
        cell.percpu_add(n, Location::caller());
    }

    /// Counts one on this CPU.
    ///
    /// # Panics
    /// If the index is 64 or more.
    #[inline]
    pub fn count(&self, tally: Tally) {
        self.slot.tallies[usize::from(tally.0)].bump();
    }

    /// `WARN_ON`: in a run this is a failure and ends the execution, unless [`Machine::go_on_after_warnings`]; outside it
    /// is recorded.
    #[doc(alias = "WARN_ON")]
    #[cold]
    #[track_caller]
    pub fn warn(&self, warn: Warn) {
        if warn.code >= code::WAIT_INSIDE_SECTION && edits::are_in_force() {
            // How a primitive is used is no question while one is left out.
            return;
        }
        let Warn { code, object, value } = warn;
        let goes_on = self.machine.deadly();
        if step::in_task() && goes_on.is_none() {
            sched::fail(Defect { code: code.into(), object, value });
        }
        let record = WarnRecord { warn, cpu: self.id(), task: self.task(), beside: Vec::new() };
        self.machine.warnings.record(record);
        if step::in_task() && goes_on.is_some_and(|deadly| deadly(code)) {
            self.die(Location::caller());
        }
    }

    /// `make_task_dead`: the task takes no step any more.
    fn die(&self, site: Site) {
        let step =
            Step { verb: verb::DIE, effect: Effect::Read, object: object::slot(self.id), site };
        step::wait_for(step, OOPS, Looks::AtItsObject, &|| false);
    }

    /// One turn of a busy-wait that another task must end: the task goes on once something that it read
    /// since its last turn was written by another.
    #[track_caller]
    pub fn relax(&self) {
        if step::in_task() {
            return step::relax(Location::caller());
        }
        self.relaxed.set(self.relaxed.get().saturating_add(1));
        if self.machine.is_poisoned() {
            abandon(self.machine);
        }
        if self.relaxed.get() >= RELAX_PATIENCE {
            self.hang(WaitClass::event("cpu_relax"), 0, 0);
        }
    }

    /// `cond_resched()`: a turn of a loop that the task can end by itself, so no step. One that it does not
    /// end is for the engine to notice.
    #[track_caller]
    pub fn cond_resched(&self) {
        if !step::in_task() {
            self.relax();
        }
    }

    /// `signal_pending(current)`.
    #[must_use]
    #[track_caller]
    pub fn signal_pending(&self) -> bool {
        if step::in_task() {
            let object = object::signal(self.id);
            step::point(verb::SIGNAL_PENDING, Effect::Read, object, Location::caller());
        }
        self.slot.signalled.get() != 0
    }

    /// A sleep ended because a signal was pending: that belongs to its history.
    pub(crate) fn note_signal(&self, site: Site) {
        if step::in_task() {
            step::record(verb::SIGNAL_PENDING, Effect::Read, object::signal(self.id), site);
        }
    }

    /// What a sleep looks at besides what it sleeps for.
    pub(crate) fn looks_of_sleep(&self, sleep: Sleep) -> Looks {
        match sleep {
            Sleep::Interruptible => Looks::AlsoAt(object::signal(self.id)),
            Sleep::Uninterruptible => Looks::AtItsObject,
        }
    }

    /// A sleep that a signal could have ended looked for one.
    pub(crate) fn touch_signal(&self) {
        step::touch(object::signal(self.id), Effect::Read);
    }

    /// Would poll or deadline end an interruptible sleep that begins outside a run?
    pub(crate) fn interrupted_outside(&self) -> bool {
        let polled = self.terms.poll.is_some_and(|poll| poll.poll() == Signal::Interrupt);
        if polled {
            self.slot.signalled.set(1);
        }
        polled || self.terms.deadline.is_some()
    }

    /// Outside a run: nobody will end this wait. The machine is dead, and we leave. In a run this is not
    /// reached: there a wait without end is a deadlock, which the engine finds.
    #[cold]
    pub(crate) fn hang(&self, class: WaitClass, object: u64, owner: u32) {
        let task = self.task();
        let owner = self.machine.task_of_owner(owner);
        let (cpu, for_) = (self.id(), Duration::ZERO);
        let waiter = Waiter { cpu, task, class, object, owner, for_ };
        self.machine.poison(Poison::Hang { task, waiters: vec![waiter] });
        abandon(self.machine);
    }
}

impl fmt::Debug for Cpu<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cpu").field("id", &self.id).field("terms", &self.terms).finish()
    }
}

impl Drop for Cpu<'_> {
    fn drop(&mut self) {
        if self.depth.atomic() != 0 {
            self.leave_forgotten_sections();
        }
        if step::in_task() {
            step::record(verb::CPU_PUT, Effect::Write, object::slot(self.id), self.site);
        }
        self.slot.end_lease();
    }
}

impl Cpu<'_> {
    /// A guard was leaked (`mem::forget`): say so, and do not hold up grace periods for ever.
    #[cold]
    fn leave_forgotten_sections(&self) {
        let value = self.depth.atomic().into();
        self.warn(Warn { code: code::LEASE_ENDED_ATOMIC, object: 0, value });
        for marker in self.slot.sections.iter().filter(|marker| marker.get() % 2 == 1) {
            marker.bump();
        }
    }
}
