//! Faults on a DAX file (`dax_iomap_pte_fault`, `dax_iomap_pmd_fault`; K§5.4).
//!
//! 1. `invalidate_lock` shared: nobody takes blocks away while we map one.
//! 2. Beyond the end of the file: SIGBUS.
//! 3. Grab the entry. From here to the unlock, this task owns the 0 -> 1 of the folio behind it.
//! 4. Ask the file system for the block, unless it is shut down, or frozen and the fault one to write, which lets go of all
//!    that it has then, waits, and is taken again; ask the device whether it is alive.
//! 5. Make the entry say so, and the pages a folio.
//! 6. Take a reference, the legal 0 -> 1; map, which takes the mapping's own reference under the
//!    page-table lock and would refuse a count of zero; drop the first.
//!
//! Net: mapped n times means refcount = mapcount = n plus what GUP holds; an entry alone holds nothing.
//! The device's SRCU section covers only the translation of the block (`fault-liveness`).
//!
//! A block that other files have, too, is unmapped before its entry is made anew, whether it was the file's before or not;
//! a write gets a copy of it, which is the file's when it is mapped (`reflink`).

use prim::Cpu;
use program::Errno;
use program::op::Access;
use program::rules::DaxPages;

use crate::dax::associate::Shares;
use crate::dax::entry::{DaxEntry, Kind, Size};
use crate::dax::extents::{Extent, Mapped, Sharers};
use crate::dax::i_pages::Grabbed;
use crate::dax::{Dax, InodeId};
use crate::page::{Order, Pfn};
use crate::pagemap::PagemapId;
use crate::vm::{Fault, FaultHandler, FileRange, Insert, Vm, VmFault, Vma};
use crate::warn::{Complaint, warn_on};

/// What a fault is to map.
struct Block {
    pfn: Pfn,
    /// Where in the file its entry is to be.
    index: u32,
    order: Order,
    wanted: Access,
    shares: Shares,
}

impl FaultHandler for Dax {
    fn is_fsdax(&self, vma: &Vma) -> bool {
        self.dev_dax_of(InodeId(vma.mapping)).is_none()
    }

    #[doc(alias = "dax_fault_cow_page")]
    fn copy(&self, cpu: &Cpu<'_>, fault: &VmFault, into: Pfn) -> Fault {
        let inode = InodeId(fault.vma.mapping);
        let _faults = self.inode(inode).invalidate_lock.read(cpu);
        if fault.pgoff >= self.inode(inode).size() {
            return Fault::Sigbus;
        }
        let grabbed = match self.grab_mapping_entry(cpu, inode, fault.pgoff, Order::PAGE) {
            Ok(grabbed) => grabbed,
            Err(fault) => return fault,
        };
        // A hole is asked about as by a read: nothing of the file changes.
        let outcome = match self.iomap_begin(cpu, inode, fault.pgoff, Access::Read) {
            Err(_) => Fault::Sigbus,
            Ok(Mapped { extent, .. }) => match self.direct_access(cpu) {
                Err(_) => Fault::Sigbus,
                Ok(_alive) => {
                    let memmap = &self.vm.pagemaps.memmap;
                    let held = extent.written().map_or(0, |pfn| memmap.contents(pfn).read());
                    memmap.contents(into).set(held);
                    Fault::Done
                }
            },
        };
        self.unlock_entry(cpu, grabbed);
        outcome
    }

    #[doc(alias = "dax_iomap_pmd_fault")]
    fn huge_fault(&self, cpu: &Cpu<'_>, fault: &VmFault) -> Fault {
        let inode = InodeId(fault.vma.mapping);
        if let Some(align) = self.dev_dax_of(inode) {
            return self.dev_dax_pmd_fault(cpu, fault, align);
        }
        let pages = self.pmd_order().pages();
        let head = fault.pgoff & !(pages - 1);
        // The PMD must lie inside the mapping, and address and file must agree modulo its size.
        let offset = fault.pgoff - head;
        let Some(first) = fault.vpn.0.checked_sub(offset).filter(|first| first % pages == 0) else {
            return Fault::Fallback;
        };
        if first < fault.vma.start || first + pages > fault.vma.end() {
            return Fault::Fallback;
        }
        let faults = self.inode(inode).invalidate_lock.read(cpu);
        if head + pages > self.inode(inode).size() {
            return Fault::Fallback;
        }
        let mut grabbed = match self.grab_mapping_entry(cpu, inode, head, self.pmd_order()) {
            Ok(grabbed) => grabbed,
            Err(fault) => return fault,
        };
        // Somebody else's page table may have come meanwhile; an entry of a whole PMD would be in vain.
        if self.vm.has_page_table(fault) {
            self.unlock_entry(cpu, grabbed);
            return Fault::Done;
        }
        let mut frozen = false;
        let outcome = match self.iomap_begin_huge(cpu, inode, head, fault.wanted) {
            Err(Errno::EAGAIN) => {
                frozen = true;
                Fault::Done
            }
            Err(_) => Fault::Sigbus,
            Ok(None) => Fault::Fallback,
            Ok(Some((pfn, sharers))) => {
                let (order, wanted) = (self.pmd_order(), fault.wanted);
                let shares = self.shares(sharers, wanted);
                let block = Block { pfn, index: head, order, wanted, shares };
                let insert = |vm: &Vm| vm.insert_huge(cpu, fault, pfn);
                self.map_block(cpu, &mut grabbed, &block, insert)
            }
        };
        self.unlock_entry(cpu, grabbed);
        drop(faults);
        if frozen {
            self.wait_for_thaw(cpu);
        }
        outcome
    }

    #[doc(alias = "dax_iomap_pte_fault")]
    fn fault(&self, cpu: &Cpu<'_>, fault: &VmFault) -> Fault {
        let inode = InodeId(fault.vma.mapping);
        if let Some(align) = self.dev_dax_of(inode) {
            return self.dev_dax_pte_fault(cpu, fault, align);
        }
        let faults = self.inode(inode).invalidate_lock.read(cpu);
        if fault.pgoff >= self.inode(inode).size() {
            return Fault::Sigbus;
        }
        let mut grabbed = match self.grab_mapping_entry(cpu, inode, fault.pgoff, Order::PAGE) {
            Ok(grabbed) => grabbed,
            Err(fault) => return fault,
        };
        let mut frozen = false;
        let outcome = match self.iomap_begin(cpu, inode, fault.pgoff, fault.wanted) {
            Err(Errno::EAGAIN) => {
                frozen = true;
                Fault::Done
            }
            Err(_) => Fault::Sigbus,
            Ok(Mapped { extent: Extent::Written(pfn), sharers }) => {
                let (index, order, wanted) = (fault.pgoff, Order::PAGE, fault.wanted);
                let shares = self.shares(sharers, wanted);
                let block = Block { pfn, index, order, wanted, shares };
                let insert = |vm: &Vm| vm.insert_page(cpu, fault, pfn);
                let outcome = self.map_block(cpu, &mut grabbed, &block, insert);
                self.iomap_end(cpu, (inode, index), sharers, outcome);
                outcome
            }
            Ok(Mapped { extent: Extent::Hole | Extent::Unwritten(_), .. }) => {
                self.load_hole(cpu, fault, &mut grabbed)
            }
        };
        self.unlock_entry(cpu, grabbed);
        drop(faults);
        if frozen {
            self.wait_for_thaw(cpu);
        }
        outcome
    }
}

impl Dax {
    /// `dax_load_hole`: the shared zero page, and an entry that says so.
    #[doc(alias = "dax_load_hole")]
    fn load_hole(&self, cpu: &Cpu<'_>, fault: &VmFault, grabbed: &mut Grabbed) -> Fault {
        match grabbed.entry.kind() {
            Kind::None | Kind::Empty | Kind::Zero => {
                self.replace_entry(cpu, grabbed, DaxEntry::zero());
            }
            Kind::Folio(_) => {}
        }
        Self::outcome(self.vm.insert_page(cpu, fault, Pfn::ZERO_PAGE))
    }

    /// What was begun for a write that needs a copy ends: the copy is in the file, or nobody's.
    #[doc(alias = "xfs_dax_write_iomap_end")]
    fn iomap_end(
        &self,
        cpu: &Cpu<'_>,
        (inode, index): (InodeId, u32),
        sharers: Sharers,
        outcome: Fault,
    ) {
        match (sharers, outcome) {
            (Sharers::Nobody | Sharers::Files, _) => {}
            (Sharers::Copied, Fault::Done) => self.end_copy(cpu, inode, index),
            (Sharers::Copied, Fault::Fallback | Fault::Oom | Fault::Sigbus | Fault::Sigsegv) => {
                self.cancel_copy(cpu, inode, index)
            }
        }
    }

    /// Steps 4 to 6 for a block (`dax_fault_iter`).
    #[doc(alias = "dax_fault_iter")]
    fn map_block(
        &self,
        cpu: &Cpu<'_>,
        grabbed: &mut Grabbed,
        block: &Block,
        insert: impl FnOnce(&Vm) -> Insert,
    ) -> Fault {
        let Ok((pagemap, _kept)) = self.direct_access(cpu) else { return Fault::Sigbus };
        if !self.insert_real_entry(cpu, grabbed, block, pagemap) {
            return Fault::Sigbus;
        }
        self.map_owned(cpu, grabbed, (block.pfn, pagemap), insert)
    }

    /// Whether a fault still has struct pages to work on. Where the kernel would not come back, it is told, and the
    /// fault fails.
    #[track_caller]
    fn struct_pages_are_there(&self, cpu: &Cpu<'_>, pfn: Pfn, pagemap: PagemapId) -> bool {
        let there = self.pagemap() == Some(pagemap);
        if !there {
            warn_on(cpu, Complaint::FaultAfterUnplug, pfn, 0);
        }
        there
    }

    /// `dax_insert_entry` for a block. An entry that already has a folio is kept, whatever its order; the zero page, or a
    /// page that other files may have, if that is what others still see, is unmapped first. False: the struct pages are
    /// gone, or about to.
    #[doc(alias = "dax_insert_entry")]
    fn insert_real_entry(
        &self,
        cpu: &Cpu<'_>,
        grabbed: &mut Grabbed,
        &Block { pfn, index, order, wanted, shares }: &Block,
        pagemap: PagemapId,
    ) -> bool {
        if !self.struct_pages_are_there(cpu, pfn, pagemap) {
            return false;
        }
        let inode = grabbed.inode;
        let unmap = |grabbed: &Grabbed| {
            let pages = self.order_of(grabbed.entry.size()).pages();
            let mapped = FileRange::of(grabbed.index, pages);
            self.vm.unmap_mapping_pages(cpu, inode.mapping(), mapped);
        };
        let made = || {
            let of = (pfn, pagemap);
            let associated = self.dax_associate_entry(cpu, (inode, index), of, (order, shares));
            associated.then(|| DaxEntry::page(pfn, order))
        };
        let entry = match (grabbed.entry.kind(), shares) {
            (Kind::None | Kind::Empty, Shares::Alone) => made(),
            (Kind::None | Kind::Empty, Shares::WithOthers) | (Kind::Zero, _) => {
                unmap(grabbed);
                made()
            }
            (Kind::Folio(_), Shares::Alone) => Some(grabbed.entry),
            (Kind::Folio(_), Shares::WithOthers) => {
                unmap(grabbed);
                self.dax_disassociate_entry(cpu, inode, grabbed.entry);
                if order == Order::PAGE && grabbed.entry.size() == Size::Pmd {
                    self.downgrade_entry(cpu, grabbed, index);
                }
                made()
            }
        };
        let Some(mut entry) = entry else { return false };
        if wanted == Access::Write {
            entry = entry.dirtied();
        }
        self.replace_entry(cpu, grabbed, entry);
        true
    }

    /// Step 6: reference, map, drop. `pfn` is the frame to map, the folio around it is the entry's.
    #[doc(alias = "dax_fault_iter")]
    fn map_owned(
        &self,
        cpu: &Cpu<'_>,
        grabbed: &Grabbed,
        (pfn, pagemap): (Pfn, PagemapId),
        insert: impl FnOnce(&Vm) -> Insert,
    ) -> Fault {
        debug_assert!(
            grabbed.entry.is_locked(),
            "only the entry's owner may take a page from zero to one"
        );
        let pagemaps = &self.vm.pagemaps;
        if !self.struct_pages_are_there(cpu, pfn, pagemap) {
            return Fault::Sigbus;
        }
        debug_assert!(pagemaps.span(pagemap).contains(pfn));
        match pagemaps.rules.dax_pages {
            DaxPages::Normal => {}
            // What the page table holds is nothing, so nothing has to be held for it.
            DaxPages::Devmap | DaxPages::EntryRefs => return Self::outcome(insert(&self.vm)),
        }
        let folio = pagemaps.memmap.folio(pfn);
        if !pagemaps.folio_get_owned(cpu, pagemap, folio) {
            return Fault::Sigbus;
        }
        let outcome = Self::outcome(insert(&self.vm));
        pagemaps.folio_put_refs(cpu, folio, 1);
        outcome
    }

    pub(super) fn outcome(insert: Insert) -> Fault {
        match insert {
            // Raced: back out as VM_FAULT_NOPAGE; the access looks again.
            Insert::Done | Insert::Raced => Fault::Done,
            Insert::NoReference | Insert::OtherFrame => Fault::Sigbus,
            Insert::NoMemory => Fault::Oom,
        }
    }
}
