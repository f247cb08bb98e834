//! Blocks that several files have (`fs/xfs/xfs_reflink.c`; K§5.3, K§5.5, K§14).
//!
//! FICLONE gives one file the blocks of another. Whoever writes to such a block from then on gets a copy of it first,
//! which waits beside the file's extents until the write is through:
//!
//! ```text
//!   iomap_begin        a new block, with what the old one holds; the extent still says the old one
//!   dax_insert_entry   who maps the page is unmapped, the old page let go of, the entry says the new one
//!   iomap_end          the extent says the new block, and the old one has one file less
//! ```
//!
//! A block knows how many files have it beside the first, and is asked only by files that were part of a clone. That a file
//! was, changes with all of its locks held, so for whoever has one of them, or its DAX entry, it is no step to look.
//!
//! A write waits for nobody who has the old page: a reference through the file's mapping is then on a page of another
//! file, which may have no entry for it. What keeps the block from being freed under it is `shared-free`, in no kernel.
//!
//! A page does not know that its block is shared until a second file's fault comes to it: see `associate`. Departure: a
//! write to a part of a huge page of shared blocks takes the huge entry apart first.

use prim::{AtomicU32, Cpu, Interrupted, Sleep};
use program::Errno;
use program::op::Access;
use program::rules::{ShareCount, SharedFree};

use crate::dax::associate::Shares;
use crate::dax::extents::{Extent, Sharers};
use crate::dax::layout::Faults;
use crate::dax::{Dax, InodeId};
use crate::page::Pfn;
use crate::vm::FileRange;

impl Dax {
    /// `xfs_is_reflink_inode`. No step: see the top.
    pub(super) fn is_cloned(&self, inode: InodeId) -> bool {
        self.inode(inode).cloned.peek() == 1
    }

    /// Whether other files have the block of an extent, too. The caller has the extent lock.
    #[doc(alias = "xfs_reflink_trim_around_shared")]
    pub(super) fn sharers(&self, inode: InodeId, extent: Extent) -> Sharers {
        match extent {
            Extent::Written(pfn)
                if self.is_cloned(inode) && self.blocks.is_shared(self.block_of(pfn)) =>
            {
                Sharers::Files
            }
            Extent::Hole | Extent::Unwritten(_) | Extent::Written(_) => Sharers::Nobody,
        }
    }

    /// How an entry counts in the page of its block.
    pub(super) fn shares(&self, sharers: Sharers, wanted: Access) -> Shares {
        match (sharers, self.vm.pagemaps.rules.share_count, wanted) {
            (Sharers::Nobody, ..) | (_, ShareCount::OnWrite, Access::Read) => Shares::Alone,
            (Sharers::Files | Sharers::Copied, ..) => Shares::WithOthers,
        }
    }

    /// FICLONE: `to` has the blocks of `from`, as far as `from` reaches, and none of those that it had there.
    ///
    /// # Errors
    /// `EINVAL` for one file, `EINTR` when a signal ended the wait for a busy page.
    #[doc(alias = "xfs_file_remap_range")]
    pub fn reflink(&self, cpu: &Cpu<'_>, to: InodeId, from: InodeId) -> Result<(), Errno> {
        if to == from {
            return Err(Errno::EINVAL);
        }
        // By number, as everybody takes the locks of two files.
        let (first, second) = if to.0 < from.0 { (to, from) } else { (from, to) };
        let _first = self.inode(first).i_rwsem.write(cpu);
        let _second = self.inode(second).i_rwsem.write(cpu);
        let _faults = self.break_layouts_of_two(cpu, first, second).map_err(|_| Errno::EINTR)?;
        let range = FileRange::of(0, self.inode(from).size());
        self.delete_entries(cpu, to, range);
        self.remap_blocks(cpu, (to, from), (first, second), range);
        if range.end() > self.inode(to).size() {
            self.inode(to).size.set(range.end());
        }
        Ok(())
    }

    /// Both files unmapped, all of their pages idle and faults on either shut out. The second one's pages may not be waited
    /// for under the first one's lock, so that is dropped, too, and all starts over.
    #[doc(alias = "xfs_mmaplock_two_inodes_and_break_dax_layout")]
    fn break_layouts_of_two<'a>(
        &'a self,
        cpu: &'a Cpu<'_>,
        first: InodeId,
        second: InodeId,
    ) -> Result<(Option<Faults<'a>>, Faults<'a>), Interrupted> {
        loop {
            let mut faults = Some(self.shut_out_faults(cpu, first));
            self.break_layout(cpu, first, Sleep::Interruptible, &mut faults)?;
            let of_second = self.shut_out_faults(cpu, second);
            let Some(busy) = self.layout_busy_page(cpu, second) else {
                self.layout_is_broken(cpu, second);
                return Ok((faults, of_second));
            };
            drop((faults, of_second));
            self.wait_page_idle(cpu, busy, Sleep::Interruptible)?;
            cpu.cond_resched();
        }
    }

    #[doc(alias = "xfs_reflink_remap_blocks")]
    fn remap_blocks(
        &self,
        cpu: &Cpu<'_>,
        (to, from): (InodeId, InodeId),
        (first, second): (InodeId, InodeId),
        range: FileRange,
    ) {
        let _first = self.inode(first).extents_lock.write(cpu);
        let _second = self.inode(second).extents_lock.write(cpu);
        self.inode(to).cloned.set(1);
        self.inode(from).cloned.set(1);
        self.unmap_extents(cpu, to, range);
        for index in range.pages() {
            // What is not written reads as zeroes there, too.
            if let Some(pfn) = self.extent(from, index).written() {
                self.blocks.share(cpu, self.block_of(pfn));
                self.write_extent(to, index, pfn);
            }
        }
    }

    /// The block that waits beside a page's extent, and one; or nothing.
    fn copy_of(&self, inode: InodeId, index: u32) -> &AtomicU32 {
        &self.copies[self.row(inode) + index as usize]
    }

    /// `iomap_begin` for writing a page whose block other files have: a block for a copy, with what the old one holds. None
    /// where nothing has to be copied.
    ///
    /// # Errors
    /// `ENOSPC`; as [`Self::answers`].
    #[doc(alias = "xfs_reflink_allocate_cow")]
    pub(super) fn allocate_copy(
        &self,
        cpu: &Cpu<'_>,
        inode: InodeId,
        index: u32,
    ) -> Result<Option<Pfn>, Errno> {
        if !self.is_cloned(inode) {
            return Ok(None);
        }
        self.answers(Access::Write)?;
        let _lock = self.inode(inode).extents_lock.write(cpu);
        // A write and a fault may be at it together: they have one copy.
        if let Some(block) = self.copy_of(inode, index).read().checked_sub(1) {
            return Ok(Some(self.span.start.add(block)));
        }
        let extent = self.extent(inode, index);
        let (Extent::Written(old), Sharers::Files) = (extent, self.sharers(inode, extent)) else {
            return Ok(None);
        };
        let block = self.blocks.alloc(cpu, 1, 1).ok_or(Errno::ENOSPC)?;
        let new = self.take_block(cpu, inode, block);
        let memmap = &self.vm.pagemaps.memmap;
        self.copy_contents(memmap.contents(old).read(), memmap.shadow_capture(old), new);
        self.copy_of(inode, index).set(block + 1);
        Ok(Some(new))
    }

    /// `iomap_end` of a write that is through: the file has the copy, and one block less of those that others have.
    #[doc(alias = "xfs_reflink_end_cow")]
    pub(super) fn end_copy(&self, cpu: &Cpu<'_>, inode: InodeId, index: u32) {
        let _lock = self.inode(inode).extents_lock.write(cpu);
        let Some(block) = self.copy_of(inode, index).read().checked_sub(1) else { return };
        self.unmap_extents(cpu, inode, FileRange::page(index));
        self.write_extent(inode, index, self.span.start.add(block));
        self.copy_of(inode, index).set(0);
    }

    /// The last file that had a block gives it up. Nobody comes to the page through this file any more; who came through
    /// another one, before that got a copy, may have it still.
    pub(super) fn wait_for_users_of_others(&self, cpu: &Cpu<'_>, pfn: Pfn) {
        match self.vm.pagemaps.rules.shared_free {
            SharedFree::AtOnce => {}
            // It is not interrupted.
            SharedFree::WhenIdle => {
                let _ = self.wait_page_idle(cpu, pfn, Sleep::Uninterruptible);
            }
        }
    }

    /// `iomap_end` of a write that failed: the copy is nobody's.
    #[doc(alias = "xfs_reflink_cancel_cow_range")]
    pub(super) fn cancel_copy(&self, cpu: &Cpu<'_>, inode: InodeId, index: u32) {
        let _lock = self.inode(inode).extents_lock.write(cpu);
        let Some(block) = self.copy_of(inode, index).read().checked_sub(1) else { return };
        self.copy_of(inode, index).set(0);
        self.give_up_block(cpu, block);
    }
}
