//! Wait queues: who is queued on which address, in the order of queueing.
//!
//! One list serves all keys: there are no more waiters than tasks. Queueing, leaving and waking are steps
//! on the key, so who is queued when a wake-up comes is part of the history. The list is the machine's, not
//! a task's: an abandoned task leaves only an entry, which [`Machine::reset`](crate::Machine::reset) takes out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pgmap_sched::Object;

pub(crate) use crate::turn::{HowMany, Turn};
use crate::{object, plain_word::PlainWord, slot::Slot};

/// What a waiter is keyed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    address: usize,
}

impl Key {
    pub(crate) fn of<K: ?Sized>(object: &K) -> Self {
        Self { address: core::ptr::from_ref(object).cast::<()>().addr() }
    }

    pub(crate) fn object(self) -> Object {
        object::queue(self.address)
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    slot: usize,
    turn: Turn,
}

#[derive(Debug)]
pub(crate) struct Queues {
    /// Length of `entries`, so that a wake-up without waiters is one look.
    waiters: PlainWord,
    /// Never held across a step.
    entries: Mutex<Vec<Entry>>,
}

impl Queues {
    pub(crate) fn new(cpus: usize) -> Self {
        Self { waiters: PlainWord::new(0), entries: Mutex::new(Vec::with_capacity(cpus)) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `prepare_to_wait`: queues the slot unless it still is, and forgets older wake-ups.
    #[doc(alias = "prepare_to_wait")]
    pub(crate) fn enqueue(&self, key: Key, slot: &Slot, id: usize, turn: Turn) {
        slot.woken.set(0);
        let mut entries = self.lock();
        if !entries.iter().any(|entry| entry.slot == id && entry.key == key) {
            entries.push(Entry { key, slot: id, turn });
            self.waiters.set(entries.len() as u64);
        }
    }

    /// Comes last in the line at `key`, and keeps its place until it leaves or is let go.
    pub(crate) fn join(&self, key: Key, id: usize, turn: Turn) {
        let mut entries = self.lock();
        entries.push(Entry { key, slot: id, turn });
        self.waiters.set(entries.len() as u64);
    }

    pub(crate) fn has(&self, key: Key, id: usize) -> bool {
        self.lock().iter().any(|entry| entry.slot == id && entry.key == key)
    }

    pub(crate) fn is_first(&self, key: Key, id: usize) -> bool {
        self.lock().iter().find(|entry| entry.key == key).is_some_and(|entry| entry.slot == id)
    }

    /// In which turn the first one waits.
    pub(crate) fn first(&self, key: Key) -> Option<Turn> {
        self.lock().iter().find(|entry| entry.key == key).map(|entry| entry.turn)
    }

    /// Whoever waits in this turn leaves the line; tells how many.
    pub(crate) fn let_go(&self, key: Key, turn: Turn) -> u64 {
        let mut entries = self.lock();
        let before = entries.len();
        entries.retain(|entry| entry.key != key || entry.turn != turn);
        self.waiters.set(entries.len() as u64);
        (before - entries.len()) as u64
    }

    /// `finish_wait`; false if no longer queued.
    #[doc(alias = "finish_wait")]
    pub(crate) fn dequeue(&self, key: Key, id: usize) -> bool {
        let mut entries = self.lock();
        let at = entries.iter().position(|entry| entry.slot == id && entry.key == key);
        if let Some(at) = at {
            entries.remove(at);
            self.waiters.set(entries.len() as u64);
        }
        at.is_some()
    }

    /// `waitqueue_active`.
    #[doc(alias = "waitqueue_active")]
    pub(crate) fn any(&self, key: Key) -> bool {
        self.lock().iter().any(|entry| entry.key == key)
    }

    /// Wakes and unqueues (`autoremove_wake_function`), oldest first; tells how many.
    pub(crate) fn wake(&self, slots: &[Slot], key: Key, how_many: HowMany) -> u64 {
        if self.waiters.get() == 0 {
            return 0;
        }
        let mut exclusive_left = match how_many {
            HowMany::One => 1,
            HowMany::All => u32::MAX,
        };
        let mut entries = self.lock();
        entries.retain(|entry| {
            let chosen = entry.key == key && (entry.turn == Turn::Shared || exclusive_left > 0);
            if chosen {
                if entry.turn == Turn::Exclusive {
                    exclusive_left -= 1;
                }
                slots[entry.slot].woken.set(1);
            }
            !chosen
        });
        let left = entries.len() as u64;
        let woken = self.waiters.get() - left;
        self.waiters.set(left);
        woken
    }

    /// Appends who is queued, and how.
    pub(crate) fn write_state(&self, words: &mut Vec<u64>) {
        let entries = self.lock();
        words.push(entries.len() as u64);
        for &Entry { key, slot, turn } in &*entries {
            let exclusive = match turn {
                Turn::Shared => 0,
                Turn::Exclusive => 1,
            };
            words.extend([key.address as u64, slot as u64, exclusive]);
        }
    }

    pub(crate) fn reset(&self) {
        self.lock().clear();
        self.waiters.set(0);
    }
}
