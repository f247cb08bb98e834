//! A slot's state word.
//!
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

use crate::{AtomicU64, waiting::Sleep};

const STATE: u64 = 0b11;
const IDLE: u64 = 0;
const RUNNING: u64 = 1;
const ASLEEP: u64 = 2;
const WOKEN: u64 = 1 << 2;
const SIGNAL: u64 = 1 << 4;
const INTERRUPTIBLE: u64 = 1 << 5;
const NESTED: u64 = 1 << 6;
const EPOCH: u64 = 1 << 8;

/// What a CPU slot is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotState {
    /// Not leased.
    Idle,
    /// Leased, and runs or will run without anybody's help.
    Running,
    /// Leased, and waits for another task.
    Asleep,
}

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
    pub(crate) fn park_key(&self) -> usize {
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
