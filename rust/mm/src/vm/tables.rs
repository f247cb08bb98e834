//! Page tables: one PMD table per process, PTE tables from a slab, a lock for each (K§6.5).
//!
//! A PTE table is found by whoever reads the PMD, lock-free walkers included, so it is freed in two
//! steps: the PMD is cleared, then the table waits until every IRQ-off section that may stand in it has
//! ended. Batched by [`DeferredQueue`] like `call_rcu`; with no room in the batch the freeing CPU waits
//! on the spot (`tlb_remove_table_sync_one`).
//!
//! A huge page of anonymous memory is split into pages under locks, where no table can be waited for. So a table is
//! deposited with its PMD when it is mapped (`pgtable_trans_huge_deposit`), and withdrawn when it is split or goes.
//!
//! A table is only unlinked by munmap and exit, under `mmap_lock` for writing; faults hold it for
//! reading, so a table a fault has found stays.

use prim::{
    Arena, AtomicU32, Cpu, DeferredQueue, NoMemory, Slab, SpinGuard, SpinLock, Table, plain,
    sync_irq, zeroed,
};
use program::Geometry;

use crate::page::{Order, Pfn};
use crate::region;
use crate::tally;
use crate::vm::entry::TableId;
use crate::vm::word::{PmdWord, PtLocked, PteWord};
use crate::vm::{Leaf, MmId, Pmd, Pte, Vpn};
use crate::warn::{Complaint, warn_on};

/// Largest address space, in pages: sums of an address and a length stay far from the end of `u32`.
const SPACE_MAX: u32 = 1 << 31;

zeroed! {
    #[derive(Debug)]
    pub(crate) struct PteTable {
        ptl: SpinLock<PtLocked>,
    }
}

plain! {
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct DeadTable { table: u32, }
}

#[derive(Debug)]
pub(super) struct PageTables {
    slab: Slab<PteTable>,
    /// `ptes[table << pmd_order | index]`.
    ptes: Table<PteWord>,
    /// `pmds[mm * pmds_per_mm + index]`.
    pmds: Table<PmdWord>,
    /// A table + 1 for each of those, deposited under the lock of the PMD; 0 is none.
    deposits: Table<AtomicU32>,
    dead: DeferredQueue<DeadTable>,
    pub(super) pmd_order: Order,
    pmds_per_mm: u32,
}

impl PageTables {
    pub(super) fn new(arena: &Arena, geometry: &Geometry, mms: usize) -> Result<Self, NoMemory> {
        let pmds_per_mm = Self::pmds_per_mm(geometry);
        let tables = mms * pmds_per_mm as usize;
        Ok(Self {
            slab: Slab::new(arena, tables, "pte_table")?,
            ptes: arena.table(region::PTE, tables << geometry.pmd_order)?,
            pmds: arena.table(region::PMD, tables)?,
            deposits: arena.table("deposited tables", tables)?,
            dead: DeferredQueue::new(arena, 64, "dead tables")?,
            pmd_order: Order(geometry.pmd_order),
            pmds_per_mm,
        })
    }

    /// PMDs a process has: every mapping at its largest, with a half-used table at either end of it,
    /// but never more than [`SPACE_MAX`] pages.
    pub(super) fn pmds_per_mm(geometry: &Geometry) -> u32 {
        let per_map = (geometry.file_pages_max >> geometry.pmd_order) + 2;
        let largest = SPACE_MAX >> geometry.pmd_order;
        per_map.saturating_mul(geometry.maps_max.into()).min(largest)
    }

    /// Pages of virtual address space a process has.
    pub(super) fn address_space(&self) -> u32 {
        self.pmds_per_mm << self.pmd_order.0
    }

    /// The PMD word for `vpn`.
    #[inline(always)]
    pub(super) fn pmd(&self, mm: MmId, vpn: Vpn) -> &PmdWord {
        &self.pmds[self.place_of_pmd(mm, vpn)]
    }

    #[inline(always)]
    fn place_of_pmd(&self, mm: MmId, vpn: Vpn) -> usize {
        let row = mm.0 as usize * self.pmds_per_mm as usize;
        row + (vpn.0 >> self.pmd_order.0) as usize
    }

    /// `pgtable_trans_huge_deposit`, under the lock of the PMD.
    #[doc(alias = "pgtable_trans_huge_deposit")]
    pub(super) fn deposit(
        &self,
        _pmd_lock: &SpinGuard<'_, PtLocked>,
        mm: MmId,
        vpn: Vpn,
        table: TableId,
    ) {
        self.deposits[self.place_of_pmd(mm, vpn)].set(table.0 + 1);
    }

    /// `pgtable_trans_huge_withdraw`, under the lock of the PMD: nothing where a file was mapped.
    #[doc(alias = "pgtable_trans_huge_withdraw")]
    #[must_use]
    pub(super) fn withdraw(
        &self,
        _pmd_lock: &SpinGuard<'_, PtLocked>,
        mm: MmId,
        vpn: Vpn,
    ) -> Option<TableId> {
        let deposited = &self.deposits[self.place_of_pmd(mm, vpn)];
        let table = deposited.read().checked_sub(1)?;
        deposited.set(0);
        Some(TableId(table))
    }

    /// The PTE word for `vpn` in `table`.
    #[inline(always)]
    pub(super) fn pte(&self, table: TableId, vpn: Vpn) -> &PteWord {
        let index = vpn.0 & (self.pmd_order.pages() - 1);
        &self.ptes[(table.0 as usize) << self.pmd_order.0 | index as usize]
    }

    /// What every entry maps, present or device-private. For an audit: no step.
    pub(super) fn peek_present(&self, mut each: impl FnMut(Leaf)) {
        for pmd in self.pmds.iter() {
            match pmd.peek() {
                Pmd::None | Pmd::Migration(_) | Pmd::Invalid => {}
                Pmd::Table(table) => self.peek_ptes(table, &mut each),
                Pmd::Leaf(leaf) => each(leaf),
                Pmd::DevicePrivate(entry) => each(entry.present()),
            }
        }
    }

    /// What the entries of a table map. For an audit: no step.
    pub(super) fn peek_ptes(&self, table: TableId, mut each: impl FnMut(Leaf)) {
        self.ptes_of(table).for_each(|pte| match pte.peek() {
            Pte::None | Pte::Migration(_) => {}
            Pte::Page(page) => each(page),
            Pte::DevicePrivate(entry) | Pte::Exclusive(entry) => each(entry.present()),
        });
    }

    /// The frames that migration entries of all tables stand for. For an audit: no step.
    pub(super) fn peek_migrating(&self, mut each: impl FnMut(Pfn)) {
        for pmd in self.pmds.iter() {
            match pmd.peek() {
                Pmd::None | Pmd::Leaf(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {}
                Pmd::Migration(entry) => each(entry.pfn()),
                Pmd::Table(table) => self.ptes_of(table).for_each(|pte| match pte.peek() {
                    Pte::None | Pte::Page(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => {}
                    Pte::Migration(entry) => each(entry.pfn()),
                }),
            }
        }
    }

    fn ptes_of(&self, table: TableId) -> impl Iterator<Item = &PteWord> {
        (0..self.pmd_order.pages()).map(move |at| self.pte(table, Vpn(at)))
    }

    /// `pte_offset_map_lock`.
    #[doc(alias = "pte_offset_map_lock")]
    pub(super) fn lock<'a>(&'a self, cpu: &'a Cpu<'_>, table: TableId) -> SpinGuard<'a, PtLocked> {
        self.slab[table.0].ptl.lock(cpu)
    }

    /// A table of no entries. Runs pending frees before giving up.
    pub(super) fn alloc(&self, cpu: &Cpu<'_>) -> Result<TableId, NoMemory> {
        self.slab
            .alloc(cpu)
            .or_else(|_| {
                self.run_deferred(cpu);
                self.slab.alloc(cpu)
            })
            .map(TableId)
    }

    /// Gives back a table that was never linked.
    pub(super) fn free_unused(&self, cpu: &Cpu<'_>, table: TableId) {
        self.slab.free(cpu, table.0);
    }

    /// `tlb_remove_table`: free once no lock-free walker can stand in it.
    #[doc(alias = "tlb_remove_table")]
    pub(super) fn free_unlinked(&self, cpu: &Cpu<'_>, table: TableId) {
        if self.dead.push(cpu, DeadTable { table: table.0 }).is_err() {
            if sync_irq(cpu).0 {
                cpu.count(tally::TABLE_FREED_UNDER_WALKER);
            }
            self.release(cpu, table);
        }
    }

    /// Ends the grace period of unlinked tables and frees them. May sleep.
    #[doc(alias = "__tlb_remove_table_free")]
    pub(super) fn run_deferred(&self, cpu: &Cpu<'_>) {
        if self.dead.pending() == 0 {
            return;
        }
        if sync_irq(cpu).0 {
            cpu.count(tally::TABLE_FREED_UNDER_WALKER);
        }
        self.dead.drain(cpu, |cpu, dead| self.release(cpu, TableId(dead.table)));
    }

    pub(super) fn live(&self) -> usize {
        self.slab.live()
    }

    fn release(&self, cpu: &Cpu<'_>, table: TableId) {
        for pte in self.ptes_of(table).map(PteWord::load) {
            match pte {
                Pte::None => {}
                Pte::Page(_) | Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => {
                    warn_on(cpu, Complaint::TableNotEmpty, table.0, pte.bits().cast_signed());
                }
            }
        }
        self.slab.free(cpu, table.0);
    }
}
