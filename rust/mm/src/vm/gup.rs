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
use crate::vm::{FaultHandler, MmId, Vm, Vpn};
use crate::warn::Complaint;

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
        /// Bit 0: it is a pin. Above: inode + 1 of the file that it keeps, 0 if it keeps none.
        kept: u32,
        /// Times struct pages had been unplugged when it was taken.
        epoch: u32,
        /// Owner and generation of the first frame when it was taken.
        shadow: u64,
    }
}

impl GupRange {
    /// An empty slot for output arrays.
    pub const EMPTY: Self = Self { first: 0, pages: 0, kept: 0, epoch: 0, shadow: 0 };

    #[inline(always)]
    #[track_caller]
    pub(super) fn new(vm: &Vm, first: Pfn, pages: u32, kind: GupKind) -> Self {
        let stamp = vm.pagemaps.memmap.shadow_capture(first);
        let kept = u32::from(kind == GupKind::Pin);
        Self { first: first.0, pages, kept, epoch: stamp.epoch, shadow: stamp.word }
    }

    /// Reference or pin.
    #[must_use]
    pub fn kind(&self) -> GupKind {
        if self.kept & 1 == 1 { GupKind::Pin } else { GupKind::Get }
    }

    /// What owns it while it is kept under a number.
    #[must_use]
    pub fn hold(&self) -> Hold {
        match self.kind() {
            GupKind::Get => Hold::Get,
            GupKind::Pin => Hold::Pin,
        }
    }

    /// The same, which keeps a file.
    #[must_use]
    pub fn keeping(self, inode: u32) -> Self {
        Self { kept: self.kept & 1 | (inode + 1) << 1, ..self }
    }

    /// The file that it keeps.
    #[must_use]
    pub fn kept_file(&self) -> Option<u32> {
        (self.kept >> 1).checked_sub(1)
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

    /// `gup_put_folio`: pincount first, then the references.
    #[inline(always)]
    pub fn gup_put_folio(&self, cpu: &Cpu<'_>, folio: Folio<'_>, pages: u32, kind: GupKind) {
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

    /// A reference by frame number, without a page table: kept as what GUP takes is.
    #[must_use]
    #[track_caller]
    pub fn get_by_pfn(&self, cpu: &Cpu<'_>, pfn: Pfn) -> Option<GupRange> {
        self.pagemaps.folio_try_get(cpu, pfn)?;
        Some(GupRange::new(self, pfn, 1, GupKind::Get))
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
            (BioPut::Silent, DaxPages::Devmap)
                if range.kind() == GupKind::Get && !self.pagemaps.ram.contains(range.first()) =>
            {
                self.check_stamp(cpu, Complaint::StalePin, range.first(), range.stamp());
                let folio = self.pagemaps.memmap.folio(range.first());
                self.pagemaps.folio_put_unheard(cpu, folio);
            }
            (
                BioPut::Silent | BioPut::Wakes,
                DaxPages::Devmap | DaxPages::Normal | DaxPages::EntryRefs,
            ) => {
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
        GupRange { kept: range.kept & !1, ..*range }
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
