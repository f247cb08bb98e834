//! A driver that mirrors processes moves their pages to its memory, and home (`lib/test_hmm.c`: the ioctls of
//! `/dev/hmm_dmirror0`, and the module's life).
//!
//! Its memory is the driver's own: pages that `dev_alloc` took are not there to be had, and the last entry that maps one
//! gives it back by `folio_free`. A world begins with MEMORY_DEVICE_PRIVATE; taken away and plugged in again, it may be
//! MEMORY_DEVICE_COHERENT.
//!
//! Taking it away is the other end of the driver's life. First nobody finds it (`with_dev_pagemap`) nor moves anything
//! there (the lock) nor allocates in it (the pagemap is killed), then what processes have there comes home by frame
//! number, then the wait for the rest. What the driver has for itself it must have given up.
//!
//! Departures: one device has memory, one chunk of it, where the module has four that take chunks as they need them; the
//! second one here mirrors processes only.

use prim::{AtomicU32, Cpu, Guarded, LockClass, RwSem, plain, synchronize_rcu, zeroed};
use program::Errno;
use program::op::{
    DeviceMemory, Exclusive, HmmLoad, HmmRead, HmmRelease, HmmTodev, HmmTosys, HmmWrite, MapNo,
    WorkerId,
};

use program::rules::{ReleaseStop, Switch};

use crate::lock_order;
use crate::pagemap::PagemapType;
use crate::vm::{Goes, MIRRORS, MmId, Vpn};
use crate::world::{Failure, Return, World};

plain! {
    /// The device has memory, or has none, as long as this is locked.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Plugged;
}

impl Guarded for Plugged {
    const CLASS: LockClass = lock_order::DEVICE_LOCK;
}

zeroed! {
    /// The mirror device (`struct dmirror_device`).
    #[derive(Debug)]
    pub(super) struct Mirror {
        /// Descriptors.
        pub(super) users: AtomicU32,
        plugged: RwSem<Plugged>,
    }
}

/// A range of a mapping, as the ioctls name it.
#[derive(Clone, Copy)]
struct Command {
    device: u32,
    map: MapNo,
    page: u32,
    pages: u32,
}

impl World {
    /// `dmirror_migrate_to_device`: pages of a mapping go to the device. Returns how many.
    ///
    /// # Errors
    /// `ENODEV` for another device or when it has no memory, `EINVAL` for a number not mapped, or pages that are not in
    /// it or not anonymous.
    #[doc(alias = "dmirror_migrate_to_device")]
    pub fn hmm_todev(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &HmmTodev) -> Return {
        let HmmTodev { device, map, page, pages } = *op;
        Self::check_memory(device)?;
        let _plugged = self.mirror[0].plugged.read(cpu);
        self.dev_pagemap().ok_or(Errno::ENODEV)?;
        let alloc = |cpu: &Cpu<'_>, order| {
            let folio = |id| self.devmem.alloc_folio(cpu, self.pagemaps(), id, order);
            self.with_dev_pagemap(cpu, |id| folio(id).ok_or(Errno::ENOMEM)).ok()
        };
        let command = Command { device, map, page, pages };
        self.hmm_migrate(cpu, worker, command, Goes::ToDevice(&alloc))
    }

    /// `dmirror_migrate_to_system`: pages of a mapping come home. Returns how many.
    ///
    /// # Errors
    /// As [`Self::hmm_todev`], but for the memory.
    #[doc(alias = "dmirror_migrate_to_system")]
    pub fn hmm_tosys(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &HmmTosys) -> Return {
        let HmmTosys { device, map, page, pages } = *op;
        Self::check_memory(device)?;
        self.hmm_migrate(cpu, worker, Command { device, map, page, pages }, Goes::Home)
    }

    /// `dmirror_read`: the device reads pages. Returns what the first one held.
    ///
    /// # Errors
    /// `ENODEV` for another device, `EINVAL` for a number not mapped or pages that are not in it, `EFAULT` where nothing
    /// can be read, `ENOMEM`.
    #[doc(alias = "dmirror_read")]
    pub fn hmm_read(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &HmmRead) -> Return {
        let HmmRead { device, map, page, pages } = *op;
        let (mm, start) = self.commanded(cpu, worker, Command { device, map, page, pages })?;
        let vm = &self.dax.vm;
        let read = |at| vm.mirror_access(cpu, device, (mm, start.add(at)), None, &self.dax);
        let first = read(0)?;
        (1..pages).try_for_each(|at| read(at).map(drop))?;
        Ok(first.cast_signed())
    }

    /// `dmirror_write`: the device writes to a page.
    ///
    /// # Errors
    /// As [`Self::hmm_read`]; `EPERM` where the process may not write.
    #[doc(alias = "dmirror_write")]
    pub fn hmm_write(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &HmmWrite) -> Return {
        let HmmWrite { device, map, page, value } = *op;
        let at = self.commanded(cpu, worker, Command { device, map, page, pages: 1 })?;
        self.dax.vm.mirror_access(cpu, device, at, Some(value), &self.dax)?;
        Ok(0)
    }

    /// `dmirror_exclusive`: the device gets pages of anonymous memory for itself, until a CPU touches them. Returns how many.
    ///
    /// # Errors
    /// Of the first page: `ENODEV` for another device, `EINVAL` for a number not mapped or pages that are not in it, `EFAULT`
    /// where nothing can be written, `EOPNOTSUPP` for a page that is not ordinary memory, `EBUSY`, `ENOMEM`.
    #[doc(alias = "dmirror_exclusive")]
    pub fn exclusive(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Exclusive) -> Return {
        let Exclusive { device, map, page, pages } = *op;
        let (mm, start) = self.commanded(cpu, worker, Command { device, map, page, pages })?;
        Ok(self.dax.vm.mirror_exclusive(cpu, device, (mm, start, pages), &self.dax)?.into())
    }

    /// `dmirror_device_remove_chunks`: the device's memory is taken away.
    ///
    /// # Errors
    /// `ENODEV` for another device or when it has none, `EBUSY` while the driver, or one of the program, has some of it
    /// for itself.
    #[doc(alias = "dmirror_device_remove_chunks")]
    pub fn hmm_release(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &HmmRelease) -> Return {
        Self::check_memory(op.device)?;
        self.remove_device_memory(cpu)?;
        Ok(0)
    }

    /// The device gets memory again, of this kind.
    ///
    /// # Errors
    /// `EBUSY` while it has some, or that is still going; `ENOMEM` as `memremap_pages`.
    #[doc(alias = "dmirror_allocate_chunk")]
    pub fn hmm_load(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &HmmLoad) -> Return {
        let kind = match op.memory {
            DeviceMemory::Private => PagemapType::Private,
            DeviceMemory::Coherent => PagemapType::Coherent,
        };
        let plugged = self.pagemaps().is_covered(self.devmem.span());
        if plugged {
            return Err(Errno::EBUSY.into());
        }
        self.plug_in(cpu, kind)?;
        Ok(0)
    }

    /// `rmmod test_hmm`.
    ///
    /// # Errors
    /// As [`Self::hmm_release`]; `EBUSY`, too, while somebody has the device open.
    #[doc(alias = "hmm_dmirror_exit")]
    pub fn hmm_unload(&self, cpu: &Cpu<'_>, _worker: WorkerId) -> Return {
        if self.mirror_users().read() != 0 {
            return Err(Errno::EBUSY.into());
        }
        self.remove_device_memory(cpu)?;
        Ok(0)
    }

    #[track_caller]
    fn remove_device_memory(&self, cpu: &Cpu<'_>) -> Result<(), Errno> {
        if self.devmem.drivers.pages() > 0 {
            return Err(Errno::EBUSY);
        }
        let pagemaps = self.pagemaps();
        let id = {
            let _plugged = self.mirror[0].plugged.write(cpu);
            let id = self.dev_pagemap().ok_or(Errno::ENODEV)?;
            match self.rules().release_stop {
                ReleaseStop::BeforeKill => {
                    self.dev_pagemap[0].set(0);
                    // Whoever found it before has allocated what it wants by then, and the driver counts it.
                    synchronize_rcu(cpu);
                    if self.devmem.has_own(cpu) {
                        self.dev_pagemap[0].set_release(id.0 + 1);
                        return Err(Errno::EBUSY);
                    }
                    pagemaps.kill(cpu, id);
                }
                // The mistake that allocations of a dying pagemap wait for (B34, B58).
                ReleaseStop::AfterKill => {
                    if self.devmem.has_own(cpu) {
                        return Err(Errno::EBUSY);
                    }
                    pagemaps.kill(cpu, id);
                    self.dev_pagemap[0].set(0);
                    synchronize_rcu(cpu);
                }
            }
            id
        };
        match self.rules().release_evict {
            Switch::On => self.dax.vm.migrate_device_range(cpu, pagemaps.span(id)),
            // They come for it, or unmap it, or are waited for as long.
            Switch::Off => {}
        }
        pagemaps.memunmap_pages(cpu, id, || {});
        Ok(())
    }

    fn hmm_migrate(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        command: Command,
        goes: Goes<'_>,
    ) -> Return {
        let (mm, start) = self.commanded(cpu, worker, command)?;
        Ok(self.dax.vm.migrate_vma(cpu, mm, (start, command.pages), goes)?.into())
    }

    /// Where a command's pages are.
    fn commanded(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        command: Command,
    ) -> Result<(MmId, Vpn), Failure> {
        let Command { device, map, page, pages } = command;
        Self::check_device(device)?;
        let slot = self.map_slot(cpu, worker, map)?;
        if page.checked_add(pages).is_none_or(|end| end > slot.pages) {
            return Err(Errno::EINVAL.into());
        }
        Ok((self.mm_of(worker)?, Vpn(slot.start + page)))
    }

    fn check_device(device: u32) -> Result<(), Errno> {
        if device < MIRRORS { Ok(()) } else { Err(Errno::ENODEV) }
    }

    /// Whether a device has memory of its own at all.
    fn check_memory(device: u32) -> Result<(), Errno> {
        if device == 0 { Ok(()) } else { Err(Errno::ENODEV) }
    }
}
