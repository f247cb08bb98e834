//! Ordinary memory: what a private mapping copies into, and what anonymous mappings have (`mm/page_alloc.c`, as far as
//! that needs).
//!
//! A folio is taken with the count one, which is its taker's, and comes back when its last reference goes, taken apart
//! into pages: a free page is no tail of anything. Departure: no zones, no lists by order, no per-CPU lists; one lock and
//! a bit for each page.

use prim::{Arena, Cpu, Guarded, LockClass, NoMemory, SpinLock, Table, plain};

use crate::lock_order;
use crate::page::{Folio, Head, Hold, Memmap, Order, Owner, Pfn, Span};

/// Pages of ordinary memory a machine has.
pub(crate) const RAM_PAGES: u32 = 64;

plain! {
    /// A set bit is a page in use.
    #[derive(Clone, Copy, Debug)]
    pub struct InUse {
        bits: u64,
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
            let span = self.find(used.bits, order)?;
            used.bits |= self.bits(span);
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
        self.used[0].lock(cpu).bits &= !self.bits(span);
    }

    /// The lowest naturally aligned run of free pages.
    fn find(&self, used: u64, order: Order) -> Option<Span> {
        let mut runs = self.span.iter().filter(|pfn| pfn.is_aligned(order));
        runs.find_map(|start| {
            let run = Span { start, pages: order.pages() };
            let inside = run.end() <= self.span.end();
            (inside && used & self.bits(run) == 0).then_some(run)
        })
    }

    /// A bit for each of its pages, which are all here.
    fn bits(&self, span: Span) -> u64 {
        let low = u64::MAX >> (u64::BITS - span.pages);
        low << (span.start.0 - self.span.start.0)
    }

    /// Pages in use.
    #[must_use]
    pub fn used(&self, cpu: &Cpu<'_>) -> u32 {
        self.used[0].lock(cpu).bits.count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ram(start: u32, pages: u32) -> Ram {
        let arena = Arena::new(1 << 20).expect("address space");
        Ram::new(&arena, Span { start: Pfn(start), pages }).expect("memory")
    }

    #[test]
    fn a_run_is_aligned_by_its_frame_and_lies_inside() {
        let ram = ram(6, 10);
        let first = |used, order| ram.find(used, Order(order)).map(|span| span.start.0);
        assert_eq!(
            (first(0, 0), first(0, 1), first(0, 2), first(0, 3)),
            (Some(6), Some(6), Some(8), Some(8))
        );
        // Frame 8 is the third of them.
        assert_eq!((first(1 << 2, 2), first(1 << 2, 3)), (Some(12), None));
        assert_eq!((first(0, 4), first(0x3ff, 0)), (None, None));
    }

    #[test]
    fn all_of_them_have_a_bit_each() {
        let ram = ram(64, RAM_PAGES);
        assert_eq!(ram.bits(ram.span), u64::MAX);
        assert_eq!(ram.bits(Span { start: Pfn(127), pages: 1 }), 1 << 63);
        assert!(ram.find(0, Order(9)).is_none(), "larger than all of it");
    }
}
