//! Allocators of the usual shapes, to set `pgmap_alloc_folios` beside: what somebody would write who had to hand out pages
//! of a device and had nothing.
//!
//! | peer | shape |
//! |---|---|
//! | [`Buddy`] | a lock; free blocks of each order by their first page, buddies joined when both are free |
//! | [`Bitmap`] | a lock; a bit for each page, found by looking from where the last one was |
//! | [`Counters`] | no lock; a count of free pages for each 512, and bits below it (LLFree's two levels) |
//!
//! They choose the place themselves, where `pgmap_alloc_folios` is told it; and they make no page a folio. So each does
//! less of one thing and more of another, which is to be known before their times are looked at.

use std::collections::BTreeSet;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::sync::{Mutex, PoisonError};

/// The largest block, as an order: 2 MiB.
pub(super) const HUGE: u32 = 9;
/// Its pages.
pub(super) const PAGES: usize = 1 << HUGE;
const WORDS: usize = PAGES / 64;

/// Hands out naturally aligned blocks of one page or of 512.
pub(super) trait Peer: Send + Sync + 'static {
    const NAME: &'static str;

    /// Over so many blocks of 512 free pages.
    fn new(blocks: usize) -> Self;

    /// The first page of a block of this order: 0 or [`HUGE`].
    fn alloc(&self, order: u32) -> Option<usize>;

    fn free(&self, page: usize, order: u32);
}

/// See the module.
pub(super) struct Buddy(Mutex<[BTreeSet<usize>; HUGE as usize + 1]>);

impl Peer for Buddy {
    const NAME: &'static str = "a locked buddy";

    fn new(blocks: usize) -> Self {
        let mut free: [BTreeSet<usize>; HUGE as usize + 1] = Default::default();
        free[HUGE as usize] = (0..blocks).map(|block| block * PAGES).collect();
        Self(Mutex::new(free))
    }

    fn alloc(&self, order: u32) -> Option<usize> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = (order..=HUGE).find(|&order| !free[order as usize].is_empty())?;
        let page = free[from as usize].pop_first()?;
        // The upper halves of what was too large.
        for half in order..from {
            free[half as usize].insert(page + (1 << half));
        }
        Some(page)
    }

    fn free(&self, page: usize, order: u32) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut page, mut order) = (page, order);
        while order < HUGE && free[order as usize].remove(&(page ^ (1 << order))) {
            page &= !(1 << order);
            order += 1;
        }
        free[order as usize].insert(page);
    }
}

/// See the module.
pub(super) struct Bitmap(Mutex<Bits>);

struct Bits {
    /// A bit is 1 while its page is handed out.
    words: Vec<u64>,
    /// Where to look first.
    next: usize,
}

impl Peer for Bitmap {
    const NAME: &'static str = "a locked bitmap";

    fn new(blocks: usize) -> Self {
        Self(Mutex::new(Bits { words: vec![0; blocks * WORDS], next: 0 }))
    }

    fn alloc(&self, order: u32) -> Option<usize> {
        let bits = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let step = if order == 0 { 1 } else { WORDS };
        let places = bits.words.len() / step;
        let first = bits.next / step;
        for place in (0..places).map(|at| (first + at) % places * step) {
            let words = &mut bits.words[place..place + step];
            let free =
                if order == 0 { words[0] != u64::MAX } else { words.iter().all(|&it| it == 0) };
            if free {
                bits.next = place;
                let bit = words[0].trailing_ones();
                if order == 0 {
                    words[0] |= 1 << bit;
                } else {
                    words.fill(u64::MAX);
                }
                return Some(place * 64 + bit as usize);
            }
        }
        None
    }

    fn free(&self, page: usize, order: u32) {
        let bits = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if order == 0 {
            bits.words[page / 64] &= !(1 << (page % 64));
        } else {
            bits.words[page / 64..page / 64 + WORDS].fill(0);
        }
    }
}

/// See the module.
pub(super) struct Counters {
    /// Free pages of each block.
    free: Vec<AtomicU32>,
    /// A bit is 1 while its page is handed out by itself.
    bits: Vec<AtomicU64>,
    /// The block that single pages come from.
    next: AtomicU32,
}

impl Counters {
    /// Takes so many pages of a block off its count, if it has them: all of them, or one.
    fn reserve(&self, block: usize, pages: u32) -> bool {
        let less = |free: u32| match pages {
            1 => free.checked_sub(1),
            all => (free == all).then_some(0),
        };
        self.free[block].fetch_update(AcqRel, Acquire, less).is_ok()
    }

    /// A page of a block whose count says that there is one for us.
    fn claim(&self, block: usize) -> usize {
        loop {
            for word in block * WORDS..(block + 1) * WORDS {
                let take = |bits: u64| (bits != u64::MAX).then(|| bits | 1 << bits.trailing_ones());
                if let Ok(bits) = self.bits[word].fetch_update(AcqRel, Acquire, take) {
                    return word * 64 + bits.trailing_ones() as usize;
                }
            }
        }
    }
}

impl Peer for Counters {
    const NAME: &'static str = "two levels of counters";

    fn new(blocks: usize) -> Self {
        Self {
            free: (0..blocks).map(|_| AtomicU32::new(PAGES as u32)).collect(),
            bits: (0..blocks * WORDS).map(|_| AtomicU64::new(0)).collect(),
            next: AtomicU32::new(0),
        }
    }

    fn alloc(&self, order: u32) -> Option<usize> {
        let (blocks, first) = (self.free.len(), self.next.load(Relaxed) as usize);
        let mut places = (0..blocks).map(|at| (first + at) % blocks);
        let block = places.find(|&block| self.reserve(block, 1 << order))?;
        if first != block {
            self.next.store(block as u32, Relaxed);
        }
        Some(if order == 0 { self.claim(block) } else { block * PAGES })
    }

    fn free(&self, page: usize, order: u32) {
        if order == 0 {
            self.bits[page / 64].fetch_and(!(1 << (page % 64)), AcqRel);
        }
        // After the bit: whoever is told that there is a page finds one.
        self.free[page / PAGES].fetch_add(1 << order, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS: usize = 4;

    /// Fills, frees and joins again, whatever the order.
    fn hands_out_each_page_once<P: Peer>() {
        let peer = P::new(BLOCKS);
        let mut pages: Vec<_> = std::iter::from_fn(|| peer.alloc(0)).collect();
        pages.sort_unstable();
        assert!(pages.iter().copied().eq(0..BLOCKS * PAGES), "{}", P::NAME);
        // A block with a page out is none.
        pages.iter().skip(1).rev().for_each(|&page| peer.free(page, 0));
        let mut huge: Vec<_> = std::iter::from_fn(|| peer.alloc(HUGE)).collect();
        huge.sort_unstable();
        assert_eq!(huge, [512, 1024, 1536], "{}", P::NAME);
        huge.iter().for_each(|&page| peer.free(page, HUGE));
        peer.free(0, 0);
        assert_eq!(std::iter::from_fn(|| peer.alloc(HUGE)).count(), BLOCKS, "{}", P::NAME);
        assert_eq!(peer.alloc(0), None, "{}", P::NAME);
    }

    #[test]
    fn every_peer_hands_out_each_page_once_and_whole_blocks_when_they_are_whole() {
        hands_out_each_page_once::<Buddy>();
        hands_out_each_page_once::<Bitmap>();
        hands_out_each_page_once::<Counters>();
    }

    fn no_page_is_two_threads<P: Peer>() {
        let peer = &P::new(BLOCKS);
        let out: &Vec<AtomicU32> = &(0..BLOCKS * PAGES).map(|_| AtomicU32::new(0)).collect();
        std::thread::scope(|scope| {
            for order in [0, 0, HUGE] {
                scope.spawn(move || {
                    for _ in 0..500 {
                        let Some(page) = peer.alloc(order) else { continue };
                        let pages = &out[page..page + (1 << order)];
                        assert!(pages.iter().all(|page| page.fetch_add(1, AcqRel) == 0));
                        pages.iter().for_each(|page| page.store(0, Relaxed));
                        peer.free(page, order);
                    }
                });
            }
        });
    }

    #[test]
    fn no_page_is_two_threads_at_once() {
        no_page_is_two_threads::<Buddy>();
        no_page_is_two_threads::<Bitmap>();
        no_page_is_two_threads::<Counters>();
    }
}
