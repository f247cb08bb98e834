//! Everything that knows a virtual address: page tables, TLBs, zap, faults, GUP (K§4, K§6).
//!
//! ```text
//!   mmap_lock (Mm::layout)  >  folio lock  >  i_mmap (AddressSpace)  >  PMD lock (Mm)  >  PTE lock (per table)
//! ```
//!
//! The rule everything rests on (K§4.1): whoever takes a reference through a page table takes it
//! **before** looking at the entry again; whoever clears an entry clears it **before** looking at the
//! reference count. Both sides have a full barrier in between, so at least one of them sees the other.
//!
//! | file | mirrors | holds |
//! |---|---|---|
//! | `entry` | pgtable.h | what PTEs and PMDs say |
//! | `word` | pgtable.h | the words that say it, and how they change |
//! | `tables` | memory.c | page tables, their locks, freeing them under walkers |
//! | `walk` | pagewalk.c | from addresses to words |
//! | `mm` | mmap.c | address spaces of processes, VMAs, mmap |
//! | `munmap` | vma.c | detaching VMAs, and clearing what they mapped |
//! | `mremap` | mremap.c | moving a mapping, entries and all |
//! | `tlb` | the hardware | a TLB per CPU, and accesses that go through it |
//! | `gather` | mmu_gather.c | flush, then put |
//! | `file_range` | | pages of a file |
//! | `rmap` | rmap.c | mapcounts, address_space, `unmap_mapping_range` |
//! | `zap` | memory.c | clearing entries |
//! | `try_to_unmap` | rmap.c, ksm.c | clearing an entry unless somebody else refers to its page |
//! | `cow` | memory.c | private mappings: copies, and what fork does |
//! | `fault` | memory.c | `handle_mm_fault`, installing entries |
//! | `huge` | huge_memory.c | huge pages of anonymous memory, and PMDs that become tables |
//! | `folio_lock` | filemap.c | the lock of a folio, and waiting for it |
//! | `migrate` | rmap.c, migrate.c | entries out of the way, and back |
//! | `migrate_device` | migrate_device.c | anonymous pages to a device's memory, and home |
//! | `device_private` | memory.c | a CPU touches what is there |
//! | `device_exclusive` | rmap.c, memory.c | a device has a page for itself |
//! | `mmu_notifier` | mmu_notifier.c, hmm.c | devices keep translations, and are told when they end |
//! | `split` | huge_memory.c | a mapped folio is taken apart |
//! | `shrink` | huge_memory.c, migrate.c | what is mapped in parts is split, and memory moved |
//! | `gup_fast`, `gup`, `gup_devmap` | gup.c | taking references by address |
//!
//! What a fault needs from a filesystem it asks through [`FaultHandler`].

mod collapse;
mod cow;
mod device_exclusive;
mod device_private;
mod entry;
mod fault;
mod file_range;
mod folio_lock;
mod gather;
mod gup;
mod gup_devmap;
mod gup_fast;
mod gup_slow;
mod huge;
mod insert_page;
mod migrate;
mod migrate_device;
mod mm;
mod mmu_notifier;
mod mremap;
mod munmap;
mod rmap;
mod shrink;
mod split;
mod tables;
mod tlb;
mod try_to_unmap;
mod walk;
mod word;
mod zap;

use prim::{Arena, NoMemory, Slab, Table};
use program::Geometry;

use crate::page::Pfn;
use crate::pagemap::Pagemaps;
use crate::region;

pub use cow::EvenCows;
pub use entry::{Leaf, Pmd, Pte, Softleaf, Vpn};
pub use fault::{Fault, FaultHandler, Insert, VmFault};
pub use file_range::FileRange;
pub use gup::{GupError, GupKind, GupRange, GupRequest};
pub use migrate_device::Goes;
pub(crate) use mm::{FileUse, VMAS};
pub use mm::{Mm, MmId, Vma};
pub(crate) use mmu_notifier::MIRRORS;
pub use rmap::{AddressSpace, MappingId};
pub use tlb::{CpuAccess, Died};

use tables::PageTables;
use tlb::Tlb;

/// The virtual-memory half of a machine.
#[derive(Debug)]
pub struct Vm {
    /// The frames and their pagemaps.
    pub pagemaps: Pagemaps,
    mms: Slab<Mm>,
    tables: PageTables,
    tlb: Tlb,
    mappings: Table<AddressSpace>,
    anon_vmas: Slab<AddressSpace>,
    mirrors: Table<mmu_notifier::Mirror>,
    gather_batch: usize,
}

impl Vm {
    /// A machine without processes.
    ///
    /// # Errors
    /// [`NoMemory`] when the arena is too small.
    pub fn new(arena: &Arena, geometry: &Geometry, pagemaps: Pagemaps) -> Result<Self, NoMemory> {
        let mms = usize::from(geometry.procs_max);
        Ok(Self {
            pagemaps,
            mms: Slab::new(arena, mms, region::MM_STRUCT)?,
            tables: PageTables::new(arena, geometry, mms)?,
            tlb: Tlb::new(arena, geometry.cpus.into())?,
            mappings: arena.table(region::ADDRESS_SPACE, geometry.files_max.into())?,
            anon_vmas: Slab::new(arena, mms * usize::from(geometry.maps_max), region::ANON_VMA)?,
            mirrors: arena.table("mirrors", mms * MIRRORS as usize)?,
            gather_batch: usize::from(geometry.gather_batch).clamp(1, gather::BATCH_MAX),
        })
    }

    /// PTE tables a machine of this geometry has room for.
    #[must_use]
    pub fn tables_of(geometry: &Geometry) -> usize {
        usize::from(geometry.procs_max) * PageTables::pmds_per_mm(geometry) as usize
    }

    /// The process address space behind an id.
    #[must_use]
    pub fn mm(&self, id: MmId) -> &Mm {
        &self.mms[id.0]
    }

    /// The address space of a file, or of anonymous memory, behind an id.
    #[must_use]
    pub fn mapping(&self, id: MappingId) -> &AddressSpace {
        match id.as_anon_vma() {
            None => &self.mappings[id.0 as usize],
            Some(slot) => &self.anon_vmas[slot],
        }
    }

    /// Address spaces of processes alive.
    #[must_use]
    pub fn live_mms(&self) -> usize {
        self.mms.live()
    }

    /// What every entry of every page table maps, present or device-private. For an audit: no step.
    pub(crate) fn peek_present(&self, each: impl FnMut(Leaf)) {
        self.tables.peek_present(each);
    }

    /// The frames that migration entries of every page table stand for. For an audit: no step.
    pub(crate) fn peek_migrating(&self, each: impl FnMut(Pfn)) {
        self.tables.peek_migrating(each);
    }

    /// Anonymous mappings; 0 at quiescence.
    #[must_use]
    pub(crate) fn live_anon_vmas(&self) -> usize {
        self.anon_vmas.live()
    }

    /// Page tables in use; 0 at quiescence without mappings.
    #[must_use]
    pub fn live_tables(&self) -> usize {
        self.tables.live()
    }
}
