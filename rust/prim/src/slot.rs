//! A CPU slot: its state word, what its task waits for, its markers and tallies, and the parking of its thread.

use std::time::Instant;

use crate::{
    AtomicU32, AtomicU64, inquiry::Inquiry, state_word::StateWord, wait_record::WaitRecord,
};

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
