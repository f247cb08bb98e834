//! Reverse mapping: mapcounts, and who maps a file (`mm/rmap.c`, K§2.4, K§6.4).
//!
//! A file's [`AddressSpace`] lists every VMA that maps it. `unmap_mapping_range` walks the list under
//! `i_mmap` for reading, one gather per VMA, so when it returns every reference of the cleared entries
//! has been put. Nothing here stops a fault from mapping the page again: that is the caller's lock.

use prim::{Cpu, Guarded, LockClass, ReadGuard, RwSem, WriteGuard, plain, zeroed};
use program::Errno;

use crate::lock_order;
use crate::page::{Folio, Pfn};
use crate::vm::gather::MmuGather;
use crate::vm::{EvenCows, FileRange, MmId, Vm, Vpn};
use crate::warn::{Complaint, warn_on};

/// VMAs that can map one file at once.
const LINKS: usize = 256;

/// Names a file's address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MappingId(pub u32);

plain! {
    /// One VMA, as its file sees it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct MapEntry {
        pub(super) mm: u32,
        pub(super) start: u32,
        pub(super) pages: u32,
        pub(super) pgoff: u32,
    }
}

plain! {
    /// `i_mmap`, as a list.
    #[derive(Clone, Copy, Debug)]
    pub struct MapList {
        count: u32,
        entries: [MapEntry; LINKS],
    }
}

impl MapEntry {
    fn file_range(&self) -> FileRange {
        FileRange::of(self.pgoff, self.pages)
    }

    /// Where it maps a page of its range.
    fn address_of(&self, index: u32) -> Vpn {
        Vpn(self.start + (index - self.pgoff))
    }
}

impl Guarded for MapList {
    const CLASS: LockClass = lock_order::I_MMAP_RWSEM;
}

impl MapList {
    fn entries(&self) -> &[MapEntry] {
        &self.entries[..self.count as usize]
    }

    /// Where one page of the file may be mapped.
    pub(super) fn addresses_of(&self, index: u32) -> impl Iterator<Item = (MmId, Vpn)> {
        let page = FileRange::page(index);
        let covers = move |entry: &&MapEntry| !page.overlap(entry.file_range()).is_empty();
        let address = move |entry: &MapEntry| (MmId(entry.mm), entry.address_of(index));
        self.entries().iter().filter(covers).map(address)
    }

    fn push(&mut self, entry: MapEntry) -> Result<(), Errno> {
        *self.entries.get_mut(self.count as usize).ok_or(Errno::ENOMEM)? = entry;
        self.count += 1;
        Ok(())
    }
}

zeroed! {
    /// The part of `struct address_space` that rmap needs.
    #[derive(Debug)]
    pub struct AddressSpace {
        i_mmap: RwSem<MapList>,
    }
}

impl AddressSpace {
    pub(super) fn link(&self, cpu: &Cpu<'_>, entry: MapEntry) -> Result<(), Errno> {
        self.i_mmap.write(cpu).push(entry)
    }

    /// `i_mmap_lock_read`.
    #[doc(alias = "i_mmap_lock_read")]
    pub(super) fn map_list<'a>(&'a self, cpu: &'a Cpu<'_>) -> ReadGuard<'a, MapList> {
        self.i_mmap.read(cpu)
    }

    /// `i_mmap_lock_write`.
    pub(super) fn i_mmap_lock_write<'a>(&'a self, cpu: &'a Cpu<'_>) -> WriteGuard<'a, MapList> {
        self.i_mmap.write(cpu)
    }

    /// `unlink_file_vma`: a VMA is gone.
    #[doc(alias = "unlink_file_vma")]
    pub(super) fn unlink(&self, cpu: &Cpu<'_>, entry: MapEntry) {
        let mut list = self.i_mmap.write(cpu);
        let Some(at) = list.entries().iter().position(|it| *it == entry) else { return };
        list.count -= 1;
        let last = list.count as usize;
        list.entries[at] = list.entries[last];
    }

    /// One VMA becomes two, or stays as it was if there is no room. `adjust` runs while nobody can come by rmap.
    ///
    /// # Errors
    /// `ENOMEM` when the list is full.
    pub(super) fn split(
        &self,
        cpu: &Cpu<'_>,
        whole: MapEntry,
        halves: [MapEntry; 2],
        adjust: impl FnOnce(),
    ) -> Result<(), Errno> {
        let mut list = self.i_mmap.write(cpu);
        let at = list.entries().iter().position(|entry| *entry == whole);
        list.push(halves[1])?;
        adjust();
        if let Some(at) = at {
            list.entries[at] = halves[0];
        }
        Ok(())
    }

    /// Whether any VMA maps the file (`mapping_mapped`).
    #[must_use]
    pub fn is_mapped(&self, cpu: &Cpu<'_>) -> bool {
        !self.i_mmap.read(cpu).entries().is_empty()
    }
}

impl Vm {
    /// `unmap_mapping_pages`: clears every entry that maps one of these pages.
    pub fn unmap_mapping_pages(&self, cpu: &Cpu<'_>, mapping: MappingId, range: FileRange) {
        self.unmap_mapping_range(cpu, mapping, range, EvenCows::Kept);
    }

    /// As [`Self::unmap_mapping_pages`], of private copies, too, if asked.
    pub fn unmap_mapping_range(
        &self,
        cpu: &Cpu<'_>,
        mapping: MappingId,
        range: FileRange,
        even_cows: EvenCows,
    ) {
        let list = self.mapping(mapping).i_mmap.read(cpu);
        for entry in list.entries() {
            let mapped = range.overlap(entry.file_range());
            if !mapped.is_empty() {
                let mut gather = MmuGather::new(self, cpu, MmId(entry.mm));
                gather.even_cows = even_cows;
                let start = entry.address_of(mapped.first());
                self.zap_range(&mut gather, start, start.add(mapped.len()));
                gather.finish();
            }
        }
    }

    /// `folio_add_file_rmap_pte`, under the PTL.
    #[doc(alias = "folio_add_file_rmap_pte")]
    pub(super) fn add_rmap_pte(&self, cpu: &Cpu<'_>, folio: Folio<'_>, pfn: Pfn) {
        let first = self.pagemaps.memmap.page(pfn).mapcount.inc_return() == 1;
        folio.owners_page_mapped(cpu, 1);
        if folio.is_large() {
            folio.large_mapcount().inc();
            folio.owners_mapped(cpu, 1);
            if first {
                folio.nr_pages_mapped().inc();
            }
        }
    }

    /// `folio_remove_rmap_pte`, under the PTL.
    #[doc(alias = "folio_remove_rmap_pte")]
    pub(super) fn remove_rmap_pte(&self, cpu: &Cpu<'_>, folio: Folio<'_>, pfn: Pfn) {
        let left = self.pagemaps.memmap.page(pfn).mapcount.dec_return();
        folio.owners_page_mapped(cpu, -1);
        if left < 0 {
            warn_on(cpu, Complaint::MapUnderflow, pfn, left.into());
        }
        if folio.is_large() {
            Self::drop_large_mapcount(cpu, folio);
            if left == 0 {
                folio.nr_pages_mapped().dec();
            }
        }
    }

    /// `folio_add_file_rmap_pmd`, under the PMD lock.
    #[doc(alias = "folio_add_file_rmap_pmd")]
    pub(super) fn add_rmap_pmd(cpu: &Cpu<'_>, folio: Folio<'_>) {
        folio.large_mapcount().inc();
        folio.owners_mapped(cpu, 1);
        folio.entire_mapcount().inc();
    }

    /// `folio_remove_rmap_pmd`, under the PMD lock.
    #[doc(alias = "folio_remove_rmap_pmd")]
    pub(super) fn remove_rmap_pmd(cpu: &Cpu<'_>, folio: Folio<'_>) {
        Self::drop_large_mapcount(cpu, folio);
        Self::drop_large(cpu, folio, folio.entire_mapcount().dec_return());
    }

    #[track_caller]
    fn drop_large_mapcount(cpu: &Cpu<'_>, folio: Folio<'_>) {
        let left = folio.large_mapcount().dec_return();
        folio.owners_mapped(cpu, -1);
        Self::drop_large(cpu, folio, left);
    }

    fn drop_large(cpu: &Cpu<'_>, folio: Folio<'_>, left: u32) {
        if left.cast_signed() < 0 {
            warn_on(cpu, Complaint::MapUnderflow, folio.pfn(), left.cast_signed().into());
        }
    }
}
