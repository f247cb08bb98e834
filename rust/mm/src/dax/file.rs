//! What a filesystem does to a file: size, holes, contents (ext4, XFS; K§5.5).
//!
//! Whatever takes a block away goes the same way: `i_rwsem`, then `invalidate_lock` exclusively, then
//! the layout, then the entries and blocks. Between the break and the free both locks are held, so what
//! was idle stays idle. Plain reads and writes copy through the device's own mapping and never touch a
//! page count.

use prim::{Cpu, Sleep};
use program::Errno;
use program::op::{Access, PageRange};
use program::rules::{BlockFree, Switch, WriteInvalidate};

use crate::dax::extents::{Extent, Mapped, Sharers};
use crate::dax::layout::Faults;
use crate::dax::{Dax, InodeId};
use crate::page::Stamp;
use crate::vm::{EvenCows, FileRange};

/// What a file is made of when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// All holes.
    Sparse,
    /// Blocks in one piece, written.
    Written,
    /// Blocks in one piece, unwritten.
    Unwritten,
}

impl Dax {
    /// A new file of `pages` pages with one name and one user, the caller. `huge` asks for blocks on a
    /// PMD boundary; otherwise they are placed so that no PMD can map them by accident.
    ///
    /// # Errors
    /// `ENOSPC` without an inode or blocks, `EINVAL` beyond the largest file.
    pub fn create(
        &self,
        cpu: &Cpu<'_>,
        pages: u32,
        birth: Birth,
        huge: program::op::Layout,
    ) -> Result<InodeId, Errno> {
        if pages > self.file_pages {
            return Err(Errno::EINVAL);
        }
        let id = InodeId(self.inodes.alloc(cpu).map_err(|_| Errno::ENOSPC)?);
        let inode = self.inode(id);
        inode.size.set(pages);
        inode.nlink.set(1);
        // The name and the caller.
        inode.count.set(2);
        if birth != Birth::Sparse && pages > 0 {
            let align = match huge {
                program::op::Layout::Huge => self.pmd_order().pages(),
                program::op::Layout::Contiguous => 1,
            };
            let written = birth == Birth::Written;
            if let Err(full) = self.allocate_run(cpu, id, (0, pages), align, written) {
                self.inodes.free(cpu, id.0);
                return Err(full);
            }
        }
        Ok(id)
    }

    /// `ftruncate`.
    ///
    /// # Errors
    /// `EINTR` when a signal ended the wait for a busy page, `EFBIG` as `EINVAL` beyond the largest file.
    #[doc(alias = "do_truncate")]
    pub fn truncate(&self, cpu: &Cpu<'_>, id: InodeId, pages: u32) -> Result<(), Errno> {
        if pages > self.file_pages {
            return Err(Errno::EINVAL);
        }
        let inode = self.inode(id);
        let _io = inode.i_rwsem.write(cpu);
        let range = FileRange::up_to(pages, self.file_pages);
        let _faults = self.take_away(cpu, id, range)?;
        inode.size.set(pages);
        self.vm.unmap_mapping_range(cpu, id.mapping(), range, EvenCows::Zapped);
        self.delete_entries(cpu, id, range);
        self.free_blocks(cpu, id, range);
        Ok(())
    }

    /// `fallocate(FALLOC_FL_PUNCH_HOLE)`: the blocks of these pages go, the size stays.
    ///
    /// # Errors
    /// `EINVAL` for an empty range, `EINTR` as for truncate.
    #[doc(alias = "xfs_file_fallocate")]
    pub fn punch(&self, cpu: &Cpu<'_>, id: InodeId, pages: PageRange) -> Result<(), Errno> {
        let range = self.in_a_file(pages)?;
        let inode = self.inode(id);
        let _io = inode.i_rwsem.write(cpu);
        let _faults = self.take_away(cpu, id, range)?;
        self.vm.unmap_mapping_pages(cpu, id.mapping(), range);
        self.delete_entries(cpu, id, range);
        self.free_blocks(cpu, id, range);
        Ok(())
    }

    /// `fallocate(FALLOC_FL_ZERO_RANGE)`: the blocks stay and read as zeroes.
    ///
    /// # Errors
    /// As [`Self::punch`].
    #[doc(alias = "xfs_file_fallocate")]
    pub fn zero_range(&self, cpu: &Cpu<'_>, id: InodeId, pages: PageRange) -> Result<(), Errno> {
        let range = self.in_a_file(pages)?;
        let inode = self.inode(id);
        let _io = inode.i_rwsem.write(cpu);
        let mut faults = Some(self.shut_out_faults(cpu, id));
        self.break_layout(cpu, id, Sleep::Interruptible, &mut faults).map_err(|_| Errno::EINTR)?;
        self.unwrite_blocks(cpu, id, range);
        Ok(())
    }

    /// `pread` of some pages, as far as the file reaches; a hole reads as zero. Returns how
    /// many pages that were. The size counts that holds once no truncate is ahead (`dax_iomap_rw`).
    ///
    /// # Errors
    /// `EINVAL` beyond the largest file.
    pub fn read_pages(
        &self,
        cpu: &Cpu<'_>,
        id: InodeId,
        pages: PageRange,
        mut each: impl FnMut(u64),
    ) -> Result<u32, Errno> {
        self.read_each(cpu, id, pages, |extent| {
            let contents = |pfn| self.vm.pagemaps.memmap.contents(pfn).read();
            each(extent.written().map_or(0, contents));
        })
    }

    /// As [`Self::read_pages`], and complains of contents from another life of a page.
    ///
    /// # Errors
    /// As [`Self::read_pages`].
    pub fn read_pages_checked(
        &self,
        cpu: &Cpu<'_>,
        id: InodeId,
        pages: PageRange,
    ) -> Result<u32, Errno> {
        let memmap = &self.vm.pagemaps.memmap;
        self.read_each(cpu, id, pages, |extent| {
            if let Some(pfn) = extent.written() {
                let read = memmap.contents(pfn).read();
                memmap.check_contents(cpu, pfn, read, memmap.shadow_capture(pfn));
            }
        })
    }

    #[doc(alias = "xfs_file_dax_read")]
    fn read_each(
        &self,
        cpu: &Cpu<'_>,
        id: InodeId,
        PageRange { page, pages }: PageRange,
        mut each: impl FnMut(Extent),
    ) -> Result<u32, Errno> {
        let inode = self.inode(id);
        let _io = inode.i_rwsem.read(cpu);
        let range = FileRange::of(page, pages).overlap(FileRange::of(0, inode.size()));
        for index in range.pages() {
            let Mapped { extent, .. } = self.iomap_begin(cpu, id, index, Access::Read)?;
            // What has no contents is zero, whether the device answers or not.
            let _alive = match extent {
                Extent::Written(_) => Some(self.dax_read_lock(cpu)?),
                Extent::Hole | Extent::Unwritten(_) => None,
            };
            each(extent);
        }
        Ok(range.len())
    }

    /// `fallocate` of a file without blocks: so many, in one piece and unwritten, and the size that goes with them.
    ///
    /// # Errors
    /// `ENOSPC`; `EINVAL` for none, and beyond the largest file.
    #[doc(alias = "xfs_file_fallocate")]
    pub fn fallocate(
        &self,
        cpu: &Cpu<'_>,
        id: InodeId,
        pages: u32,
        align: u32,
    ) -> Result<(), Errno> {
        self.in_a_file(PageRange { page: 0, pages })?;
        let inode = self.inode(id);
        let _io = inode.i_rwsem.write(cpu);
        self.allocate_run(cpu, id, (0, pages), align, false)?;
        inode.size.set(inode.size().max(pages));
        Ok(())
    }

    /// Gives a file every block that nobody has, behind what it has, as far as a file reaches.
    pub fn hog(&self, cpu: &Cpu<'_>, id: InodeId) {
        let inode = self.inode(id);
        let _io = inode.i_rwsem.write(cpu);
        let (mut at, mut run) = (inode.size(), self.span.pages);
        while run > 0 {
            run = run.min(self.file_pages - at);
            match self.allocate_run(cpu, id, (at, run), 1, false) {
                Ok(()) => at += run,
                Err(_) => run /= 2,
            }
        }
        inode.size.set(at);
    }

    /// `pwrite` of some pages, allocating and extending as needed; `value` gets the page and its life. What is written
    /// already and what is not go one after the other, each in one piece, as extents do.
    ///
    /// # Errors
    /// `ENOSPC`; `EIO` when the file system is shut down; `EINVAL` for no page, and beyond the largest file.
    #[doc(alias = "xfs_file_dax_write")]
    pub fn write_pages(
        &self,
        cpu: &Cpu<'_>,
        id: InodeId,
        pages: PageRange,
        value: impl Fn(u32, Stamp) -> u64,
    ) -> Result<(), Errno> {
        let range = self.in_a_file(pages)?;
        loop {
            match self.write_range(cpu, id, range, &value) {
                // It is frozen. What was written already is written again.
                Err(Errno::EAGAIN) => self.wait_for_thaw(cpu),
                done => return done,
            }
        }
    }

    #[doc(alias = "xfs_file_dax_write")]
    fn write_range(
        &self,
        cpu: &Cpu<'_>,
        id: InodeId,
        range: FileRange,
        value: &impl Fn(u32, Stamp) -> u64,
    ) -> Result<(), Errno> {
        let _io = self.inode(id).i_rwsem.write(cpu);
        let is_new = |index| self.extent(id, index).written().is_none();
        let mut rest = range;
        while !rest.is_empty() {
            if self.write_copy(cpu, id, rest.first(), value)? {
                rest = FileRange::up_to(rest.first() + 1, rest.end());
                continue;
            }
            let first = is_new(rest.first());
            let differs = |index: &u32| {
                is_new(*index) != first
                    || self.is_cloned(id)
                        && self.sharers(id, self.extent(id, *index)) == Sharers::Files
            };
            let end = rest.pages().skip(1).find(differs).unwrap_or(rest.end());
            self.write_extent_pages(cpu, id, FileRange::up_to(rest.first(), end), first, value)?;
            rest = FileRange::up_to(end, rest.end());
        }
        Ok(())
    }

    /// A page whose block other files have is written to a copy, which takes its place when it is. False where none is
    /// needed.
    #[doc(alias = "dax_iomap_iter")]
    fn write_copy(
        &self,
        cpu: &Cpu<'_>,
        id: InodeId,
        index: u32,
        value: &impl Fn(u32, Stamp) -> u64,
    ) -> Result<bool, Errno> {
        let Some(copy) = self.allocate_copy(cpu, id, index)? else { return Ok(false) };
        // Whoever maps the page is to see what is written.
        let page = FileRange::page(index);
        let _faults = match self.vm.pagemaps.rules.write_invalidate {
            WriteInvalidate::DeleteThenUnmap => {
                // That somebody wrote through a mapping does not keep the entry.
                self.clear_dirty(cpu, id, page);
                self.invalidate_inode_pages(cpu, id, page);
                None
            }
            WriteInvalidate::ZeroOnly => {
                let faults = self.shut_out_faults(cpu, id);
                self.vm.unmap_mapping_pages(cpu, id.mapping(), page);
                self.delete_entries(cpu, id, page);
                Some(faults)
            }
        };
        let memmap = &self.vm.pagemaps.memmap;
        match self.dax_read_lock(cpu) {
            Ok(_alive) => memmap.contents(copy).set(value(index, memmap.shadow_capture(copy))),
            Err(dead) => {
                self.cancel_copy(cpu, id, index);
                return Err(dead);
            }
        }
        self.end_copy(cpu, id, index);
        Ok(true)
    }

    /// First all of an extent has blocks, then nobody sees anything else there, and only then come the data.
    #[doc(alias = "dax_iomap_iter")]
    fn write_extent_pages(
        &self,
        cpu: &Cpu<'_>,
        id: InodeId,
        range: FileRange,
        is_new: bool,
        value: &impl Fn(u32, Stamp) -> u64,
    ) -> Result<(), Errno> {
        let inode = self.inode(id);
        // Dropped at once by the right rule: faults ask for extents with the entry locked that is waited for below.
        let (last, _iomap) = self.iomap_begin_write(cpu, id, range)?;
        if is_new {
            // IOMAP_F_NEW: others may see the zero page here, and are to see what is written.
            self.invalidate_inode_pages(cpu, id, range);
        }
        let _alive = self.dax_read_lock(cpu)?;
        for index in range.pages() {
            let extent = if index + 1 == range.end() { last } else { self.extent(id, index) };
            if let Some(pfn) = extent.written() {
                let memmap = &self.vm.pagemaps.memmap;
                memmap.contents(pfn).set(value(index, memmap.shadow_capture(pfn)));
            }
        }
        if range.end() > inode.size() {
            inode.size.set(range.end());
        }
        Ok(())
    }

    /// Locks faults out and makes sure that nobody reaches these pages. The wrong rules live here:
    /// leaving the break out, and handing the blocks back before it.
    fn take_away<'a>(
        &'a self,
        cpu: &'a Cpu<'_>,
        id: InodeId,
        range: FileRange,
    ) -> Result<Option<Faults<'a>>, Errno> {
        let mut faults = Some(self.shut_out_faults(cpu, id));
        let rules = &self.vm.pagemaps.rules;
        if rules.block_free == BlockFree::BeforeIdle {
            self.free_blocks(cpu, id, range);
        }
        if rules.truncate_break_layout == Switch::On {
            self.break_layout(cpu, id, Sleep::Interruptible, &mut faults)
                .map_err(|_| Errno::EINTR)?;
        }
        Ok(faults)
    }

    /// At least one page, and none beyond the largest file.
    fn in_a_file(&self, PageRange { page, pages }: PageRange) -> Result<FileRange, Errno> {
        let end = page.checked_add(pages).filter(|end| *end <= self.file_pages);
        end.filter(|_| pages > 0).map(|end| FileRange::up_to(page, end)).ok_or(Errno::EINVAL)
    }
}
