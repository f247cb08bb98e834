//! Huge pages of anonymous memory, and PMDs that become tables (`mm/huge_memory.c`; K§7.2).
//!
//! A PMD that maps a whole folio is split in one of these ways, all under the lock of the PMD from beginning to end:
//!
//! | the folio is | in place of the entry | references | mapcounts |
//! |---|---|---|---|
//! | a file's | nothing: faults rebuild what is still wanted | the leaf's is put | the leaf's goes |
//! | anonymous, and stays mapped | a table of pages | one more for each page but the first | one for each page, the leaf's goes |
//! | anonymous, and somebody has it locked | a table of migration entries | the leaf's is put | the leaf's goes |
//! | being moved, as a whole | a table of migration entries | none | none |
//!
//! Of anonymous memory nothing could be faulted in again, so nobody may take the PMD for empty meanwhile: it is invalid,
//! which is neither walked nor none. Memory of a device that CPUs do not reach is mapped by entries that are not walked, and
//! otherwise fares like any other (K§7.1, K§7.2). The table has waited with the PMD since that was mapped. Its entries are written
//! before anybody can find it: the release of the PMD's store pairs with the acquire of who walks.

use prim::{Cpu, SpinGuard};
use program::op::Access;

use crate::page::{Folio, Hold, Pfn};
use crate::tally;
use crate::vm::fault::{Fault, VmFault};
use crate::vm::word::PtLocked;
use crate::vm::{Leaf, MmId, Pmd, Pte, Softleaf, Vm, Vpn};

/// What takes the place of a leaf of anonymous memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SplitInto {
    /// Its pages, mapped one by one.
    Pages,
    /// Migration entries (`freeze`): the caller has the folio locked and a reference of its own.
    Migration,
}

impl Vm {
    /// `do_huge_pmd_anonymous_page`: nothing where a single page is to be mapped instead.
    #[doc(alias = "do_huge_pmd_anonymous_page")]
    pub(super) fn huge_anonymous_page(&self, cpu: &Cpu<'_>, fault: &VmFault) -> Option<Fault> {
        let VmFault { mm, vma, .. } = *fault;
        let start = self.tables.start_of_pmd(fault.vpn);
        let fits = vma.start <= start.0 && self.tables.end_of_pmd(start).0 <= vma.end();
        if vma.huge == 0 || !fits {
            return None;
        }
        let memmap = &self.pagemaps.memmap;
        let Some(folio) = self.pagemaps.ram.alloc(cpu, memmap, self.tables.pmd_order) else {
            cpu.count(tally::PMD_FALLBACK);
            return None;
        };
        let table = self.tables.alloc(cpu);
        if let Ok(table) = table {
            folio.span().iter().for_each(|pfn| memmap.contents(pfn).set(0));
            let lock = self.mm(mm).pmd_lock.lock(cpu);
            let word = self.tables.pmd(mm, start);
            match word.load() {
                Pmd::None => {
                    folio.set_anon(vma.mapping, vma.pgoff_of(start));
                    Self::add_rmap_pmd(cpu, folio);
                    self.tables.deposit(&lock, mm, start, table);
                    let leaf = Leaf::new(folio.pfn(), Access::Write);
                    cpu.count(tally::PMD_MAPPED);
                    word.publish(&lock, Pmd::Leaf(leaf));
                    self.entry_owns(cpu, leaf, Hold::Task, Hold::Mapping);
                    return Some(Fault::Done);
                }
                // Raced: let the access look again.
                Pmd::Table(_)
                | Pmd::Leaf(_)
                | Pmd::Migration(_)
                | Pmd::DevicePrivate(_)
                | Pmd::Invalid => {}
            }
            drop(lock);
            self.tables.free_unused(cpu, table);
        }
        self.pagemaps.folio_put_refs(cpu, folio, 1);
        Some(if table.is_ok() { Fault::Done } else { Fault::Oom })
    }

    /// `do_huge_pmd_wp_page`: a huge page that nobody else has is made writable where it is. Says whether it was; else
    /// the PMD is to be split, and the page copied.
    #[doc(alias = "do_huge_pmd_wp_page")]
    pub(super) fn huge_wp_reuse(&self, cpu: &Cpu<'_>, fault: &VmFault, leaf: Leaf) -> bool {
        if !self.pagemaps.peek_is_reached(leaf.pfn()) {
            return false;
        }
        let lock = self.mm(fault.mm).pmd_lock.lock(cpu);
        let word = self.tables.pmd(fault.mm, fault.vpn);
        let alone = !self.pagemaps.memmap.folio(leaf.pfn()).refcount().is_busy(1);
        match word.load() {
            Pmd::Leaf(now) if now == leaf && alone => {
                word.publish(&lock, Pmd::Leaf(leaf.made_writable()));
                true
            }
            Pmd::None
            | Pmd::Table(_)
            | Pmd::Leaf(_)
            | Pmd::Migration(_)
            | Pmd::DevicePrivate(_)
            | Pmd::Invalid => false,
        }
    }

    /// Waits for whoever is splitting a PMD.
    pub(super) fn wait_for_pmd(&self, cpu: &Cpu<'_>, mm: MmId) {
        drop(self.mm(mm).pmd_lock.lock(cpu));
    }

    /// `copy_huge_pmd` of anonymous memory: the child maps the same folio, and neither may write it. Says whether there
    /// was a leaf to copy.
    ///
    /// # Errors
    /// No memory for a page table.
    pub(super) fn copy_huge_pmd(
        &self,
        cpu: &Cpu<'_>,
        (parent, child): (MmId, MmId),
        vpn: Vpn,
    ) -> Result<bool, ()> {
        let table = self.tables.alloc(cpu).map_err(|_| ())?;
        // Both at once, the child's first: nobody else is in the child yet.
        let target = self.mm(child).pmd_lock.lock(cpu);
        let source = self.mm(parent).pmd_lock.lock(cpu);
        let word = self.tables.pmd(parent, vpn);
        let shared = match word.load() {
            Pmd::Leaf(leaf) if self.pagemaps.peek_is_reached(leaf.pfn()) => {
                Pmd::Leaf(leaf.made_readonly())
            }
            Pmd::Migration(entry) => Pmd::Migration(entry.made_readonly()),
            Pmd::DevicePrivate(entry) => Pmd::DevicePrivate(entry.made_readonly()),
            // Split meanwhile by somebody who came by rmap.
            Pmd::None | Pmd::Table(_) | Pmd::Leaf(_) | Pmd::Invalid => {
                drop((source, target));
                self.tables.free_unused(cpu, table);
                return Ok(false);
            }
        };
        let held = shared.held();
        if let Some(leaf) = held {
            let folio = self.pagemaps.memmap.folio(leaf.pfn());
            folio.page().refcount.add(1);
            folio.owners_add(cpu, Hold::Task, 1);
            Self::add_rmap_pmd(cpu, folio);
        }
        word.publish(&source, shared);
        self.tables.deposit(&target, child, vpn, table);
        self.tables.pmd(child, vpn).publish(&target, shared);
        held.inspect(|leaf| self.entry_owns(cpu, *leaf, Hold::Task, Hold::Mapping));
        Ok(true)
    }

    /// `__split_huge_pmd`: no leaf is left at an address. One that somebody else is splitting is waited for.
    #[doc(alias = "__split_huge_pmd")]
    pub(super) fn split_huge_pmd(&self, cpu: &Cpu<'_>, mm: MmId, vpn: Vpn) {
        let around = (self.tables.start_of_pmd(vpn), self.tables.end_of_pmd(vpn));
        let _forgotten = self.invalidate_range(cpu, mm, around, None);
        let lock = self.mm(mm).pmd_lock.lock(cpu);
        let into = SplitInto::Pages;
        match self.tables.pmd(mm, vpn).load() {
            Pmd::None | Pmd::Table(_) | Pmd::Invalid => {}
            Pmd::Leaf(leaf) if self.pagemaps.peek_is_reached(leaf.pfn()) => {
                self.split_anon_pmd(cpu, &lock, (mm, vpn), Pte::Page(leaf), into);
            }
            Pmd::Leaf(leaf) => self.drop_file_pmd(cpu, &lock, (mm, vpn), leaf),
            Pmd::Migration(entry) => {
                self.split_anon_pmd(cpu, &lock, (mm, vpn), Pte::Migration(entry), into);
            }
            Pmd::DevicePrivate(entry) => {
                self.split_anon_pmd(cpu, &lock, (mm, vpn), Pte::DevicePrivate(entry), into);
            }
        }
    }

    /// Of a file: cleared, flushed and put, all under its lock (K§15).
    fn drop_file_pmd(
        &self,
        cpu: &Cpu<'_>,
        lock: &SpinGuard<'_, PtLocked>,
        (mm, vpn): (MmId, Vpn),
        leaf: Leaf,
    ) {
        self.clear_this_leaf(cpu, lock, (mm, vpn), leaf, Hold::Batch);
        self.flush_tlb_page(cpu, mm, vpn);
        let Some(head) = leaf.normal_page() else { return };
        let folio = self.pagemaps.memmap.folio(head);
        Self::remove_rmap_pmd(cpu, folio);
        self.pagemaps.folio_put_held(cpu, folio, 1, Hold::Batch);
    }

    /// `__split_huge_pmd_locked` of anonymous memory; `whole` is what the PMD says, of its first page.
    #[doc(alias = "__split_huge_pmd_locked")]
    pub(super) fn split_anon_pmd(
        &self,
        cpu: &Cpu<'_>,
        lock: &SpinGuard<'_, PtLocked>,
        (mm, vpn): (MmId, Vpn),
        whole: Pte,
        into: SplitInto,
    ) {
        // Deposited when the entry was made.
        let Some(table) = self.tables.withdraw(lock, mm, vpn) else { return };
        let start = self.tables.start_of_pmd(vpn);
        let word = self.tables.pmd(mm, vpn);
        let (first, mapped) = match whole {
            // Of a whole PMD there is no such entry.
            Pte::None | Pte::Exclusive(_) => return,
            Pte::Page(leaf) => {
                self.speculate(mm, vpn, self.tables.page_of_leaf(leaf, vpn));
                (Softleaf::of(leaf), Some(leaf))
            }
            // No TLB has it.
            Pte::DevicePrivate(entry) => (entry, Some(entry.present())),
            Pte::Migration(entry) => (entry, None),
        };
        word.invalidate(lock);
        mapped.inspect(|leaf| self.entry_owns(cpu, *leaf, Hold::Mapping, Hold::Task));
        self.flush_tlb_page(cpu, mm, start);
        let folio = self.pagemaps.memmap.folio(first.pfn());
        let pages = || (0..self.tables.pmd_order.pages()).map(|at| (start.add(at), first.page(at)));
        let set = |vpn, pte| self.tables.pte(table, vpn).publish(lock, pte);
        match (mapped, into) {
            (Some(_), SplitInto::Pages) => {
                let more = self.tables.pmd_order.pages().cast_signed() - 1;
                folio.page().refcount.add(more);
                folio.owners_add(cpu, Hold::Task, more);
                for (vpn, page) in pages() {
                    self.add_rmap_pte(cpu, folio, page.pfn());
                    set(vpn, self.entry_of_page(page));
                }
                Self::remove_rmap_pmd(cpu, folio);
                word.publish(lock, Pmd::Table(table));
                let owned = |page: Softleaf| {
                    self.entry_owns(cpu, page.present(), Hold::Task, Hold::Mapping);
                };
                pages().for_each(|(_, page)| owned(page));
            }
            (Some(_), SplitInto::Migration) => {
                pages().for_each(|(vpn, page)| set(vpn, Pte::Migration(page)));
                Self::remove_rmap_pmd(cpu, folio);
                word.publish(lock, Pmd::Table(table));
                self.pagemaps.folio_put_refs(cpu, folio, 1);
            }
            // Nothing of it is anybody's.
            (None, SplitInto::Pages | SplitInto::Migration) => {
                pages().for_each(|(vpn, page)| set(vpn, Pte::Migration(page)));
                word.publish(lock, Pmd::Table(table));
            }
        }
    }

    /// `set_pmd_migration_entry`: an entry of a whole folio makes room for a migration entry of the whole. The caller has
    /// the folio locked, and a reference.
    pub(super) fn set_pmd_migration_entry(
        &self,
        cpu: &Cpu<'_>,
        lock: &SpinGuard<'_, PtLocked>,
        (mm, vpn): (MmId, Vpn),
        leaf: Leaf,
    ) {
        let word = self.tables.pmd(mm, vpn);
        if self.pagemaps.peek_is_reached(leaf.pfn()) {
            self.speculate(mm, vpn, self.tables.page_of_leaf(leaf, vpn));
        }
        word.invalidate(lock);
        self.entry_owns(cpu, leaf, Hold::Mapping, Hold::Task);
        self.flush_tlb_page(cpu, mm, self.tables.start_of_pmd(vpn));
        word.publish(lock, Pmd::Migration(Softleaf::of(leaf)));
        let folio = self.pagemaps.memmap.folio(leaf.pfn());
        Self::remove_rmap_pmd(cpu, folio);
        self.pagemaps.folio_put_refs(cpu, folio, 1);
    }

    /// `remove_migration_pmd`: a migration entry of a whole folio maps that of `folio`, which is as large.
    pub(super) fn remove_migration_pmd(
        &self,
        cpu: &Cpu<'_>,
        (mm, vpn): (MmId, Vpn),
        source: Pfn,
        folio: Folio<'_>,
    ) {
        let lock = self.mm(mm).pmd_lock.lock(cpu);
        let word = self.tables.pmd(mm, vpn);
        let entry = match word.load() {
            Pmd::Migration(entry) if entry.pfn() == source => entry.of_frame(folio.pfn()),
            Pmd::None
            | Pmd::Table(_)
            | Pmd::Leaf(_)
            | Pmd::Migration(_)
            | Pmd::DevicePrivate(_)
            | Pmd::Invalid => return,
        };
        folio.page().refcount.add(1);
        folio.owners_add(cpu, Hold::Task, 1);
        Self::add_rmap_pmd(cpu, folio);
        let pmd = match self.pagemaps.peek_is_reached(folio.pfn()) {
            true => Pmd::Leaf(entry.present()),
            false => Pmd::DevicePrivate(entry),
        };
        word.publish(&lock, pmd);
        self.entry_owns(cpu, entry.present(), Hold::Task, Hold::Mapping);
    }

    /// `pmd_migration_entry_wait`.
    pub(super) fn pmd_migration_entry_wait(&self, cpu: &Cpu<'_>, mm: MmId, vpn: Vpn) {
        let folio = {
            let _lock = self.mm(mm).pmd_lock.lock(cpu);
            match self.tables.pmd(mm, vpn).load() {
                Pmd::None | Pmd::Table(_) | Pmd::Leaf(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {
                    return;
                }
                // Locked as long as the entry is there, and so not free.
                Pmd::Migration(entry) => self.pagemaps.memmap.folio(entry.pfn()),
            }
        };
        folio.wait_on_locked(cpu);
    }

    /// `zap_deposited_table`: a leaf of anonymous memory has gone, and nobody will split it.
    pub(super) fn zap_deposited_table(
        &self,
        cpu: &Cpu<'_>,
        lock: &SpinGuard<'_, PtLocked>,
        mm: MmId,
        vpn: Vpn,
    ) {
        if let Some(table) = self.tables.withdraw(lock, mm, vpn) {
            self.tables.free_unused(cpu, table);
        }
    }
}
