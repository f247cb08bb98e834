//! Ordinary memory: what a private mapping copies into, and what anonymous mappings have (`mm/page_alloc.c`, as far as
//! that needs).
//!
//! A folio is taken with the count one, which is its taker's, and comes back when its last reference goes, taken apart
//! into pages: a free page is no tail of anything. Departure: no zones, no lists by order, no per-CPU lists; one lock and
//! a bit for each page.

use prim::{Arena, Cpu, Guarded, LockClass, NoMemory, SpinLock, Table, plain};
use program::Geometry;

use crate::lock_order;
use crate::page::{Folio, Head, Hold, Memmap, Order, Owner, Pfn, Span};

/// Pages of ordinary memory a machine has, at least and at most.
const LEAST: u32 = 64;
const MOST: u32 = 2048;

plain! {
    /// A set bit is a page in use.
    #[derive(Clone, Copy, Debug)]
    pub struct InUse {
        words: [u64; (MOST / u64::BITS) as usize],
    }
}

impl InUse {
    /// Whether one of these pages is, counted from the first.
    fn any(&self, pages: core::ops::Range<u32>) -> bool {
        Self::parts(pages).any(|(word, bits)| self.words[word] & bits != 0)
    }

    fn set(&mut self, pages: core::ops::Range<u32>) {
        Self::parts(pages).for_each(|(word, bits)| self.words[word] |= bits);
    }

    fn clear(&mut self, pages: core::ops::Range<u32>) {
        Self::parts(pages).for_each(|(word, bits)| self.words[word] &= !bits);
    }

    /// The words that pages lie in, and their bits in each.
    fn parts(pages: core::ops::Range<u32>) -> impl Iterator<Item = (usize, u64)> {
        let mut at = pages.start;
        core::iter::from_fn(move || {
            let left = pages.end.checked_sub(at).filter(|left| *left > 0)?;
            let (word, bit) = (at / u64::BITS, at % u64::BITS);
            let here = left.min(u64::BITS - bit);
            at += here;
            Some((word as usize, (u64::MAX >> (u64::BITS - here)) << bit))
        })
    }
}

impl Guarded for InUse {
    const CLASS: LockClass = lock_order::ZONE_LOCK;
}

/// The pages, and which of them are in use.
#[derive(Debug)]
pub struct Ram {
    span: Span,
    used: Table<SpinLock<InUse>>,
}

impl Ram {
    /// How many pages there are: each process may have copied nearly each page that it can map of one file, and of huge
    /// ones there are a few.
    #[must_use]
    pub fn pages_of(geometry: &Geometry) -> u32 {
        (4 * geometry.pmd_pages()).clamp(LEAST, MOST).min(geometry.file_pages_max)
    }

    /// None of `span` is in use.
    ///
    /// # Errors
    /// [`NoMemory`] when the arena is full.
    pub fn new(arena: &Arena, span: Span) -> Result<Self, NoMemory> {
        Ok(Self { span, used: arena.table("ordinary memory", 1)? })
    }

    /// Where it begins: what lies below are frames of devices.
    #[must_use]
    pub fn first(&self) -> Pfn {
        self.span.start
    }

    /// Whether a frame is ordinary memory, and so what it holds is no file's (`PageAnon`).
    #[inline]
    #[must_use]
    pub fn contains(&self, pfn: Pfn) -> bool {
        self.span.contains(pfn)
    }

    /// `folio_alloc`: a folio of the caller's, with whatever was in its pages.
    #[doc(alias = "folio_alloc")]
    pub fn alloc<'m>(&self, cpu: &Cpu<'_>, memmap: &'m Memmap, order: Order) -> Option<Folio<'m>> {
        let span = {
            let mut used = self.used[0].lock(cpu);
            let span = self.find(&used, order)?;
            used.set(self.places(span));
            span
        };
        span.iter().for_each(|pfn| memmap.shadow_assign(cpu, pfn, Owner::ANON));
        let folio = if order > Order::PAGE {
            memmap.prep_folio(span.start, order, Head::Untouched)
        } else {
            memmap.folio_at(span.start)
        };
        folio.page().refcount.set(1);
        folio.owners_add(cpu, Hold::Task, 1);
        Some(folio)
    }

    /// `free_frozen_pages`: the last reference is gone.
    #[doc(alias = "free_frozen_pages")]
    pub fn free(&self, cpu: &Cpu<'_>, memmap: &Memmap, folio: Folio<'_>) {
        let order = folio.order();
        let span = Span { start: folio.pfn(), pages: order.pages() };
        if order > Order::PAGE {
            memmap.reset_order(folio, Head::Untouched);
        } else {
            folio.set_mapping(None);
        }
        span.iter().for_each(|pfn| memmap.shadow_assign(cpu, pfn, Owner::NOBODY));
        self.used[0].lock(cpu).clear(self.places(span));
    }

    /// The lowest naturally aligned run of free pages.
    fn find(&self, used: &InUse, order: Order) -> Option<Span> {
        let aligned = self.span.start.0.next_multiple_of(order.pages());
        let runs = (aligned..self.span.end().0).step_by(order.pages() as usize);
        let mut runs = runs.map(|start| Span { start: Pfn(start), pages: order.pages() });
        runs.find(|run| run.end() <= self.span.end() && !used.any(self.places(*run)))
    }

    /// Which of its pages these are.
    fn places(&self, span: Span) -> core::ops::Range<u32> {
        span.start.0 - self.span.start.0..span.end().0 - self.span.start.0
    }

    /// Pages in use.
    #[must_use]
    pub fn used(&self, cpu: &Cpu<'_>) -> u32 {
        self.used[0].lock(cpu).words.iter().map(|word| word.count_ones()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: InUse = InUse { words: [0; (MOST / u64::BITS) as usize] };

    fn ram(start: u32, pages: u32) -> Ram {
        let arena = Arena::new(1 << 20).expect("address space");
        Ram::new(&arena, Span { start: Pfn(start), pages }).expect("memory")
    }

    fn in_use(pages: core::ops::Range<u32>) -> InUse {
        let mut used = NONE;
        used.set(pages);
        used
    }

    #[test]
    fn a_run_is_aligned_by_its_frame_and_lies_inside() {
        let ram = ram(6, 10);
        let first = |used: &InUse, order| ram.find(used, Order(order)).map(|span| span.start.0);
        assert_eq!(
            (first(&NONE, 0), first(&NONE, 1), first(&NONE, 2), first(&NONE, 3)),
            (Some(6), Some(6), Some(8), Some(8))
        );
        // Frame 8 is the third of them.
        let third = in_use(2..3);
        assert_eq!((first(&third, 2), first(&third, 3)), (Some(12), None));
        assert_eq!((first(&NONE, 4), first(&in_use(0..10), 0)), (None, None));
    }

    #[test]
    fn all_of_them_have_a_bit_each() {
        let ram = ram(512, MOST);
        assert!(ram.find(&NONE, Order(12)).is_none(), "larger than all of it");
        assert_eq!(ram.find(&in_use(0..1), Order(9)).map(|span| span.start), Some(Pfn(1024)));
        assert_eq!(ram.find(&in_use(0..MOST - 1), Order(0)).map(|s| s.start), Some(Pfn(2559)));
        assert!(ram.find(&in_use(0..MOST), Order(0)).is_none());
    }

    #[test]
    fn what_was_set_is_cleared_and_nothing_beside_it() {
        for (from, to) in [(0, 1), (63, 65), (5, 5), (64, 128), (100, 700), (0, MOST)] {
            let mut used = in_use(0..MOST);
            used.clear(from..to);
            assert!(!used.any(from..to), "{from}..{to}");
            assert_eq!(
                used.words.iter().map(|it| it.count_ones()).sum::<u32>(),
                MOST - (to - from)
            );
            assert!((from == 0 || used.any(0..from)) && (to == MOST || used.any(to..MOST)));
            used.set(from..to);
            assert_eq!(used.words, in_use(0..MOST).words);
        }
    }

    #[test]
    fn a_machine_of_real_sizes_has_a_few_huge_pages() {
        assert_eq!(Ram::pages_of(&Geometry::REAL), 2048);
        assert_eq!(Ram::pages_of(&Geometry::stress(4)), 64);
        assert_eq!(Ram::pages_of(&Geometry::SMALL), 8);
    }
}
