//! `madvise(MADV_SOFT_OFFLINE)`: what a page holds goes on in another block (`soft_offline_page`,
//! `mm/memory-failure.c`; the shape of K§6.6 and K§8.2).
//!
//! ```text
//!   i_rwsem, invalidate_lock exclusively: nobody maps the page meanwhile
//!   take a new block
//!   unmap the page everywhere unless somebody refers to it       `vm/try_to_unmap.rs`
//!   from here on the page is no longer the file's
//!   wait until lock-free walkers, who find their entry changed, have given it back
//!   entry, contents, block: the new for the old
//! ```
//!
//! Whoever holds the page for good had it before it was unmapped, so it was busy and stays. That is what decides
//! here: a pin that was missed is left with a page that is not the file's any more (I18).
//!
//! Departure: Linux moves pages of ordinary memory so, and device-coherent ones; of a file system's DAX pages
//! it refuses (`EIO`). They stand in for them here.

use prim::{Cpu, Sleep};
use program::Errno;

use crate::dax::entry::{DaxEntry, Size};
use crate::dax::extents::{Extent, Sharers};
use crate::dax::{Dax, InodeId};
use crate::page::{Owner, Pfn};
use crate::vm::{FileRange, MmId, Vpn};

impl Dax {
    /// Moves the page of the file that is mapped at an address to another block.
    ///
    /// # Errors
    /// `EBUSY` while anything but mappings holds the page, or other files have its block, `ENOENT` for a hole, `EINVAL` for a part of a huge page or
    /// anonymous memory,
    /// `ENOSPC`, `EFAULT` outside any mapping.
    #[doc(alias = "soft_offline_page")]
    pub(crate) fn soft_offline(&self, cpu: &Cpu<'_>, mm: MmId, vpn: Vpn) -> Result<(), Errno> {
        let (id, index) = {
            let layout = self.vm.mm_layout(cpu, mm);
            let vma = layout.find(vpn).ok_or(Errno::EFAULT)?;
            if vma.is_anonymous() {
                return Err(Errno::EINVAL);
            }
            // The mapping keeps its file as long as the layout is locked.
            let id = InodeId(vma.mapping);
            self.igrab(cpu, id);
            (id, vma.pgoff_of(vpn))
        };
        let moved = self.move_page(cpu, id, index);
        self.iput(cpu, id);
        moved
    }

    #[doc(alias = "soft_offline_in_use_page")]
    fn move_page(&self, cpu: &Cpu<'_>, id: InodeId, index: u32) -> Result<(), Errno> {
        let _io = self.inode(id).i_rwsem.write(cpu);
        let _faults = self.shut_out_faults(cpu, id);
        let old = self.extent(id, index).written().ok_or(Errno::ENOENT)?;
        // Asked of the entry: up to v6.14 the pages of a huge one are no folio, and would leave the file with this one.
        let is_huge = |entry: DaxEntry| match entry.size() {
            Size::Page => None,
            Size::Pmd => Some(()),
        };
        if self.scan_entries(cpu, id, FileRange::page(index), is_huge).is_some() {
            return Err(Errno::EINVAL);
        }
        if self.sharers(id, Extent::Written(old)) == Sharers::Files {
            return Err(Errno::EBUSY);
        }
        let block = self.blocks.alloc(cpu, 1, 1).ok_or(Errno::ENOSPC)?;
        self.vm
            .unmap_unreferenced(cpu, id.mapping(), index, old)
            .inspect_err(|_| self.blocks.free(cpu, block))?;
        let memmap = &self.vm.pagemaps.memmap;
        let life = memmap.shadow_capture(old);
        memmap.shadow_assign(cpu, old, Owner::NOBODY);
        // Uninterruptible: nobody sleeps with a reference that its owner must give back at once.
        let _ = self.wait_page_idle(cpu, old, Sleep::Uninterruptible);
        self.delete_entries(cpu, id, FileRange::page(index));
        let held = memmap.contents(old).read();
        let new = self.replace_block(cpu, id, index, block);
        self.copy_contents(held, life, new);
        Ok(())
    }

    /// The page's new frame, after its old block was given back.
    fn replace_block(&self, cpu: &Cpu<'_>, id: InodeId, index: u32, block: u32) -> Pfn {
        self.free_blocks(cpu, id, FileRange::page(index));
        self.give_block(cpu, id, index, block)
    }
}
