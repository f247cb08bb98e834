//! From an [`Op`] to the system call it names.

use prim::Cpu;
use program::op::{self, Access, Advice, PageRange, WorkerId};
use program::{Errno, Op};

use crate::vm::{GupKind, Permission};
use crate::world::direct_io::Completes;
use crate::world::{PinRequest, Return, World};

impl World {
    /// Executes one operation for a worker. `value` gives what a write to a page of a file stores.
    ///
    /// # Errors
    /// What the call returns; `EOPNOTSUPP` for an operation this model cannot do yet.
    pub fn execute(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        op: &Op,
        value: impl Fn(u32) -> u64,
    ) -> Return {
        let count = |word: u64| word.cast_signed();
        match *op {
            Op::Nop | Op::Baseline | Op::Start | Op::Retrack | Op::Wait(_) | Op::Mount(_) => Ok(0),
            Op::Sleep => {
                self.complete_io(cpu);
                Ok(0)
            }
            Op::End => {
                self.running().try_for_each(|worker| self.exit(cpu, worker).map(drop)).map(|()| 0)
            }
            Op::Spawn => self.spawn(cpu, worker),
            Op::Fork(op::Fork { child }) => self.fork(cpu, worker, child),
            Op::Exit | Op::Kill => self.exit(cpu, worker),
            Op::Open(op::Open { fd, target, mode }) => self.open(cpu, worker, fd, target, mode),
            Op::Close(op::Close { fd }) => self.close(cpu, worker, fd),
            Op::Unlink(op::Unlink { file }) => self.unlink(cpu, file),
            Op::Pread(op::Pread { file, page, pages }) => {
                self.pread(cpu, worker, file, page, pages)
            }
            Op::Pwrite(op::Pwrite { file, page, pages }) => {
                self.pwrite(cpu, worker, file, page, pages, value)
            }
            Op::Fsync(op::Fsync { file }) => self.with_inode(cpu, worker, file, |_| Ok(0)),
            Op::Ftruncate(op::Ftruncate { file, pages }) => {
                self.with_writable_inode(cpu, worker, file, Errno::EINVAL, |inode| {
                    self.dax.truncate(cpu, inode, pages).map(|()| 0)
                })
            }
            Op::Punch(op::Punch { file, page, pages }) => {
                self.with_writable_inode(cpu, worker, file, Errno::EBADF, |inode| {
                    self.dax.punch(cpu, inode, PageRange { page, pages }).map(|()| 0)
                })
            }
            Op::Zerorange(op::Zerorange { file, page, pages }) => {
                self.with_writable_inode(cpu, worker, file, Errno::EBADF, |inode| {
                    self.dax.zero_range(cpu, inode, PageRange { page, pages }).map(|()| 0)
                })
            }
            Op::Mmap(op::Mmap { sharing: program::op::Sharing::Private, .. })
            | Op::Unsupported { .. } => Err(Errno::EOPNOTSUPP.into()),
            Op::Mmap(op::Mmap { map, file, offset, pages, prot, align, .. }) => {
                self.mmap(cpu, worker, map, file, offset, pages, prot, align)
            }
            Op::Munmap(op::Munmap { map, range }) => self.munmap(cpu, worker, map, range),
            Op::Touch(op::Touch { map, access, page, pages }) => {
                self.touch(cpu, worker, map, access, PageRange { page, pages }, value)
            }
            Op::Load(op::Load { map, page }) => self.load(cpu, worker, map, page).map(count),
            Op::Store(op::Store { map, page, value }) => {
                self.store(cpu, worker, map, page, value).map(|_| 0)
            }
            Op::Msync(op::Msync { map }) => {
                self.map_slot(cpu, worker, map).map(|_| 0).map_err(Into::into)
            }
            Op::Madvise(op::Madvise { map, advice: Advice::DontNeed, page }) => {
                self.dontneed(cpu, worker, map, page)
            }
            Op::Madvise(op::Madvise { map, advice: Advice::SoftOffline, page }) => {
                self.soft_offline(cpu, worker, map, page)
            }
            Op::Pipe(op::Pipe { pipe }) => self.pipe(cpu, worker, pipe),
            Op::Vmsplice(op::Vmsplice { pipe, map, page, pages }) => {
                self.vmsplice(cpu, worker, pipe, map, page, pages)
            }
            Op::Tee(op::Tee { from, to, pages }) => self.tee(cpu, worker, from, to, pages),
            Op::Drain(op::Drain { pipe, pages }) => self.drain(cpu, worker, pipe, pages),
            Op::Pvmread(op::Pvmread { target, map, page, pages }) => {
                self.vm_read(cpu, target, map, page, pages)
            }
            Op::UringReg(op::UringReg { map, page, pages }) => {
                self.uring_register(cpu, worker, map, page, pages)
            }
            Op::UringUnreg => self.uring_unregister(cpu, worker),
            Op::DioWrite(op::DioWrite { device, map, page, pages, ticks }) => {
                let completes = Self::completes(ticks);
                self.direct_io(cpu, worker, device, map, page, pages, Permission::Read, completes)
            }
            Op::DioRead(op::DioRead { device, map, page, pages, ticks }) => {
                let completes = Self::completes(ticks);
                self.direct_io(cpu, worker, device, map, page, pages, Permission::Write, completes)
            }
            Op::Pin(op::Pin { map, page, pages, longterm, access }) => {
                let access =
                    if access == Access::Write { Permission::Write } else { Permission::Read };
                let kind = GupKind::Pin;
                let wanted = PinRequest { map, page, pages, kind, access, longterm };
                self.pin(cpu, worker, wanted)
            }
            Op::Get(op::Get { map, page, pages }) => {
                self.pin(cpu, worker, PinRequest::short(GupKind::Get, map, page, pages))
            }
            Op::Unpin(op::Unpin { pin }) => self.unpin(cpu, worker, pin),
            Op::DmaWrite(op::DmaWrite { pin, value }) => {
                Ok(self.dma(cpu, worker, pin, Some(&|_| value)).map(|_| 0)?)
            }
            Op::DmaRead(op::DmaRead { pin }) => Ok(self.dma(cpu, worker, pin, None).map(count)?),
            Op::DevAlloc(op::DevAlloc { start, pages }) => self.dev_alloc_range(cpu, start, pages),
            Op::DevGet(op::DevGet { page }) => self.dev_get(cpu, page),
            Op::DevPut(op::DevPut { page }) => self.dev_put(cpu, page),
            Op::Umount(_) => Ok(self.dax.umount(cpu).map(|()| 0)?),
            Op::Unbind => Ok(self.dax.unbind(cpu).map(|()| 0)?),
            Op::Bind => Ok(self.dax.bind(cpu).map(|()| 0)?),
        }
    }

    fn completes(ticks: Option<u32>) -> Completes {
        match ticks {
            None => Completes::WhenTold,
            Some(0) => Completes::AtOnce,
            Some(steps) => Completes::In(steps),
        }
    }
}
