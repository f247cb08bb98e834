//! Memory of a PCI device, mapped at once by whoever opens its file (`p2pmem_alloc_mmap`, `drivers/pci/p2pdma.c`; K§8.4).
//!
//! Nothing is faulted in: each page is taken from the provider's pool, mapped, and let go of by who mapped it, so that
//! the entry has its only reference. Each holds the pagemap meanwhile. A page that cannot be mapped has been given its
//! count and its reference on the pagemap already, and both have to be taken back before it goes into the pool again: one
//! of them was forgotten at a time (B16, B17).
//!
//! Departures: the provider is the driver of this world, once its memory is one that CPUs reach (`hmm_load coherent`),
//! and the mapping is otherwise one of anonymous memory; pages are taken one by one, where the kernel has all of them from
//! its pool at first. Page tables do not run out here, so a call says how many pages they have room for.

use prim::Cpu;
use program::Errno;
use program::op::{Anon, AnonKind, Munmap, P2pMmap, WorkerId};

use crate::page::Order;
use crate::pagemap::PagemapType;
use crate::vm::Vpn;
use crate::world::{Return, World};

impl World {
    /// `mmap` of a P2PDMA provider's file.
    ///
    /// # Errors
    /// `ENODEV` when the driver has no memory, `EOPNOTSUPP` when it has none that CPUs reach, `ENOMEM` when it has no more,
    /// or page tables have no room; otherwise as [`Self::anon`].
    #[doc(alias = "p2pmem_alloc_mmap")]
    pub fn p2p_mmap(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &P2pMmap) -> Return {
        let P2pMmap { map, pages, room } = *op;
        let pagemaps = self.pagemaps();
        let reached = |id| match pagemaps.kind(id) {
            PagemapType::Coherent => Ok(()),
            PagemapType::Private | PagemapType::FsDax | PagemapType::Generic => {
                Err(Errno::EOPNOTSUPP)
            }
        };
        self.with_dev_pagemap(cpu, reached)?;
        self.anon(cpu, worker, &Anon { kind: AnonKind::Pages, map, pages })?;
        let start = self.map_slot(cpu, worker, map)?.start;
        let mapped = (0..pages).try_for_each(|at| {
            let fits = at < room;
            self.p2p_map_page(cpu, worker, Vpn(start + at), fits)
        });
        if mapped.is_err() {
            self.munmap(cpu, worker, &Munmap { map, range: None })?;
        }
        Ok(mapped.map(|()| 0)?)
    }

    fn p2p_map_page(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        vpn: Vpn,
        fits: bool,
    ) -> Result<(), Errno> {
        let (mm, pagemaps) = (self.mm_of(worker)?, self.pagemaps());
        let alloc = |id| {
            let pfn = self.devmem.alloc_folio(cpu, pagemaps, id, Order::PAGE);
            pfn.ok_or(Errno::ENOMEM)
        };
        let folio = pagemaps.memmap.folio(self.with_dev_pagemap(cpu, alloc)?);
        let inserted = match fits {
            true => self.dax.vm.vm_insert_page(cpu, mm, vpn, folio),
            false => Err(Errno::ENOMEM),
        };
        match inserted {
            Ok(()) => pagemaps.folio_put_refs(cpu, folio, 1),
            Err(_) => pagemaps.p2p_undo(cpu, folio),
        }
        inserted
    }
}
