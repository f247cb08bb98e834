//! A driver that mirrors processes moves their pages to its memory, and home (`lib/test_hmm.c`: the ioctls
//! `HMM_DMIRROR_MIGRATE_TO_DEV` and `_TO_SYS`).
//!
//! Its memory is the driver's own, MEMORY_DEVICE_PRIVATE: pages that `dev_alloc` took are not there to be had, and the
//! last entry that maps one gives it back by `folio_free`.

use prim::Cpu;
use program::Errno;
use program::op::{HmmTodev, HmmTosys, MapNo, WorkerId};

use crate::vm::{Goes, Vpn};
use crate::world::{Return, World};

/// The mirror devices that a world has.
const DEVICES: u32 = 1;

impl World {
    /// `dmirror_migrate_to_device`: pages of a mapping go to the device. Returns how many.
    ///
    /// # Errors
    /// `ENODEV` for another device, `EINVAL` for a number not mapped, or pages that are not in it or not anonymous.
    #[doc(alias = "dmirror_migrate_to_device")]
    pub fn hmm_todev(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &HmmTodev) -> Return {
        let HmmTodev { device, map, page, pages } = *op;
        let pagemap = self.dev_pagemap().ok_or(Errno::ENODEV)?;
        let alloc = |cpu: &Cpu<'_>| self.devmem.alloc_page(cpu, self.pagemaps(), pagemap);
        self.hmm_migrate(cpu, worker, (device, map), (page, pages), Goes::ToDevice(&alloc))
    }

    /// `dmirror_migrate_to_system`: pages of a mapping come home. Returns how many.
    ///
    /// # Errors
    /// As [`Self::hmm_todev`].
    #[doc(alias = "dmirror_migrate_to_system")]
    pub fn hmm_tosys(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &HmmTosys) -> Return {
        let HmmTosys { device, map, page, pages } = *op;
        self.hmm_migrate(cpu, worker, (device, map), (page, pages), Goes::Home)
    }

    fn hmm_migrate(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        (device, map): (u32, MapNo),
        (page, pages): (u32, u32),
        goes: Goes<'_>,
    ) -> Return {
        if device >= DEVICES {
            return Err(Errno::ENODEV.into());
        }
        let slot = self.map_slot(cpu, worker, map)?;
        if page.checked_add(pages).is_none_or(|end| end > slot.pages) {
            return Err(Errno::EINVAL.into());
        }
        let mm = self.mm_of(worker)?;
        Ok(self.dax.vm.migrate_vma(cpu, mm, (Vpn(slot.start + page), pages), goes)?.into())
    }
}
