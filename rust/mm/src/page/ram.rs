//! Ordinary memory: the pages that a private mapping copies into (`mm/page_alloc.c`, as far as that needs).
//!
//! A page is taken with the count one, which is its taker's, and comes back when its last reference goes. Departure: no
//! zones, no orders, no per-CPU lists; one lock and a bit for each page.

use prim::{Arena, Cpu, Guarded, LockClass, NoMemory, SpinLock, Table, plain};

use crate::lock_order;
use crate::page::{Hold, Memmap, Owner, Pfn, Span};

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

    /// `alloc_page`: a page of the caller's, with whatever was in it.
    #[doc(alias = "alloc_page")]
    pub fn alloc(&self, cpu: &Cpu<'_>, memmap: &Memmap) -> Option<Pfn> {
        let at = {
            let mut used = self.used[0].lock(cpu);
            let at = used.bits.trailing_ones();
            if at >= self.span.pages {
                return None;
            }
            used.bits |= 1 << at;
            at
        };
        let pfn = self.span.start.add(at);
        memmap.shadow_assign(cpu, pfn, Owner::ANON);
        memmap.page(pfn).refcount.set(1);
        memmap.folio(pfn).owners_add(cpu, Hold::Task, 1);
        Some(pfn)
    }

    /// `free_unref_page`: the last reference is gone.
    #[doc(alias = "free_unref_page")]
    pub fn free(&self, cpu: &Cpu<'_>, memmap: &Memmap, pfn: Pfn) {
        memmap.folio(pfn).set_mapping(None);
        memmap.shadow_assign(cpu, pfn, Owner::NOBODY);
        self.used[0].lock(cpu).bits &= !(1 << (pfn.0 - self.span.start.0));
    }

    /// Pages in use.
    #[must_use]
    pub fn used(&self, cpu: &Cpu<'_>) -> u32 {
        self.used[0].lock(cpu).bits.count_ones()
    }
}
