//! Hashed wait queues (`kernel/sched/wait_bit.c`): who is queued on which address.
//!
//! Queues belong to the machine, not to the arena, so an object needs no memory for its waiters and
//! restoring the arena disturbs nobody. An entry names a slot; the slot's state word says the rest.
//!
//! Lock order: a queue's mutex is innermost; nothing is taken under it. Threads are unparked after
//! it is dropped, but their slots are already Running by then.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use crate::turn::{HowMany, Turn};
use crate::{AtomicU32, slot::Slot, state_word::Level};

const QUEUES: usize = 64;

/// What a waiter is keyed by: an address, and which of the events at that address (a bit number).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    address: usize,
    event: u32,
}

impl Key {
    /// Events that are bits of a word use `1 + bit`, the object itself 0.
    pub(crate) fn of<K: ?Sized>(object: &K) -> Self {
        Self { address: core::ptr::from_ref(object).cast::<()>().addr(), event: 0 }
    }

    pub(crate) fn bit(word: &AtomicU32, bit: u32) -> Self {
        Self { event: 1 + bit, ..Self::of(word) }
    }

    fn queue(self) -> usize {
        // Fibonacci hashing: objects are multiples of their size, the top bits mix them.
        let mixed =
            (self.address as u64 ^ u64::from(self.event)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 58) as usize
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    slot: usize,
    level: Level,
    turn: Turn,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Queue {
    /// Length of `entries`, readable without the mutex: see [`Queues::is_active`].
    waiters: AtomicU32,
    entries: Mutex<Vec<Entry>>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        // Nothing panics while it is held, so a poisoned mutex still guards a whole list.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Queues([Queue; QUEUES]);

impl Default for Queues {
    fn default() -> Self {
        Self(core::array::from_fn(|_| Queue::default()))
    }
}

impl Queues {
    /// `prepare_to_wait`: queues the slot unless it still is. The caller must now execute a full
    /// barrier and test its condition, and only then sleep.
    pub(crate) fn enqueue(&self, key: Key, slot: &Slot, id: usize, level: Level, turn: Turn) {
        let queue = &self.0[key.queue()];
        let mut entries = queue.lock();
        slot.word.forget_wake(level);
        if !entries.iter().any(|e| e.slot == id && e.level == level) {
            entries.push(Entry { key, slot: id, level, turn });
            queue.waiters.inc();
        }
    }

    /// `finish_wait`: afterwards no wake-up reaches the slot from this queue.
    pub(crate) fn dequeue(&self, key: Key, id: usize, level: Level) {
        let queue = &self.0[key.queue()];
        let mut entries = queue.lock();
        if let Some(at) = entries.iter().position(|e| e.slot == id && e.level == level) {
            entries.remove(at);
            queue.waiters.dec();
        }
    }

    /// `waitqueue_active`. Means something only after a full barrier that follows the change which
    /// waiters wait for; it pairs with the full barrier between a waiter's `enqueue` and its test of
    /// the condition. One of the two then sees the other: no wake-up is lost.
    #[inline(always)]
    pub(crate) fn is_active(&self, key: Key) -> bool {
        self.0[key.queue()].waiters.read() != 0
    }

    /// Everything about the line at `key`, in one piece: who waits there in the order of arrival and keeps its
    /// place until it has what it waits for. Who was woken is unparked afterwards.
    pub(crate) fn line<R>(
        &self,
        slots: &[Slot],
        key: Key,
        body: impl FnOnce(&mut Line<'_>) -> R,
    ) -> R {
        let queue = &self.0[key.queue()];
        let entries = queue.lock();
        let mut line = Line { queue, entries, key, slots, woken: Vec::new() };
        let result = body(&mut line);
        let Line { entries, woken, .. } = line;
        drop(entries);
        for id in woken {
            slots[id].unpark();
        }
        result
    }

    /// Wakes and unqueues (`autoremove_wake_function`), oldest first, then unparks.
    pub(crate) fn wake(&self, slots: &[Slot], key: Key, how_many: HowMany) {
        let queue = &self.0[key.queue()];
        let mut exclusive_left = match how_many {
            HowMany::One => 1,
            HowMany::All => u32::MAX,
        };
        let mut unpark = Vec::new();
        let mut entries = queue.lock();
        entries.retain(|entry| {
            let chosen = entry.key == key && (entry.turn == Turn::Shared || exclusive_left > 0);
            if chosen {
                if entry.turn == Turn::Exclusive {
                    exclusive_left -= 1;
                }
                slots[entry.slot].word.wake(entry.level);
                unpark.push(entry.slot);
                queue.waiters.dec();
            }
            !chosen
        });
        drop(entries);
        for id in unpark {
            slots[id].unpark();
        }
    }
}

/// See [`Queues::line`].
pub(crate) struct Line<'a> {
    queue: &'a Queue,
    entries: MutexGuard<'a, Vec<Entry>>,
    key: Key,
    slots: &'a [Slot],
    woken: Vec<usize>,
}

impl Line<'_> {
    fn places(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.key == self.key)
    }

    /// Comes last.
    pub(crate) fn join(&mut self, id: usize, level: Level, turn: Turn) {
        self.entries.push(Entry { key: self.key, slot: id, level, turn });
        self.queue.waiters.inc();
    }

    /// False if it was not in line.
    pub(crate) fn leave(&mut self, id: usize, level: Level) -> bool {
        let at = self.entries.iter().position(|e| e.slot == id && e.level == level);
        if let Some(at) = at {
            self.entries.remove(at);
            self.queue.waiters.dec();
        }
        at.is_some()
    }

    pub(crate) fn has(&self, id: usize, level: Level) -> bool {
        self.places().any(|e| e.slot == id && e.level == level)
    }

    pub(crate) fn is_first(&self, id: usize, level: Level) -> bool {
        self.places().next().is_some_and(|e| e.slot == id && e.level == level)
    }

    /// In which turn the first one waits.
    pub(crate) fn first(&self) -> Option<Turn> {
        self.places().next().map(|entry| entry.turn)
    }

    pub(crate) fn count(&self, turn: Turn) -> u64 {
        self.places().filter(|entry| entry.turn == turn).count() as u64
    }

    /// The first one is woken, and keeps its place.
    pub(crate) fn wake_first(&mut self) {
        let first = self.places().next().copied();
        if let Some(Entry { slot, level, .. }) = first {
            self.slots[slot].word.wake(level);
            self.woken.push(slot);
        }
    }

    /// Whoever waits in this turn leaves the line and is woken.
    pub(crate) fn let_go(&mut self, turn: Turn) {
        let Self { queue, entries, key, slots, woken } = self;
        entries.retain(|entry| {
            let goes = entry.key == *key && entry.turn == turn;
            if goes {
                slots[entry.slot].word.wake(entry.level);
                woken.push(entry.slot);
                queue.waiters.dec();
            }
            !goes
        });
    }
}
