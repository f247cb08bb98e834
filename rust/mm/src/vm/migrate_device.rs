//! Anonymous pages go to a device's memory, and home (`migrate_vma_setup`, `_pages`, `_finalize`; `mm/migrate_device.c`,
//! K§8.2).
//!
//! ```text
//!   collect    reference, folio lock, migration entry        what the mapping held is put
//!   unmap      other mappings in the same way                anybody else has a reference? back again
//!   copy       a page on the other side, locked, and what the page holds
//!   pages      the count, frozen at what is expected: nobody came meanwhile; its place in the mapping is the new page's
//!   finalize   migration entries -> entries of the new page, or of the old one; both unlocked and put
//! ```
//!
//! A device's page is mapped by entries that no CPU walks, and which count like any other (K§7.1); one of a device whose
//! memory CPUs reach (MEMORY_DEVICE_COHERENT) by an ordinary entry. Where nothing was mapped yet, one is put there at
//! once.
//!
//! A driver whose memory goes away has everything brought home by frame number (`migrate_device_range`), whoever maps it.
//!
//! A folio that one PMD maps goes as a whole, if all of it is to go and there is room for it; else it is taken apart first,
//! and its pages go one by one. Up to v6.18 that was always so (`device-folios`).
//!
//! Departures: one folio after the other, where a driver collects up to 64 at once; a list of mappings is locked for each
//! walk; where nothing is mapped yet, single pages are put.

use core::fmt;

use prim::Cpu;
use program::Errno;
use program::op::Access;
use program::rules::{DeviceFolios, MigrateCheck};

use crate::page::{Folio, Hold, Order, Pfn, Span};
use crate::vm::entry::TableId;
use crate::vm::migrate::HugeEntries;
use crate::vm::mm::Vma;
use crate::vm::{AddressSpace, Leaf, MappingId, MmId, Pmd, Pte, Softleaf, Vm, Vpn};

/// Where pages go.
#[derive(Clone, Copy)]
pub enum Goes<'a> {
    /// To a device, which has a folio of an order if it can: allocated, with one reference, which is the caller's.
    ToDevice(&'a dyn Fn(&Cpu<'_>, Order) -> Option<Pfn>),
    /// To ordinary memory.
    Home,
}

impl Goes<'_> {
    fn is_home(&self) -> bool {
        match self {
            Self::ToDevice(_) => false,
            Self::Home => true,
        }
    }
}

impl fmt::Debug for Goes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToDevice(_) => "to the device",
            Self::Home => "home",
        })
    }
}

/// What became of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Moved {
    /// It is on the other side.
    Yes,
    /// It is where it was: it is not there to go, or somebody else has it.
    No,
    /// There is no page for it on the other side.
    NoMemory,
}

/// What is to go.
enum Collected<'m> {
    Nothing,
    /// A part of a large folio on the device, which is to be taken apart first.
    Large,
    /// Nothing is mapped there yet.
    Hole(TableId),
    /// Locked, with a reference, and not mapped there any more.
    Page(Folio<'m>),
}

impl Vm {
    /// `migrate_vma` of pages of an anonymous mapping, as a driver is asked to. Returns how many went.
    ///
    /// # Errors
    /// `EINVAL` when they are not all in one anonymous mapping.
    #[doc(alias = "migrate_vma_setup")]
    pub(crate) fn migrate_vma(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        (start, pages): (Vpn, u32),
        goes: Goes<'_>,
    ) -> Result<u32, Errno> {
        let layout = self.mm(mm).layout.read(cpu);
        let vma = layout.find(start).filter(Vma::is_anonymous).ok_or(Errno::EINVAL)?;
        if vma.end() - start.0 < pages {
            return Err(Errno::EINVAL);
        }
        let (mut at, mut went) = (0, 0);
        while at < pages {
            let vpn = start.add(at);
            let (moved, covered) = match self.migrate_huge(cpu, mm, (vpn, pages - at), goes, None) {
                // There may be room for some of its pages.
                None | Some(Moved::NoMemory) => {
                    (self.migrate_page(cpu, mm, &vma, vpn, goes, None), 1)
                }
                Some(moved) => (moved, self.tables.pmd_order.pages()),
            };
            went += if moved == Moved::Yes { covered } else { 0 };
            at += covered;
        }
        Ok(went)
    }

    /// A folio that one PMD maps, as a whole; nothing if it is none, all of it is not to go, or such a folio never goes as
    /// one. Of `fault_page` the caller has the lock, and a reference besides.
    #[doc(alias = "migrate_vma_collect_huge_pmd")]
    pub(super) fn migrate_huge(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        (vpn, pages): (Vpn, u32),
        goes: Goes<'_>,
        fault_page: Option<Folio<'_>>,
    ) -> Option<Moved> {
        let whole = vpn == self.tables.start_of_pmd(vpn) && pages >= self.tables.pmd_order.pages();
        match self.pagemaps.rules.device_folios {
            DeviceFolios::Huge if whole => {}
            DeviceFolios::Pages | DeviceFolios::Huge => return None,
        }
        let folio = {
            let around = (vpn, self.tables.end_of_pmd(vpn));
            let _forgotten = self.invalidate_range(cpu, mm, around, None);
            let lock = self.mm(mm).pmd_lock.lock(cpu);
            let leaf = match (self.tables.pmd(mm, vpn).load(), goes) {
                (Pmd::Leaf(leaf), _)
                    if self.pagemaps.ram.contains(leaf.pfn()) != goes.is_home() =>
                {
                    leaf
                }
                (Pmd::DevicePrivate(entry), Goes::Home) => entry.present(),
                (Pmd::None | Pmd::Table(_) | Pmd::Leaf(_), _)
                | (Pmd::DevicePrivate(_), Goes::ToDevice(_))
                | (Pmd::Migration(_) | Pmd::Invalid, _) => return None,
            };
            let folio = self.pagemaps.memmap.folio(leaf.pfn());
            folio.page().refcount.add(1);
            folio.owners_add(cpu, Hold::Task, 1);
            if fault_page != Some(folio) && !folio.try_lock(cpu) {
                drop(lock);
                self.pagemaps.folio_put_refs(cpu, folio, 1);
                return Some(Moved::No);
            }
            self.set_pmd_migration_entry(cpu, &lock, (mm, vpn), leaf);
            folio
        };
        let moved = self.migrate_to_end(cpu, folio, goes, fault_page);
        Some(moved)
    }

    /// What has been collected goes, or stays; the reference for it is put, and the lock given back if it was taken.
    fn migrate_to_end(
        &self,
        cpu: &Cpu<'_>,
        folio: Folio<'_>,
        goes: Goes<'_>,
        fault_page: Option<Folio<'_>>,
    ) -> Moved {
        let expected = 1 + i32::from(fault_page.is_some());
        // Mapped until now, in an anonymous mapping: its list is there as long as the caller has the layout.
        let moved = match folio.anon_space() {
            Some(space) => {
                let list = self.mapping(MappingId(space));
                self.migrate_collected(cpu, (list, space), folio, expected, goes)
            }
            None => Moved::No,
        };
        if fault_page.is_none() {
            folio.unlock(cpu);
        }
        self.pagemaps.folio_put_refs(cpu, folio, 1);
        moved
    }

    /// One page. Of `fault_page` the caller has the lock, and a reference besides.
    #[doc(alias = "migrate_vma_pages")]
    pub(super) fn migrate_page(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        vma: &Vma,
        vpn: Vpn,
        goes: Goes<'_>,
        fault_page: Option<Folio<'_>>,
    ) -> Moved {
        let mut collected = self.migrate_vma_collect(cpu, (mm, vpn), goes, fault_page);
        if matches!(collected, Collected::Large) && self.split_if_large(cpu, mm, vpn).is_ok() {
            collected = self.migrate_vma_collect(cpu, (mm, vpn), goes, fault_page);
        }
        match collected {
            Collected::Nothing | Collected::Large => Moved::No,
            Collected::Hole(table) => self.migrate_vma_insert_page(cpu, vma, (table, vpn), goes),
            Collected::Page(folio) => self.migrate_to_end(cpu, folio, goes, fault_page),
        }
    }

    /// A folio that the caller has locked, with so many references of its own, to the other side; who maps it is in the
    /// list. It stays the caller's.
    #[doc(alias = "migrate_device_finalize")]
    pub(super) fn migrate_collected(
        &self,
        cpu: &Cpu<'_>,
        (list, space): (&AddressSpace, u32),
        folio: Folio<'_>,
        expected: i32,
        goes: Goes<'_>,
    ) -> Moved {
        let went = self.migrate_vma_unmap(cpu, (list, space), folio, expected, goes);
        let target = went.unwrap_or(folio);
        self.remove_migration_ptes(cpu, &list.map_list(cpu), folio.pfn(), target);
        if let Ok(new) = went {
            new.unlock(cpu);
            self.pagemaps.folio_put_refs(cpu, new, 1);
        }
        went.map_or_else(|moved| moved, |_| Moved::Yes)
    }

    /// `migrate_device_range`: what anybody has in these frames of a device comes home, by frame number and so from every
    /// process. One that somebody else has locked or refers to stays, once.
    pub(crate) fn migrate_device_range(&self, cpu: &Cpu<'_>, span: Span) {
        for pfn in self.pagemaps.memmap.used(span) {
            let Some(folio) = self.pagemaps.folio_try_get(cpu, pfn) else { continue };
            if folio.pfn() == pfn && folio.try_lock(cpu) {
                // The list of those who mapped it may be another mapping's by now, if nobody does any more: then nothing
                // in it stands for this page.
                if let Some(space) = folio.anon_space() {
                    let list = (self.mapping(MappingId(space)), space);
                    // What stays is seen by who waits for the memory.
                    let _ = self.migrate_collected(cpu, list, folio, 1, Goes::Home);
                }
                folio.unlock(cpu);
            }
            self.pagemaps.folio_put_refs(cpu, folio, 1);
        }
    }

    fn migrate_vma_collect(
        &self,
        cpu: &Cpu<'_>,
        (mm, vpn): (MmId, Vpn),
        goes: Goes<'_>,
        fault_page: Option<Folio<'_>>,
    ) -> Collected<'_> {
        match goes {
            // What is large is split, once. Whether it was shows next.
            Goes::ToDevice(_) => drop(self.split_if_large(cpu, mm, vpn)),
            Goes::Home => {}
        }
        let table = match (self.tables.pmd(mm, vpn).load(), goes) {
            (Pmd::Table(table), _) => table,
            (Pmd::None, Goes::ToDevice(_)) => match self.pte_alloc(cpu, mm, vpn) {
                Ok(Some(table)) => table,
                Ok(None) | Err(()) => return Collected::Nothing,
            },
            (Pmd::DevicePrivate(_), Goes::Home) => return Collected::Large,
            (
                Pmd::None | Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid,
                _,
            ) => {
                return Collected::Nothing;
            }
        };
        let _forgotten = self.invalidate_range(cpu, mm, (vpn, vpn.add(1)), None);
        let ptl = self.tables.lock(cpu, table);
        let word = self.tables.pte(table, vpn);
        let seen = word.load();
        let pfn = match (seen, goes) {
            (Pte::None, Goes::ToDevice(_)) => return Collected::Hole(table),
            // Of memory that CPUs reach the entry does not say which side it is on.
            (Pte::Page(page), _) if self.pagemaps.ram.contains(page.pfn()) != goes.is_home() => {
                page.pfn()
            }
            (Pte::DevicePrivate(entry), Goes::Home) => entry.pfn(),
            (Pte::None, Goes::Home)
            | (Pte::Page(_), _)
            | (Pte::DevicePrivate(_), Goes::ToDevice(_))
            | (Pte::Migration(_) | Pte::Exclusive(_), _) => return Collected::Nothing,
        };
        let folio = self.pagemaps.memmap.folio(pfn);
        if folio.is_large() {
            return if goes.is_home() { Collected::Large } else { Collected::Nothing };
        }
        folio.page().refcount.add(1);
        folio.owners_add(cpu, Hold::Task, 1);
        if fault_page == Some(folio) || folio.try_lock(cpu) {
            self.migrate_pte(cpu, &ptl, (mm, vpn), (word, seen), folio);
            return Collected::Page(folio);
        }
        drop(ptl);
        self.pagemaps.folio_put_refs(cpu, folio, 1);
        Collected::Nothing
    }

    /// Nobody maps it any more, nobody else has it, and a page on the other side is in its place, locked.
    ///
    /// # Errors
    /// Why it stays.
    fn migrate_vma_unmap(
        &self,
        cpu: &Cpu<'_>,
        (list, space): (&AddressSpace, u32),
        folio: Folio<'_>,
        expected: i32,
        goes: Goes<'_>,
    ) -> Result<Folio<'_>, Moved> {
        if folio.mapcount() > 0 {
            self.try_to_migrate(cpu, &list.map_list(cpu), folio, HugeEntries::Whole);
        }
        if !self.migrate_vma_check_page(folio, expected) {
            return Err(Moved::No);
        }
        let memmap = &self.pagemaps.memmap;
        let new = self.folio_over_there(cpu, goes, folio.order()).ok_or(Moved::NoMemory)?;
        for at in 0..folio.order().pages() {
            let held = memmap.contents(folio.pfn().add(at)).read();
            memmap.contents(new.pfn().add(at)).set(held);
        }
        // `folio_migrate_mapping`: unless somebody came by since, and has the old page.
        let index = folio.index_or_share();
        let alone = || new.set_anon(space, index);
        if self.pagemaps.while_frozen(cpu, folio, expected, alone) {
            return Ok(new);
        }
        new.unlock(cpu);
        self.pagemaps.folio_put_refs(cpu, new, 1);
        Err(Moved::No)
    }

    /// Whether nobody maps a folio, and nobody has it besides. May be wrong at once: the freeze is not.
    fn migrate_vma_check_page(&self, folio: Folio<'_>, expected: i32) -> bool {
        let slack = match self.pagemaps.rules.migrate_check {
            MigrateCheck::DeviceSlack => i32::from(!self.pagemaps.ram.contains(folio.pfn())),
            MigrateCheck::Exact => 0,
        };
        let count = folio.refcount();
        folio.mapcount() == 0 && (expected..=expected + slack).any(|known| !count.is_busy(known))
    }

    /// A folio that nobody knows yet, locked.
    fn folio_over_there(&self, cpu: &Cpu<'_>, goes: Goes<'_>, order: Order) -> Option<Folio<'_>> {
        let memmap = &self.pagemaps.memmap;
        let new = match goes {
            Goes::ToDevice(alloc) => memmap.folio_at(alloc(cpu, order)?),
            Goes::Home => self.pagemaps.ram.alloc(cpu, memmap, order)?,
        };
        new.lock_new(cpu);
        Some(new)
    }

    /// `migrate_vma_insert_page`: where nothing was mapped, a page of the device is.
    fn migrate_vma_insert_page(
        &self,
        cpu: &Cpu<'_>,
        vma: &Vma,
        (table, vpn): (TableId, Vpn),
        goes: Goes<'_>,
    ) -> Moved {
        let new = self.folio_over_there(cpu, goes, Order::PAGE);
        let Some(new) = new else { return Moved::NoMemory };
        self.pagemaps.memmap.contents(new.pfn()).set(0);
        let moved = {
            let ptl = self.tables.lock(cpu, table);
            let word = self.tables.pte(table, vpn);
            match word.load() {
                Pte::None => {
                    new.set_anon(vma.mapping, vma.pgoff_of(vpn));
                    new.page().refcount.add(1);
                    new.owners_add(cpu, Hold::Task, 1);
                    self.add_rmap_pte(cpu, new, new.pfn());
                    let leaf = Leaf::new(new.pfn(), Access::Write);
                    word.publish(&ptl, self.entry_of_page(Softleaf::of(leaf)));
                    self.entry_owns(cpu, leaf, Hold::Task, Hold::Mapping);
                    Moved::Yes
                }
                Pte::Page(_) | Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => {
                    Moved::No
                }
            }
        };
        new.unlock(cpu);
        self.pagemaps.folio_put_refs(cpu, new, 1);
        moved
    }
}
