//! The floors: words with lines of their own, and the loops that do only what cannot be avoided.
//!
//! `std` atomics, not ours: a floor must not get slower when `prim` does.

use std::sync::atomic::{
    AtomicI32, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

use pgmap_prim::measure::opaque;

/// Alone on its pair of cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) T);

/// A thread's own counter and a shared one.
#[derive(Debug, Default)]
pub(super) struct Counters {
    own: Padded<AtomicU64>,
    shared: Padded<AtomicU64>,
}

impl Counters {
    /// Increment, decrement: plain loads and stores, the least a count can cost. The address is hidden once:
    /// a fresh copy of it in each turn keeps some cores from forwarding the store to the next load at once, but
    /// only now and then, and a floor that is six times slower now and then is none.
    #[inline(always)]
    pub(super) fn plain_pairs(&self, pairs: u64) {
        let own = opaque(&self.own.0);
        for _ in 0..pairs {
            own.store(own.load(Relaxed).wrapping_add(1), Relaxed);
            own.store(own.load(Relaxed).wrapping_sub(1), Relaxed);
        }
    }

    /// The same in two calls.
    #[inline(always)]
    pub(super) fn called_pairs(&self, pairs: u64) {
        for _ in 0..pairs {
            let own = opaque(&self.own.0);
            add(own, 1);
            add(own, u64::MAX);
        }
    }

    /// The same with locked instructions.
    #[inline(always)]
    pub(super) fn locked_pairs(&self, pairs: u64) {
        for _ in 0..pairs {
            let shared = opaque(&self.shared.0);
            shared.fetch_add(1, SeqCst);
            shared.fetch_sub(1, SeqCst);
        }
    }
}

#[inline(never)]
fn add(word: &AtomicU64, n: u64) {
    word.store(word.load(Relaxed).wrapping_add(n), Relaxed);
}

/// The words of one held page: its count and, for a large folio, its pincount.
#[derive(Debug)]
pub(super) struct HeldPage {
    count: Padded<AtomicI32>,
}

impl Default for HeldPage {
    fn default() -> Self {
        Self { count: Padded(AtomicI32::new(1)) }
    }
}

impl HeldPage {
    /// A compare-and-exchange up, a locked decrement down.
    #[inline(always)]
    pub(super) fn cas_and_dec(&self, pairs: u64) {
        for _ in 0..pairs {
            let count = opaque(&self.count.0);
            let seen = count.load(Relaxed);
            let _ = count.compare_exchange(seen, seen.wrapping_add(1), SeqCst, Relaxed);
            count.fetch_sub(1, SeqCst);
        }
    }

    /// The atomics of pinning a small page: the reference, its upgrade to a pin, and the unpin.
    #[inline(always)]
    pub(super) fn pin_and_unpin(&self, pairs: u64) {
        const BIAS: i32 = 1024;
        for _ in 0..pairs {
            let count = opaque(&self.count.0);
            let seen = count.load(Relaxed);
            let _ = count.compare_exchange(seen, seen.wrapping_add(1), SeqCst, Relaxed);
            count.fetch_add(BIAS - 1, Relaxed);
            count.fetch_sub(BIAS, SeqCst);
        }
    }
}

/// Words of one page, laid out as `mm` lays them out.
#[derive(Debug, Default)]
#[repr(align(32))]
pub(super) struct PageWords([AtomicU32; 8]);

const COUNT: usize = 0;
const MAPCOUNT: usize = 1;
const FLAGS: usize = 2;
const HEAD: usize = 3;

/// A memmap with nothing behind it.
#[derive(Debug)]
pub(super) struct PageArray(Vec<PageWords>);

impl PageArray {
    /// `pages` pages, all touched.
    pub(super) fn new(pages: usize) -> Self {
        let array = Self((0..pages).map(|_| PageWords::default()).collect());
        array.claim_and_write(0..pages);
        array
    }

    /// Reads of every page the words that say whether it is free, writes the words that make it a tail,
    /// and stops at the first that is not free. What building a folio comes to if nothing else is asked.
    #[inline(always)]
    pub(super) fn claim_and_write(&self, range: std::ops::Range<usize>) -> bool {
        let Some(pages) = opaque(&self.0).get(range) else { return false };
        let mut free = true;
        for page in pages {
            let PageWords(words) = page;
            free &= words[COUNT].load(Relaxed) | words[HEAD].load(Relaxed) & 1 == 0;
            words[HEAD].store(2, Relaxed);
            words[FLAGS].store(0, Relaxed);
            words[MAPCOUNT].store(0, Relaxed);
        }
        free
    }

    /// One compare-and-exchange, 0 to 1, on the count of each page.
    #[inline(always)]
    pub(super) fn cas_each(&self, range: std::ops::Range<usize>) {
        let Some(pages) = opaque(&self.0).get(range) else { return };
        for page in pages {
            let _ = opaque(&page.0[COUNT]).compare_exchange(0, 1, SeqCst, Relaxed);
        }
    }

    /// All counts back to zero.
    pub(super) fn release(&self) {
        self.0.iter().for_each(|page| page.0[COUNT].store(0, Relaxed));
    }
}
