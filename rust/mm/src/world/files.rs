//! Open files and the directory (`fs/open.c`, `fs/file_table.c`).
//!
//! An open file counts its users: descriptors, mappings, calls in progress. The last one puts the
//! inode, which may evict it.

use prim::{AtomicU32, Cpu, Guarded, LockClass, plain, zeroed};
use program::Errno;
use program::op::{
    Close, Dupto, FdNo, FileIdx, FileRef, FileState, Fsync, Ftruncate, Layout, Open, OpenMode,
    PageRange, Pread, Punch, Pwrite, Reflink, Target, Unlink, WorkerId, Zerorange,
};

use crate::dax::{Birth, InodeId};
use crate::lock_order;
use crate::page::Stamp;
use crate::vm::FileUse;
use crate::warn::must_live;
use crate::world::fds::{Fds, Open as OpenFd};
use crate::world::task_work::TaskWork;
use crate::world::{PAGE_SIZE, Return, World};

/// Names the directory holds.
const NAMES: usize = program::geometry::FILES_MAX as usize;

plain! {
    /// Name -> inode + 1.
    #[derive(Clone, Copy, Debug)]
    pub struct Directory {
        inodes: [u32; NAMES],
    }
}

impl Directory {
    /// A name for an inode.
    pub(super) fn name(&mut self, name: FileIdx, inode: InodeId) {
        if let Some(slot) = self.inodes.get_mut(name.index()) {
            *slot = inode.0 + 1;
        }
    }

    /// Whether an inode has a name.
    pub(super) fn has(&self, inode: InodeId) -> bool {
        self.inodes.contains(&(inode.0 + 1))
    }
}

impl Guarded for Directory {
    const CLASS: LockClass = lock_order::DIRECTORY;
}

zeroed! {
    /// `struct file`.
    #[derive(Debug)]
    pub(crate) struct OpenFile {
        users: AtomicU32,
        inode: AtomicU32,
        writable: AtomicU32,
    }
}

impl OpenFile {
    /// A user less; whether it was the last.
    pub(super) fn put_and_test(&self) -> bool {
        self.users.dec_and_test()
    }
}

impl World {
    /// Puts a new file into the directory.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`, `EINVAL` for a number or size too high.
    pub fn create_file(
        &self,
        cpu: &Cpu<'_>,
        name: FileIdx,
        pages: u32,
        state: Option<FileState>,
        layout: Layout,
    ) -> Return {
        if name.index() >= NAMES {
            return Err(Errno::EINVAL.into());
        }
        if self.name_lookup(cpu, name).is_ok() {
            return Err(Errno::EEXIST.into());
        }
        let birth = match state {
            None => Birth::Sparse,
            Some(FileState::Written) => Birth::Written,
            Some(FileState::Unwritten) => Birth::Unwritten,
        };
        let inode = self.dax.create(cpu, pages, birth, layout)?;
        let taken = {
            let mut directory = self.directory[0].lock(cpu);
            let slot = &mut directory.inodes[name.index()];
            let taken = *slot != 0;
            if !taken {
                *slot = inode.0 + 1;
            }
            taken
        };
        if taken {
            // Somebody else created it meanwhile: take the nameless one back.
            self.dax.unlink(cpu, inode);
        }
        self.dax.iput(cpu, inode);
        if taken { Err(Errno::EEXIST.into()) } else { Ok(0) }
    }

    /// The inode behind a name, without taking it.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn name_lookup(&self, cpu: &Cpu<'_>, name: FileIdx) -> Result<InodeId, Errno> {
        let directory = self.directory[0].lock(cpu);
        let inode = directory.inodes.get(name.index()).and_then(|inode| inode.checked_sub(1));
        inode.map(InodeId).ok_or(Errno::ENOENT)
    }

    /// `open`.
    ///
    /// # Errors
    /// `ENOENT`, `EMFILE` without room.
    pub fn open(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Open) -> Return {
        let Open { fd, target, mode } = *op;
        let proc = self.proc(worker)?;
        if fd.index() >= self.geometry.fds_max.into() {
            return Err(Errno::EMFILE.into());
        }
        let new = match target {
            Target::SlowBlock => OpenFd::SlowBlock,
            Target::Mirror => {
                self.mirror_users().inc();
                OpenFd::Mirror
            }
            Target::File(name) => OpenFd::File(self.open_inode(cpu, name, mode)?),
        };
        let opened = { proc.handles.lock(cpu).fds.open(fd, new) };
        // As dup2 does, an open descriptor of that number is closed.
        let unused = opened.unwrap_or(Some(new));
        self.filp_close(cpu, unused);
        Ok(opened.map(|_| 0)?)
    }

    /// `close`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Close) -> Return {
        let old = { self.proc(worker)?.handles.lock(cpu).fds.close(op.fd) };
        self.filp_close(cpu, Some(old.ok_or(Errno::EBADF)?));
        Ok(0)
    }

    /// `dup2` to a number of the kernel's, and `close` of the old one. Returns the number.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn dup2(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Dupto) -> Return {
        let Dupto { fd, number } = *op;
        let displaced = { self.proc(worker)?.handles.lock(cpu).fds.renumber(fd, number)? };
        self.filp_close(cpu, displaced);
        Ok(number.into())
    }

    /// `unlink`.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn unlink(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &Unlink) -> Return {
        let inode = {
            let mut directory = self.directory[0].lock(cpu);
            let slot = directory.inodes.get_mut(op.file.index()).ok_or(Errno::ENOENT)?;
            // The name was the directory's; whoever takes it out of there owns it.
            core::mem::take(slot).checked_sub(1).map(InodeId).ok_or(Errno::ENOENT)?
        };
        self.dax.unlink(cpu, inode);
        Ok(0)
    }

    /// `fsync`: nothing is written back later here.
    ///
    /// # Errors
    /// `EBADF`, `ENOENT`.
    pub fn fsync(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Fsync) -> Return {
        self.with_inode(cpu, worker, op.file, |_| Ok(0))
    }

    /// `ftruncate`.
    ///
    /// # Errors
    /// `EBADF`, `ENOENT`, `EINVAL` (also when opened for reading), `EINTR`.
    pub fn ftruncate(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Ftruncate) -> Return {
        self.with_writable_inode(cpu, worker, op.file, Errno::EINVAL, |inode| {
            self.dax.truncate(cpu, inode, op.pages).map(|()| 0)
        })
    }

    /// `fallocate(FALLOC_FL_PUNCH_HOLE)`.
    ///
    /// # Errors
    /// `EBADF` (also when opened for reading), `ENOENT`, `EINVAL`, `EINTR`.
    pub fn punch(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Punch) -> Return {
        self.with_writable_inode(cpu, worker, op.file, Errno::EBADF, |inode| {
            self.dax.punch(cpu, inode, PageRange { page: op.page, pages: op.pages }).map(|()| 0)
        })
    }

    /// `fallocate(FALLOC_FL_ZERO_RANGE)`.
    ///
    /// # Errors
    /// As [`Self::punch`].
    pub fn zerorange(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Zerorange) -> Return {
        self.with_writable_inode(cpu, worker, op.file, Errno::EBADF, |inode| {
            self.dax
                .zero_range(cpu, inode, PageRange { page: op.page, pages: op.pages })
                .map(|()| 0)
        })
    }

    /// `ioctl(FICLONE)`: a file gets the blocks of another one.
    ///
    /// # Errors
    /// `EBADF` (also when opened for reading), `ENOENT`, `EINVAL` for one file, `EINTR`.
    #[doc(alias = "ioctl_file_clone")]
    pub fn reflink(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Reflink) -> Return {
        let source = self.get_file(cpu, worker, op.source)?;
        let cloned = self.with_writable_inode(cpu, worker, op.file, Errno::EBADF, |to| {
            self.dax.reflink(cpu, to, self.inode_of(source)).map(|()| 0)
        });
        self.put_file(cpu, source);
        cloned
    }

    /// Runs `call` on the inode of a descriptor or name, which stays alive meanwhile.
    ///
    /// # Errors
    /// `EBADF`, `ENOENT`, and what `call` returns.
    pub(super) fn with_inode(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        file: FileRef,
        call: impl FnOnce(InodeId) -> Result<i64, Errno>,
    ) -> Return {
        let open = self.get_file(cpu, worker, file)?;
        let returned = call(InodeId(self.open_files[open].inode.read()));
        self.put_file(cpu, open);
        Ok(returned?)
    }

    /// As [`Self::with_inode`], for calls that change the file.
    ///
    /// # Errors
    /// `refusal` when the descriptor is open for reading only.
    pub(super) fn with_writable_inode(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        file: FileRef,
        refusal: Errno,
        call: impl FnOnce(InodeId) -> Result<i64, Errno>,
    ) -> Return {
        let open = self.get_file(cpu, worker, file)?;
        let returned =
            if self.is_writable(open) { call(self.inode_of(open)) } else { Err(refusal) };
        self.put_file(cpu, open);
        Ok(returned?)
    }

    /// `pread`: contents are looked at and dropped; returns bytes.
    ///
    /// # Errors
    /// `EBADF`, `ENOENT`, `EINVAL`.
    pub fn pread(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Pread) -> Return {
        self.pread_each(cpu, worker, op, drop)
    }

    /// As [`Self::pread`], handing over what each page holds.
    ///
    /// # Errors
    /// As [`Self::pread`].
    pub fn pread_each(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        op: &Pread,
        mut each: impl FnMut(u64),
    ) -> Return {
        self.with_inode(cpu, worker, op.file, |inode| {
            let range = PageRange { page: op.page, pages: op.pages };
            let read = self.dax.read_pages(cpu, inode, range, &mut each)?;
            Ok(i64::from(read) * PAGE_SIZE)
        })
    }

    /// `pwrite` of its number to each page; returns bytes.
    ///
    /// # Errors
    /// `EBADF` (also when opened for reading), `ENOENT`, `ENOSPC`, `EINVAL`.
    pub fn pwrite(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Pwrite) -> Return {
        self.pwrite_each(cpu, worker, op, u64::from)
    }

    /// As [`Self::pwrite`], of `value(page)`.
    ///
    /// # Errors
    /// As [`Self::pwrite`].
    pub fn pwrite_each(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        op: &Pwrite,
        value: impl Fn(u32) -> u64,
    ) -> Return {
        self.write_pages(cpu, worker, op, |page, _| value(page))
    }

    /// `fallocate` of a file without blocks: so many, unwritten and in one piece, on a PMD boundary where one fits.
    ///
    /// # Errors
    /// `EBADF`, `ENOSPC`, `EINVAL` beyond the largest file.
    pub fn fallocate(&self, cpu: &Cpu<'_>, worker: WorkerId, fd: FdNo, pages: u32) -> Return {
        self.with_inode(cpu, worker, FileRef::Fd(fd), |inode| {
            let pmd = self.geometry.pmd_pages();
            self.dax.fallocate(cpu, inode, pages, if pages < pmd { 1 } else { pmd })?;
            Ok(0)
        })
    }

    /// Gives a file every block that nobody has.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn hog(&self, cpu: &Cpu<'_>, worker: WorkerId, fd: FdNo) -> Return {
        self.with_inode(cpu, worker, FileRef::Fd(fd), |inode| {
            self.dax.hog(cpu, inode);
            Ok(0)
        })
    }

    /// Writes `value(page, life of the page)` to each page.
    pub(super) fn write_pages(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        op: &Pwrite,
        value: impl Fn(u32, Stamp) -> u64,
    ) -> Return {
        let Pwrite { file, page, pages } = *op;
        let open = self.get_file(cpu, worker, file)?;
        let this = &self.open_files[open];
        let inode = InodeId(this.inode.read());
        let written = match this.writable.read() {
            0 => Err(Errno::EBADF),
            _ => self.dax.write_pages(cpu, inode, PageRange { page, pages }, value),
        };
        self.put_file(cpu, open);
        written?;
        Ok(i64::from(pages) * PAGE_SIZE)
    }

    /// An open file for the length of a call.
    pub(super) fn get_file(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        file: FileRef,
    ) -> Result<u32, Errno> {
        match file {
            FileRef::File(name) => self.open_inode(cpu, name, OpenMode::ReadWrite),
            FileRef::Fd(fd) => {
                let handles = self.proc(worker)?.handles.lock(cpu);
                match handles.fds.file(fd) {
                    Some(OpenFd::File(open)) => {
                        must_live(cpu, &self.open_files, open);
                        self.open_files[open].users.inc();
                        Ok(open)
                    }
                    Some(OpenFd::SlowBlock | OpenFd::Mirror | OpenFd::Pipe(..)) | None => {
                        Err(Errno::EBADF)
                    }
                }
            }
        }
    }

    /// `fput` at the end of a call: if it is the last, what was queued would be next.
    pub(super) fn put_file(&self, cpu: &Cpu<'_>, open: u32) {
        if self.open_files[open].put_and_test() {
            self.file_release(cpu, open);
        }
    }

    /// An open file without users ends, and its inode has one less.
    pub(super) fn file_release(&self, cpu: &Cpu<'_>, open: u32) {
        let inode = InodeId(self.open_files[open].inode.read());
        self.open_files.free(cpu, open);
        self.dax.iput(cpu, inode);
    }

    /// The inode behind an open file.
    pub(super) fn inode_of(&self, open: u32) -> InodeId {
        InodeId(self.open_files[open].inode.read())
    }

    /// Whether the open file allows writing.
    pub(super) fn is_writable(&self, open: u32) -> bool {
        self.open_files[open].writable.read() == 1
    }

    /// A VMA was split or went.
    pub(super) fn file_event(&self, cpu: &Cpu<'_>, event: FileUse, work: &mut TaskWork) {
        match event {
            FileUse::Get(open) => {
                must_live(cpu, &self.open_files, open);
                self.open_files[open].users.inc();
            }
            FileUse::Put(open) => self.fput(cpu, OpenFd::File(open), work),
        }
    }

    /// Whether `fd` is the slow block device.
    pub(super) fn is_slow_block(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        fd: FdNo,
    ) -> Result<bool, Errno> {
        let handles = self.proc(worker)?.handles.lock(cpu);
        Ok(handles.fds.file(fd) == Some(OpenFd::SlowBlock))
    }

    /// `filp_close`, and the return of the call that closes it.
    fn filp_close(&self, cpu: &Cpu<'_>, open: Option<OpenFd>) {
        let mut work = TaskWork::none();
        open.into_iter().for_each(|open| self.fput(cpu, open, &mut work));
        self.task_work_run(cpu, &work);
    }

    /// The child of a fork has open what its parent has.
    pub(super) fn share_fds(&self, cpu: &Cpu<'_>, fds: &Fds) {
        fds.all().for_each(|open| match open {
            OpenFd::File(open) => {
                must_live(cpu, &self.open_files, open);
                self.open_files[open].users.inc();
            }
            OpenFd::Pipe(pipe, end) => self.get_pipe(cpu, pipe, end),
            OpenFd::SlowBlock => {}
            OpenFd::Mirror => self.mirror_users().inc(),
        });
    }

    fn open_inode(&self, cpu: &Cpu<'_>, name: FileIdx, mode: OpenMode) -> Result<u32, Errno> {
        let open = self.open_files.alloc(cpu).map_err(|_| Errno::EMFILE)?;
        let grabbed = {
            let directory = self.directory[0].lock(cpu);
            let inode = directory.inodes.get(name.index()).and_then(|inode| inode.checked_sub(1));
            inode.map(InodeId).inspect(|inode| self.dax.igrab(cpu, *inode))
        };
        let Some(inode) = grabbed else {
            self.open_files.free(cpu, open);
            return Err(Errno::ENOENT);
        };
        let file = &self.open_files[open];
        file.users.set(1);
        file.inode.set(inode.0);
        let writable = matches!(mode, OpenMode::ReadWrite | OpenMode::ReadWriteDirect);
        file.writable.set(writable.into());
        Ok(open)
    }
}
