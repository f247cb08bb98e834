//! `mmu_gather`: flush, then put (`mm/mmu_gather.c`, K§6.2).
//!
//! Zap clears entries and hands the pages to a gather. The references stay counted while the pages sit
//! in the batch, so a busy check in between sees them. When the batch is full, or at the end:
//!
//! 1. TLB shoot-down: a new generation of what was cleared, then wait for every CPU in the middle of an access;
//! 2. page tables go to their grace period;
//! 3. the references are put.
//!
//! Two gathers on one mm may each clear entries the other's range relies on having flushed, so a gather
//! that finds company flushes even if it cleared nothing.
//!
//! Where entries hold no reference, nothing stays counted in the batch: a page that was mapped is idle as soon as its
//! entry is cleared. Truncate then relies on its own walk of the mappings, which joins a gather that has not flushed yet,
//! and munmap flushes before it takes the VMA away from that walk (`tlb_end_vma`).

use prim::{Cpu, sync_access};
use program::rules::{DaxPages, PfnmapFlush, ZapPut};

use crate::page::{Folio, Hold, Pfn};
use crate::tally;
use crate::vm::entry::TableId;
use crate::vm::{EvenCows, MmId, Vm, Vpn};

/// Pages a batch holds at most.
pub(super) const BATCH_MAX: usize = 512;
const TABLES_MAX: usize = 32;

/// Whether the batch has room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Batch {
    Room,
    /// Flush before the next page, before the page-table lock is dropped.
    Full,
}

#[derive(Debug)]
pub(super) struct MmuGather<'a> {
    vm: &'a Vm,
    pub(super) cpu: &'a Cpu<'a>,
    pub(super) mm: MmId,
    /// `zap_details.even_cows`.
    pub(super) even_cows: EvenCows,
    pages: [Pfn; BATCH_MAX],
    len: usize,
    tables: [Option<TableId>; TABLES_MAX],
    tables_len: usize,
    /// Groups of PMDs with cleared entries that no flush has covered yet, a bit each.
    cleared: u8,
}

impl<'a> MmuGather<'a> {
    /// `tlb_gather_mmu`.
    #[doc(alias = "tlb_gather_mmu")]
    pub(super) fn new(vm: &'a Vm, cpu: &'a Cpu<'_>, mm: MmId) -> Self {
        // Full order: pairs with the same increment of another gather, so two that overlap both know.
        vm.mm(mm).gathers.inc_return();
        Self {
            vm,
            cpu,
            mm,
            even_cows: EvenCows::Zapped,
            pages: [Pfn::ZERO_PAGE; BATCH_MAX],
            len: 0,
            tables: [None; TABLES_MAX],
            tables_len: 0,
            cleared: 0,
        }
    }

    /// An entry was cleared at `vpn`.
    pub(super) fn note_cleared(&mut self, vpn: Vpn) {
        self.cleared |= 1 << self.vm.tlb_group(vpn);
    }

    /// `__tlb_remove_folio_pages`: one mapping's reference on `folio`, to be put after the flush.
    #[doc(alias = "__tlb_remove_folio_pages")]
    pub(super) fn remove_folio(&mut self, folio: Folio<'_>) -> Batch {
        if self.vm.pagemaps.rules.zap_put == ZapPut::BeforeFlush {
            self.vm.pagemaps.folio_put_held(self.cpu, folio, 1, Hold::Batch);
            return Batch::Room;
        }
        self.pages[self.len] = folio.pfn();
        self.len += 1;
        if self.len < self.vm.gather_batch { Batch::Room } else { Batch::Full }
    }

    /// `tlb_remove_table`: an unlinked page table.
    #[doc(alias = "tlb_remove_table")]
    pub(super) fn remove_table(&mut self, table: TableId, first: Vpn) {
        if self.tables_len == TABLES_MAX {
            self.flush();
        }
        self.note_cleared(first);
        self.tables[self.tables_len] = Some(table);
        self.tables_len += 1;
    }

    /// `tlb_end_vma`: all that goes of a VMA is cleared, and the VMA may be taken out of its file's list next.
    #[doc(alias = "tlb_end_vma")]
    pub(super) fn end_vma(&mut self) {
        let rules = &self.vm.pagemaps.rules;
        match (rules.dax_pages, rules.pfnmap_flush) {
            (DaxPages::Devmap | DaxPages::EntryRefs, PfnmapFlush::BeforeUnlink) => {
                self.flush_cleared();
            }
            (DaxPages::Devmap | DaxPages::EntryRefs | DaxPages::Normal, PfnmapFlush::AtEnd)
            | (DaxPages::Normal, PfnmapFlush::BeforeUnlink) => {}
        }
    }

    /// `tlb_flush_mmu_tlbonly`.
    #[doc(alias = "tlb_flush_mmu_tlbonly")]
    fn flush_cleared(&mut self) {
        if self.cleared != 0 {
            self.vm.flush_tlb(self.cpu, self.mm, self.cleared);
            self.cleared = 0;
        }
    }

    /// `tlb_flush_mmu`.
    #[doc(alias = "tlb_flush_mmu")]
    pub(super) fn flush(&mut self) {
        self.flush_cleared();
        for table in self.tables[..self.tables_len].iter_mut().filter_map(Option::take) {
            self.vm.tables.free_unlinked(self.cpu, table);
        }
        self.tables_len = 0;
        for at in 0..core::mem::take(&mut self.len) {
            // The mapping's reference keeps the folio what it was when it was gathered.
            let folio = self.vm.pagemaps.memmap.folio(self.pages[at]);
            self.vm.pagemaps.folio_put_held(self.cpu, folio, 1, Hold::Batch);
        }
    }

    /// `tlb_finish_mmu`.
    #[doc(alias = "tlb_finish_mmu")]
    pub(super) fn finish(mut self) {
        let gathers = &self.vm.mm(self.mm).gathers;
        if gathers.read() > 1 {
            self.cpu.count(tally::NESTED_FLUSH);
            self.cleared = u8::MAX;
        }
        self.flush();
        gathers.dec();
    }
}

impl Vm {
    /// `flush_tlb_page`: of one address.
    pub(super) fn flush_tlb_page(&self, cpu: &Cpu<'_>, mm: MmId, vpn: Vpn) {
        self.flush_tlb(cpu, mm, 1 << self.tlb_group(vpn));
    }

    /// Shoots down the translations of some groups of an mm: when it returns, no CPU uses an entry of
    /// them that was cleared before the call.
    ///
    /// An access reads the generation inside its section. One that began before the barrier inside
    /// [`sync_access`] is waited for; one that begins after it sees the new generation, under which
    /// nothing older is valid, and any entry it walks to was cleared before (K§6.2).
    pub(super) fn flush_tlb(&self, cpu: &Cpu<'_>, mm: MmId, groups: u8) {
        let generations = &self.mm(mm).tlb_generations;
        for (group, generation) in generations.iter().enumerate() {
            if groups & (1 << group) != 0 {
                generation.inc_return();
            }
        }
        if sync_access(cpu).0 {
            cpu.count(tally::FLUSH_WAITED);
        }
    }
}
