//! Entries out of the way, and back (`try_to_migrate_one`, `mm/rmap.c`; `remove_migration_ptes`,
//! `migration_entry_wait`, `mm/migrate.c`; K§6.6).
//!
//! ```text
//!   folio locked, list of its mappings held:
//!     page, leaf --clear, flush--> migration      mapcount and reference of the entry go, the last ones perhaps
//!     ...        nobody maps the folio, and nobody can: what a CPU finds makes it wait for the folio's lock
//!     migration --publish--> page                 of whatever folio its frame is in by now
//!   folio unlocked: who waited looks again
//! ```
//!
//! Under the list's lock nobody joins or leaves those who map the folio, so the second walk meets every entry that the
//! first one made, unless it was zapped, or split, since. Entries that move from one mapping to another meanwhile, by mremap or by
//! fork, go to one further down the list.
//!
//! Departure: each entry is flushed by itself, where the kernel flushes once behind the walk.

use prim::{Cpu, SpinGuard};
use program::rules::RmapPmd;

use crate::page::{Folio, Hold, Pfn};
use crate::vm::entry::TableId;
use crate::vm::huge::SplitInto;
use crate::vm::rmap::MapList;
use crate::vm::word::{PtLocked, PteWord};
use crate::vm::{FileRange, MmId, Pmd, Pte, Softleaf, Vm, Vpn};

/// What becomes of an entry of a whole PMD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HugeEntries {
    /// A table of migration entries: the folio is to be taken apart.
    Split,
    /// A migration entry like it: the folio goes as it is.
    Whole,
}

impl Vm {
    /// `try_to_migrate`: every entry that maps a page of a folio becomes a migration entry. The caller has the folio
    /// locked, and a reference.
    pub(super) fn try_to_migrate(
        &self,
        cpu: &Cpu<'_>,
        list: &MapList,
        folio: Folio<'_>,
        huge: HugeEntries,
    ) {
        let index = folio.index_or_share();
        let all = FileRange::of(index, folio.order().pages());
        for (mm, vpn, mapped) in list.places_of(all) {
            let first = folio.pfn().add(mapped.first() - index);
            self.try_to_migrate_one(cpu, (folio, huge), (mm, vpn), (first, mapped.len()));
        }
    }

    /// In one mapping, where so many pages of the folio may be.
    fn try_to_migrate_one(
        &self,
        cpu: &Cpu<'_>,
        (folio, huge): (Folio<'_>, HugeEntries),
        (mm, start): (MmId, Vpn),
        (first, pages): (Pfn, u32),
    ) {
        let _forgotten = self.invalidate_range(cpu, mm, (start, start.add(pages)), None);
        for part in self.tables.walk_range(mm, start, start.add(pages)) {
            let at = (mm, part.start);
            let Some(table) = self.table_of(cpu, (folio, huge), at) else { continue };
            for vpn in (part.start.0..part.end.0).map(Vpn) {
                let pfn = first.add(vpn.0 - start.0);
                self.set_migration_pte(cpu, folio, (mm, vpn), (table, pfn));
            }
        }
    }

    /// The table of an address, after an entry of a whole PMD that maps the folio there has made room for a migration
    /// entry, or a table of them (`TTU_SPLIT_HUGE_PMD`); nothing where there was no table.
    #[track_caller]
    fn table_of(
        &self,
        cpu: &Cpu<'_>,
        (folio, huge): (Folio<'_>, HugeEntries),
        (mm, vpn): (MmId, Vpn),
    ) -> Option<TableId> {
        let word = self.tables.pmd(mm, vpn);
        let seen = word.load();
        match seen {
            Pmd::None => return None,
            Pmd::Table(table) => return Some(table),
            Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {}
        }
        let lock = self.mm(mm).pmd_lock.lock(cpu);
        let now = match self.pagemaps.rules.rmap_pmd {
            RmapPmd::Locked => word.load(),
            RmapPmd::Stale => seen,
        };
        let (leaf, whole) = match now {
            Pmd::Leaf(leaf) if leaf.pfn() == folio.pfn() => (leaf, Pte::Page(leaf)),
            Pmd::DevicePrivate(entry) if entry.pfn() == folio.pfn() => {
                (entry.present(), Pte::DevicePrivate(entry))
            }
            Pmd::None | Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {
                return None;
            }
            Pmd::Table(table) => return Some(table),
        };
        match huge {
            HugeEntries::Split => {
                self.split_anon_pmd(cpu, &lock, (mm, vpn), whole, SplitInto::Migration);
            }
            HugeEntries::Whole => self.set_pmd_migration_entry(cpu, &lock, (mm, vpn), leaf),
        }
        None
    }

    /// One entry, if it maps this page.
    fn set_migration_pte(
        &self,
        cpu: &Cpu<'_>,
        folio: Folio<'_>,
        (mm, vpn): (MmId, Vpn),
        (table, pfn): (TableId, Pfn),
    ) {
        let ptl = self.tables.lock(cpu, table);
        let word = self.tables.pte(table, vpn);
        let seen = word.load();
        match seen {
            Pte::Page(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_)
                if seen.normal_page() == Some(pfn) =>
            {
                self.migrate_pte(cpu, &ptl, (mm, vpn), (word, seen), folio);
            }
            Pte::None
            | Pte::Page(_)
            | Pte::Migration(_)
            | Pte::DevicePrivate(_)
            | Pte::Exclusive(_) => {}
        }
    }

    /// What maps a page of a folio, as it was `seen` under the lock, makes room for a migration entry, and what it held
    /// is put: not the last reference, since the caller has one.
    #[doc(alias = "try_to_migrate_one")]
    pub(super) fn migrate_pte(
        &self,
        cpu: &Cpu<'_>,
        ptl: &SpinGuard<'_, PtLocked>,
        (mm, vpn): (MmId, Vpn),
        (word, seen): (&PteWord, Pte),
        folio: Folio<'_>,
    ) {
        let (entry, pfn) = match seen {
            Pte::None | Pte::Migration(_) => return,
            Pte::Page(page) => {
                self.speculate(mm, vpn, page);
                (Softleaf::of(page), page.pfn())
            }
            // No TLB has it.
            Pte::DevicePrivate(entry) | Pte::Exclusive(entry) => (entry, entry.pfn()),
        };
        word.clear(ptl, self.pagemaps.rules.zap_clear);
        self.entry_owns(cpu, entry.present(), Hold::Mapping, Hold::Task);
        self.flush_tlb_page(cpu, mm, vpn);
        word.publish(ptl, Pte::Migration(entry));
        self.remove_rmap_pte(cpu, folio, pfn);
        self.pagemaps.folio_put_refs(cpu, folio, 1);
    }

    /// `remove_migration_ptes`: each migration entry that stands for a page of the folio from `source` on maps that of
    /// `folio`, which may be the same.
    pub(super) fn remove_migration_ptes(
        &self,
        cpu: &Cpu<'_>,
        list: &MapList,
        source: Pfn,
        folio: Folio<'_>,
    ) {
        let index = folio.index_or_share();
        for at in 0..folio.order().pages() {
            let pages = (source.add(at), folio.pfn().add(at));
            for (mm, vpn) in list.addresses_of(index + at) {
                self.remove_migration_pte(cpu, folio, (mm, vpn), pages);
            }
        }
    }

    fn remove_migration_pte(
        &self,
        cpu: &Cpu<'_>,
        folio: Folio<'_>,
        (mm, vpn): (MmId, Vpn),
        (source, pfn): (Pfn, Pfn),
    ) {
        let table = loop {
            match self.tables.pmd(mm, vpn).load() {
                Pmd::None => {
                    // An mremap may just have taken it away from here, and not have put it where it is looked for next
                    // (`PVMW_SYNC`). Of a whole folio once is enough.
                    if pfn == folio.pfn() && folio.order() == self.tables.pmd_order {
                        self.wait_for_pmd(cpu, mm);
                    }
                    return;
                }
                Pmd::Leaf(_) | Pmd::DevicePrivate(_) => return,
                // If somebody is quicker to split it, there is a table of them.
                Pmd::Migration(entry) if self.tables.page_of_entry(entry, vpn).pfn() == source => {
                    self.remove_migration_pmd(cpu, (mm, vpn), entry.pfn(), folio);
                }
                Pmd::Migration(_) => return,
                Pmd::Invalid => self.wait_for_pmd(cpu, mm),
                Pmd::Table(table) => break table,
            }
        };
        let ptl = self.tables.lock(cpu, table);
        let word = self.tables.pte(table, vpn);
        let entry = match word.load() {
            Pte::Migration(entry) if entry.pfn() == source => entry.of_frame(pfn),
            Pte::None
            | Pte::Page(_)
            | Pte::Migration(_)
            | Pte::DevicePrivate(_)
            | Pte::Exclusive(_) => return,
        };
        folio.page().refcount.add(1);
        folio.owners_add(cpu, Hold::Task, 1);
        self.add_rmap_pte(cpu, folio, pfn);
        word.publish(&ptl, self.entry_of_page(entry));
        self.entry_owns(cpu, entry.present(), Hold::Task, Hold::Mapping);
    }

    /// What maps a page of anonymous memory: an entry that is walked if CPUs reach the page.
    pub(super) fn entry_of_page(&self, entry: Softleaf) -> Pte {
        match self.pagemaps.peek_is_reached(entry.pfn()) {
            true => Pte::Page(entry.present()),
            false => Pte::DevicePrivate(entry),
        }
    }

    /// `migration_entry_wait`: until the folio is unlocked that a migration entry stands for, if one is still there.
    pub(super) fn migration_entry_wait(&self, cpu: &Cpu<'_>, table: TableId, vpn: Vpn) {
        let folio = {
            let _ptl = self.tables.lock(cpu, table);
            match self.tables.pte(table, vpn).load() {
                Pte::None | Pte::Page(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => return,
                // Locked as long as the entry is there, and so not free.
                Pte::Migration(entry) => self.pagemaps.memmap.folio(entry.pfn()),
            }
        };
        folio.wait_on_locked(cpu);
    }
}
