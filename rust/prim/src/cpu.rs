//! A leased CPU: the identity under which an operation runs.
//!
//! Linux: `smp_processor_id`, `this_cpu_add`, `might_sleep`, and the fact that a running CPU caches
//! translations. Every function of the protocol takes `cpu: &Cpu`. What its read-side sections are is in
//! [`guard`](crate::guard).

use core::{cell::Cell, fmt, marker::PhantomData, time::Duration};
use std::time::Instant;

use crate::{
    AtomicUsize, CpuId, Lease, Machine, Signal, Tally, TaskId, Warn, WarnRecord, code,
    guard::{AccessGuard, Depth, IrqGuard, LeafSection, RcuGuard},
    measure::opaque,
    membarrier::AsymmetricFence,
    poison::{Poison, abandon},
    slot::{NO_TASK, Slot},
    state_word::Level,
    wait_record::{Manner, Published},
    waiting::{WaitClass, Waiting},
};

/// A CPU slot leased to this thread; dropping it gives the slot back. Neither `Send` nor `Sync`:
/// a task does not change threads in the middle of an operation.
pub struct Cpu<'m> {
    pub(crate) machine: &'m Machine,
    pub(crate) slot: &'m Slot,
    id: usize,
    terms: Lease<'m>,
    deadline_at: Cell<Option<Instant>>,
    /// The machine's, where the fast path finds it.
    pub(crate) fence: AsymmetricFence,
    pub(crate) depth: Depth,
    /// Level of waiting: 0 none, 1 for an event, 2 for a lock inside that wait's condition.
    pub(crate) waiting: Cell<u8>,
    turns: Cell<u32>,
    this_thread: PhantomData<*mut ()>,
}

/// Loops look for poison every so many turns, and at the clock every so many.
const TURNS_PER_GLANCE: u32 = 16;
const TURNS_PER_LOOK: u32 = 1024;

static RELAXING: WaitClass = WaitClass::event("cpu_relax");
static RETRYING: WaitClass = WaitClass::event("cond_resched");

impl<'m> Cpu<'m> {
    /// The slot's word must just have been leased by the caller.
    #[inline]
    pub(crate) fn on(machine: &'m Machine, id: usize, terms: Lease<'m>) -> Self {
        debug_assert!(terms.task.0 != NO_TASK, "TaskId(u32::MAX) means that there is no task");
        let slot = &machine.slots[id];
        slot.task.set(terms.task.0);
        Self {
            machine,
            slot,
            id,
            terms,
            deadline_at: Cell::new(None),
            fence: machine.fence,
            depth: Depth::default(),
            waiting: Cell::new(0),
            turns: Cell::new(0),
            this_thread: PhantomData,
        }
    }

    /// `smp_processor_id()`.
    #[inline(always)]
    #[must_use]
    pub fn id(&self) -> CpuId {
        CpuId(self.id)
    }

    /// The task that leases this CPU.
    #[inline(always)]
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.terms.task
    }

    /// The machine that this CPU belongs to.
    #[inline(always)]
    #[must_use]
    pub fn machine(&self) -> &'m Machine {
        self.machine
    }

    /// How this CPU signs lock words and [`Waiting::owner`]: its id plus one, 0 being nobody.
    #[inline(always)]
    #[must_use]
    pub fn owner_word(&self) -> u32 {
        (self.id as u32).wrapping_add(1)
    }

    /// Begins an RCU read-side section; may nest; must not sleep inside.
    #[inline(always)]
    pub fn rcu_read_lock(&self) -> RcuGuard<'_> {
        RcuGuard::enter(self)
    }

    /// Runs `body` as an RCU read-side section. It must be short, must not sleep, and must not contain
    /// another leaf; other sections may be around it and inside it.
    #[inline(always)]
    pub fn rcu_read_leaf<R>(&self, body: impl FnOnce() -> R) -> R {
        self.leaf().run(body)
    }

    /// What [`Self::rcu_read_leaf`] needs of the CPU, for those who run many: it stays in registers.
    #[inline(always)]
    #[must_use]
    pub fn leaf(&self) -> LeafSection<'_> {
        LeafSection::new(&self.slot.leaf, self.fence)
    }

    /// Switches interrupts off: holds up [`sync_irq`](crate::sync_irq) and, as on any kernel since
    /// 4.20, RCU grace periods.
    #[inline(always)]
    pub fn local_irq_save(&self) -> IrqGuard<'_> {
        IrqGuard::enter(self)
    }

    /// Begins an access through this CPU's TLB: holds up [`sync_access`](crate::sync_access).
    #[inline(always)]
    pub fn access_begin(&self) -> AccessGuard<'_> {
        AccessGuard::enter(self)
    }

    #[inline(always)]
    pub(crate) fn spin_lock_taken(&self) {
        self.depth.spin.set(self.depth.spin.get().wrapping_add(1));
    }

    #[inline(always)]
    pub(crate) fn spin_lock_dropped(&self) {
        self.depth.spin.set(self.depth.spin.get().wrapping_sub(1));
    }

    /// `might_sleep()`: warns if the task may not.
    #[inline]
    pub(crate) fn might_sleep(&self, object: u64) {
        let depth = self.depth.preempt_count();
        if depth > 0 {
            self.warn(Warn { code: code::SLEEP_WHILE_ATOMIC, object, value: depth.into() });
        }
        if self.waiting.get() > 0 {
            self.warn(Warn { code: code::NESTED_SLEEP, object, value: 0 });
        }
    }

    /// `this_cpu_add`: a plain load and store, wrapping. `cell` must be this CPU's own: only the
    /// sum over all CPUs, taken after a grace period, means something.
    ///
    /// The address goes through a register of its own. Left to itself the compiler adds at `base + 8 * index`,
    /// and some cores forward a store to the next load of its word without delay only where the address is a
    /// plain register: a get and a put of one word are 4 cycles apart then, and 15 otherwise (measured on a
    /// Xeon of family 6 model 207).
    #[inline(always)]
    pub fn percpu_add(&self, cell: &AtomicUsize, n: usize) {
        let cell = opaque(cell);
        cell.set(cell.read().wrapping_add(n));
    }

    /// Counts one on this CPU.
    ///
    /// # Panics
    /// If the index is 64 or more.
    #[inline(always)]
    pub fn count(&self, tally: Tally) {
        let cell = &self.slot.tallies[usize::from(tally.0)];
        cell.set(cell.read().wrapping_add(1));
    }

    /// `WARN_ON`: records that something impossible happened.
    #[cold]
    pub fn warn(&self, warn: Warn) {
        let record = WarnRecord {
            warn,
            cpu: self.id(),
            task: self.task(),
            beside: self.machine.running_beside(self.id()),
        };
        self.machine.warnings.record(record);
    }

    /// One turn of a busy-wait that another task must end. Gives up the core now and then, and
    /// notices poison, deadline and poll.
    #[inline]
    pub fn relax(&self) {
        crate::cpu_relax();
        if let Some(turn) = self.turn() {
            std::thread::yield_now();
            self.look_out(turn, &RELAXING);
        }
    }

    /// One turn of a loop that retries without waiting for anybody: notices poison, deadline and poll now
    /// and then, so that it ends on a machine that is given up.
    #[inline]
    pub fn cond_resched(&self) {
        if let Some(turn) = self.turn() {
            self.look_out(turn, &RETRYING);
        }
    }

    /// Counts a turn, and tells those in which there is something to do.
    #[inline]
    fn turn(&self) -> Option<u32> {
        let turn = self.turns.get().wrapping_add(1);
        self.turns.set(turn);
        turn.is_multiple_of(TURNS_PER_GLANCE).then_some(turn)
    }

    #[cold]
    fn look_out(&self, turn: u32, class: &'static WaitClass) {
        if self.machine.is_poisoned() {
            abandon(self.machine);
        }
        if turn.is_multiple_of(TURNS_PER_LOOK) {
            self.poll();
            if self.time_left() == Some(Duration::ZERO) {
                let _record = self.publish(Waiting { class, object: 0, owner: 0 }, Manner::Busily);
                self.hang();
            }
        }
    }

    /// Asks the lease's poll; an interrupt becomes a pending signal.
    pub(crate) fn poll(&self) {
        if let Some(poll) = self.terms.poll
            && poll.poll() == Signal::Interrupt
        {
            self.slot.word.signal_self();
        }
    }

    /// `signal_pending(current)`.
    #[must_use]
    pub fn signal_pending(&self) -> bool {
        self.slot.word.is_signalled()
    }

    /// Time until the deadline, whose clock this starts. None: no deadline.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let deadline = self.terms.deadline?;
        let now = Instant::now();
        let at = match self.deadline_at.get() {
            Some(at) => at,
            None => now.checked_add(deadline)?,
        };
        self.deadline_at.set(Some(at));
        Some(at.saturating_duration_since(now))
    }

    /// Whether the lease's poll knows that the sleep in progress will not be ended by anybody.
    pub(crate) fn is_forsaken(&self) -> bool {
        self.terms.poll.is_some_and(|poll| poll.forsaken())
    }

    /// The deadline passed in a wait that a signal may end: whoever leased the CPU is told why.
    #[cold]
    pub(crate) fn expire(&self) {
        if let Some(poll) = self.terms.poll {
            poll.expired(self.machine.waiters());
        }
    }

    /// The deadline passed in a wait that no signal ends: the machine is dead, and we leave.
    #[cold]
    pub(crate) fn hang(&self) {
        let waiters = self.machine.waiters();
        self.machine.poison(Poison::Hang { task: self.task(), waiters });
        abandon(self.machine);
    }

    /// Tells the watchdog what the task waits for, until the result is dropped.
    pub(crate) fn publish(&self, waiting: Waiting, manner: Manner) -> Publication<'_> {
        let outer = self.slot.record.read();
        self.slot.record.publish(Some(Published {
            class: waiting.class,
            object: waiting.object,
            owner: waiting.owner,
            since: self.machine.clock(),
            manner,
        }));
        Publication { slot: self.slot, outer }
    }

    /// The level at which a wait that begins now would be.
    pub(crate) fn next_level(&self) -> Option<Level> {
        match self.waiting.get() {
            0 => Some(Level::Event),
            1 => Some(Level::Nested),
            _ => None,
        }
    }
}

impl fmt::Debug for Cpu<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cpu").field("id", &self.id).field("terms", &self.terms).finish()
    }
}

impl Drop for Cpu<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.depth.preempt_count() != 0 {
            self.leave_forgotten_sections();
        }
        self.slot.task.set(NO_TASK);
        self.slot.word.end_lease();
    }
}

impl Cpu<'_> {
    /// A guard was leaked (`mem::forget`): say so, and do not hold up grace periods for ever.
    #[cold]
    fn leave_forgotten_sections(&self) {
        let value = self.depth.preempt_count().into();
        self.warn(Warn { code: code::LEASE_ENDED_ATOMIC, object: 0, value });
        for marker in [&self.slot.rcu, &self.slot.irq, &self.slot.access] {
            if marker.read() % 2 == 1 {
                marker.set_release(marker.read().wrapping_add(1));
            }
        }
    }
}

/// Takes back what [`Cpu::publish`] said.
pub(crate) struct Publication<'a> {
    slot: &'a Slot,
    outer: Option<Published>,
}

impl Drop for Publication<'_> {
    fn drop(&mut self) {
        self.slot.record.publish(self.outer);
    }
}
