//! Slow GUP: what the fast walk left (`mm/gup.c`, `__get_user_pages`; K§4.4, K§15).
//!
//! Under one hold of `mmap_lock` for the whole call, entry by entry: reference the page behind a present entry under its
//! page-table lock, where the mapping's own reference guarantees a count of at least one; fault in what is not there and
//! look again. A PMD gives all that is wanted of it: its first page under the lock, the rest on the strength of that
//! reference. The refcount goes first, then the pincount.

use prim::Cpu;
use program::Errno;
use program::op::{Access, Longterm};
use program::rules::RefLimit;

use crate::page::{Hold, Pfn};
use crate::tally;
use crate::vm::gup::{GupKind, GupRange, GupRequest};
use crate::vm::gup_fast::Taken;
use crate::vm::migrate_device::{Goes, Moved};
use crate::vm::mm::Layout;
use crate::vm::{Fault, FaultHandler, Leaf, MmId, Pmd, Pte, Vm};
use crate::warn::{Complaint, warn_on};

/// What an entry gives, from the page asked for to its end; the first page is referenced.
#[derive(Clone, Copy, Debug)]
#[must_use = "a reference is held"]
struct Followed {
    first: Pfn,
    pages: u32,
}

impl Vm {
    /// `__get_user_pages`: what the fast walk left, under one hold of `mmap_lock` (K§15). What was taken stays taken when
    /// a later page cannot be had.
    ///
    /// # Errors
    /// As [`Self::gup`], only when not one page was taken.
    #[doc(alias = "__get_user_pages")]
    pub(super) fn gup_slow(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        request: &GupRequest,
        handler: &dyn FaultHandler,
        taken: &mut Taken,
        out: &mut [GupRange],
    ) -> Result<(), Errno> {
        let layout = self.mm(mm).layout.read(cpu);
        self.gup_slow_under(cpu, (mm, &layout), request, handler, taken, out)
    }

    /// All of it under a hold of `mmap_lock` that the caller has (`get_user_pages_locked`): for who has looked at the VMA,
    /// and wants pages of that one.
    ///
    /// # Errors
    /// As [`Self::gup`].
    #[doc(alias = "__get_user_pages")]
    pub(crate) fn gup_under(
        &self,
        cpu: &Cpu<'_>,
        (mm, layout): (MmId, &Layout),
        request: &GupRequest,
        handler: &dyn FaultHandler,
        out: &mut [GupRange],
    ) -> Result<(u32, usize), Errno> {
        let mut taken = Taken::default();
        self.gup_slow_under(cpu, (mm, layout), request, handler, &mut taken, out)?;
        Ok((taken.pages, taken.ranges))
    }

    #[doc(alias = "__get_user_pages")]
    fn gup_slow_under(
        &self,
        cpu: &Cpu<'_>,
        (mm, layout): (MmId, &Layout),
        request: &GupRequest,
        handler: &dyn FaultHandler,
        taken: &mut Taken,
        out: &mut [GupRange],
    ) -> Result<(), Errno> {
        cpu.count(tally::GUP_SLOW);
        while taken.pages < request.pages && taken.ranges < out.len() {
            let left = GupRequest {
                start: request.start.add(taken.pages),
                pages: request.pages - taken.pages,
                ..*request
            };
            match self.gup_entry(cpu, mm, layout, &left, handler) {
                Ok(range) => {
                    out[taken.ranges] = range;
                    taken.ranges += 1;
                    taken.pages += range.pages;
                }
                Err(errno) if taken.pages == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// What the entry at the start of the request gives, which is faulted in until it is there.
    fn gup_entry(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        layout: &Layout,
        request: &GupRequest,
        handler: &dyn FaultHandler,
    ) -> Result<GupRange, Errno> {
        self.check_vma_flags(layout, request, handler)?;
        loop {
            cpu.cond_resched();
            if let Some(followed) = self.follow_page(cpu, mm, request)? {
                if request.longterm == Longterm::Long && self.is_of_a_device(followed.first) {
                    self.migrate_longterm_unpinnable(cpu, (mm, layout), request, followed.first)?;
                    continue;
                }
                return self.grab_rest(cpu, request, followed);
            }
            match self.handle_mm_fault(cpu, mm, layout, request.start, request.access, handler) {
                Fault::Done => {}
                Fault::Oom => return Err(Errno::ENOMEM),
                Fault::Sigbus | Fault::Sigsegv | Fault::Fallback => return Err(Errno::EFAULT),
            }
        }
    }

    /// `check_vma_flags`, with the VMA looked up.
    fn check_vma_flags(
        &self,
        layout: &Layout,
        request: &GupRequest,
        handler: &dyn FaultHandler,
    ) -> Result<(), Errno> {
        let vma = layout.find(request.start).ok_or(Errno::EFAULT)?;
        match (request.access, request.longterm) {
            (Access::Write, _) if vma.writable == 0 => Err(Errno::EFAULT),
            (_, Longterm::Long)
                if !vma.is_anonymous()
                    && handler.is_fsdax(&vma)
                    && self.pagemaps.forbids_longterm() =>
            {
                Err(Errno::EOPNOTSUPP)
            }
            (_, Longterm::Long | Longterm::Short) => Ok(()),
        }
    }

    /// `follow_page_mask`: references the page behind a present entry, under its lock, where the
    /// mapping's own reference guarantees a count of at least one.
    #[doc(alias = "follow_page_mask")]
    fn follow_page(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        request: &GupRequest,
    ) -> Result<Option<Followed>, Errno> {
        let vpn = request.start;
        let word = self.tables.pmd(mm, vpn);
        let table = match word.load() {
            Pmd::Leaf(_) => {
                let _lock = self.mm(mm).pmd_lock.lock(cpu);
                return match word.load() {
                    Pmd::Leaf(leaf) if leaf.allows(request.access) => {
                        let page = self.tables.page_of_leaf(leaf, vpn);
                        let pages = self.tables.end_of_pmd(vpn).0 - vpn.0;
                        self.try_grab_page(cpu, page, pages, request.kind).map(Some)
                    }
                    Pmd::None
                    | Pmd::Table(_)
                    | Pmd::Leaf(_)
                    | Pmd::Migration(_)
                    | Pmd::DevicePrivate(_)
                    | Pmd::Invalid => Ok(None),
                };
            }
            // pte_offset_map_lock reads it for itself.
            Pmd::None
            | Pmd::Table(_)
            | Pmd::Migration(_)
            | Pmd::DevicePrivate(_)
            | Pmd::Invalid => match word.load() {
                Pmd::Table(table) => table,
                Pmd::None
                | Pmd::Leaf(_)
                | Pmd::Migration(_)
                | Pmd::DevicePrivate(_)
                | Pmd::Invalid => return Ok(None),
            },
        };
        let _ptl = self.tables.lock(cpu, table);
        match self.tables.pte(table, vpn).load() {
            Pte::Page(page) if page.allows(request.access) => {
                self.try_grab_page(cpu, page, 1, request.kind).map(Some)
            }
            Pte::None
            | Pte::Page(_)
            | Pte::Migration(_)
            | Pte::DevicePrivate(_)
            | Pte::Exclusive(_) => Ok(None),
        }
    }

    /// What a present entry maps, its first page referenced under its lock; `pages` are left of the entry.
    fn try_grab_page(
        &self,
        cpu: &Cpu<'_>,
        page: Leaf,
        pages: u32,
        kind: GupKind,
    ) -> Result<Followed, Errno> {
        if !page.is_devmap() {
            self.try_grab_folio(cpu, page.pfn(), 1, kind)?;
            return Ok(Followed { first: page.pfn(), pages });
        }
        // Without a pagemap that lives there is no page (`follow_page_pte`); each is one of its own.
        self.try_grab_devmap(cpu, page.pfn(), kind).ok_or(Errno::EFAULT)?;
        Ok(Followed { first: page.pfn(), pages: 1 })
    }

    /// Whether a page of anonymous memory is in a device's, from where it would keep the device from going.
    fn is_of_a_device(&self, pfn: Pfn) -> bool {
        !self.pagemaps.ram.contains(pfn) && self.pagemaps.peek_is_reached(pfn)
    }

    /// `migrate_longterm_unpinnable_folios`: a page of a device that CPUs reach is not pinned for long. It goes home first,
    /// and is looked for again; the reference on it is put.
    ///
    /// # Errors
    /// `EBUSY` when somebody else refers to it, `ENOMEM`.
    #[doc(alias = "migrate_longterm_unpinnable_folios")]
    fn migrate_longterm_unpinnable(
        &self,
        cpu: &Cpu<'_>,
        (mm, layout): (MmId, &Layout),
        request: &GupRequest,
        pfn: Pfn,
    ) -> Result<(), Errno> {
        self.gup_put_folio(cpu, self.pagemaps.memmap.folio(pfn), 1, request.kind);
        let vma = layout.find(request.start).ok_or(Errno::EFAULT)?;
        match self.migrate_page(cpu, mm, &vma, request.start, Goes::Home, None) {
            Moved::Yes => Ok(()),
            Moved::No => Err(Errno::EBUSY),
            Moved::NoMemory => Err(Errno::ENOMEM),
        }
    }

    /// The rest of what is wanted of a PMD, without its lock: the first page's reference keeps the folio.
    fn grab_rest(
        &self,
        cpu: &Cpu<'_>,
        request: &GupRequest,
        followed: Followed,
    ) -> Result<GupRange, Errno> {
        let Followed { first, pages } = followed;
        let pages = pages.min(request.pages);
        if pages > 1 {
            self.try_grab_folio(cpu, first, pages - 1, request.kind).inspect_err(|_| {
                self.gup_put_folio(cpu, self.pagemaps.memmap.folio(first), 1, request.kind);
            })?;
        }
        Ok(GupRange::new(self, first, pages, request.kind))
    }

    /// `try_grab_folio`, where somebody's reference is known to be there.
    ///
    /// # Errors
    /// `ENOMEM` when there is none, which is told, or too many.
    pub fn try_grab_folio(
        &self,
        cpu: &Cpu<'_>,
        pfn: Pfn,
        pages: u32,
        kind: GupKind,
    ) -> Result<(), Errno> {
        let folio = self.pagemaps.memmap.folio(pfn);
        let count = folio.refcount();
        match self.pagemaps.rules.ref_limit {
            RefLimit::Refused if count.is_full() => {
                cpu.count(tally::TRY_GET_REFUSED);
                return Err(Errno::ENOMEM);
            }
            RefLimit::Wraps if count.is_underflown() => {}
            RefLimit::Refused | RefLimit::Wraps if count.is_held() => {}
            RefLimit::Refused | RefLimit::Wraps => {
                warn_on(cpu, Complaint::MappedWithoutRef, folio.pfn(), count.into());
                return Err(Errno::ENOMEM);
            }
        }
        match kind {
            GupKind::Pin if pfn == Pfn::ZERO_PAGE => {}
            GupKind::Get => {
                folio.page().refcount.add(pages.cast_signed());
                folio.owners_add(cpu, Hold::Task, pages.cast_signed());
            }
            GupKind::Pin => {
                let weight = folio.pin_weight(pages);
                folio.page().refcount.add(weight);
                folio.owners_add(cpu, Hold::Task, weight);
                if folio.is_large() {
                    folio.pincount().add(pages);
                    folio.owners_pinned(cpu, pages);
                }
            }
        }
        Ok(())
    }
}
