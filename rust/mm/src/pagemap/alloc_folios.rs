//! `pgmap_alloc_folios(pgmap, start, length)`: the step that the thread "Fix the DAX-gup mistake" of 2022 asked for:
//! who allocates pages of a device says so, instead of finding them at a count that means free.
//!
//! Three things wrapped in one: set the count to 1, take the pagemap reference, build compound pages.
//! The caller says *which* frames; it gets back maximal naturally aligned folios with one reference
//! each that tile the range, or nothing at all:
//!
//! * a dying pagemap refuses, because the reference is taken live (I11);
//! * a page that is held refuses: asking for it is the caller's bug, and is told, not tolerated (I10).
//!
//! A frame is the caller's again when `folio_free` has handed it back, not when its count is 0: between the
//! two the put that reached 0 still reads the folio's order, and a claim then would change it under its hands
//! (the pagemap would lose or keep references; not told, as nobody looks at that moment).
//!
//! ## Claiming
//!
//! Checking that a page is free and making it part of a folio must look like one step to another
//! caller, and a CAS per page would cost fifteen times the store. So each PMD-sized region has a claim
//! word, a spin lock: a caller takes the words of all regions it touches, lowest first, checks every page,
//! writes every page, publishes the heads, and lets go. Readers never look at the claim: to them a folio
//! appears when its count is published, after all its words (release; pairs with `try_add`).

use core::ops::RangeInclusive;

use prim::{Cpu, Strength, bit_spin_lock, bit_spin_unlock};
use program::Errno;
use program::rules::{AllocDying, InitMode, PageReset, Publication};

use crate::lock_order::ALLOCATION_CLAIM;
use crate::page::{Folio, Hold, Order, Owner, Pfn, Span};
use crate::pagemap::{PagemapHold, PagemapId, Pagemaps};
use crate::tally;
use crate::warn::{Complaint, warn_on};

/// What an allocation holds of the pagemap while it makes its folios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owned {
    Reference,
    /// The mistake of kernels that warn and go on.
    Nothing,
}

impl Pagemaps {
    /// Allocates `length` pages from frame `start` on; `folios` of the same span lists what was made.
    ///
    /// # Errors
    /// `EINVAL` for an empty range or one outside the pagemap, `ENODEV` when the pagemap is dying,
    /// `EBUSY` when a page of the range is held; nothing has changed then.
    #[doc(alias = "pgmap_alloc_folios")]
    #[inline]
    pub fn alloc_folios(
        &self,
        cpu: &Cpu<'_>,
        id: PagemapId,
        start: Pfn,
        length: u32,
    ) -> Result<Span, Errno> {
        let span = Span { start, pages: length };
        let all = self.span(id);
        let end = start.0.checked_add(length).ok_or(Errno::EINVAL)?;
        if length == 0 || start < all.start || end > all.end().0 {
            return Err(Errno::EINVAL);
        }
        let kind = self.kind(id);
        let init_mode = if kind.holds_per_page() { self.rules.init_mode } else { InitMode::Idle };
        let per_page = self.refs_of_allocated(kind) > 0;
        let held = self.percpu.on(cpu, self.ref_id(id));
        let owned = match held.tryget_live() {
            true => {
                self.refs_add(cpu, id, PagemapHold::Task, 1);
                Owned::Reference
            }
            false => self.alloc_dying(cpu, id, start)?,
        };
        let regions = self.regions(span);
        self.claim(cpu, regions);
        let busy = match init_mode {
            InitMode::Idle => self.memmap.any_held(span),
            InitMode::Busy => span.iter().any(|pfn| self.is_taken(cpu, pfn)),
        };
        if !busy {
            if per_page && length > 1 && owned == Owned::Reference {
                held.get_many(length as usize - 1);
                self.refs_add(cpu, id, PagemapHold::Task, length - 1);
            }
            let how = Strength::relaxed_if(|| self.rules.folio_publish == Publication::Relaxed);
            // The new life begins before anybody can have a reference in it: a walker may be quicker than the caller.
            span.iter().for_each(|pfn| self.memmap.shadow_assign(cpu, pfn, Owner::DRIVER));
            for (pfn, order) in span.blocks(self.pmd_order) {
                let folio = self.prep(cpu, id, pfn, order);
                match init_mode {
                    InitMode::Idle => {
                        folio.page().refcount.publish(how, 1);
                        folio.owners_add(cpu, Hold::Task, 1);
                    }
                    InitMode::Busy => self.hand_out(cpu, folio, order),
                }
                self.page_in_use(cpu, folio);
            }
        }
        self.unclaim(cpu, regions);
        if (busy || !per_page) && owned == Owned::Reference {
            // Bulk-held types need no reference per page, nor did any up to v6.0 (B05); a refused claim holds none.
            self.put_refs(cpu, id, 1);
        }
        if busy {
            cpu.count(tally::ALLOC_REFUSED);
            return Err(Errno::EBUSY);
        }
        Ok(span)
    }

    /// The same where the pagemap is being taken away (`alloc-dying`; B34, B58).
    ///
    /// # Errors
    /// `ENODEV`, where allocations ask whether they may.
    #[cold]
    fn alloc_dying(&self, cpu: &Cpu<'_>, id: PagemapId, start: Pfn) -> Result<Owned, Errno> {
        let owned = match self.rules.alloc_dying {
            AllocDying::Refused => {
                cpu.count(tally::ALLOC_REFUSED);
                return Err(Errno::ENODEV);
            }
            AllocDying::Warned => Owned::Nothing,
            AllocDying::AnyLeft if self.percpu.tryget_many(cpu, self.ref_id(id), 1) => {
                self.refs_add(cpu, id, PagemapHold::Task, 1);
                Owned::Reference
            }
            AllocDying::AnyLeft => Owned::Nothing,
        };
        warn_on(cpu, Complaint::AllocatedDying, start, 0);
        Ok(owned)
    }

    /// A fresh folio of these pages, or with `page-reset=never` of a single one as its last life left it.
    #[track_caller]
    fn prep(&self, cpu: &Cpu<'_>, id: PagemapId, pfn: Pfn, order: Order) -> Folio<'_> {
        match self.rules.page_reset {
            PageReset::Never if order == Order::PAGE => {
                let folio = self.memmap.reuse_page(pfn);
                if !folio.peek_has(pfn) || folio.page().peek_order() != order {
                    warn_on(cpu, Complaint::StaleCompound, pfn, 0);
                }
                folio
            }
            PageReset::AtAlloc | PageReset::Never => self.memmap.prep_folio(pfn, order, id.head()),
        }
    }

    /// Whether somebody has a page that the driver says is free, where a free one has the count one. A count that is not
    /// there yet is told: whoever freed the page is about to store it (B04).
    #[track_caller]
    fn is_taken(&self, cpu: &Cpu<'_>, pfn: Pfn) -> bool {
        let count = self.memmap.page(pfn).refcount.count();
        if count.is_idle() {
            warn_on(cpu, Complaint::FreePageUnsettled, pfn, count.into());
        }
        count.is_held() && count.is_busy(1)
    }

    /// The count that the driver finds becomes the reference of who asked for the pages; a tail has none.
    fn hand_out(&self, cpu: &Cpu<'_>, folio: Folio<'_>, order: Order) {
        for at in 1..order.pages() {
            let tail = self.memmap.folio_at(folio.pfn().add(at));
            tail.page().refcount.set(0);
            tail.owners_sub(cpu, Hold::Base, 1);
        }
        folio.owners_move(cpu, Hold::Base, Hold::Task, 1);
    }

    /// What a page that is allocated by hand holds: a reference on its pagemap, in the caller's hands. None when the
    /// pagemap is dying.
    #[must_use]
    pub(crate) fn tryget_for_page(&self, cpu: &Cpu<'_>, id: PagemapId) -> bool {
        let live = self.percpu.tryget_live(cpu, self.ref_id(id));
        if live {
            self.refs_add(cpu, id, PagemapHold::Task, 1);
        }
        live
    }

    /// The folios that tile an allocated span.
    pub fn folios(&self, span: Span) -> impl Iterator<Item = Folio<'_>> {
        span.blocks(self.pmd_order).map(|(pfn, _)| self.memmap.folio(pfn))
    }

    /// `pgmap_folio_get`: one more reference on memory that is already allocated, as DAX memory always
    /// is; nothing when the frame is outside, free, or the pagemap is dying.
    #[doc(alias = "pgmap_folio_get")]
    #[must_use]
    pub fn folio_get(&self, cpu: &Cpu<'_>, id: PagemapId, pfn: Pfn) -> Option<Folio<'_>> {
        if !self.span(id).contains(pfn) || self.percpu.is_dying(self.ref_id(id)) {
            return None;
        }
        self.folio_try_get(cpu, pfn)
    }

    /// First and last claim word. The caller has checked that the span is not empty and can end.
    #[inline(always)]
    fn regions(&self, span: Span) -> (usize, usize) {
        let shift = u32::from(self.pmd_order.0);
        let last = span.start.0.wrapping_add(span.pages.wrapping_sub(1));
        (span.start.0.wrapping_shr(shift) as usize, last.wrapping_shr(shift) as usize)
    }

    /// Ascending, so that two callers cannot wait for each other.
    #[inline(always)]
    fn claim(&self, cpu: &Cpu<'_>, (first, last): (usize, usize)) {
        bit_spin_lock(cpu, &self.claims[first], &ALLOCATION_CLAIM);
        if first < last {
            self.claim_others(cpu, first + 1..=last);
        }
    }

    #[inline(always)]
    fn unclaim(&self, cpu: &Cpu<'_>, (first, last): (usize, usize)) {
        bit_spin_unlock(cpu, &self.claims[first]);
        if first < last {
            self.unclaim_others(cpu, first + 1..=last);
        }
    }

    #[cold]
    fn claim_others(&self, cpu: &Cpu<'_>, regions: RangeInclusive<usize>) {
        regions.for_each(|region| bit_spin_lock(cpu, &self.claims[region], &ALLOCATION_CLAIM));
    }

    #[cold]
    fn unclaim_others(&self, cpu: &Cpu<'_>, regions: RangeInclusive<usize>) {
        regions.for_each(|region| bit_spin_unlock(cpu, &self.claims[region]));
    }
}
