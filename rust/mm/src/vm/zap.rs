//! Clearing entries (`zap_pte_range`, `zap_huge_pmd`; K§6.1).
//!
//! Under the page-table lock, so that the entry stays what was read: exchange it with none (a full barrier: the
//! unmapper's half of K§4.1; `try_to_unmap.rs`), drop the rmap, hand the page's reference to the gather. The reference
//! outlives the entry until the flush, so between the two the page reads as busy, which is right.
//!
//! Whoever finds no PTE still waits for the lock under which it may just have been cleared: when a zap returns,
//! no mapping of its range is half gone. Of PMDs the kernel does so only when it unmaps a single folio, and skips
//! an empty one otherwise (`zap-none-pmd`, K§16 B53: forced on stock kernels).
//!
//! A PMD leaf of which the range covers a part is split (`huge.rs`). One of a file goes as a whole (K§14, §7.6): files
//! rebuild what is left by faulting.

use prim::{Cpu, SpinGuard};
use program::rules::ZapNonePmd;

use crate::page::Hold;
use crate::vm::entry::TableId;
use crate::vm::gather::{Batch, MmuGather};
use crate::vm::walk::UnderPmd;
use crate::vm::word::PtLocked;
use crate::vm::{EvenCows, Leaf, Pmd, Pte, Vm, Vpn};

/// Whether there may be something left to clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
enum Again {
    No,
    Yes,
}

impl Vm {
    /// `zap_page_range_single`: clears everything present in `[start, end)`.
    #[doc(alias = "zap_page_range_single")]
    pub(super) fn zap_range(&self, gather: &mut MmuGather<'_>, start: Vpn, end: Vpn) {
        for pmd in self.tables.walk_range(gather.mm, start, end) {
            while self.zap_pmd(gather, &pmd) == Again::Yes {}
        }
        gather.end_vma();
    }

    /// One PMD. A leaf that is gone by the time its lock is held, or that is split because only a part of it goes, has
    /// made room for something else: look again.
    #[doc(alias = "zap_pmd_range")]
    fn zap_pmd(&self, gather: &mut MmuGather<'_>, pmd: &UnderPmd<'_>) -> Again {
        match pmd.word.load() {
            Pmd::None => self.zap_none_pmd(gather),
            Pmd::Table(table) => self.zap_ptes(gather, table, pmd.start, pmd.end),
            Pmd::Leaf(_) if self.tables.is_whole(pmd) => {
                return self.zap_huge_pmd(gather, pmd.start);
            }
            Pmd::Migration(_) | Pmd::DevicePrivate(_) if self.tables.is_whole(pmd) => {
                return self.zap_nonpresent_pmd(gather, pmd.start);
            }
            Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {
                self.split_huge_pmd(gather.cpu, gather.mm, pmd.start);
                return Again::Yes;
            }
        }
        Again::No
    }

    /// An empty PMD. Another zap may stand between clearing it and dropping its rmap. Until that one is through,
    /// count and mapcount agree, and a layout break takes the page for idle.
    #[track_caller]
    fn zap_none_pmd(&self, gather: &MmuGather<'_>) {
        match self.pagemaps.rules.zap_none_pmd {
            ZapNonePmd::Skip => {}
            ZapNonePmd::Lock => drop(self.mm(gather.mm).pmd_lock.lock(gather.cpu)),
        }
    }

    #[doc(alias = "zap_pte_range")]
    fn zap_ptes(&self, gather: &mut MmuGather<'_>, table: TableId, start: Vpn, end: Vpn) {
        let mut at = start;
        while at < end {
            let ptl = self.tables.lock(gather.cpu, table);
            let mut batch = Batch::Room;
            while at < end && batch == Batch::Room {
                batch = self.zap_pte(gather, &ptl, table, at);
                at = at.add(1);
            }
            drop(ptl);
            if batch == Batch::Full {
                gather.cpu.count(crate::tally::GATHER_FULL);
                gather.flush();
            }
        }
    }

    /// One PTE. Departure: the early flush of a full batch happens after the lock is dropped; the
    /// kernel flushes TLBs before and frees after, which differs only with delayed rmap (K§6.1 step 7).
    #[doc(alias = "zap_present_ptes")]
    fn zap_pte(
        &self,
        gather: &mut MmuGather<'_>,
        ptl: &SpinGuard<'_, PtLocked>,
        table: TableId,
        vpn: Vpn,
    ) -> Batch {
        let word = self.tables.pte(table, vpn);
        let page = match word.load() {
            Pte::None => return Batch::Room,
            Pte::Page(page) => page,
            entry @ (Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_)) => {
                // Of memory that is in no file, all of it.
                if gather.even_cows == EvenCows::Zapped {
                    self.zap_nonpresent_pte(gather.cpu, ptl, (table, vpn), entry);
                }
                return Batch::Room;
            }
        };
        if gather.even_cows == EvenCows::Kept && self.pagemaps.ram.contains(page.pfn()) {
            return Batch::Room;
        }
        self.speculate(gather.mm, vpn, page);
        word.clear(ptl, self.pagemaps.rules.zap_clear);
        self.entry_owns(gather.cpu, page, Hold::Mapping, Hold::Batch);
        gather.note_cleared(vpn);
        let Some(pfn) = page.normal_page() else { return Batch::Room };
        let folio = self.pagemaps.memmap.folio(pfn);
        self.remove_rmap_pte(gather.cpu, folio, pfn);
        gather.remove_folio(folio)
    }

    /// `zap_nonpresent_ptes`: no TLB has it, so what it holds is put at once, under the lock of its table (K§6.3).
    #[doc(alias = "zap_nonpresent_ptes")]
    fn zap_nonpresent_pte(
        &self,
        cpu: &Cpu<'_>,
        ptl: &SpinGuard<'_, PtLocked>,
        (table, vpn): (TableId, Vpn),
        entry: Pte,
    ) {
        self.tables.pte(table, vpn).clear(ptl, self.pagemaps.rules.zap_clear);
        let Some(pfn) = entry.normal_page() else { return };
        self.pagemaps.memmap.owners_move(cpu, (pfn, 1), false, Hold::Mapping, Hold::Task);
        let folio = self.pagemaps.memmap.folio(pfn);
        self.remove_rmap_pte(cpu, folio, pfn);
        self.pagemaps.folio_put_refs(cpu, folio, 1);
    }

    fn zap_huge_pmd(&self, gather: &mut MmuGather<'_>, vpn: Vpn) -> Again {
        let lock = self.mm(gather.mm).pmd_lock.lock(gather.cpu);
        let Some(leaf) = self.clear_leaf(gather.cpu, &lock, gather.mm, vpn, Hold::Batch) else {
            return Again::Yes;
        };
        gather.note_cleared(vpn);
        let Some(head) = leaf.normal_page() else { return Again::No };
        let folio = self.pagemaps.memmap.folio(head);
        Self::remove_rmap_pmd(gather.cpu, folio);
        if self.pagemaps.peek_is_reached(head) {
            self.zap_deposited_table(gather.cpu, &lock, gather.mm, vpn);
        }
        let batch = gather.remove_folio(folio);
        drop(lock);
        if batch == Batch::Full {
            gather.flush();
        }
        Again::No
    }

    /// A PMD that no CPU walks, and so no TLB has: what it holds is put at once, under its lock (`zap_huge_pmd`).
    #[doc(alias = "zap_huge_pmd")]
    fn zap_nonpresent_pmd(&self, gather: &MmuGather<'_>, vpn: Vpn) -> Again {
        let (cpu, mm) = (gather.cpu, gather.mm);
        let lock = self.mm(mm).pmd_lock.lock(cpu);
        let word = self.tables.pmd(mm, vpn);
        let mapped = match word.load() {
            Pmd::None | Pmd::Table(_) | Pmd::Leaf(_) | Pmd::Invalid => return Again::Yes,
            Pmd::Migration(_) => None,
            Pmd::DevicePrivate(entry) => Some(entry),
        };
        word.clear(&lock, self.pagemaps.rules.zap_clear);
        mapped.inspect(|entry| self.entry_owns(cpu, entry.present(), Hold::Mapping, Hold::Task));
        self.zap_deposited_table(cpu, &lock, mm, vpn);
        if let Some(entry) = mapped {
            let folio = self.pagemaps.memmap.folio(entry.pfn());
            Self::remove_rmap_pmd(cpu, folio);
            self.pagemaps.folio_put_refs(cpu, folio, 1);
        }
        Again::No
    }

    /// The leaf at an address is none from here on, and what it held is `to`'s; None if there is no leaf any more.
    #[track_caller]
    pub(super) fn clear_leaf(
        &self,
        cpu: &prim::Cpu<'_>,
        lock: &SpinGuard<'_, PtLocked>,
        mm: crate::vm::MmId,
        vpn: Vpn,
        to: Hold,
    ) -> Option<Leaf> {
        let leaf = match self.tables.pmd(mm, vpn).load() {
            Pmd::None
            | Pmd::Table(_)
            | Pmd::Migration(_)
            | Pmd::DevicePrivate(_)
            | Pmd::Invalid => return None,
            Pmd::Leaf(leaf) => leaf,
        };
        self.clear_this_leaf(cpu, lock, (mm, vpn), leaf, to);
        Some(leaf)
    }

    /// As [`Self::clear_leaf`], of one that has been read under the lock.
    #[track_caller]
    pub(super) fn clear_this_leaf(
        &self,
        cpu: &prim::Cpu<'_>,
        lock: &SpinGuard<'_, PtLocked>,
        (mm, vpn): (crate::vm::MmId, Vpn),
        leaf: Leaf,
        to: Hold,
    ) {
        self.speculate(mm, vpn, self.tables.page_of_leaf(leaf, vpn));
        self.tables.pmd(mm, vpn).clear(lock, self.pagemaps.rules.zap_clear);
        self.entry_owns(cpu, leaf, Hold::Mapping, to);
    }

    /// `zap_page_range_single` for madvise: under `mmap_lock` for reading, tables stay.
    #[doc(alias = "zap_page_range_single")]
    pub(crate) fn zap_page_range(
        &self,
        cpu: &prim::Cpu<'_>,
        mm: crate::vm::MmId,
        start: Vpn,
        pages: u32,
    ) {
        let _layout = self.mm(mm).layout.read(cpu);
        let _forgotten = self.invalidate_range(cpu, mm, (start, start.add(pages)), None);
        let mut gather = MmuGather::new(self, cpu, mm);
        self.zap_range(&mut gather, start, start.add(pages));
        gather.finish();
    }
}
