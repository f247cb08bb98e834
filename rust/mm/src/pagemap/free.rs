//! Getting and putting folios, and what happens at zero (`free_zone_device_folio`, K§2.2, K§3.6).
//!
//! The put that reaches zero owns the folio until it hands it on; between the two `try_get` refuses.
//! What the free path needs afterwards it copies first: once the driver's callback has the folio, some
//! other CPU may already be building a new one out of the same words (B09, I08).

use prim::{Cpu, Strength, wake_up_var};
use program::rules::{
    Barrier, DaxPages, FreePush, FreeReload, GupPagemap, IdlePred, InitMode, P2pError, PgmapWord,
    RefLimit, ReleaseFolio, RequestFolio, Switch, TeardownPages,
};

use crate::page::{Folio, Head, Hold, Pfn, Span};
use crate::pagemap::{PagemapHold, PagemapId, PagemapType, Pagemaps};
use crate::refcount::{Count, Dropped, Refused};
use crate::tally;
use crate::warn::{Complaint, warn_on};

impl Pagemaps {
    /// `try_get_folio` (K§4.3): `refs` references on the folio around `pfn`, unless it is free or
    /// frozen. A folio taken apart between reading the head and taking the reference is noticed by
    /// reading the head again.
    #[inline(always)]
    #[must_use]
    pub fn try_get_folio(&self, cpu: &Cpu<'_>, pfn: Pfn, refs: i32) -> Option<Folio<'_>> {
        self.try_get_folio_noting(cpu, pfn, refs, |_| ())
    }

    /// The same; `wrote` is told of each count that it has tried to write, in the step that did.
    #[doc(alias = "try_get_folio")]
    #[inline(always)]
    fn try_get_folio_noting(
        &self,
        cpu: &Cpu<'_>,
        pfn: Pfn,
        refs: i32,
        wrote: impl Fn(Pfn),
    ) -> Option<Folio<'_>> {
        let how = Strength::relaxed_if(|| self.rules.gup_grab == Barrier::Relaxed);
        loop {
            let folio = self.memmap.folio(pfn);
            match folio.page().refcount.try_add_noting(how, refs, || wrote(folio.pfn())) {
                Ok(()) => folio.owners_add(cpu, Hold::Task, refs),
                Err(Refused::Zero) => {
                    cpu.count(tally::TRY_GET_REFUSED);
                    return None;
                }
                Err(Refused::Saturated(count)) => self.get_saturated(cpu, folio, refs, count)?,
            }
            // The look comes first: what no rule leaves out costs no look at the rule.
            if self.memmap.folio(pfn) == folio || self.rules.head_recheck == Switch::Off {
                return Some(folio);
            }
            cpu.count(tally::HEAD_CHANGED);
            self.folio_put_refs(cpu, folio, refs);
        }
    }

    /// What a get comes to that finds a count nearly full, or below zero. Nothing where it is refused, as it is since v5.1;
    /// before, gets went on until the count was zero again, with all their references out (`ref-limit`; B28).
    #[cold]
    fn get_saturated(&self, cpu: &Cpu<'_>, folio: Folio<'_>, refs: i32, count: i32) -> Option<()> {
        match self.rules.ref_limit {
            RefLimit::Refused => {
                cpu.count(tally::TRY_GET_REFUSED);
                if count < 0 {
                    warn_on(cpu, Complaint::RefSaturated, folio.pfn(), count.into());
                }
                None
            }
            RefLimit::Wraps => {
                if count < 0 {
                    warn_on(cpu, Complaint::RefWrapped, folio.pfn(), count.into());
                }
                folio.page().refcount.add(refs);
                folio.owners_add(cpu, Hold::Task, refs);
                Some(())
            }
        }
    }

    /// The same where the count has been raised already: whether the reference must be given back.
    #[cold]
    fn is_past_limit(&self, cpu: &Cpu<'_>, folio: Folio<'_>, now: Count) -> bool {
        match self.rules.ref_limit {
            RefLimit::Refused => {
                cpu.count(tally::TRY_GET_REFUSED);
                true
            }
            RefLimit::Wraps => {
                if now.is_underflown() {
                    warn_on(cpu, Complaint::RefWrapped, folio.pfn(), now.into());
                }
                false
            }
        }
    }

    /// `folio_try_get` by who has a frame number and nothing else: nobody asked whether the page is allocated, or of
    /// which order. Nothing when its folio is free or frozen.
    ///
    /// A free page may still be a tail of a folio that is long gone, and its head the head of another one (B10). Under
    /// the reference the order holds still, and says whether the page is in it.
    #[must_use]
    pub fn folio_try_get(&self, cpu: &Cpu<'_>, pfn: Pfn) -> Option<Folio<'_>> {
        // From the look at the count to the write: whoever makes struct pages read-only waits for that (B24).
        let _rcu = cpu.rcu_read_lock();
        let wrote = |pfn| self.check_writable(cpu, pfn);
        let folio = self.try_get_folio_noting(cpu, pfn, 1, wrote)?;
        if self.rules.head_recheck == Switch::On && !folio.span().contains(pfn) {
            self.folio_put_refs(cpu, folio, 1);
            return None;
        }
        if !folio.peek_has(pfn) {
            warn_on(cpu, Complaint::WrongFolio, pfn, folio.refcount().into());
        }
        Some(folio)
    }

    /// `folio_put_refs`, of references in the caller's hands.
    #[inline(always)]
    pub fn folio_put_refs(&self, cpu: &Cpu<'_>, folio: Folio<'_>, refs: i32) {
        self.folio_put_held(cpu, folio, refs, Hold::Task);
    }

    /// `folio_put_refs`, of references that `hold` owned until now.
    #[doc(alias = "folio_put_refs")]
    #[inline(always)]
    pub fn folio_put_held(&self, cpu: &Cpu<'_>, folio: Folio<'_>, refs: i32, hold: Hold) {
        let count = &folio.page().refcount;
        let how = Strength::relaxed_if(|| self.rules.folio_put == Barrier::Relaxed);
        match count.sub(how, refs, || folio.owners_sub(cpu, hold, refs)) {
            // Busy is "refcount differs from mapcount", so any put may end a wait for idle (B33). The
            // sub above is a full barrier, pairing with the waiter's, so one load decides.
            Dropped::Live if self.rules.idle_pred == IdlePred::RefEqualsMap => {
                wake_up_var(cpu, count);
                self.look_for_zero(cpu, folio);
            }
            Dropped::Live => self.look_for_zero(cpu, folio),
            Dropped::Zero if self.ram.contains(folio.pfn()) => {
                self.deferred.unqueue(cpu, folio);
                self.ram.free(cpu, &self.memmap, folio);
            }
            Dropped::Zero => {
                self.page_idle(cpu, folio);
                self.free_zone_device_folio(cpu, folio);
            }
            Dropped::Underflow(left) => {
                warn_on(cpu, Complaint::RefUnderflow, folio.pfn(), left.into())
            }
        }
    }

    /// `folio_ref_inc` on a page its owner is about to map: the legal 0 -> 1 (K§5.4 step 10). With
    /// `teardown-pages=wait-idle` the folio takes a pagemap reference for as long as it is in use, and
    /// is refused once the pagemap is dying.
    ///
    /// The caller owns the 0 -> 1 transition: it holds the folio's DAX entry lock. Of files that share the block each has
    /// an entry, and then the count says who was first.
    #[doc(alias = "folio_ref_inc")]
    #[must_use]
    pub fn folio_get_owned(&self, cpu: &Cpu<'_>, id: PagemapId, folio: Folio<'_>) -> bool {
        let count = &folio.page().refcount;
        if self.rules.teardown_pages == TeardownPages::WaitIdle {
            if self.rules.request_folio == RequestFolio::ByInspection {
                return self.request_by_inspection(cpu, id, folio);
            }
            if count.try_add(1).is_ok() {
                folio.owners_add(cpu, Hold::Task, 1);
                return true;
            }
            if !self.percpu.tryget_live(cpu, self.ref_id(id)) {
                return false;
            }
            self.refs_add(cpu, id, PagemapHold::Task, 1);
        }
        let first = !count.inc_from_idle().is_busy(1);
        folio.owners_add(cpu, Hold::Task, 1);
        if first {
            self.page_in_use(cpu, folio);
        } else if self.rules.teardown_pages == TeardownPages::WaitIdle {
            self.put_refs(cpu, id, 1);
        }
        true
    }

    /// A reference through an entry that holds none: `get_dev_pagemap`, then the count, from idle if need be. None when
    /// the pagemap is dying. Full order: pairs with the unmapper's clear, as in [`Self::try_get_folio`].
    #[doc(alias = "try_grab_folio")]
    #[must_use]
    pub fn folio_get_devmap(&self, cpu: &Cpu<'_>, pfn: Pfn) -> Option<Folio<'_>> {
        match self.rules.dax_pages {
            DaxPages::Devmap | DaxPages::Normal => {}
            // The entry holds a reference, or the page is not the file's any more, and has none.
            DaxPages::EntryRefs => return self.try_get_folio(cpu, pfn, 1),
        }
        let id = match self.rules.gup_pagemap {
            GupPagemap::Taken => self.get_dev_pagemap(cpu, pfn)?,
            GupPagemap::Unasked => return self.folio_get_unasked(cpu, pfn),
            GupPagemap::PutOnly => self.of_page(pfn)?,
            GupPagemap::Special => return None,
        };
        let folio = self.memmap.folio(pfn);
        let now = folio.page().refcount.inc_from_idle();
        folio.owners_add(cpu, Hold::Task, 1);
        if (now.is_full() || now.is_underflown()) && self.is_past_limit(cpu, folio, now) {
            self.folio_put_refs(cpu, folio, 1);
            self.put_dev_pagemap(cpu, id);
            return None;
        }
        let first = !now.is_busy(1);
        // In use it keeps the pagemap, where pages do.
        let keeps = first && self.rules.teardown_pages == TeardownPages::WaitIdle;
        if keeps {
            self.lookup_kept(cpu, id);
        }
        if first {
            self.page_in_use(cpu, folio);
        }
        if !keeps {
            self.put_dev_pagemap(cpu, id);
        }
        Some(folio)
    }

    /// The same by who does not ask whether there is a pagemap: the struct page may be gone.
    #[doc(alias = "try_grab_folio")]
    #[must_use]
    fn folio_get_unasked(&self, cpu: &Cpu<'_>, pfn: Pfn) -> Option<Folio<'_>> {
        let folio = self.memmap.folio(pfn);
        let count = folio.page().refcount.inc_from_idle();
        folio.owners_add(cpu, Hold::Task, 1);
        let Some(id) = self.of_page(pfn) else {
            warn_on(cpu, Complaint::GrabbedAfterUnplug, pfn, count.into());
            return Some(folio);
        };
        if !count.is_busy(1) {
            if self.rules.teardown_pages == TeardownPages::WaitIdle {
                // A page that is there has its own.
                let _dying = self.tryget_for_page(cpu, id);
            }
            self.page_in_use(cpu, folio);
        }
        Some(folio)
    }

    /// `folio_put` where a free page has the count one: it frees what comes to zero, and that nothing does. Who waits
    /// for the page to be idle is not told (B49).
    #[doc(alias = "folio_put")]
    pub fn folio_put_unheard(&self, cpu: &Cpu<'_>, folio: Folio<'_>) {
        let count = &folio.page().refcount;
        match count.sub(Strength::KEPT, 1, || folio.owners_sub(cpu, Hold::Task, 1)) {
            Dropped::Live => {}
            Dropped::Zero => {
                self.page_idle(cpu, folio);
                if self.rules.teardown_pages == TeardownPages::WaitIdle
                    && let Some(id) = self.of_page(folio.pfn())
                {
                    self.put_refs(cpu, id, 1);
                }
            }
            Dropped::Underflow(left) => {
                warn_on(cpu, Complaint::RefUnderflow, folio.pfn(), left.into())
            }
        }
    }

    /// `pgmap_request_folios` as it was posted first (B07). Whoever else comes or goes between the two looks
    /// makes it take a reference too many, or none.
    #[doc(alias = "pgmap_request_folios")]
    #[cold]
    fn request_by_inspection(&self, cpu: &Cpu<'_>, id: PagemapId, folio: Folio<'_>) -> bool {
        let count = &folio.page().refcount;
        count.add(1);
        folio.owners_add(cpu, Hold::Task, 1);
        if count.count().is_busy(1) {
            return true;
        }
        let live = self.percpu.tryget_live(cpu, self.ref_id(id));
        if live {
            self.refs_add(cpu, id, PagemapHold::Task, 1);
            self.page_in_use(cpu, folio);
        } else {
            self.folio_put_refs(cpu, folio, 1);
        }
        live
    }

    /// `pgmap_release_folios` as it was posted: whoever reads zero after a put takes it for the end that it made (B07).
    #[doc(alias = "pgmap_release_folios")]
    #[cold]
    fn release_by_inspection(&self, cpu: &Cpu<'_>, id: PagemapId, folio: Folio<'_>) {
        if folio.refcount().is_idle() {
            self.put_refs(cpu, id, 1);
        }
    }

    /// What that does after a put that was not the last one.
    #[inline(always)]
    #[track_caller]
    fn look_for_zero(&self, cpu: &Cpu<'_>, folio: Folio<'_>) {
        if self.rules.release_folio == ReleaseFolio::ByInspection
            && self.rules.teardown_pages == TeardownPages::WaitIdle
            && let Some(id) = self.of_page(folio.pfn())
            && self.kind(id) == PagemapType::FsDax
        {
            self.release_by_inspection(cpu, id, folio);
        }
    }

    /// `free_zone_device_folio`: the 1 -> 0 transition just happened here.
    #[cold]
    fn free_zone_device_folio(&self, cpu: &Cpu<'_>, folio: Folio<'_>) {
        let pages = folio.order().pages();
        let Some(id) = self.of_page(folio.pfn()) else {
            warn_on(cpu, Complaint::NoPagemap, folio.pfn(), 0);
            return;
        };
        match self.kind(id) {
            PagemapType::FsDax => {
                wake_up_var(cpu, &folio.page().refcount);
                match (self.rules.teardown_pages, self.rules.release_folio) {
                    (TeardownPages::Ignore, _) => {}
                    (TeardownPages::WaitIdle, ReleaseFolio::OnTransition) => {
                        self.put_refs(cpu, id, 1);
                    }
                    (TeardownPages::WaitIdle, ReleaseFolio::ByInspection) => {
                        self.release_by_inspection(cpu, id, folio);
                    }
                }
            }
            PagemapType::Generic => match self.rules.teardown_pages {
                TeardownPages::Ignore => {
                    folio.page().refcount.set(1);
                    folio.owners_add(cpu, Hold::Base, 1);
                }
                // Nothing but the end of its pagemap takes such a page to zero.
                TeardownPages::WaitIdle => self.put_bulk(cpu, id),
            },
            kind @ (PagemapType::Private | PagemapType::Coherent) => {
                let refs = pages * self.refs_of_allocated(kind);
                let span = Span { start: folio.pfn(), pages };
                folio.set_mapping(None);
                self.vmemmap_restore(folio);
                match self.rules.free_push {
                    FreePush::AfterSettled => {
                        self.settle(cpu, span);
                        self.driver.folio_free(cpu, self, id, folio);
                    }
                    // The mistake of v5.18 (B04): the page is on the list, and its count is stored only now.
                    FreePush::BeforeSettled => {
                        self.driver.folio_free(cpu, self, id, folio);
                        self.settle(cpu, span);
                    }
                }
                let id = match self.rules.free_reload {
                    FreeReload::Local => id,
                    FreeReload::AfterFree => self.pagemap_after_free(cpu, id, folio.pfn()),
                };
                if refs > 0 {
                    self.put_refs(cpu, id, refs);
                }
            }
        }
    }

    /// The error path of `p2pmem_alloc_mmap`: a page that was taken and not mapped goes back to its driver, and what it was
    /// given with it, unless one of the two is forgotten (`p2p-error`; B16, B17).
    #[doc(alias = "p2pmem_alloc_mmap")]
    pub fn p2p_undo(&self, cpu: &Cpu<'_>, folio: Folio<'_>) {
        let Some(id) = self.of_page(folio.pfn()) else { return };
        match self.rules.p2p_error {
            P2pError::Undone => self.folio_put_refs(cpu, folio, 1),
            P2pError::RefLeft => {
                folio.page().refcount.set(Count::IDLE.get());
                folio.owners_sub(cpu, Hold::Task, 1);
                self.page_idle(cpu, folio);
                self.driver.folio_free(cpu, self, id, folio);
            }
            P2pError::CountLeft => {
                self.driver.folio_free(cpu, self, id, folio);
                self.page_idle(cpu, folio);
                self.put_refs(cpu, id, self.refs_of_allocated(self.kind(id)));
            }
        }
    }

    /// Stores the count of a free page. That of an idle one is there already; the store says so all the same where it comes
    /// after the driver has the page.
    #[track_caller]
    fn settle(&self, cpu: &Cpu<'_>, span: Span) {
        match (self.rules.init_mode, self.rules.free_push) {
            (InitMode::Idle, FreePush::AfterSettled) => {}
            (InitMode::Idle, FreePush::BeforeSettled) => {
                let folio = self.memmap.folio_at(span.start);
                folio.page().refcount.set(Count::IDLE.get());
                folio.owners_check(cpu);
            }
            (InitMode::Busy, FreePush::AfterSettled | FreePush::BeforeSettled) => {
                for pfn in span.iter() {
                    let page = self.memmap.folio_at(pfn);
                    page.page().refcount.set(1);
                    page.owners_add(cpu, Hold::Base, 1);
                }
            }
        }
    }

    /// The pagemap that a page says it belongs to when its driver has it again (B09). Where the word is the page's own, it
    /// is the same for as long as the struct page is there.
    #[track_caller]
    fn pagemap_after_free(&self, cpu: &Cpu<'_>, id: PagemapId, pfn: Pfn) -> PagemapId {
        match self.rules.pgmap_word {
            PgmapWord::Own => id,
            PgmapWord::AliasesHead => match self.memmap.page(pfn).head() {
                Head::Untouched => id,
                Head::Pagemap(says) => PagemapId(says),
                Head::Tail(_) => {
                    warn_on(cpu, Complaint::ReadAfterFree, pfn, 0);
                    id
                }
            },
        }
    }
}
