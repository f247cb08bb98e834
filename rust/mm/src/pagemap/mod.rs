//! `dev_pagemap`: who backs a range of ZONE_DEVICE pages, and for how long (`mm/memremap.c`, K§3).
//!
//! ```text
//!   memremap_pages ---> live ---percpu_ref kill---> dying ---last ref---> done ---> removed
//!                        |  get_dev_pagemap, alloc_folios work                |
//!                        +-- struct pages may be touched --------------------+   (I13)
//! ```
//!
//! Who holds a pagemap reference (K§3.1): a bulk per page taken at memremap for FS_DAX, GENERIC and
//! P2PDMA; each allocated page for PRIVATE, COHERENT and P2PDMA; each live lookup. Under the rule
//! `teardown-pages=wait-idle` also each FS_DAX folio in use, which makes "no pagemap is released while
//! a page has a reference" a property of the pagemap rather than of its users, as the thread "Fix the
//! DAX-gup mistake" (2022) asked.
//!
//! This room never decides *which* frame to use: that is a driver's or a filesystem's business, told to
//! [`Pagemaps::alloc_folios`]. What it needs from above it asks through [`DevPagemapOps`].

mod alloc_folios;
mod deferred_split;
mod free;
mod ledger;
mod memremap;
mod split;
mod vmemmap;

use alloc::boxed::Box;
use core::fmt;

use prim::{
    Arena, AtomicU32, Completion, Cpu, Ghost, Guarded, LockClass, NoMemory, Slab, SpinLock,
    Strength, Table, plain, zeroed,
};
use program::rules::{AllocPagemap, Barrier, DaxPages, Holder, InitMode, LongtermPolicy};
use program::{Geometry, Rules};

use crate::lock_order;
use crate::page::{Folio, Head, Memmap, Order, Pfn, Ram, Span};
use crate::percpu_ref::{PercpuRefs, Put, RefId};
use crate::region;
use crate::warn::{Complaint, warn_on};

pub use deferred_split::DeferredSplit;
pub use ledger::{PagemapHold, PagemapOwners};
pub use memremap::REFERENCES;

/// Pagemaps a machine can have at once.
const PAGEMAPS: usize = 8;

/// `enum memory_type` (K§3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum PagemapType {
    /// Not accessible to CPUs; the driver's free callback is called at zero.
    Private = 1,
    /// Accessible; otherwise like PRIVATE.
    Coherent = 2,
    /// Pages of a DAX filesystem: idle at zero, waiters woken there.
    FsDax = 3,
    /// device-dax: idle at one.
    Generic = 4,
}

impl PagemapType {
    fn from_word(word: u32) -> Self {
        match word {
            1 => Self::Private,
            2 => Self::Coherent,
            4 => Self::Generic,
            _ => Self::FsDax,
        }
    }

    /// Whether memremap takes one reference per page up front.
    #[must_use]
    pub fn holds_bulk(self) -> bool {
        matches!(self, Self::FsDax | Self::Generic)
    }

    /// Whether each allocated page holds a reference.
    #[must_use]
    pub fn holds_per_page(self) -> bool {
        matches!(self, Self::Private | Self::Coherent)
    }
}

/// Names a pagemap until it is unmapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PagemapId(pub u32);

impl PagemapId {
    /// What a head of this pagemap says where a tail says how far its head is.
    #[inline(always)]
    #[must_use]
    pub fn head(self) -> Head {
        Head::Pagemap(self.0)
    }
}

/// `struct dev_pagemap_ops`: what the owner of the pages is told.
pub trait DevPagemapOps: fmt::Debug + Send + Sync {
    /// `folio_free`: the last reference is gone and the pages are the driver's again. Runs in the
    /// context of the last put, possibly under a page-table lock: must not sleep (K§6.3).
    fn folio_free(&self, cpu: &Cpu<'_>, pagemaps: &Pagemaps, id: PagemapId, folio: Folio<'_>);
}

zeroed! {
    /// `struct dev_pagemap`.
    #[derive(Debug)]
    pub struct DevPagemap {
        /// [`PagemapType`]; 0 while the pagemap is being made.
        kind: AtomicU32,
        /// [`RefId`] of `ref`.
        ref_index: AtomicU32,
        start: AtomicU32,
        pages: AtomicU32,
        /// `vmemmap_shift`: the order that all of its folios have for good.
        shift: AtomicU32,
        /// Completed by the ref's release.
        done: Completion,
        owners: Ghost<PagemapOwners>,
    }
}

zeroed! {
    /// One range of `pgmap_array`: pfn -> pagemap, read under RCU.
    #[derive(Debug)]
    pub struct RangeSlot {
        start: AtomicU32,
        /// 0 while nobody may be looking at the slot.
        pages: AtomicU32,
        /// Pagemap + 1; 0 while there is none. Written last on insert, first on removal.
        pagemap: AtomicU32,
    }
}

plain! {
    /// Serialises changes of the range array.
    #[derive(Clone, Copy, Debug)]
    pub struct RangesLocked;
}

impl Guarded for RangesLocked {
    const CLASS: LockClass = lock_order::PGMAP_ARRAY;
}

/// Every pagemap of a machine, and the memmap they describe.
#[derive(Debug)]
pub struct Pagemaps {
    /// The frames.
    pub memmap: Memmap,
    /// Ordinary memory, behind the frames of the devices.
    pub ram: Ram,
    /// Huge pages of it that are to be taken apart.
    pub deferred: DeferredSplit,
    /// The refs.
    pub percpu: PercpuRefs,
    /// The rules of this machine.
    pub rules: Rules,
    /// Largest folio: a PMD.
    pub pmd_order: Order,
    maps: Slab<DevPagemap>,
    ranges: Table<RangeSlot>,
    ranges_lock: Table<SpinLock<RangesLocked>>,
    /// One claim word per PMD-sized region, see `alloc_folios`.
    claims: Table<AtomicU32>,
    /// One word per such region, see `vmemmap`: not 0 while tails share their struct pages.
    folded: Table<AtomicU32>,
    driver: Box<dyn DevPagemapOps>,
}

impl Pagemaps {
    /// An empty machine of `frames` frames whose device memory belongs to `driver`.
    ///
    /// # Errors
    /// [`NoMemory`] when the arena is too small.
    pub fn new(
        arena: &Arena,
        geometry: &Geometry,
        rules: Rules,
        frames: u32,
        driver: Box<dyn DevPagemapOps>,
    ) -> Result<Self, NoMemory> {
        let ram = Span { start: Pfn(frames), pages: Ram::pages_of(geometry) };
        let regions = (frames >> geometry.pmd_order) as usize + 1;
        let put_how = Strength::relaxed_if(|| rules.percpu_put == Barrier::Relaxed);
        Ok(Self {
            memmap: Memmap::new(arena, ram.end().0, geometry.pin_bias)?,
            ram: Ram::new(arena, ram)?,
            deferred: DeferredSplit::new(arena)?,
            percpu: PercpuRefs::new(arena, geometry.cpus.into(), PAGEMAPS)?.putting(put_how),
            rules,
            pmd_order: Order(geometry.pmd_order),
            maps: Slab::new(arena, PAGEMAPS, region::DEV_PAGEMAP)?,
            ranges: arena.table("pagemap range", PAGEMAPS)?,
            ranges_lock: arena.table("pagemap ranges lock", 1)?,
            claims: arena.table("claims", regions)?,
            folded: arena.table("folded struct pages", regions)?,
            driver,
        })
    }

    /// `get_dev_pagemap` (K§3.4): the live pagemap of a frame, with a reference to give back by
    /// [`Self::put_dev_pagemap`]; nothing when there is none or it is dying.
    #[must_use]
    pub fn get_dev_pagemap(&self, cpu: &Cpu<'_>, pfn: Pfn) -> Option<PagemapId> {
        // The ref is freed only after the range is gone and a grace period has passed (B02), so it may
        // be looked at anywhere inside this section.
        let _rcu = cpu.rcu_read_lock();
        let id = self.lookup(pfn)?;
        let count = self.ref_id(id);
        if !self.percpu.peek_live(count) {
            warn_on(cpu, Complaint::LookupAfterExit, pfn, 0);
        }
        if !self.percpu.tryget_live(cpu, count) {
            return None;
        }
        self.refs_add(cpu, id, PagemapHold::Lookup, 1);
        Some(id)
    }

    /// `put_dev_pagemap`.
    pub fn put_dev_pagemap(&self, cpu: &Cpu<'_>, id: PagemapId) {
        self.refs_move(cpu, id, (PagemapHold::Lookup, PagemapHold::Task), 1);
        self.put_refs(cpu, id, 1);
    }

    /// What a lookup took is kept, as the caller's.
    pub(super) fn lookup_kept(&self, cpu: &Cpu<'_>, id: PagemapId) {
        self.refs_move(cpu, id, (PagemapHold::Lookup, PagemapHold::Task), 1);
    }

    /// References that each page of a folio holds on its pagemap while it is allocated.
    #[must_use]
    pub(crate) fn refs_of_allocated(&self, kind: PagemapType) -> u32 {
        match (kind, self.rules.alloc_pagemap) {
            (PagemapType::Private | PagemapType::Coherent, AllocPagemap::PerPage) => 1,
            (PagemapType::Private | PagemapType::Coherent, AllocPagemap::Nothing)
            | (PagemapType::FsDax | PagemapType::Generic, _) => 0,
        }
    }

    /// The count that a page has while nobody has it: device-dax's, and a driver's where it has none of its own to set.
    #[must_use]
    pub(crate) fn base_count(&self, kind: PagemapType) -> i32 {
        match (kind, self.rules.init_mode) {
            (PagemapType::FsDax, _) => 0,
            (PagemapType::Generic, _) => 1,
            (PagemapType::Private | PagemapType::Coherent, InitMode::Idle) => 0,
            (PagemapType::Private | PagemapType::Coherent, InitMode::Busy) => 1,
        }
    }

    /// Whether the count of a page is that of one on its driver's free list, or on its way there. No step.
    #[must_use]
    pub(crate) fn peek_is_free(&self, pfn: Pfn) -> bool {
        let count = self.memmap.page(pfn).refcount.peek();
        count.is_idle() || !count.is_busy(self.base_count(PagemapType::Private))
    }

    /// What the count of a free page is told as beyond what its word holds: words count the references that somebody
    /// has, and up to v6.14 a free page of a file had one that nobody has.
    #[must_use]
    pub fn count_of_free(&self, kind: PagemapType) -> i32 {
        match (kind, self.rules.dax_pages) {
            (PagemapType::FsDax, DaxPages::Devmap) => 1,
            (PagemapType::FsDax, DaxPages::Normal | DaxPages::EntryRefs)
            | (
                PagemapType::Generic | PagemapType::Private | PagemapType::Coherent,
                DaxPages::Devmap | DaxPages::Normal | DaxPages::EntryRefs,
            ) => 0,
        }
    }

    /// `folio_is_longterm_pinnable`, of a page of a device: those of device-dax are. No step: what a pagemap is does not
    /// change while somebody has a page of it.
    #[doc(alias = "folio_is_longterm_pinnable")]
    #[must_use]
    pub fn is_longterm_pinnable(&self, pfn: Pfn) -> bool {
        match self.peek_kind(pfn) {
            Some(PagemapType::Generic) => true,
            Some(PagemapType::FsDax) => !self.forbids_longterm(),
            Some(PagemapType::Private | PagemapType::Coherent) | None => false,
        }
    }

    /// Whether pages of files may not be pinned for long.
    #[must_use]
    pub(crate) fn forbids_longterm(&self) -> bool {
        match (self.rules.longterm_policy, self.rules.holder) {
            (LongtermPolicy::Pagemap, _) | (LongtermPolicy::Holder, Holder::Xfs) => true,
            (LongtermPolicy::Holder, Holder::None) => false,
        }
    }

    /// Whether a frame's struct page is there whatever becomes of the file system's device: of ordinary memory, or of a
    /// driver that is bound. No step.
    #[must_use]
    pub(crate) fn peek_outlasts_unbind(&self, pfn: Pfn) -> bool {
        self.ram.contains(pfn) || self.peek_kind(pfn).is_some_and(PagemapType::holds_per_page)
    }

    /// Whether a page of anonymous memory that is in this frame is mapped by entries that CPUs walk: it is ordinary
    /// memory, or a device's that they reach. No step.
    #[must_use]
    pub(crate) fn peek_is_reached(&self, pfn: Pfn) -> bool {
        self.ram.contains(pfn) || self.peek_kind(pfn) == Some(PagemapType::Coherent)
    }

    /// Whether a pagemap covers the first frame of a span, one that is going included.
    #[must_use]
    pub(crate) fn is_covered(&self, span: Span) -> bool {
        self.lookup(span.start).is_some()
    }

    /// The type of the pagemap that a frame is under. No step.
    fn peek_kind(&self, pfn: Pfn) -> Option<PagemapType> {
        self.ranges.iter().find_map(|slot| {
            let range = Span { start: Pfn(slot.start.peek()), pages: slot.pages.peek() };
            let id = slot.pagemap.peek().checked_sub(1).filter(|_| range.contains(pfn))?;
            Some(PagemapType::from_word(self.maps[id].kind.peek()))
        })
    }

    /// The frames of a pagemap.
    #[must_use]
    pub fn span(&self, id: PagemapId) -> Span {
        let map = &self.maps[id.0];
        Span { start: Pfn(map.start.read()), pages: map.pages.read() }
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self, id: PagemapId) -> PagemapType {
        PagemapType::from_word(self.maps[id.0].kind.read())
    }

    /// References out on a pagemap; exact only at quiescence.
    #[must_use]
    pub fn ledger(&self, id: PagemapId) -> i64 {
        self.percpu.ledger(self.ref_id(id))
    }

    /// `page_pgmap`: from the page's own word, or from its range while that was never written.
    #[doc(alias = "page_pgmap")]
    #[inline]
    #[must_use]
    pub fn of_page(&self, pfn: Pfn) -> Option<PagemapId> {
        match self.memmap.page(pfn).head() {
            Head::Pagemap(id) => Some(PagemapId(id)),
            Head::Untouched => self.lookup(pfn),
            Head::Tail(distance) => self.of_page(Pfn(pfn.0.checked_sub(distance)?)),
        }
    }

    /// Drops `nr` references in the caller's hands and runs `release` when they were the last.
    pub(crate) fn put_refs(&self, cpu: &Cpu<'_>, id: PagemapId, nr: u32) {
        let _rcu = cpu.rcu_read_lock();
        let put = self.percpu.put_many(cpu, self.ref_id(id), nr as usize);
        self.refs_sub(cpu, id, PagemapHold::Task, nr);
        if put == Put::Zero {
            self.release(cpu, id);
        }
    }

    /// `dev_pagemap_percpu_release`.
    #[doc(alias = "dev_pagemap_percpu_release")]
    fn release(&self, cpu: &Cpu<'_>, id: PagemapId) {
        self.maps[id.0].done.complete_all(cpu);
    }

    #[inline]
    #[track_caller]
    fn ref_id(&self, id: PagemapId) -> RefId {
        RefId(self.maps[id.0].ref_index.read())
    }

    #[doc(alias = "xa_load")]
    fn lookup(&self, pfn: Pfn) -> Option<PagemapId> {
        self.ranges.iter().find_map(|slot| {
            // Acquire: pairs with the release in `pgmap_array_store`; start and pages are in place.
            let id = slot.pagemap.read_acquire().checked_sub(1)?;
            let range = Span { start: Pfn(slot.start.read()), pages: slot.pages.read() };
            range.contains(pfn).then_some(PagemapId(id))
        })
    }
}
