//! `gup_fast`: references by address without a lock (`mm/gup.c`, K§4.3).
//!
//! With interrupts off, so that no page table on the way can be freed:
//!
//! 1. read PMD and PTE once each;
//! 2. take the reference: a full barrier (`try_get_folio`); for a pin, upgrade it;
//! 3. read the PMD **and** the PTE again; if either differs, give the reference back and stop.
//!
//! The unmapper clears the entry, fully ordered, before it reads the count (K§4.1), so either it sees
//! this reference or step 3 sees its clear. Anything unusual stops the walk; the slow path takes over
//! from there.

use prim::{Cpu, smp_mb_after_atomic};
use program::rules::Switch;

use crate::page::{Folio, Pfn, Stamp};
use crate::tally;
use crate::vm::gup::{GupKind, GupRange, GupRequest, Longterm};
use crate::vm::tables::TableId;
use crate::vm::{Entry, MmId, Vm, Vpn};
use crate::warn::{Complaint, warn_page};

/// What the walk has collected.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Pages referenced.
    pub(super) pages: u32,
    /// Entries of the output used.
    pub(super) ranges: usize,
}

impl Vm {
    /// References as many of the `request.pages` pages at `request.start` as the page tables give
    /// without help. Small folios yield a range each, a PMD leaf one range for all its pages.
    #[inline]
    pub(super) fn gup_fast(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        request: &GupRequest,
        out: &mut [GupRange],
    ) -> Taken {
        let mut taken = Taken::default();
        let _irq = cpu.local_irq_save();
        while taken.pages < request.pages && taken.ranges < out.len() {
            let vpn = request.start.add(taken.pages);
            let pmd = Entry(self.tables.pmd(mm, vpn).read_acquire());
            let range = if pmd.is_huge() {
                self.gup_fast_pmd_leaf(cpu, mm, vpn, pmd, request.pages - taken.pages, request)
            } else if let Some(table) = pmd.as_table() {
                self.gup_fast_pte(cpu, mm, vpn, pmd, table, request)
            } else {
                None
            };
            let Some(range) = range else { break };
            out[taken.ranges] = range;
            taken.ranges += 1;
            taken.pages += range.pages;
        }
        taken
    }

    #[inline]
    fn gup_fast_pte(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        vpn: Vpn,
        pmd: Entry,
        table: TableId,
        request: &GupRequest,
    ) -> Option<GupRange> {
        let word = self.tables.pte(table, vpn);
        let pte = Entry(word.read_acquire());
        if !pte.allows(request.access) {
            return None;
        }
        let before = self.pagemaps.memmap.shadow_capture(pte.pfn());
        let folio = self.try_grab_folio_fast(cpu, pte.pfn(), 1, request)?;
        let range = GupRange::new(self, pte.pfn(), 1, request.kind);
        let rules = &self.pagemaps.rules;
        let pmd_changed = self.tables.pmd(mm, vpn).read() != pmd.0;
        let pte_changed = word.read() != pte.0;
        if pmd_changed && rules.gup_pmd_recheck == Switch::On
            || pte_changed && rules.gup_pte_recheck == Switch::On
        {
            return self.lost(cpu, folio, &range);
        }
        self.accept(cpu, folio, range, before, pmd_changed || pte_changed)
    }

    #[inline]
    fn gup_fast_pmd_leaf(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        vpn: Vpn,
        pmd: Entry,
        wanted: u32,
        request: &GupRequest,
    ) -> Option<GupRange> {
        if !pmd.allows(request.access) {
            return None;
        }
        let size = self.tables.pmd_order.pages();
        let pages = wanted.min(size - (vpn.0 & (size - 1)));
        let first = self.huge_page(pmd, vpn);
        let before = self.pagemaps.memmap.shadow_capture(first);
        let folio = self.try_grab_folio_fast(cpu, first, pages, request)?;
        let range = GupRange::new(self, first, pages, request.kind);
        // A leaf has one word to look at again; leaving it out is the same mistake one level up.
        let changed = self.tables.pmd(mm, vpn).read() != pmd.0;
        if changed && self.pagemaps.rules.gup_pte_recheck == Switch::On {
            return self.lost(cpu, folio, &range);
        }
        self.accept(cpu, folio, range, before, changed)
    }

    /// The re-check failed: the unmapper may not have seen this reference.
    #[cold]
    fn lost(&self, cpu: &Cpu<'_>, folio: Folio<'_>, range: &GupRange) -> Option<GupRange> {
        cpu.count(tally::RECHECK_LOST);
        self.gup_put_folio(cpu, folio, range.pages, range.kind());
        None
    }

    /// `try_grab_folio_fast`: reference first, pin second, barrier third.
    #[inline]
    fn try_grab_folio_fast(
        &self,
        cpu: &Cpu<'_>,
        pfn: Pfn,
        pages: u32,
        request: &GupRequest,
    ) -> Option<Folio<'_>> {
        if request.longterm == Longterm::Yes {
            // Not pinnable for long: the slow path has the errno (K§4.4).
            return None;
        }
        if request.kind == GupKind::Pin && pfn == Pfn::ZERO_PAGE {
            return Some(self.pagemaps.memmap.folio(pfn));
        }
        let folio = self.pagemaps.try_get_folio(cpu, pfn, pages.cast_signed())?;
        if request.kind == GupKind::Pin {
            if folio.is_large() {
                folio.pincount().add(pages);
            } else {
                folio.page().refcount.add(folio.pin_weight(pages) - pages.cast_signed());
            }
            // Pairs with the full exchange of the unmapper, for a reader of the pincount (K§2.3).
            smp_mb_after_atomic();
        }
        Some(folio)
    }

    /// `gup_fast_folio_allowed`: a file page without a mapping was truncated; let the slow path look.
    ///
    /// Here I24 is checked: whoever keeps a reference although the entry had `changed` must not find
    /// that the page also changed hands since the entry was read. With the re-checks in place nothing
    /// changed ever gets here.
    #[inline]
    fn accept(
        &self,
        cpu: &Cpu<'_>,
        folio: Folio<'_>,
        range: GupRange,
        before: Stamp,
        changed: bool,
    ) -> Option<GupRange> {
        if changed && before != range.stamp() {
            warn_page(cpu, Complaint::WrongPage, range.first(), range.stamp().word.cast_signed());
        }
        if folio.mapping().is_none() && folio.pfn() != Pfn::ZERO_PAGE {
            self.gup_put_folio(cpu, folio, range.pages, range.kind());
            return None;
        }
        Some(range)
    }
}
