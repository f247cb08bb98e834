//! Device-dax: the device as a character device, without a file system (`drivers/dax/device.c`; K§5.7).
//!
//! A page is the device's for good. There are no entries, no extents and no layouts to break: a fault looks whether the
//! device is alive, which holds it off for as long as the fault takes, and maps the folio that is there. Its folios have
//! one order for as long as the device is bound, and an idle one has the count one, which no put ever takes away.
//!
//! The device stands for one inode, whose address space lists its mappings; its blocks are those of the device, in order.

use prim::Cpu;
use program::Errno;
use program::op::{Align, Sharing};

use crate::dax::{Dax, InodeId};
use crate::page::{Folio, Order, Pfn};
use crate::pagemap::PagemapType;
use crate::vm::{Fault, VmFault};

impl Dax {
    /// `ndctl create-namespace -m devdax`: the device becomes a character device with folios of this order. Before the
    /// machine is shared.
    ///
    /// # Errors
    /// As [`Self::unbind`] and [`Self::bind`]; `ENOSPC` without an inode.
    #[doc(alias = "dev_dax_probe")]
    pub fn reconfigure(&self, cpu: &Cpu<'_>, order: Order) -> Result<InodeId, Errno> {
        self.unbind(cpu)?;
        let id = InodeId(self.inodes.alloc(cpu).map_err(|_| Errno::ENOSPC)?);
        let pages = self.span.pages.min(self.file_pages);
        let inode = self.inode(id);
        inode.size.set(pages);
        inode.nlink.set(1);
        inode.count.set(1);
        self.allocate_run(cpu, id, (0, pages), order.pages(), true)?;
        self.device[0].align.set(order.0.into());
        self.device[0].dev_dax.set(id.0 + 1);
        self.bind(cpu)?;
        Ok(id)
    }

    /// The character device and its order, if the device is one. No step: it is so before anybody runs.
    pub(super) fn dev_dax(&self) -> Option<(InodeId, Order)> {
        let device = &self.device[0];
        let order = || Order(device.align.peek() as u8);
        device.dev_dax.peek().checked_sub(1).map(|id| (InodeId(id), order()))
    }

    /// What kind of pages the device has.
    #[must_use]
    pub fn kind(&self) -> PagemapType {
        match self.dev_dax() {
            None => PagemapType::FsDax,
            Some(_) => PagemapType::Generic,
        }
    }

    /// The order of the folios of a character device; none of a file.
    #[must_use]
    pub fn dev_dax_of(&self, inode: InodeId) -> Option<Order> {
        self.dev_dax().filter(|(id, _)| *id == inode).map(|(_, order)| order)
    }

    /// `check_vma`: what a mapping must be. `offset` is where on the device it begins, as its address then does, too.
    ///
    /// # Errors
    /// `ENXIO` when the device is dead, `EINVAL` for a private mapping or one that would cut a folio.
    pub fn check_vma(
        &self,
        order: Order,
        (offset, pages): (u32, u32),
        (sharing, alignment): (Sharing, Align),
    ) -> Result<(), Errno> {
        if !self.is_alive() {
            return Err(Errno::ENXIO);
        }
        let shift = match alignment {
            Align::Natural => 0,
            Align::Odd => 1,
        };
        let cut = [offset + shift, pages].iter().any(|at| at % order.pages() != 0);
        match sharing {
            Sharing::Shared if !cut => Ok(()),
            Sharing::Shared | Sharing::Private => Err(Errno::EINVAL),
        }
    }

    /// `__dev_dax_pmd_fault`.
    #[doc(alias = "__dev_dax_pmd_fault")]
    pub(super) fn dev_dax_pmd_fault(&self, cpu: &Cpu<'_>, fault: &VmFault, align: Order) -> Fault {
        let pages = self.pmd_order().pages();
        if align < self.pmd_order() {
            return Fault::Fallback;
        }
        let head = fault.pgoff & !(pages - 1);
        let first = fault.vpn.0.checked_sub(fault.pgoff - head);
        let inside = |first: u32| fault.vma.start <= first && first + pages <= fault.vma.end();
        if !first.is_some_and(inside) {
            return Fault::Sigbus;
        }
        self.dev_dax_fault(cpu, fault, head, |pfn| self.vm.insert_huge(cpu, fault, pfn))
    }

    /// `__dev_dax_pte_fault`.
    #[doc(alias = "__dev_dax_pte_fault")]
    pub(super) fn dev_dax_pte_fault(&self, cpu: &Cpu<'_>, fault: &VmFault, align: Order) -> Fault {
        if align > Order::PAGE {
            return Fault::Sigbus;
        }
        self.dev_dax_fault(cpu, fault, fault.pgoff, |pfn| self.vm.insert_page(cpu, fault, pfn))
    }

    /// `dev_dax_huge_fault`: alive, where it is, whose it is, mapped.
    #[doc(alias = "dev_dax_huge_fault")]
    fn dev_dax_fault(
        &self,
        cpu: &Cpu<'_>,
        fault: &VmFault,
        index: u32,
        insert: impl FnOnce(Pfn) -> crate::vm::Insert,
    ) -> Fault {
        let Ok(_alive) = self.dax_read_lock(cpu) else { return Fault::Sigbus };
        let inode = InodeId(fault.vma.mapping);
        let found = (index < self.inode(inode).size()).then(|| self.extent(inode, index).written());
        let Some(pfn) = found.flatten() else { return Fault::Sigbus };
        self.dax_set_mapping(self.vm.pagemaps.memmap.folio(pfn), inode, index);
        Self::outcome(insert(pfn))
    }

    /// `dax_set_mapping`: what is mapped first says whose page it is, and stays.
    fn dax_set_mapping(&self, folio: Folio<'_>, inode: InodeId, index: u32) {
        if folio.mapping().is_none() {
            folio.set_mapping(Some(inode.0));
            folio.set_index_or_share(index);
        }
    }

    /// `kill_dev_dax`, once the device is dead: every mapping of it goes.
    pub(super) fn kill_dev_dax(&self, cpu: &Cpu<'_>) {
        if let Some((id, _)) = self.dev_dax() {
            self.vm.unmap_mapping_pages(cpu, id.mapping(), self.whole_file());
        }
    }
}
