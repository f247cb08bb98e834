//! A slot's state word, and the slot itself.
//!
//! # The word
//! Everything that decides whether a task runs is one 64-bit word, so that there is no window
//! between "asleep", "woken", "signalled" and "whose lease is this":
//!
//! | bits | name | set by | cleared by |
//! |---|---|---|---|
//! | 0–1 | state: idle, running, asleep | lease/owner/waker | |
//! | 2, 3 | `WOKEN` for nesting level 0, 1 | waker, under its queue's lock | owner, under the same lock |
//! | 4 | `SIGNAL` pending | anybody | end of the lease |
//! | 5 | `INTERRUPTIBLE`: the sleep ends on a signal | owner, going to sleep | whoever ends the sleep |
//! | 6 | `NESTED`: asleep at level 1 | owner, going to sleep | whoever ends the sleep |
//! | 8– | epoch | +1 at every change of state | |
//!
//! Level 0 is a wait for an event; level 1 is a lock taken inside that wait's condition. They wake
//! independently: a wake for the event must not be eaten by the lock's sleep, nor end it.
//!
//! Only the owner leaves Running, and only for Asleep or Idle. Anybody may end a sleep, and does so
//! *before* its own call returns: that is what makes [`Machine::all_passive_twice`] sound.
//!
//! Every transition is a full RMW, except the end of a lease, a release store that pairs with the
//! full RMW of the next lease.
//!
//! [`Machine::all_passive_twice`]: crate::Machine::all_passive_twice

use core::sync::atomic::AtomicPtr;
use std::time::Instant;

use crate::{
    AtomicU32, AtomicU64,
    inquiry::Inquiry,
    waiting::{Sleep, WaitClass},
    watch::SlotState,
};

const STATE: u64 = 0b11;
const IDLE: u64 = 0;
const RUNNING: u64 = 1;
const ASLEEP: u64 = 2;
const WOKEN: u64 = 1 << 2;
const SIGNAL: u64 = 1 << 4;
const INTERRUPTIBLE: u64 = 1 << 5;
const NESTED: u64 = 1 << 6;
const EPOCH: u64 = 1 << 8;

/// Nesting of a wait: the event itself, or a lock taken inside its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Event,
    Nested,
}

impl Level {
    fn woken(self) -> u64 {
        match self {
            Self::Event => WOKEN,
            Self::Nested => WOKEN << 1,
        }
    }

    fn asleep_flag(self) -> u64 {
        match self {
            Self::Event => 0,
            Self::Nested => NESTED,
        }
    }
}

/// Why a task may not sleep, or no longer sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awake {
    Woken,
    Signalled,
}

#[derive(Debug, Default)]
pub(crate) struct StateWord(AtomicU64);

impl StateWord {
    pub(crate) fn read(&self) -> StateSnapshot {
        StateSnapshot(self.0.read_acquire())
    }

    /// Idle → Running. The full RMW pairs with the release store of [`end_lease`](Self::end_lease).
    #[inline(always)]
    pub(crate) fn try_lease(&self) -> bool {
        let word = self.0.read();
        word & STATE == IDLE && self.0.cmpxchg(word, next_epoch(word) | RUNNING).is_ok()
    }

    /// Running → Idle. A racing [`signal`](Self::signal) is lost with the lease it was meant for.
    #[inline(always)]
    pub(crate) fn end_lease(&self) {
        self.0.set_release(next_epoch(self.0.read()) | IDLE);
    }

    /// Before queueing for a wake-up: forgets older ones. Caller holds the queue's lock.
    pub(crate) fn forget_wake(&self, level: Level) {
        self.0.and(!level.woken());
    }

    pub(crate) fn was_woken(&self, level: Level) -> bool {
        self.0.read_acquire() & level.woken() != 0
    }

    pub(crate) fn is_signalled(&self) -> bool {
        self.0.read() & SIGNAL != 0
    }

    /// Running → Asleep, unless there already is a reason not to.
    pub(crate) fn fall_asleep(&self, level: Level, sleep: Sleep) -> Result<(), Awake> {
        self.update(|word| {
            if word & level.woken() != 0 {
                return Err(Awake::Woken);
            }
            let interruptible = match sleep {
                Sleep::Interruptible if word & SIGNAL != 0 => return Err(Awake::Signalled),
                Sleep::Interruptible => INTERRUPTIBLE,
                Sleep::Uninterruptible => 0,
            };
            let kept = next_epoch(word) | word & (WOKEN | WOKEN << 1 | SIGNAL);
            Ok(kept | ASLEEP | interruptible | level.asleep_flag())
        })
        .map(drop)
    }

    /// Delivers a wake-up to `level`; ends the sleep if the task sleeps there.
    pub(crate) fn wake(&self, level: Level) {
        let _ = self.update(|word| {
            let here = word & (STATE | NESTED) == ASLEEP | level.asleep_flag();
            Ok::<_, ()>(if here { running(word) } else { word } | level.woken())
        });
    }

    /// Marks the signal pending for the lease seen in `seen`; ends an interruptible sleep.
    /// False if the word moved meanwhile: look again.
    pub(crate) fn signal(&self, seen: StateSnapshot) -> bool {
        let word = seen.0;
        let asleep = word & INTERRUPTIBLE != 0;
        self.0.cmpxchg(word, if asleep { running(word) } else { word } | SIGNAL).is_ok()
    }

    /// The owner marks its own signal pending; a sleep in progress is not ended.
    pub(crate) fn signal_self(&self) {
        self.0.or(SIGNAL);
    }

    /// The owner ends its own sleep, if nobody else did.
    pub(crate) fn rouse(&self) {
        let _ =
            self.update(|word| if word & STATE == ASLEEP { Ok(running(word)) } else { Err(()) });
    }

    fn update<E>(&self, next: impl Fn(u64) -> Result<u64, E>) -> Result<u64, E> {
        let mut word = self.0.read();
        loop {
            match self.0.cmpxchg(word, next(word)?) {
                Ok(old) => return Ok(old),
                Err(found) => word = found,
            }
        }
    }

    /// What threads park on.
    fn park_key(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
}

/// The word with its epoch advanced and everything else cleared.
#[inline(always)]
fn next_epoch(word: u64) -> u64 {
    (word & !(EPOCH - 1)).wrapping_add(EPOCH)
}

fn running(word: u64) -> u64 {
    next_epoch(word) | word & (WOKEN | WOKEN << 1 | SIGNAL) | RUNNING
}

/// One reading of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateSnapshot(u64);

impl StateSnapshot {
    pub(crate) fn state(self) -> SlotState {
        match self.0 & STATE {
            IDLE => SlotState::Idle,
            RUNNING => SlotState::Running,
            _ => SlotState::Asleep,
        }
    }

    pub(crate) fn epoch(self) -> u64 {
        self.0 / EPOCH
    }
}

/// How a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Asleep, until it is woken. A task that is Running has been, whatever its record says.
    Asleep,
    /// Running, and looking again and again.
    Busily,
}

/// What a task waits for, for the watchdog. A seqlock: the owner writes, anybody reads; `seq` is odd
/// while the fields change.
#[derive(Debug, Default)]
pub(crate) struct WaitRecord {
    seq: AtomicU32,
    owner: AtomicU32,
    /// 1 for [`Manner::Busily`].
    busily: AtomicU32,
    object: AtomicU64,
    /// Nanoseconds since the machine started.
    since: AtomicU64,
    class: AtomicPtr<WaitClass>,
}

/// The contents of a [`WaitRecord`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    pub(crate) class: &'static WaitClass,
    pub(crate) object: u64,
    pub(crate) owner: u32,
    pub(crate) since: u64,
    pub(crate) manner: Manner,
}

impl WaitRecord {
    /// Single writer: the slot's owner.
    pub(crate) fn publish(&self, record: Option<Published>) {
        use core::sync::atomic::Ordering::Relaxed;
        self.seq.set(self.seq.read().wrapping_add(1));
        // Pairs with the reader's smp_rmb: who saw a new field sees an odd or newer `seq`.
        crate::smp_wmb();
        let class = record.map_or(core::ptr::null(), |r| core::ptr::from_ref(r.class));
        self.class.store(class.cast_mut(), Relaxed);
        if let Some(r) = record {
            self.object.set(r.object);
            self.owner.set(r.owner);
            self.since.set(r.since);
            self.busily.set(u32::from(r.manner == Manner::Busily));
        }
        // Pairs with the reader's first read_acquire.
        self.seq.set_release(self.seq.read().wrapping_add(1));
    }

    /// The owner learns who holds what it waits for. One word, so no need to announce it.
    pub(crate) fn set_owner(&self, owner: u32) {
        self.owner.set(owner);
    }

    /// None when the task is not waiting.
    pub(crate) fn read(&self) -> Option<Published> {
        use core::sync::atomic::Ordering::Relaxed;
        loop {
            let seq = self.seq.read_acquire();
            let class = self.class.load(Relaxed);
            let (object, owner, since) = (self.object.read(), self.owner.read(), self.since.read());
            let manner = if self.busily.read() == 0 { Manner::Asleep } else { Manner::Busily };
            crate::smp_rmb();
            if seq.is_multiple_of(2) && self.seq.read() == seq {
                // SAFETY: null, or stored from a `&'static WaitClass` by `publish`.
                let class = unsafe { class.as_ref() }?;
                return Some(Published { class, object, owner, since, manner });
            }
            std::thread::yield_now();
        }
    }
}

/// Marker of one kind of read-side section: odd inside, even outside. Only the slot's owner writes.
pub(crate) type Marker = AtomicU64;

pub(crate) const NO_TASK: u32 = u32::MAX;
pub(crate) const TALLIES: usize = 64;

/// One CPU. Aligned so that no two share a cache line or an adjacent-line prefetch pair.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Slot {
    pub(crate) word: StateWord,
    pub(crate) rcu: Marker,
    /// RCU too, but 1 inside and 0 outside: see [`Cpu::rcu_read_leaf`](crate::Cpu::rcu_read_leaf).
    pub(crate) leaf: Marker,
    pub(crate) irq: Marker,
    pub(crate) access: Marker,
    /// `NO_TASK` whenever the slot is idle, so that a stale reading never names the wrong task.
    pub(crate) task: AtomicU32,
    pub(crate) record: WaitRecord,
    pub(crate) inquiry: Inquiry,
    pub(crate) tallies: [AtomicU64; TALLIES],
}

impl Slot {
    /// Parks the thread that leases this slot for as long as `stay` holds, at most until `until`. `stay` may only
    /// read atomics: it runs under a lock of the parking lot.
    pub(crate) fn park(&self, stay: impl Fn() -> bool, until: Instant) {
        // SAFETY: the key is the address of this slot's word, which outlives the lease, and nobody parks on it but
        // here, the thread that leases it. `stay` reads atomics, `before_sleep` and `timed_out` do nothing; none of
        // them panics or calls into the parking lot.
        unsafe {
            parking_lot_core::park(
                self.word.park_key(),
                stay,
                || {},
                |_, _| {},
                parking_lot_core::DEFAULT_PARK_TOKEN,
                Some(until),
            );
        }
    }

    /// Ends the parking of this slot's thread, if it is parked; it then looks at its word and at poison.
    pub(crate) fn unpark(&self) {
        // SAFETY: the key is an address that only `park` above parks on.
        unsafe {
            parking_lot_core::unpark_all(
                self.word.park_key(),
                parking_lot_core::DEFAULT_UNPARK_TOKEN,
            );
        }
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            word: StateWord::default(),
            rcu: Marker::default(),
            leaf: Marker::default(),
            irq: Marker::default(),
            access: Marker::default(),
            task: AtomicU32::new(NO_TASK),
            record: WaitRecord::default(),
            inquiry: Inquiry::default(),
            tallies: [const { AtomicU64::new(0) }; TALLIES],
        }
    }
}
