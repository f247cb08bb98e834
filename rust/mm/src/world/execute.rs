//! From an [`Op`] to the system call it names.

use prim::Cpu;
use program::op::{Access, Advice, PageRange, WorkerId};
use program::{Errno, Op};

use crate::vm::{GupKind, Permission};
use crate::world::direct_io::Completes;
use crate::world::{PinRequest, Return, World};

/// A small number for each kind of operation, so that a task id can carry what the task is doing.
#[must_use]
pub fn op_code(op: &Op) -> u8 {
    OPS.iter().position(|(_, is)| is(op)).map_or(0, |at| at as u8 + 1)
}

/// The number of the kind of operation with this name; 0 for none.
#[must_use]
pub fn op_code_named(name: &str) -> u8 {
    OPS.iter().position(|(known, _)| *known == name).map_or(0, |at| at as u8 + 1)
}

/// The name behind [`op_code`].
#[must_use]
pub(super) fn op_name(code: u8) -> &'static str {
    usize::from(code).checked_sub(1).and_then(|at| OPS.get(at)).map_or("-", |(name, _)| name)
}

macro_rules! op_table {
    ($($name:literal => $pattern:pat,)+) => {
        const OPS: &[(&str, fn(&Op) -> bool)] = &[$(($name, |op| matches!(op, $pattern))),+];
    };
}

op_table! {
    "spawn" => Op::Spawn,
    "fork" => Op::Fork { .. },
    "exit" => Op::Exit | Op::Kill,
    "open" => Op::Open { .. },
    "close" => Op::Close { .. },
    "unlink" => Op::Unlink { .. },
    "pread" => Op::Pread { .. },
    "pwrite" => Op::Pwrite { .. },
    "ftruncate" => Op::Ftruncate { .. },
    "punch" => Op::Punch { .. },
    "zerorange" => Op::Zerorange { .. },
    "mmap" => Op::Mmap { .. },
    "munmap" => Op::Munmap { .. },
    "read" => Op::Touch { access: Access::Read, .. } | Op::Load { .. },
    "write" => Op::Touch { access: Access::Write, .. } | Op::Store { .. },
    "madvise" => Op::Madvise { .. },
    "vmsplice" => Op::Vmsplice { .. },
    "tee" => Op::Tee { .. },
    "drain" => Op::Drain { .. },
    "process_vm_readv" => Op::Pvmread { .. },
    "io_uring_register" => Op::UringReg { .. } | Op::UringUnreg,
    "dio_write" => Op::DioWrite { .. },
    "dio_read" => Op::DioRead { .. },
    "pin" => Op::Pin { .. },
    "get" => Op::Get { .. },
    "unpin" => Op::Unpin { .. },
    "dma_write" => Op::DmaWrite { .. },
    "dma_read" => Op::DmaRead { .. },
    "dev_alloc" => Op::DevAlloc { .. },
    "dev_get" => Op::DevGet { .. },
    "dev_put" => Op::DevPut { .. },
    "umount" => Op::Umount { .. },
    "unbind" => Op::Unbind,
    "bind" => Op::Bind,
}

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
            Op::Nop
            | Op::Baseline
            | Op::Start
            | Op::Retrack
            | Op::Wait { .. }
            | Op::Mount { .. } => Ok(0),
            Op::Sleep => {
                self.complete_io(cpu);
                Ok(0)
            }
            Op::End => {
                self.running().try_for_each(|worker| self.exit(cpu, worker).map(drop)).map(|()| 0)
            }
            Op::Spawn => self.spawn(cpu, worker),
            Op::Fork { child } => self.fork(cpu, worker, child),
            Op::Exit | Op::Kill => self.exit(cpu, worker),
            Op::Open { fd, target, mode } => self.open(cpu, worker, fd, target, mode),
            Op::Close { fd } => self.close(cpu, worker, fd),
            Op::Unlink { file } => self.unlink(cpu, file),
            Op::Pread { file, page, pages } => self.pread(cpu, worker, file, page, pages),
            Op::Pwrite { file, page, pages } => self.pwrite(cpu, worker, file, page, pages, value),
            Op::Fsync { file } => self.with_inode(cpu, worker, file, |_| Ok(0)),
            Op::Ftruncate { file, pages } => {
                self.with_writable_inode(cpu, worker, file, Errno::EINVAL, |inode| {
                    self.dax.truncate(cpu, inode, pages).map(|()| 0)
                })
            }
            Op::Punch { file, page, pages } => {
                self.with_writable_inode(cpu, worker, file, Errno::EBADF, |inode| {
                    self.dax.punch(cpu, inode, page, pages).map(|()| 0)
                })
            }
            Op::Zerorange { file, page, pages } => {
                self.with_writable_inode(cpu, worker, file, Errno::EBADF, |inode| {
                    self.dax.zero_range(cpu, inode, page, pages).map(|()| 0)
                })
            }
            Op::Mmap { sharing: program::op::Sharing::Private, .. } | Op::Unsupported { .. } => {
                Err(Errno::EOPNOTSUPP.into())
            }
            Op::Mmap { map, file, offset, pages, prot, align, .. } => {
                self.mmap(cpu, worker, map, file, offset, pages, prot, align)
            }
            Op::Munmap { map, range } => self.munmap(cpu, worker, map, range),
            Op::Touch { map, access, page, pages } => {
                self.touch(cpu, worker, map, access, PageRange { page, pages }, value)
            }
            Op::Load { map, page } => self.load(cpu, worker, map, page).map(count),
            Op::Store { map, page, value } => self.store(cpu, worker, map, page, value).map(|_| 0),
            Op::Msync { map } => self.map_slot(cpu, worker, map).map(|_| 0).map_err(Into::into),
            Op::Madvise { map, advice: Advice::DontNeed, page } => {
                self.dontneed(cpu, worker, map, page)
            }
            Op::Madvise { map, advice: Advice::SoftOffline, page } => {
                self.soft_offline(cpu, worker, map, page)
            }
            Op::Pipe { pipe } => self.pipe(cpu, worker, pipe),
            Op::Vmsplice { pipe, map, page, pages } => {
                self.vmsplice(cpu, worker, pipe, map, page, pages)
            }
            Op::Tee { from, to, pages } => self.tee(cpu, worker, from, to, pages),
            Op::Drain { pipe, pages } => self.drain(cpu, worker, pipe, pages),
            Op::Pvmread { target, map, page, pages } => self.vm_read(cpu, target, map, page, pages),
            Op::UringReg { map, page, pages } => self.uring_register(cpu, worker, map, page, pages),
            Op::UringUnreg => self.uring_unregister(cpu, worker),
            Op::DioWrite { device, map, page, pages, ticks } => {
                let completes = Self::completes(ticks);
                self.direct_io(cpu, worker, device, map, page, pages, Permission::Read, completes)
            }
            Op::DioRead { device, map, page, pages, ticks } => {
                let completes = Self::completes(ticks);
                self.direct_io(cpu, worker, device, map, page, pages, Permission::Write, completes)
            }
            Op::Pin { map, page, pages, longterm, access } => {
                let access =
                    if access == Access::Write { Permission::Write } else { Permission::Read };
                let kind = GupKind::Pin;
                let wanted = PinRequest { map, page, pages, kind, access, longterm };
                self.pin(cpu, worker, wanted)
            }
            Op::Get { map, page, pages } => {
                self.pin(cpu, worker, PinRequest::short(GupKind::Get, map, page, pages))
            }
            Op::Unpin { pin } => self.unpin(cpu, worker, pin),
            Op::DmaWrite { pin, value } => {
                Ok(self.dma(cpu, worker, pin, Some(&|_| value)).map(|_| 0)?)
            }
            Op::DmaRead { pin } => Ok(self.dma(cpu, worker, pin, None).map(count)?),
            Op::DevAlloc { start, pages } => self.dev_alloc_range(cpu, start, pages),
            Op::DevGet { page } => self.dev_get(cpu, page),
            Op::DevPut { page } => self.dev_put(cpu, page),
            Op::Umount { .. } => Ok(self.dax.umount(cpu).map(|()| 0)?),
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
