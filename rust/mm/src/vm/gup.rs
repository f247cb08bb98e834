//! `get_user_pages`, `pin_user_pages` and their giving back (`mm/gup.c`, K§4.4, K§4.6).
//!
//! Fast first; what the fast walk leaves is taken under one hold of `mmap_lock`, entry by entry under the page-table
//! lock, faulting pages in; a PMD gives all that is wanted of it at once. If only part of the range can be had, the
//! part is returned: an error is an error only when nothing was taken.

use prim::{Cpu, by_hardware, plain};
use program::Errno;
use program::op::{Access, Longterm};
use program::rules::{BioPut, DaxPages};

use crate::page::{Folio, Hold, Pfn, Stamp};
use crate::tally;
use crate::vm::gup_fast::Taken;
use crate::vm::mm::Layout;
use crate::vm::{Fault, FaultHandler, Leaf, MmId, Pmd, Pte, Vm, Vpn};
use crate::warn::{Complaint, warn_on};

/// `FOLL_GET` or `FOLL_PIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GupKind {
    /// A plain reference.
    Get,
    /// A pin: the count says that the contents may change under us.
    Pin,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct GupRequest {
    /// First page.
    pub start: Vpn,
    /// How many.
    pub pages: u32,
    /// Reference or pin.
    pub kind: GupKind,
    /// What the holder is going to do.
    pub access: Access,
    /// For how long.
    pub longterm: Longterm,
}

plain! {
    /// Pages of one folio, referenced together: what a PMD-mapped range costs one count for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct GupRange {
        /// First frame.
        pub first: u32,
        /// How many; 0 for an empty slot.
        pub pages: u32,
        /// 1 for pins.
        pinned: u32,
        /// Times struct pages had been unplugged when it was taken.
        epoch: u32,
        /// Owner and generation of the first frame when it was taken.
        shadow: u64,
    }
}

impl GupRange {
    /// An empty slot for output arrays.
    pub const EMPTY: Self = Self { first: 0, pages: 0, pinned: 0, epoch: 0, shadow: 0 };

    #[inline(always)]
    #[track_caller]
    pub(super) fn new(vm: &Vm, first: Pfn, pages: u32, kind: GupKind) -> Self {
        let stamp = vm.pagemaps.memmap.shadow_capture(first);
        let pinned = u32::from(kind == GupKind::Pin);
        Self { first: first.0, pages, pinned, epoch: stamp.epoch, shadow: stamp.word }
    }

    /// Reference or pin.
    #[must_use]
    pub fn kind(&self) -> GupKind {
        if self.pinned == 1 { GupKind::Pin } else { GupKind::Get }
    }

    /// What owns it while it is kept under a number.
    #[must_use]
    pub fn hold(&self) -> Hold {
        match self.kind() {
            GupKind::Get => Hold::Get,
            GupKind::Pin => Hold::Pin,
        }
    }

    /// First frame.
    #[must_use]
    pub fn first(&self) -> Pfn {
        Pfn(self.first)
    }

    /// Whose page it was, and in which life, when it was taken.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { word: self.shadow, epoch: self.epoch }
    }
}

/// What an entry gives, from the page asked for to its end; the first page is referenced.
#[derive(Clone, Copy, Debug)]
#[must_use = "a reference is held"]
struct Followed {
    first: Pfn,
    pages: u32,
}

/// Why nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GupError(pub Errno);

impl Vm {
    /// Takes references on `request.pages` pages, at most one [`GupRange`] of `out` per folio. Returns
    /// how many pages, and how many ranges of `out` name them.
    ///
    /// # Errors
    /// `EFAULT` (no mapping, no permission, nothing can be mapped), `EOPNOTSUPP` (long-term on a DAX
    /// file), `ENOMEM`; only when not one page was taken.
    pub fn gup(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        request: &GupRequest,
        handler: &dyn FaultHandler,
        out: &mut [GupRange],
    ) -> Result<(u32, usize), Errno> {
        if !self.is_user_range(request) {
            return Err(Errno::EFAULT);
        }
        let mut taken = self.gup_fast(cpu, mm, request, out);
        if taken.pages == request.pages {
            cpu.count(tally::GUP_FAST);
        } else if taken.ranges < out.len() {
            self.gup_slow(cpu, mm, request, handler, &mut taken, out)?;
        }
        Ok((taken.pages, taken.ranges))
    }

    /// `pin_user_pages_fast` and nothing else: what a caller that may not sleep gets, and what the
    /// benchmarks measure. Returns pages and ranges taken, possibly none.
    #[doc(alias = "pin_user_pages_fast")]
    #[inline(always)]
    pub fn gup_fast_only(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        request: &GupRequest,
        out: &mut [GupRange],
    ) -> (u32, usize) {
        if !self.is_user_range(request) {
            return (0, 0);
        }
        let taken = self.gup_fast(cpu, mm, request, out);
        (taken.pages, taken.ranges)
    }

    /// `access_ok`.
    #[doc(alias = "access_ok")]
    #[inline]
    fn is_user_range(&self, request: &GupRequest) -> bool {
        let end = request.start.0.checked_add(request.pages);
        end.is_some_and(|end| end <= self.tables.address_space())
    }

    /// `__get_user_pages`: what the fast walk left, under one hold of `mmap_lock` (K§15). What was taken stays taken when
    /// a later page cannot be had.
    ///
    /// # Errors
    /// As [`Self::gup`], only when not one page was taken.
    #[doc(alias = "__get_user_pages")]
    fn gup_slow(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        request: &GupRequest,
        handler: &dyn FaultHandler,
        taken: &mut Taken,
        out: &mut [GupRange],
    ) -> Result<(), Errno> {
        cpu.count(tally::GUP_SLOW);
        let layout = self.mm(mm).layout.read(cpu);
        while taken.pages < request.pages && taken.ranges < out.len() {
            let left = GupRequest {
                start: request.start.add(taken.pages),
                pages: request.pages - taken.pages,
                ..*request
            };
            match self.gup_entry(cpu, mm, &layout, &left, handler) {
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
        Self::check_vma_flags(layout, request)?;
        loop {
            cpu.cond_resched();
            if let Some(followed) = self.follow_page(cpu, mm, request)? {
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
    fn check_vma_flags(layout: &Layout, request: &GupRequest) -> Result<(), Errno> {
        let vma = layout.find(request.start).ok_or(Errno::EFAULT)?;
        match (request.access, request.longterm) {
            (Access::Write, _) if vma.writable == 0 => Err(Errno::EFAULT),
            // Every VMA here maps a DAX file.
            (_, Longterm::Long) => Err(Errno::EOPNOTSUPP),
            (_, Longterm::Short) => Ok(()),
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
                    Pmd::None | Pmd::Table(_) | Pmd::Leaf(_) => Ok(None),
                };
            }
            // pte_offset_map_lock reads it for itself.
            Pmd::None | Pmd::Table(_) => match word.load() {
                Pmd::Table(table) => table,
                Pmd::None | Pmd::Leaf(_) => return Ok(None),
            },
        };
        let _ptl = self.tables.lock(cpu, table);
        match self.tables.pte(table, vpn).load() {
            Pte::Page(page) if page.allows(request.access) => {
                self.try_grab_page(cpu, page, 1, request.kind).map(Some)
            }
            Pte::None | Pte::Page(_) => Ok(None),
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
        let folio = self.try_grab_devmap(cpu, page.pfn(), kind).ok_or(Errno::EFAULT)?;
        Ok(Followed { first: folio.pfn(), pages: 1 })
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
    fn try_grab_folio(
        &self,
        cpu: &Cpu<'_>,
        pfn: Pfn,
        pages: u32,
        kind: GupKind,
    ) -> Result<(), Errno> {
        let folio = self.pagemaps.memmap.folio(pfn);
        let count = folio.refcount();
        if !count.is_held() || count.is_full() {
            let complaint =
                if count.is_full() { Complaint::RefSaturated } else { Complaint::MappedWithoutRef };
            warn_on(cpu, complaint, folio.pfn(), count.into());
            return Err(Errno::ENOMEM);
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

    /// `gup_put_folio`: pincount first, then the references.
    #[inline(always)]
    pub(super) fn gup_put_folio(&self, cpu: &Cpu<'_>, folio: Folio<'_>, pages: u32, kind: GupKind) {
        let refs = match kind {
            GupKind::Pin if folio.pfn() == Pfn::ZERO_PAGE => return,
            GupKind::Get => pages.cast_signed(),
            GupKind::Pin => {
                if folio.is_large() {
                    folio.pincount().sub(pages);
                    folio.owners_unpinned(cpu, pages);
                }
                folio.pin_weight(pages)
            }
        };
        self.pagemaps.folio_put_refs(cpu, folio, refs);
    }

    /// A range is stored where others find it, or taken from there: its references change hands.
    #[inline(always)]
    pub fn gup_hand_over(&self, cpu: &Cpu<'_>, range: &GupRange, from: Hold, to: Hold) {
        let pages = (range.first(), range.pages);
        self.pagemaps.memmap.owners_move(cpu, pages, range.kind() == GupKind::Pin, from, to);
    }

    /// `unpin_user_page_range_dirty_lock` / `put_page`: gives a range back. The page must still be whose it was.
    #[doc(alias = "unpin_user_page_range_dirty_lock")]
    #[inline(always)]
    pub fn gup_put(&self, cpu: &Cpu<'_>, range: &GupRange) {
        self.check_stamp(cpu, Complaint::StalePin, range.first(), range.stamp());
        let folio = self.pagemaps.memmap.folio(range.first());
        self.gup_put_folio(cpu, folio, range.pages, range.kind());
    }

    /// A bio lets a range go (`bio_release_pages`), by a put that v6.1 left unheard (B49).
    pub fn bio_put(&self, cpu: &Cpu<'_>, range: &GupRange) {
        let rules = &self.pagemaps.rules;
        match (rules.bio_put, rules.dax_pages) {
            (BioPut::Silent, DaxPages::Devmap) if range.kind() == GupKind::Get => {
                self.check_stamp(cpu, Complaint::StalePin, range.first(), range.stamp());
                let folio = self.pagemaps.memmap.folio(range.first());
                self.pagemaps.folio_put_unheard(cpu, folio);
            }
            (BioPut::Silent | BioPut::Wakes, DaxPages::Devmap | DaxPages::Normal) => {
                self.gup_put(cpu, range);
            }
        }
    }

    /// One more reference on something already referenced (`tee`, `get_page`).
    #[must_use]
    pub fn gup_dup(&self, cpu: &Cpu<'_>, range: &GupRange) -> GupRange {
        let folio = self.pagemaps.memmap.folio(range.first());
        folio.page().refcount.add(range.pages.cast_signed());
        folio.owners_add(cpu, Hold::Task, range.pages.cast_signed());
        GupRange { pinned: 0, ..*range }
    }

    /// A device reads or writes the first page of a range it holds: no page table, no TLB. `store`
    /// gets the page's life as it was when the reference was taken.
    pub fn dma(
        &self,
        cpu: &Cpu<'_>,
        range: &GupRange,
        store: Option<&dyn Fn(Stamp) -> u64>,
    ) -> u64 {
        let contents = self.pagemaps.memmap.contents(range.first());
        let before = contents.read();
        if let Some(value) = store {
            let _device = by_hardware();
            contents.set(value(range.stamp()));
        }
        self.check_stamp(cpu, Complaint::StalePin, range.first(), range.stamp());
        before
    }
}
