//! mremap: a mapping goes to other addresses, and its entries with it (`mm/mremap.c`, K§16).
//!
//! All under `mmap_lock` for writing, so no fault and no munmap runs beside; who comes by the file does:
//!
//! 1. a copy of the VMA is linked (`copy_vma`). It stands after the old one in the file's list, so a truncate visits the
//!    old place first and the new one after it: an entry that is moved meanwhile is met in one of the two;
//! 2. entries move, each under the locks of both places, and the TLB is flushed before those are dropped. A whole page
//!    table is moved by its PMD, with nobody allowed to come by the file (`move_normal_pmd`);
//! 3. the old VMA is unlinked and its tables are freed (`do_munmap`).
//!
//! A huge entry is in neither place for a moment (`move_huge_pmd`). Whoever waits for the lock of an empty PMD does not
//! see that moment; v6.15's zap does not wait (`zap-none-pmd`), and truncate skips both (B61).
//!
//! References and mapcounts do not change: the mapping's own go with it, by way of the task's hands.

use prim::Cpu;
use program::Errno;

use crate::page::Hold;
use crate::vm::entry::TableId;
use crate::vm::{AddressSpace, FileUse, MappingId, MmId, Pmd, Pte, Vm, Vma, Vpn};

/// Where an extent goes; both sides lie under one PMD each.
#[derive(Clone, Copy, Debug)]
struct Extent {
    from: Vpn,
    to: Vpn,
    pages: u32,
}

/// In which order somebody who comes by the file's list meets the place that entries leave and the one they go to. If the
/// new place first, he would miss what is moved between his two visits (`need_rmap_locks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visits {
    OldFirst,
    NewFirst,
}

impl Vm {
    /// Moves the VMA that covers exactly `[start, start + pages)` to a free range, and says where that begins.
    ///
    /// # Errors
    /// `EFAULT` when there is no such VMA, `ENOMEM` without room for the range, the VMA or a page table.
    #[doc(alias = "move_vma")]
    pub(crate) fn mremap(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        start: Vpn,
        pages: u32,
        file: &mut dyn FnMut(FileUse),
    ) -> Result<Vpn, Errno> {
        let mut layout = self.mm(mm).layout.write(cpu);
        let same = |vma: &Vma| (vma.start, vma.pages) == (start.0, pages);
        let at = layout.vmas().iter().position(same).ok_or(Errno::EFAULT)?;
        let old = layout.vmas()[at];
        if layout.is_full() {
            return Err(Errno::ENOMEM);
        }
        let modulus = self.tables.pmd_order.pages();
        let to = layout
            .gap(pages, modulus, start.0 % modulus, self.tables.address_space())
            .ok_or(Errno::ENOMEM)?;
        let new = Vma { start: to, ..old };
        let mapping = self.mapping(MappingId(old.mapping));
        mapping.link(cpu, new.as_map_entry(mm))?;
        new.uses_file(FileUse::Get, file);
        let moved = self.move_page_tables(cpu, mm, (&old, &new), Visits::OldFirst);
        let (kept, gone) = match moved {
            Ok(()) => (new, old),
            Err(_) => {
                // Back again, which needs no table: those of the old place are still there.
                let _ = self.move_page_tables(cpu, mm, (&new, &old), Visits::NewFirst);
                (old, new)
            }
        };
        let _ = layout.remove(at);
        layout.push(kept);
        let range = (Vpn(gone.start), Vpn(gone.end()));
        self.complete_munmap(cpu, mm, &layout, &[gone], range, file);
        drop(layout);
        self.tables.run_deferred(cpu);
        moved.map(|()| Vpn(kept.start))
    }

    /// `move_page_tables`.
    fn move_page_tables(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        (old, new): (&Vma, &Vma),
        visits: Visits,
    ) -> Result<(), Errno> {
        let _forgotten = self.invalidate_range(cpu, mm, (Vpn(old.start), Vpn(old.end())), None);
        let mapping = self.mapping(MappingId(old.mapping));
        let rmap_locks = || match visits {
            Visits::OldFirst => None,
            Visits::NewFirst => Some(mapping.i_mmap_lock_write(cpu)),
        };
        let mut at = 0;
        while at < old.pages {
            let (from, to) = (Vpn(old.start + at), Vpn(new.start + at));
            let pages = (old.pages - at)
                .min(self.tables.end_of_pmd(from).0 - from.0)
                .min(self.tables.end_of_pmd(to).0 - to.0);
            let extent = Extent { from, to, pages };
            let whole = pages == self.tables.pmd_order.pages();
            let mut pmd = self.tables.pmd(mm, from).load();
            loop {
                match pmd {
                    Pmd::None => {}
                    Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) if whole => {
                        let _locks = rmap_locks();
                        if !self.move_huge_pmd(cpu, mm, extent) {
                            pmd = self.tables.pmd(mm, from).load();
                            continue;
                        }
                    }
                    // Of a file nothing is left, and faults rebuild it where it is wanted; else there is a table now.
                    Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {
                        self.split_huge_pmd(cpu, mm, from);
                        pmd = self.tables.pmd(mm, from).load();
                        continue;
                    }
                    Pmd::Table(table) => {
                        if !(whole && self.move_normal_pmd(cpu, mm, extent, mapping)) {
                            // No leaf is in the way: nobody faults there.
                            let target = self.pte_alloc(cpu, mm, to).map_err(|()| Errno::ENOMEM)?;
                            if let Some(target) = target {
                                let _locks = rmap_locks();
                                self.move_ptes(cpu, mm, extent, (table, target));
                            }
                        }
                    }
                }
                break;
            }
            at += pages;
        }
        Ok(())
    }

    /// `move_huge_pmd`. Says whether nothing is left to be moved: it is not one entry any more if somebody who came by
    /// rmap has split it.
    fn move_huge_pmd(&self, cpu: &Cpu<'_>, mm: MmId, extent: Extent) -> bool {
        let lock = self.mm(mm).pmd_lock.lock(cpu);
        let word = self.tables.pmd(mm, extent.from);
        let moved = word.load();
        let leaf = match moved {
            // A truncate was faster.
            Pmd::None => return true,
            Pmd::Table(_) | Pmd::Invalid => return false,
            // Nothing of it is anybody's.
            Pmd::Migration(_) => None,
            Pmd::Leaf(leaf) => {
                self.speculate(mm, extent.from, leaf);
                Some(leaf)
            }
            Pmd::DevicePrivate(entry) => Some(entry.present()),
        };
        word.clear(&lock, self.pagemaps.rules.zap_clear);
        leaf.inspect(|leaf| self.entry_owns(cpu, *leaf, Hold::Mapping, Hold::Task));
        if let Some(table) = self.tables.withdraw(&lock, mm, extent.from) {
            self.tables.deposit(&lock, mm, extent.to, table);
        }
        self.tables.pmd(mm, extent.to).publish(&lock, moved);
        leaf.inspect(|leaf| self.entry_owns(cpu, *leaf, Hold::Task, Hold::Mapping));
        self.flush_tlb_page(cpu, mm, extent.from);
        true
    }

    /// `move_normal_pmd`: a whole page table. Says whether it could; it cannot where another table is already.
    fn move_normal_pmd(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        extent: Extent,
        mapping: &AddressSpace,
    ) -> bool {
        let _nobody_by_rmap = mapping.i_mmap_lock_write(cpu);
        let lock = self.mm(mm).pmd_lock.lock(cpu);
        let (from, to) = (self.tables.pmd(mm, extent.from), self.tables.pmd(mm, extent.to));
        match (from.load(), to.load()) {
            (Pmd::Table(table), Pmd::None) => {
                from.unlink(&lock);
                self.table_owns(cpu, mm, table, (Hold::Mapping, Hold::Task));
                to.publish(&lock, Pmd::Table(table));
                self.table_owns(cpu, mm, table, (Hold::Task, Hold::Mapping));
                self.flush_tlb_page(cpu, mm, extent.from);
                true
            }
            (
                Pmd::None | Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid,
                _,
            )
            | (
                Pmd::Table(_),
                Pmd::Table(_)
                | Pmd::Leaf(_)
                | Pmd::Migration(_)
                | Pmd::DevicePrivate(_)
                | Pmd::Invalid,
            ) => false,
        }
    }

    /// The references of all entries of a table, just taken off its PMD or just put under another, change hands. For the
    /// ledger, and so without a step, and on explored machines only.
    pub(super) fn table_owns(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        table: TableId,
        (from, to): (Hold, Hold),
    ) {
        self.mm(mm).cpumask.with(|_| {
            self.tables.peek_ptes(table, |page| self.entry_owns(cpu, page, from, to));
        });
    }

    /// `move_ptes`, under the locks of both tables.
    fn move_ptes(&self, cpu: &Cpu<'_>, mm: MmId, extent: Extent, (from, to): (TableId, TableId)) {
        let (lower, upper) = (TableId(from.0.min(to.0)), TableId(from.0.max(to.0)));
        let first = self.tables.lock(cpu, lower);
        let second = (lower != upper).then(|| self.tables.lock(cpu, upper));
        let (source, target) = match &second {
            Some(second) if from == upper => (second, &first),
            Some(second) => (&first, second),
            None => (&first, &first),
        };
        for at in 0..extent.pages {
            let (old, new) = (extent.from.add(at), extent.to.add(at));
            let page = match self.tables.pte(from, old).load() {
                Pte::None => continue,
                // Nothing of it is anybody's, and no TLB has it.
                Pte::Migration(entry) => {
                    self.tables.pte(from, old).clear(source, self.pagemaps.rules.zap_clear);
                    self.tables.pte(to, new).publish(target, Pte::Migration(entry));
                    continue;
                }
                Pte::Page(page) => {
                    self.speculate(mm, old, page);
                    page
                }
                // No TLB has it.
                Pte::DevicePrivate(entry) | Pte::Exclusive(entry) => entry.present(),
            };
            let moved = self.tables.pte(from, old).clear(source, self.pagemaps.rules.zap_clear);
            self.entry_owns(cpu, page, Hold::Mapping, Hold::Task);
            self.tables.pte(to, new).publish(target, moved);
            self.entry_owns(cpu, page, Hold::Task, Hold::Mapping);
        }
        self.flush_tlb_page(cpu, mm, extent.from);
    }
}
