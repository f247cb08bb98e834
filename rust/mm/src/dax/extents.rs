//! The extent map of a file: which block holds which page, and who gets a new one (`iomap_begin`).
//!
//! ```text
//!   31        30                                   0
//!  +---------+--------------------------------------+
//!  |unwritten| block + 1; 0 is a hole               |
//!  +---------+--------------------------------------+
//! ```
//!
//! Read and written under the inode's extent lock. Allocation and free are where a page changes hands,
//! so both start a new life in the shadow, and both look whether the page is really idle (I18).

use alloc::collections::BTreeMap;

use prim::{AtomicU32, Cpu};
use program::Errno;
use program::op::Access;
use program::rules::IomapLock;

use crate::dax::idle::By;
use crate::dax::{Dax, ExtentsLocked, InodeId};
use crate::page::{Oracle, Owner, Pfn, Stamp};
use crate::vm::FileRange;
use crate::warn::{Complaint, warn_on};

const UNWRITTEN: u32 = 1 << 31;

/// What a file has at an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// No block.
    Hole,
    /// A block that reads as zeroes.
    Unwritten(Pfn),
    /// A block with contents.
    Written(Pfn),
}

impl Extent {
    /// The frame that holds contents, if there is one.
    #[must_use]
    pub fn written(self) -> Option<Pfn> {
        match self {
            Self::Written(pfn) => Some(pfn),
            Self::Hole | Self::Unwritten(_) => None,
        }
    }

    /// The frame of the block, written or not.
    #[must_use]
    pub fn block(self) -> Option<Pfn> {
        match self {
            Self::Hole => None,
            Self::Unwritten(pfn) | Self::Written(pfn) => Some(pfn),
        }
    }
}

/// Who else has the block of an extent (`IOMAP_F_SHARED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharers {
    /// No file that matters: there may be none, or the extent has no contents.
    Nobody,
    /// Other files.
    Files,
    /// Nobody yet: it is a copy for a write, and takes its place in the file at `iomap_end`.
    Copied,
}

/// What `iomap_begin` says of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapped {
    pub(super) extent: Extent,
    pub(super) sharers: Sharers,
}

/// The extent lock, kept by mistake until `iomap_end`.
pub(super) type Iomap<'a> = prim::WriteGuard<'a, ExtentsLocked>;

impl Dax {
    pub(super) fn extent_word(&self, inode: InodeId, index: u32) -> &AtomicU32 {
        &self.extents[self.row(inode) + index as usize]
    }

    fn unpack(&self, word: u32) -> Extent {
        match (word & !UNWRITTEN).checked_sub(1) {
            None => Extent::Hole,
            Some(block) if word & UNWRITTEN != 0 => Extent::Unwritten(self.span.start.add(block)),
            Some(block) => Extent::Written(self.span.start.add(block)),
        }
    }

    /// What is there now. Without the extent lock the answer may be stale at once.
    #[must_use]
    #[track_caller]
    pub fn extent(&self, inode: InodeId, index: u32) -> Extent {
        self.unpack(self.extent_word(inode, index).read())
    }

    /// `iomap_begin` for one page: what is there, after making room for a write.
    ///
    /// # Errors
    /// `ENOSPC`; as [`Self::answers`].
    pub(super) fn iomap_begin(
        &self,
        cpu: &Cpu<'_>,
        inode: InodeId,
        index: u32,
        wanted: Access,
    ) -> Result<Mapped, Errno> {
        if wanted == Access::Read {
            self.answers(wanted)?;
            let _lock = self.inode(inode).extents_lock.read(cpu);
            let extent = self.extent(inode, index);
            return Ok(Mapped { extent, sharers: self.sharers(inode, extent) });
        }
        if let Some(copy) = self.allocate_copy(cpu, inode, index)? {
            return Ok(Mapped { extent: Extent::Written(copy), sharers: Sharers::Copied });
        }
        let (extent, _) = self.iomap_begin_write(cpu, inode, FileRange::page(index))?;
        Ok(Mapped { extent, sharers: Sharers::Nobody })
    }

    /// `iomap_begin` for writing pages: what the last one has then, and what is held until `iomap_end`.
    ///
    /// # Errors
    /// `ENOSPC`; as [`Self::answers`].
    #[doc(alias = "iomap_begin")]
    pub(super) fn iomap_begin_write<'a>(
        &'a self,
        cpu: &'a Cpu<'_>,
        inode: InodeId,
        range: FileRange,
    ) -> Result<(Extent, Option<Iomap<'a>>), Errno> {
        self.answers(Access::Write)?;
        let lock = self.inode(inode).extents_lock.write(cpu);
        let mut extent = Extent::Hole;
        for index in range.pages() {
            extent = match self.extent(inode, index) {
                written @ Extent::Written(_) => written,
                Extent::Unwritten(pfn) => self.write_extent(inode, index, pfn),
                Extent::Hole => {
                    let block = self.blocks.alloc(cpu, 1, 1).ok_or(Errno::ENOSPC)?;
                    let pfn = self.take_block(cpu, inode, block);
                    self.write_extent(inode, index, pfn)
                }
            };
        }
        let keeps = self.vm.pagemaps.rules.iomap_lock == IomapLock::UntilEnd;
        Ok((extent, keeps.then_some(lock)))
    }

    /// `iomap_begin` for a PMD: the first frame, if the whole range lies in one aligned piece of blocks
    /// that need no zero page, and all or none of which other files have; none of those that would have to be copied.
    ///
    /// # Errors
    /// As [`Self::answers`].
    #[doc(alias = "iomap_begin")]
    pub(super) fn iomap_begin_huge(
        &self,
        cpu: &Cpu<'_>,
        inode: InodeId,
        head: u32,
        wanted: Access,
    ) -> Result<Option<(Pfn, Sharers)>, Errno> {
        self.answers(wanted)?;
        let _lock = self.inode(inode).extents_lock.write(cpu);
        let first = self.extent(inode, head).block();
        let Some(first) = first.filter(|first| first.is_aligned(self.pmd_order())) else {
            return Ok(None);
        };
        let in_place = |at: &u32| {
            let extent = self.extent(inode, head + at);
            let usable = wanted == Access::Write || extent.written().is_some();
            usable && extent.block() == Some(first.add(*at))
        };
        if !(0..self.pmd_order().pages()).all(|at| in_place(&at)) {
            return Ok(None);
        }
        let sharers = self.sharers(inode, self.extent(inode, head));
        let alike = |at: u32| self.sharers(inode, self.extent(inode, head + at)) == sharers;
        if self.is_cloned(inode)
            && (wanted == Access::Write && sharers == Sharers::Files
                || !(0..self.pmd_order().pages()).all(alike))
        {
            return Ok(None);
        }
        for at in 0..self.pmd_order().pages() {
            if let Extent::Unwritten(pfn) = self.extent(inode, head + at) {
                self.write_extent(inode, head + at, pfn);
            }
        }
        Ok(Some((first, sharers)))
    }

    /// Gives `count` blocks from file page `index` on, which are holes, in one piece starting at a multiple of `align`.
    ///
    /// # Errors
    /// `ENOSPC`.
    #[doc(alias = "xfs_alloc_file_space")]
    pub(super) fn allocate_run(
        &self,
        cpu: &Cpu<'_>,
        inode: InodeId,
        (index, count): (u32, u32),
        align: u32,
        written: bool,
    ) -> Result<(), Errno> {
        let _lock = self.inode(inode).extents_lock.write(cpu);
        let first = self.blocks.alloc(cpu, count, align).ok_or(Errno::ENOSPC)?;
        for at in 0..count {
            self.take_block(cpu, inode, first + at);
            let flag = if written { 0 } else { UNWRITTEN };
            self.extent_word(inode, index + at).set((first + at + 1) | flag);
        }
        Ok(())
    }

    /// Frees the blocks of these pages. The caller has made sure that nobody uses their pages, and
    /// this is where that is checked.
    #[doc(alias = "xfs_bunmapi_range")]
    pub(super) fn free_blocks(&self, cpu: &Cpu<'_>, inode: InodeId, range: FileRange) {
        let _lock = self.inode(inode).extents_lock.write(cpu);
        self.unmap_extents(cpu, inode, range);
    }

    /// [`Self::free_blocks`] by who has the extent lock. A block that other files have stays theirs.
    #[doc(alias = "xfs_bunmapi_range")]
    pub(super) fn unmap_extents(&self, cpu: &Cpu<'_>, inode: InodeId, range: FileRange) {
        for index in range.pages() {
            let Some(pfn) = self.extent(inode, index).block() else { continue };
            if self.is_cloned(inode) {
                if self.blocks.unshare(cpu, self.block_of(pfn)) {
                    self.forget_extent(inode, index);
                    continue;
                }
                self.wait_for_users_of_others(cpu, pfn);
            }
            self.check_no_user(cpu, pfn, Complaint::BlockFreedBusy);
            self.check_unreachable(cpu, pfn);
            self.vm.pagemaps.memmap.shadow_assign(cpu, pfn, Owner::NOBODY);
            self.extent_word(inode, index).set(0);
            self.blocks.free(cpu, self.block_of(pfn));
        }
    }

    fn forget_extent(&self, inode: InodeId, index: u32) {
        self.extent_word(inode, index).set(0);
    }

    /// The block that a frame is.
    pub(super) fn block_of(&self, pfn: Pfn) -> u32 {
        pfn.0 - self.span.start.0
    }

    /// Turns the blocks of these pages back into unwritten ones (FALLOC_FL_ZERO_RANGE); what other files have they keep.
    pub(super) fn unwrite_blocks(&self, cpu: &Cpu<'_>, inode: InodeId, range: FileRange) {
        let _lock = self.inode(inode).extents_lock.write(cpu);
        for index in range.pages() {
            let extent = self.extent(inode, index);
            if self.sharers(inode, extent) == Sharers::Files {
                self.unmap_extents(cpu, inode, FileRange::page(index));
            } else if let Extent::Written(pfn) = extent {
                self.vm.pagemaps.memmap.contents(pfn).set(0);
                self.extent_word(inode, index).or(UNWRITTEN);
            }
        }
    }

    /// A block starts a life in a file: zeroed, and nobody's before.
    #[track_caller]
    pub(super) fn take_block(&self, cpu: &Cpu<'_>, inode: InodeId, block: u32) -> Pfn {
        let pfn = self.span.start.add(block);
        self.check_no_user(cpu, pfn, Complaint::BlockAllocatedBusy);
        self.vm.pagemaps.memmap.contents(pfn).set(0);
        self.vm.pagemaps.memmap.shadow_assign(cpu, pfn, Owner::file(inode.0));
        pfn
    }

    /// On a machine at rest: blocks that are in use and that no file has, or that files have and nobody gave them. A file
    /// has none beyond its end.
    pub(crate) fn misplaced_blocks(&self) -> usize {
        let mut left: BTreeMap<u32, u32> = self.blocks.at_rest().collect();
        let mut stray = 0;
        for inode in self.live_inodes() {
            let (row, cloned) = (self.row(inode), self.is_cloned(inode));
            for at in row..row + self.inode(inode).size() as usize {
                let extent = self.extents[at].read() & !UNWRITTEN;
                let copy = if cloned { self.copies[at].read() } else { 0 };
                for block in [extent, copy].into_iter().filter_map(|it| it.checked_sub(1)) {
                    match left.get_mut(&block) {
                        Some(files) if *files > 0 => *files -= 1,
                        Some(_) | None => stray += 1,
                    }
                }
            }
        }
        stray + left.values().filter(|files| **files > 0).count()
    }

    /// A block that nobody used after all goes back.
    pub(super) fn give_up_block(&self, cpu: &Cpu<'_>, block: u32) {
        self.vm.pagemaps.memmap.shadow_assign(cpu, self.span.start.add(block), Owner::NOBODY);
        self.blocks.free(cpu, block);
    }

    /// A page holds what one of this life held: a mark is of the life of its page.
    pub(super) fn copy_contents(&self, held: u64, life: Stamp, new: Pfn) {
        let memmap = &self.vm.pagemaps.memmap;
        let marked = held == life.as_contents();
        memmap.contents(new).set(if marked {
            memmap.shadow_capture(new).as_contents()
        } else {
            held
        });
    }

    /// A block that its caller took from the allocator starts a life at a hole of a file.
    pub(super) fn give_block(&self, cpu: &Cpu<'_>, inode: InodeId, index: u32, block: u32) -> Pfn {
        let _lock = self.inode(inode).extents_lock.write(cpu);
        let pfn = self.take_block(cpu, inode, block);
        self.write_extent(inode, index, pfn);
        pfn
    }

    #[track_caller]
    pub(super) fn write_extent(&self, inode: InodeId, index: u32, pfn: Pfn) -> Extent {
        self.extent_word(inode, index).set(self.block_of(pfn) + 1);
        Extent::Written(pfn)
    }

    /// No CPU may be left with a translation of a page that is being given away (I22).
    #[track_caller]
    fn check_unreachable(&self, cpu: &Cpu<'_>, pfn: Pfn) {
        let watched = self.vm.pagemaps.memmap.oracle == Oracle::On;
        if watched && let Some(other) = self.vm.tlb_still_maps(pfn) {
            warn_on(cpu, Complaint::FreedInTlb, pfn, other.0 as i64);
        }
    }

    /// Nobody refers to a page or maps it.
    #[track_caller]
    fn check_no_user(&self, cpu: &Cpu<'_>, pfn: Pfn, complaint: Complaint) {
        let folio = self.vm.pagemaps.memmap.folio(pfn);
        self.check_idle(cpu, folio, complaint, By::ReferenceOrMapping(pfn));
    }
}
