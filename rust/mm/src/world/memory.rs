//! Mapping files and touching memory.

use prim::{Cpu, by_hardware};
use program::op::{
    self, Advice, Align, Anon, AnonKind, Load, Madvise, MapNo, Mmap, MovePages, Mremap, Munmap,
    PAGE_MAX, PageRange, Prot, Sharing, SplitHugePages, Store, Touch, WorkerId,
};
use program::{Died, Errno};

use crate::dax::InodeId;
use crate::vm::{self, CpuAccess, MmId, Vma, Vpn};
use crate::world::process::{MapSlot, Proc};
use crate::world::task_work::TaskWork;
use crate::world::{Failure, Return, World};

impl World {
    /// `mmap`.
    ///
    /// # Errors
    /// `EBADF`, `EACCES` (writable mapping of a file opened for reading), `EBUSY` (number in use),
    /// `ENOMEM`, `EINVAL`, `EOVERFLOW` when the file offset does; `ENXIO` for a dead device.
    pub fn mmap(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Mmap) -> Return {
        let Mmap { map, file, offset, pages, .. } = *op;
        let mm = self.mm_of(worker)?;
        let unknown = map.index() >= self.geometry.maps_max.into();
        if pages == 0 || pages > self.geometry.file_pages_max || unknown {
            return Err(Errno::EINVAL.into());
        }
        if offset.checked_add(pages).is_none_or(|end| end > PAGE_MAX) {
            return Err(Errno::EOVERFLOW.into());
        }
        let open = self.get_file(cpu, worker, file)?;
        let mapped = self.mmap_open(cpu, worker, mm, open, op);
        if mapped.is_err() {
            self.put_file(cpu, open);
        }
        mapped
    }

    fn mmap_open(&self, cpu: &Cpu<'_>, worker: WorkerId, mm: MmId, open: u32, op: &Mmap) -> Return {
        let Mmap { map, offset, pages, prot, align, sharing, .. } = *op;
        let writable = u32::from(prot == Prot::ReadWrite);
        let private = u32::from(sharing == Sharing::Private);
        // What is copied before it is written needs no right to write the file.
        if writable == 1 && private == 0 && !self.is_writable(open) {
            return Err(Errno::EACCES.into());
        }
        let inode = self.inode_of(open).0;
        if let Some(order) = self.dax.dev_dax_of(self.inode_of(open)) {
            self.dax.check_vma(order, (offset, pages), (sharing, align))?;
        }
        let slot = MapSlot { start: 0, pages, pgoff: offset, inode, busy: 0 };
        let vma = Vma {
            start: 0,
            pages,
            pgoff: offset,
            mapping: inode,
            writable,
            private,
            huge: 0,
            file: open,
        };
        self.place(cpu, worker, map, slot, |cpu| self.dax.vm.mmap(cpu, mm, vma, align))
    }

    /// `mmap` of anonymous memory, with MADV_HUGEPAGE if it is to come in huge pages.
    ///
    /// # Errors
    /// `EINVAL`, `EBUSY` (number in use), `ENOMEM`.
    pub fn anon(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Anon) -> Return {
        let Anon { kind, map, pages } = *op;
        let mm = self.mm_of(worker)?;
        let unknown = map.index() >= self.geometry.maps_max.into();
        if pages == 0 || pages > self.geometry.file_pages_max || unknown {
            return Err(Errno::EINVAL.into());
        }
        let vma = Vma {
            start: 0,
            pages,
            pgoff: 0,
            mapping: 0,
            writable: 1,
            private: 1,
            huge: u32::from(kind == AnonKind::Huge),
            file: Vma::NO_FILE,
        };
        let slot = MapSlot { start: 0, pages, pgoff: 0, inode: MapSlot::NO_INODE, busy: 0 };
        self.place(cpu, worker, map, slot, |cpu| self.dax.vm.mmap(cpu, mm, vma, Align::Natural))
    }

    /// Maps something under a number, which is claimed first, so that two threads cannot map it twice.
    fn place(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        map: MapNo,
        slot: MapSlot,
        mmap: impl FnOnce(&Cpu<'_>) -> Result<Vpn, Errno>,
    ) -> Return {
        let proc = self.proc(worker)?;
        {
            let mut handles = proc.handles.lock(cpu);
            if handles.maps[map.index()].pages != 0 {
                return Err(Errno::EBUSY.into());
            }
            handles.maps[map.index()] = slot;
        }
        let placed = mmap(cpu);
        let mut handles = proc.handles.lock(cpu);
        handles.maps[map.index()] = match placed {
            Ok(start) => MapSlot { start: start.0, ..slot },
            Err(_) => MapSlot::UNUSED,
        };
        Ok(placed.map(|_| 0)?)
    }

    /// `munmap` of a mapping, or of some pages of it.
    ///
    /// # Errors
    /// `EINVAL` for a number not mapped or a range outside it, `ENOMEM` when a split needs a slot.
    pub fn munmap(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Munmap) -> Return {
        let Munmap { map, range } = *op;
        let mm = self.mm_of(worker)?;
        let proc = self.proc(worker)?;
        let (whole, start, pages) = {
            let mut handles = proc.handles.lock(cpu);
            let slot = handles.maps.get_mut(map.index()).filter(|slot| slot.is_settled());
            let slot = slot.ok_or(Errno::EINVAL)?;
            let PageRange { page, pages } =
                range.unwrap_or(PageRange { page: 0, pages: slot.pages });
            if page.checked_add(pages).is_none_or(|end| end > slot.pages) || pages == 0 {
                return Err(Errno::EINVAL.into());
            }
            // `may_split`: a folio of device-dax is not cut.
            if slot.inode != MapSlot::NO_INODE
                && let Some(order) = self.dax.dev_dax_of(InodeId(slot.inode))
                && [page, page + pages].iter().any(|at| at % order.pages() != 0)
            {
                return Err(Errno::EINVAL.into());
            }
            // The number stays until the pages are gone: other threads may touch them meanwhile.
            slot.busy = range.is_none().into();
            (range.is_none(), Vpn(slot.start + page), pages)
        };
        let mut work = TaskWork::none();
        let vm = &self.dax.vm;
        let unmapped =
            vm.munmap(cpu, mm, start, pages, &mut |event| self.file_event(cpu, event, &mut work));
        if whole {
            let mut handles = proc.handles.lock(cpu);
            match unmapped {
                Ok(()) => handles.maps[map.index()] = MapSlot::UNUSED,
                Err(_) => handles.maps[map.index()].busy = 0,
            }
        }
        // Last, because it may sleep in an eviction: nothing is mapped there any more.
        self.task_work_run(cpu, &work);
        Ok(unmapped.map(|()| 0)?)
    }

    /// `mremap` of a whole mapping to other addresses; its number then means those.
    ///
    /// # Errors
    /// `EINVAL` for a number not mapped, `EFAULT` when a part of it was unmapped, `ENOMEM`.
    pub fn mremap(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Mremap) -> Return {
        let (mm, proc) = (self.mm_of(worker)?, self.proc(worker)?);
        let slot = {
            let mut handles = proc.handles.lock(cpu);
            let slot = handles.maps.get_mut(op.map.index()).filter(|slot| slot.is_settled());
            let slot = slot.ok_or(Errno::EINVAL)?;
            slot.busy = 1;
            *slot
        };
        let mut work = TaskWork::none();
        let mut event = |event| self.file_event(cpu, event, &mut work);
        let moved = self.dax.vm.mremap(cpu, mm, Vpn(slot.start), slot.pages, &mut event);
        let start = moved.map_or(slot.start, |vpn| vpn.0);
        proc.handles.lock(cpu).maps[op.map.index()] = MapSlot { start, busy: 0, ..slot };
        self.task_work_run(cpu, &work);
        Ok(moved.map(|_| 0)?)
    }

    /// `exit_mm` of the last user: everything in it is unmapped and put.
    pub(super) fn exit_mm(&self, cpu: &Cpu<'_>, mm: MmId, work: &mut TaskWork) {
        self.dax.vm.exit_mmap(cpu, mm, &mut |event| self.file_event(cpu, event, work));
    }

    /// Touches pages one after the other; a write stores the number of the file's page.
    ///
    /// # Errors
    /// `EINVAL` for a number not mapped; death by SIGBUS or SIGSEGV.
    pub fn touch(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Touch) -> Return {
        self.touch_each(cpu, worker, op, u64::from)
    }

    /// As [`Self::touch`]; a write stores `value(page of the file)`.
    ///
    /// # Errors
    /// As [`Self::touch`].
    pub fn touch_each(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        op: &Touch,
        value: impl Fn(u32) -> u64,
    ) -> Return {
        let slot = self.addressed(cpu, worker, op.map)?;
        for at in 0..op.pages {
            let page = op.page.checked_add(at).ok_or(Failure::Died(Died::Sigsegv))?;
            let access = match op.access {
                op::Access::Read => CpuAccess::Load,
                // Wraps far outside the mapping only, where nothing is stored.
                op::Access::Write => CpuAccess::Store(value(slot.pgoff.wrapping_add(page))),
            };
            self.access(cpu, worker, slot, page, access)?;
        }
        Ok(0)
    }

    /// Reads the word a page holds.
    ///
    /// # Errors
    /// As [`Self::touch`].
    pub fn load(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Load) -> Return {
        let slot = self.addressed(cpu, worker, op.map)?;
        self.access(cpu, worker, slot, op.page, CpuAccess::Load).map(u64::cast_signed)
    }

    /// Writes it.
    ///
    /// # Errors
    /// As [`Self::touch`].
    pub fn store(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Store) -> Return {
        let slot = self.addressed(cpu, worker, op.map)?;
        self.access(cpu, worker, slot, op.page, CpuAccess::Store(op.value)).map(|_| 0)
    }

    /// `madvise` of one page: MADV_DONTNEED takes its entries and leaves the mapping, MADV_COLLAPSE makes a huge page of
    /// the single ones around it, MADV_SOFT_OFFLINE moves it to another block.
    ///
    /// # Errors
    /// `EINVAL` for a number not mapped or a page outside it; otherwise as the file system says.
    pub fn madvise(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Madvise) -> Return {
        let slot = self.map_slot(cpu, worker, op.map)?;
        if op.page >= slot.pages {
            return Err(Errno::EINVAL.into());
        }
        let (mm, vpn) = (self.mm_of(worker)?, Vpn(slot.start + op.page));
        match op.advice {
            Advice::DontNeed => self.dax.vm.zap_page_range(cpu, mm, vpn, 1),
            Advice::Collapse => self.dax.vm.collapse(cpu, mm, vpn)?,
            Advice::SoftOffline => self.dax.soft_offline(cpu, mm, vpn)?,
        }
        Ok(0)
    }

    /// `split_huge_pages` of one page of a mapping.
    ///
    /// # Errors
    /// `EINVAL` for a number not mapped, a page outside it, or one of no huge page; otherwise as the split.
    #[doc(alias = "split_huge_pages_pid")]
    pub fn split_huge_pages(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &SplitHugePages) -> Return {
        let slot = self.map_slot(cpu, worker, op.map)?;
        if op.page >= slot.pages {
            return Err(Errno::EINVAL.into());
        }
        let (mm, vpn) = (self.mm_of(worker)?, Vpn(slot.start + op.page));
        Ok(self.dax.vm.split_huge_page(cpu, mm, vpn)?.into())
    }

    /// `move_pages` of one page of a mapping.
    ///
    /// # Errors
    /// `EINVAL` for a number not mapped, or a page outside it; otherwise as [`crate::vm::Vm::move_pages`].
    pub fn move_pages(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &MovePages) -> Return {
        let slot = self.map_slot(cpu, worker, op.map)?;
        if op.page >= slot.pages {
            return Err(Errno::EINVAL.into());
        }
        let (mm, vpn) = (self.mm_of(worker)?, Vpn(slot.start + op.page));
        Ok(self.dax.vm.move_pages(cpu, mm, vpn)?.into())
    }

    /// The shrinker of huge pages that are mapped in parts.
    ///
    /// # Errors
    /// None.
    #[doc(alias = "deferred_split_scan")]
    pub fn shrink(&self, cpu: &Cpu<'_>, _worker: WorkerId) -> Return {
        Ok(self.dax.vm.deferred_split_scan(cpu).into())
    }

    /// `msync`: nothing is written back later here.
    ///
    /// # Errors
    /// `EINVAL` for a number not mapped.
    pub fn msync(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &op::Msync) -> Return {
        Ok(self.map_slot(cpu, worker, op.map).map(|_| 0)?)
    }

    /// The mapping behind a number.
    pub(super) fn map_slot(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        map: MapNo,
    ) -> Result<MapSlot, Errno> {
        Self::slot_of(cpu, self.proc(worker)?, map)
    }

    /// The mapping behind a number, for a load or store of the process. That knows the address and asks nobody, so what
    /// is looked up for it here, under a lock, is no access of its CPU's: its stores go on waiting.
    pub(super) fn addressed(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        map: MapNo,
    ) -> Result<MapSlot, Errno> {
        let _aside = by_hardware();
        self.map_slot(cpu, worker, map)
    }

    pub(super) fn slot_of(cpu: &Cpu<'_>, proc: &Proc, map: MapNo) -> Result<MapSlot, Errno> {
        let handles = proc.handles.lock(cpu);
        let slot = handles.maps.get(map.index()).copied().unwrap_or(MapSlot::UNUSED);
        if slot.pages == 0 || slot.start == 0 { Err(Errno::EINVAL) } else { Ok(slot) }
    }

    pub(super) fn access(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        slot: MapSlot,
        page: u32,
        access: CpuAccess,
    ) -> Result<u64, Failure> {
        let mm = self.mm_of(worker)?;
        let vpn = slot.start.checked_add(page).map_or(Vpn(u32::MAX), Vpn);
        self.dax.vm.access(cpu, mm, vpn, access, &self.dax).map_err(|died| match died {
            vm::Died::Sigbus => Failure::Died(Died::Sigbus),
            vm::Died::Sigsegv => Failure::Died(Died::Sigsegv),
            vm::Died::Oom => Failure::Errno(Errno::ENOMEM),
        })
    }
}
