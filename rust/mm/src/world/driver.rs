//! Driver memory, as a program uses it.
//!
//! An allocation is stamped with its owner in the page's contents; whoever holds it looks whether it is
//! still alone (I10).

use prim::Cpu;
use program::op::{DevAlloc, DevGet, DevPut, DriverIdx, DrvAlloc, Umount, WorkerId};
use program::{DriverSpec, Errno};

use crate::page::{Pfn, Span};
use crate::warn::{Complaint, warn_on};
use crate::world::{Failure, Return, World};

impl World {
    /// Takes `pages` pages of the driver's choice. Returns the run.
    ///
    /// # Errors
    /// `ENOMEM`, `ENODEV`, `EINVAL`.
    pub fn dev_claim(&self, cpu: &Cpu<'_>, pages: u32, owner: u64) -> Result<Span, Failure> {
        let pagemaps = self.pagemaps();
        let span = self.with_dev_pagemap(cpu, |id| self.devmem.alloc(cpu, pagemaps, id, pages))?;
        for folio in self.pagemaps().folios(span) {
            self.pagemaps().memmap.contents(folio.pfn()).set(owner);
        }
        Ok(span)
    }

    /// `pgmap_alloc_folios` of exactly this range of the device. Returns the number of folios.
    ///
    /// # Errors
    /// As [`Pagemaps::alloc_folios`](crate::pagemap::Pagemaps::alloc_folios).
    #[doc(alias = "pgmap_alloc_folios")]
    pub fn dev_alloc(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &DevAlloc) -> Return {
        let DevAlloc { start, pages } = *op;
        let first = self.devmem.span().start.0.checked_add(start).map(Pfn).ok_or(Errno::EINVAL)?;
        let claim = |id| self.devmem.claim_range(cpu, self.pagemaps(), id, first, pages);
        let span = self.with_dev_pagemap(cpu, claim)?;
        Ok(self.pagemaps().folios(span).count() as i64)
    }

    /// The holder looks at its allocation, then puts it; the last put gives each folio back.
    pub fn dev_free(&self, cpu: &Cpu<'_>, span: Span, owner: u64) {
        let pagemaps = self.pagemaps();
        for (pfn, _) in span.blocks(pagemaps.pmd_order) {
            let folio = pagemaps.memmap.folio(pfn);
            let count = folio.refcount();
            if !count.is_held()
                || folio.pfn() != pfn
                || pagemaps.memmap.contents(pfn).read() != owner
            {
                warn_on(cpu, Complaint::AllocationShared, pfn, count.into());
            }
            if self.devmem.put(cpu, pagemaps, pfn).is_err() {
                warn_on(cpu, Complaint::AllocationShared, pfn, 0);
            }
        }
    }

    /// A speculative walker by frame number: a reference if the page is allocated, dropped at once.
    /// Returns whether there was one.
    #[must_use]
    pub fn dev_peek(&self, cpu: &Cpu<'_>, page: u32) -> bool {
        let Some(page) = page.checked_rem(self.devmem.span().pages) else { return false };
        let pfn = self.devmem.span().start.add(page);
        let pagemaps = self.pagemaps();
        let folio = self.with_dev_pagemap(cpu, |id| Ok(pagemaps.folio_get(cpu, id, pfn)));
        let folio = folio.ok().flatten();
        if let Some(folio) = folio {
            pagemaps.folio_put_refs(cpu, folio, 1);
        }
        folio.is_some()
    }

    /// One more reference on an allocated page (`pgmap_folio_get`).
    ///
    /// # Errors
    /// `EINVAL` outside the device, `ENXIO` when the page is free, `ENOMEM` when it has too many.
    pub fn dev_get(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &DevGet) -> Return {
        let pfn = self.dev_page(op.page)?;
        let get = |id| self.devmem.get(cpu, self.pagemaps(), id, pfn);
        Ok(self.with_dev_pagemap(cpu, get).map(|()| 0)?)
    }

    /// Drops one of the driver's references on a page; the last frees its folio.
    ///
    /// # Errors
    /// `EINVAL` outside the device, `ENXIO` when the driver has none there.
    pub fn dev_put(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &DevPut) -> Return {
        let pfn = self.dev_page(op.page)?;
        Ok(self.devmem.put(cpu, self.pagemaps(), pfn).map(|()| 0)?)
    }

    /// Loads a driver of the program under its number there.
    ///
    /// # Errors
    /// `EEXIST` when there is one or no room for another, `ENOMEM` when the device has no run of so many free pages.
    pub fn load_driver(
        &self,
        cpu: &Cpu<'_>,
        number: DriverIdx,
        spec: &DriverSpec,
    ) -> Result<(), Errno> {
        self.devmem.load(cpu, self.pagemaps(), number, spec)
    }

    /// Takes a page of a driver of the program, by its `alloc`.
    ///
    /// # Errors
    /// `ENOMEM` when its list is empty or the worker has too many pages, `ENODEV` when there is no such driver.
    pub fn drv_alloc(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &DrvAlloc) -> Return {
        // Stays as long as a driver of the program has some of it.
        let pagemap = self.dev_pagemap().ok_or(Errno::ENODEV)?;
        if !self.devmem.drivers.is_loaded(op.driver) {
            return Err(Errno::ENODEV.into());
        }
        let (drivers, who) = (&self.devmem.drivers, (op.driver, worker));
        Ok(drivers.alloc_for(cpu, self.pagemaps(), pagemap, who).map(i64::from)?)
    }

    /// Puts the page that the worker took last from a driver of the program; the last reference calls `page_free`.
    ///
    /// # Errors
    /// `ENXIO` when it has none.
    pub fn drv_put(&self, cpu: &Cpu<'_>, worker: WorkerId) -> Return {
        Ok(self.devmem.drivers.put_last(cpu, self.pagemaps(), worker).map(|()| 0)?)
    }

    /// Puts whatever workers have of drivers of the program.
    pub fn empty_drivers(&self, cpu: &Cpu<'_>) {
        self.devmem.drivers.put_all(cpu, self.pagemaps());
    }

    /// `umount`: waits for every page of every file.
    ///
    /// # Errors
    /// `EBUSY` while a file is open or mapped.
    pub fn umount(&self, cpu: &Cpu<'_>, _worker: WorkerId, _op: &Umount) -> Return {
        Ok(self.dax.umount(cpu).map(|()| 0)?)
    }

    /// Unbinds the driver of the file system's device.
    ///
    /// # Errors
    /// `ENODEV` when it is not bound.
    pub fn unbind(&self, cpu: &Cpu<'_>, _worker: WorkerId) -> Return {
        Ok(self.dax.unbind(cpu).map(|()| 0)?)
    }

    /// Binds it again.
    ///
    /// # Errors
    /// `EBUSY` when it is bound; `ENOMEM`, `EINVAL` as `memremap_pages`.
    pub fn bind(&self, cpu: &Cpu<'_>, _worker: WorkerId) -> Return {
        Ok(self.dax.bind(cpu).map(|()| 0)?)
    }

    /// A page of the driver's own memory by its number.
    pub(super) fn dev_page(&self, page: u32) -> Result<Pfn, Errno> {
        let span = self.devmem.span();
        if page < span.pages { Ok(span.start.add(page)) } else { Err(Errno::EINVAL) }
    }
}
