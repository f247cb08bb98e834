//! Reverse mapping: mapcounts, and who maps a file (`mm/rmap.c`, K§2.4, K§6.4).
//!
//! A file's [`AddressSpace`] lists every VMA that maps it. `unmap_mapping_range` walks the list under
//! `i_mmap` for reading, one gather per VMA, so when it returns every reference of the cleared entries
//! has been put. Nothing here stops a fault from mapping the page again: that is the caller's lock.
//!
//! Anonymous memory is listed in the same way (`struct anon_vma`): a mapping has an address space of its own, which the
//! children of a fork join behind their parents. Departure: they join only that, and have none of theirs.

use prim::{Cpu, Guarded, LockClass, ReadGuard, RwSem, WriteGuard, plain, zeroed};
use program::Errno;

use crate::lock_order;
use crate::page::{Folio, Pfn};
use crate::vm::gather::MmuGather;
use crate::vm::{EvenCows, FileRange, MmId, Vm, Vma, Vpn};
use crate::warn::{Complaint, warn_on};

/// VMAs that can map one file at once.
const LINKS: usize = 256;

/// Names an address space: a file's, by its inode, or one of anonymous memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MappingId(pub u32);

impl MappingId {
    /// Files are below.
    const ANON_VMAS: u32 = 1 << 30;

    fn anon_vma(slot: u32) -> Self {
        Self(Self::ANON_VMAS + slot)
    }

    /// Which of those of anonymous memory it is, if it is one.
    #[inline]
    pub(super) fn as_anon_vma(self) -> Option<u32> {
        self.0.checked_sub(Self::ANON_VMAS)
    }
}

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
        self.places_of(FileRange::page(index)).map(|(mm, vpn, _)| (mm, vpn))
    }

    /// Where these pages of the file may be mapped: the address of the first one there, and which those are.
    pub(super) fn places_of(
        &self,
        range: FileRange,
    ) -> impl Iterator<Item = (MmId, Vpn, FileRange)> {
        let place = move |entry: &MapEntry| {
            let mapped = range.overlap(entry.file_range());
            let there = (!mapped.is_empty()).then(|| entry.address_of(mapped.first()));
            there.map(|vpn| (MmId(entry.mm), vpn, mapped))
        };
        self.entries().iter().filter_map(place)
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

    /// `unlink_file_vma`: a VMA is gone. Says how many are left.
    #[doc(alias = "unlink_file_vma")]
    fn unlink(&self, cpu: &Cpu<'_>, entry: MapEntry) -> u32 {
        let mut list = self.i_mmap.write(cpu);
        if let Some(at) = list.entries().iter().position(|it| *it == entry) {
            // In order: who moves or copies entries relies on being met at the old place first.
            let end = list.count as usize;
            list.entries.copy_within(at + 1..end, at);
            list.count -= 1;
        }
        list.count
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
    /// A new VMA is listed where those are who map the same: of anonymous memory, first of all that (`anon_vma_prepare`).
    ///
    /// # Errors
    /// `ENOMEM` without room.
    pub(super) fn link_vma(&self, cpu: &Cpu<'_>, mm: MmId, wanted: Vma) -> Result<Vma, Errno> {
        let mapping = match wanted.is_anonymous() {
            true => MappingId::anon_vma(self.anon_vmas.alloc(cpu).map_err(|_| Errno::ENOMEM)?),
            false => MappingId(wanted.mapping),
        };
        let vma = Vma { mapping: mapping.0, ..wanted };
        self.mapping(mapping).link(cpu, vma.as_map_entry(mm))?;
        Ok(vma)
    }

    /// `unlink_file_vma`, `unlink_anon_vmas`: a VMA is gone. The last one of anonymous memory takes the list along: no
    /// page is left that would name it.
    #[doc(alias = "unlink_anon_vmas")]
    pub(super) fn unlink_vma(&self, cpu: &Cpu<'_>, mm: MmId, vma: &Vma) {
        let mapping = MappingId(vma.mapping);
        let left = self.mapping(mapping).unlink(cpu, vma.as_map_entry(mm));
        match mapping.as_anon_vma() {
            Some(slot) if left == 0 => self.anon_vmas.free(cpu, slot),
            Some(_) | None => {}
        }
    }

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
                let start = entry.address_of(mapped.first());
                let range = (start, start.add(mapped.len()));
                let _forgotten = self.invalidate_range(cpu, MmId(entry.mm), range, None);
                let mut gather = MmuGather::new(self, cpu, MmId(entry.mm));
                gather.even_cows = even_cows;
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
            self.complain_of_underflow(cpu, pfn, left);
        }
        if folio.is_large() {
            Self::drop_large_mapcount(cpu, folio);
            if left == 0 && self.pagemaps.ram.contains(pfn) {
                let mapped = folio.nr_pages_mapped().dec_return();
                if mapped > 0 && folio.entire_mapcount().read() == 0 {
                    self.pagemaps.deferred.queue(cpu, folio);
                }
            } else if left == 0 {
                folio.nr_pages_mapped().dec();
            }
        }
    }

    /// Nobody mapped it, or its struct page has gone and says nothing.
    #[cold]
    fn complain_of_underflow(&self, cpu: &Cpu<'_>, pfn: Pfn, left: i32) {
        let of_a_device = !self.pagemaps.ram.contains(pfn);
        let complaint = match of_a_device && self.pagemaps.of_page(pfn).is_none() {
            true => Complaint::UnmapAfterUnplug,
            false => Complaint::MapUnderflow,
        };
        warn_on(cpu, complaint, pfn, left.into());
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
