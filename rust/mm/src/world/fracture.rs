//! A driver's folios under fire: taken by frame number by who asked nobody, taken apart, their struct pages folded.

use prim::Cpu;
use program::Errno;
use program::op::{Fold, Split, TryGet, WorkerId};

use crate::page::Order;
use crate::world::{PinTicket, Return, World};

impl World {
    /// `folio_try_get` by frame number, kept as a pin is: nobody asked before whether the driver has given the page out.
    ///
    /// # Errors
    /// `ENXIO` when it is free or frozen, `EINVAL` outside the device, `ENOMEM` when the worker holds too many.
    #[doc(alias = "folio_try_get")]
    pub fn try_get(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &TryGet) -> Return {
        let ticket = self.next_pin(cpu, worker)?;
        self.try_get_numbered(cpu, worker, ticket, op)
    }

    /// A reference by frame number, under a number from [`Self::next_pin`].
    ///
    /// # Errors
    /// As [`Self::try_get`].
    #[doc(alias = "folio_try_get")]
    pub fn try_get_numbered(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        ticket: PinTicket,
        op: &TryGet,
    ) -> Return {
        let pfn = self.dev_page(op.page)?;
        let range = self.dax.vm.get_by_pfn(cpu, pfn).ok_or(Errno::ENXIO)?;
        self.keep_numbered(cpu, worker, ticket, &[range])?;
        Ok(range.pages.into())
    }

    /// Splits the folio around a page of the driver's own memory into parts of so many pages. Returns how many parts.
    ///
    /// # Errors
    /// `EINVAL` outside the device or when the parts would not be smaller and a power of two, `ENXIO` when the driver has
    /// no reference there, `EAGAIN` when somebody else has one.
    #[doc(alias = "folio_split")]
    pub fn split(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &Split) -> Return {
        let Split { page, pages } = *op;
        let pfn = self.dev_page(page)?;
        let order = Order::of(pages).ok_or(Errno::EINVAL)?;
        let split = |id| self.devmem.split(cpu, self.pagemaps(), id, pfn, order);
        Ok(self.with_dev_pagemap(cpu, split)?.into())
    }

    /// Has the tails of the huge folio around a page of the driver's own memory share their struct pages, which nobody may
    /// write from then on.
    ///
    /// # Errors
    /// `EINVAL` outside the device or when the folio is not as large as a PMD, `ENXIO` when the driver has no reference
    /// there.
    #[doc(alias = "hugetlb_vmemmap_optimize_folio")]
    pub fn fold(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &Fold) -> Return {
        let pfn = self.dev_page(op.page)?;
        Ok(self.devmem.fold(cpu, self.pagemaps(), pfn).map(|()| 0)?)
    }
}
