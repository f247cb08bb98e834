//! Bits of a word, and words that are locks (`include/linux/bitops.h`, `bit_spinlock.h`).
//!
//! Taking is half of it: whoever waits for a bit announces the step when it can be taken (`lock/bit.rs`, `bit_spin.rs`),
//! and what is here then only does it. Acquire and release are no orderings of this face, which runs one task at a
//! time; they pair as natively.

use core::{
    panic::Location,
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};

use pgmap_sched as sched;

use crate::{AtomicU32, edits::left_out, in_use, step::Site, verb};

impl AtomicU32 {
    /// Sets one bit; true iff it was set before.
    #[must_use = "true means that somebody else owns the bit"]
    #[inline]
    #[track_caller]
    pub fn test_and_set_bit(&self, bit: u32) -> bool {
        let site = Location::caller();
        let set = match left_out("test_and_set_bit", site) {
            true => self.read(),
            false => self.with_bits(verb::TEST_AND_SET_BIT, site, 1 << bit),
        };
        set & (1 << bit) != 0
    }

    /// Clears one bit.
    #[inline]
    #[track_caller]
    pub fn clear_bit_unlock(&self, bit: u32) {
        let site = Location::caller();
        if !left_out("clear_bit_unlock", site) {
            self.in_bits(verb::CLEAR_BIT_UNLOCK, site, !(1 << bit));
        }
    }

    /// Is the bit clear? No step: for asking while one waits.
    #[inline]
    pub(crate) fn bit_is_clear(&self, bit: u32) -> bool {
        self.0.load(Relaxed) & (1 << bit) == 0
    }

    /// Sets one bit if it is clear; true iff it was. The step is the caller's.
    #[inline]
    pub(crate) fn take_bit(&self, bit: u32) -> bool {
        in_use::mark(self.address(), size_of::<u32>());
        self.0.fetch_or(1 << bit, Acquire) & (1 << bit) == 0
    }

    /// Stores `me` if the word is 0; true iff it was. The step is the caller's.
    #[inline]
    pub(crate) fn take_word(&self, me: u32) -> bool {
        in_use::mark(self.address(), size_of::<u32>());
        let taken = self.0.compare_exchange(0, me, Acquire, Relaxed).is_ok();
        if taken {
            sched::value(0, me.into());
        }
        taken
    }

    /// Stores 0.
    #[inline]
    pub(crate) fn give_word(&self, site: Site) {
        self.locked(verb::BIT_SPIN_UNLOCK, site, |word| (word.swap(0, Release), 0));
    }

    /// Clears one bit; true iff it was set.
    #[inline]
    pub(crate) fn give_bit(&self, bit: u32, site: Site) -> bool {
        self.in_bits(verb::BIT_UNLOCK, site, !(1 << bit)) & (1 << bit) != 0
    }
}
