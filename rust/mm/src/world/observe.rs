//! What a page looks like from outside: the words that recordings of kernels have.

use alloc::vec::Vec;

use prim::Cpu;
use program::Errno;
use program::op::{FileIdx, MapNo, WorkerId};

use crate::dax::InodeId;
use crate::page::{Head, Order, Pfn};
use crate::vm::{Pte, Vpn};
use crate::world::World;
use crate::world::fds::HANDLES;
use crate::world::process::MapSlot;

/// The words of one `struct page`, as recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageSnapshot {
    /// `_refcount`; a tail's own is 0.
    pub refcount: i32,
    /// This page's mapcount.
    pub mapcount: i32,
    /// Order of the folio headed here; none for a tail.
    pub order: Option<u8>,
    /// Pages back to the head.
    pub tail_of: Option<u32>,
    /// Of a large folio: all mappings, mappings of the whole, pins.
    pub large: Option<LargeSnapshot>,
    /// Whether `mapping` is set.
    pub mapping: bool,
    /// The aliased `index` word, which reads as `share` while there is no mapping.
    pub share: u32,
}

/// The counts only a large folio has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LargeSnapshot {
    /// All mappings, a PMD counting once.
    pub mapcount: u32,
    /// Mappings by PMD.
    pub entire_mapcount: u32,
    /// Pins.
    pub pincount: u32,
}

/// How the mappings of a worker cover a page of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// This frame is in the page table.
    Mapped(WorkerId, MapNo),
    /// Another frame is.
    Elsewhere(WorkerId, MapNo),
}

impl World {
    /// The words of a page.
    #[must_use]
    pub fn observe(&self, pfn: Pfn) -> PageSnapshot {
        let memmap = &self.pagemaps().memmap;
        let page = memmap.page(pfn);
        let free = match self.dax.span.contains(pfn) {
            true => self.pagemaps().count_of_free(self.dax.kind()),
            false => 0,
        };
        let (refcount, mapcount) = (page.refcount.count().get() + free, page.mapcount.read());
        if let Head::Tail(distance) = page.head() {
            return PageSnapshot {
                refcount,
                mapcount,
                tail_of: Some(distance),
                ..Default::default()
            };
        }
        let folio = memmap.folio(pfn);
        let large = folio.is_large().then(|| LargeSnapshot {
            mapcount: folio.large_mapcount().read(),
            entire_mapcount: folio.entire_mapcount().read(),
            pincount: folio.pincount().read(),
        });
        let mapping = folio.mapping().is_some() && !folio.is_marked_shared();
        let share = if mapping { 0 } else { folio.index_or_share() };
        let order = Some(folio.order().0);
        PageSnapshot { refcount, mapcount, order, tail_of: None, large, mapping, share }
    }

    /// Whether a file has a name.
    pub(super) fn is_named(&self, cpu: &Cpu<'_>, inode: InodeId) -> bool {
        self.directory[0].lock(cpu).has(inode)
    }

    /// The directory's one name stands for the device itself, as device-dax with folios of this order.
    ///
    /// # Errors
    /// As the device says.
    pub fn make_dev_dax(&self, cpu: &Cpu<'_>, order: Order) -> Result<InodeId, Errno> {
        let id = self.dax.reconfigure(cpu, order)?;
        self.directory[0].lock(cpu).name(FileIdx(0), id);
        Ok(id)
    }

    /// Gives a page of device-dax the `mapping` that it carried over from an earlier mapping.
    pub fn seed_mapping(&self, pfn: Pfn, inode: InodeId) {
        self.pagemaps().memmap.folio(pfn).set_mapping(Some(inode.0));
    }

    /// Gives a page that is in no file the `share` its block carried over from an earlier life.
    pub fn seed_share(&self, pfn: Pfn, share: u32) {
        self.pagemaps().memmap.folio(pfn).set_index_or_share(share);
    }

    /// What a worker's page table says of a page of a mapping.
    ///
    /// # Errors
    /// `EINVAL` for a number not mapped or a page outside it, `ESRCH` when the worker does not run.
    pub fn entry_of(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        map: MapNo,
        page: u32,
    ) -> Result<Pte, Errno> {
        let slot = self.map_slot(cpu, worker, map)?;
        if page >= slot.pages {
            return Err(Errno::EINVAL);
        }
        Ok(self.dax.vm.walk(self.mm_of(worker)?, Vpn(slot.start + page)))
    }

    /// Who reaches page `index` of a file through a page table, and whether at `pfn`, or has that frame at this page of
    /// another file: of the threads of a process the first.
    #[must_use]
    pub fn coverage(&self, cpu: &Cpu<'_>, inode: InodeId, index: u32, pfn: Pfn) -> Vec<Coverage> {
        let mut all = Vec::new();
        let mut seen = Vec::new();
        for worker in self.running() {
            let process = self.proc_of(worker);
            if seen.contains(&process) {
                continue;
            }
            seen.push(process);
            let (Ok(proc), Ok(mm)) = (self.proc(worker), self.mm_of(worker)) else { continue };
            let maps = { proc.handles.lock(cpu).maps };
            for (number, slot) in (0..HANDLES as u8).zip(maps.iter()) {
                let Some(vpn) = Self::address_of(slot, index) else { continue };
                let map = MapNo(number);
                match self.dax.vm.walk(mm, vpn) {
                    Pte::None | Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => {}
                    Pte::Page(page) if page.pfn() == pfn => all.push(Coverage::Mapped(worker, map)),
                    Pte::Page(_) if slot.inode == inode.0 => {
                        all.push(Coverage::Elsewhere(worker, map));
                    }
                    // Another file's page.
                    Pte::Page(_) => {}
                }
            }
        }
        all
    }

    fn address_of(slot: &MapSlot, index: u32) -> Option<Vpn> {
        let offset = index.checked_sub(slot.pgoff)?;
        (slot.pages > offset).then(|| Vpn(slot.start + offset))
    }
}
