//! Pipes: references that outlive the process that took them (`fs/splice.c`).
//!
//! A pipe is inherited by fork and keeps its pages when the process that spliced them is dead. A
//! buffer holds one page. Its two ends are descriptors like others (`fds`); the last to be closed drops what is in it.

use prim::{AtomicU32, Cpu, Guarded, LockClass, SpinLock, plain, zeroed};
use program::Errno;
use program::op::{self, Access, Drain, PipeNo, Tee, Vmsplice, WorkerId};

use crate::lock_order;
use crate::page::Hold;
use crate::vm::{GupKind, GupRange};
use crate::warn::must_live;
use crate::world::fds::{End, Open};
use crate::world::{PAGE_SIZE, Return, World};

/// Buffers a pipe holds.
pub(super) const SLOTS: usize = program::geometry::PIPE_SLOTS_MAX as usize;

plain! {
    /// The buffers of a pipe, oldest first.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Ring {
        pub(super) len: u32,
        pub(super) buffers: [GupRange; SLOTS],
    }
}

impl Guarded for Ring {
    const CLASS: LockClass = lock_order::PIPE;
}

zeroed! {
    /// A pipe.
    #[derive(Debug)]
    pub(crate) struct Pipe {
        /// Descriptors of its end to read from and calls that do, and so for the end to write to.
        readers: AtomicU32,
        writers: AtomicU32,
        /// Its ends that are open (`pipe->files`).
        files: AtomicU32,
        pub(super) ring: SpinLock<Ring>,
    }
}

impl Pipe {
    fn users(&self, end: End) -> &AtomicU32 {
        match end {
            End::Read => &self.readers,
            End::Write => &self.writers,
        }
    }

    /// A user of an end less; whether it was the last.
    pub(super) fn put_and_test(&self, end: End) -> bool {
        self.users(end).dec_and_test()
    }

    /// Whether more than one process has it, or a call uses it.
    pub(super) fn is_shared(&self) -> bool {
        [End::Read, End::Write].into_iter().any(|end| self.users(end).read() > 1)
    }
}

impl World {
    /// `pipe`, under a number.
    ///
    /// # Errors
    /// `EMFILE`, `EBUSY` for a number in use.
    pub fn pipe(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &op::Pipe) -> Return {
        let number = op.pipe;
        let proc = self.proc(worker)?;
        if number.index() >= self.geometry.pipes_max.into() {
            return Err(Errno::EMFILE.into());
        }
        let pipe = self.pipes.alloc(cpu).map_err(|_| Errno::EMFILE)?;
        let Pipe { readers, writers, files, ring } = &self.pipes[pipe];
        readers.set(1);
        writers.set(1);
        files.set(2);
        ring.lock(cpu).len = 0;
        let opened = { proc.handles.lock(cpu).fds.open_pipe(number, pipe) };
        if let Err(errno) = opened {
            self.pipes.free(cpu, pipe);
            return Err(errno.into());
        }
        Ok(0)
    }

    /// `vmsplice` without `SPLICE_F_GIFT`: plain references kept in a pipe. Returns bytes.
    ///
    /// # Errors
    /// `EBADF` for no such pipe, `EAGAIN` when it is full, `EFAULT` and `ENOMEM` from GUP.
    pub fn vmsplice(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Vmsplice) -> Return {
        let Vmsplice { pipe, map, page, pages } = *op;
        let pipe = self.use_pipe(cpu, worker, pipe, End::Write)?;
        let mut taken = 0;
        let mut failed = None;
        // A buffer holds one page.
        for at in 0..pages {
            let mut out = [GupRange::EMPTY; 1];
            let request = Self::request(1, GupKind::Get, Access::Read);
            match self.gup(cpu, worker, map, page + at, request, &mut out) {
                Ok(_) if self.push_buffer(cpu, pipe, out[0]) => taken += 1,
                Ok(_) => {
                    self.put_range(cpu, &out[0]);
                    failed = Some(Errno::EAGAIN);
                }
                Err(errno) => failed = Some(errno),
            }
            if failed.is_some() {
                break;
            }
        }
        self.put_pipe(cpu, pipe, End::Write);
        match failed {
            Some(errno) if taken == 0 => Err(errno.into()),
            _ => Ok(taken * PAGE_SIZE),
        }
    }

    /// `tee`: the second pipe gets references on the first pipe's pages. Returns bytes.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL` for a pipe into itself.
    pub fn tee(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Tee) -> Return {
        let Tee { from, to, pages } = *op;
        let from = self.use_pipe(cpu, worker, from, End::Read)?;
        let to = match self.use_pipe(cpu, worker, to, End::Write) {
            Ok(to) => to,
            Err(errno) => {
                self.put_pipe(cpu, from, End::Read);
                return Err(errno.into());
            }
        };
        if from == to {
            self.put_pipe(cpu, to, End::Write);
            self.put_pipe(cpu, from, End::Read);
            return Err(Errno::EINVAL.into());
        }
        let mut copied = 0;
        for at in 0..pages as usize {
            // The buffer's own reference is held by the ring; ours is taken under its lock.
            let duplicate = {
                let ring = self.pipes[from].ring.lock(cpu);
                let buffers = &ring.buffers[..ring.len as usize];
                buffers.get(at).map(|range| self.dup_range(cpu, range))
            };
            let Some(range) = duplicate else { break };
            if !self.push_buffer(cpu, to, range) {
                self.put_range(cpu, &range);
                break;
            }
            copied += 1;
        }
        self.put_pipe(cpu, to, End::Write);
        self.put_pipe(cpu, from, End::Read);
        Ok(copied * PAGE_SIZE)
    }

    /// Reads `pages` pages out of a pipe, dropping their references. Returns bytes; a pipe never made
    /// reads as empty, as it did for the recorder.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn drain(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Drain) -> Return {
        self.drain_each(cpu, worker, op, drop)
    }

    /// As [`Self::drain`], handing over what each page holds.
    ///
    /// # Errors
    /// As [`Self::drain`].
    pub fn drain_each(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        op: &Drain,
        mut each: impl FnMut(u64),
    ) -> Return {
        let Drain { pipe, pages } = *op;
        self.proc(worker)?;
        let Ok(pipe) = self.use_pipe(cpu, worker, pipe, End::Read) else { return Ok(0) };
        let mut drained = 0;
        while drained < i64::from(pages) {
            if self.oldest_is_gone(cpu, pipe) {
                self.put_pipe(cpu, pipe, End::Read);
                return if drained == 0 {
                    Err(Errno::EFAULT.into())
                } else {
                    Ok(drained * PAGE_SIZE)
                };
            }
            let Some(range) = self.pop_buffer(cpu, pipe) else { break };
            each(self.dax.vm.pagemaps.memmap.contents(range.first()).peek());
            self.put_range(cpu, &range);
            drained += 1;
        }
        self.put_pipe(cpu, pipe, End::Read);
        Ok(drained * PAGE_SIZE)
    }

    /// Drops what is in the pipes of a worker's process, whatever names there are for them.
    pub fn empty_pipes(&self, cpu: &Cpu<'_>, worker: WorkerId) {
        let Ok(proc) = self.proc(worker) else { return };
        let fds = { proc.handles.lock(cpu).fds };
        for open in fds.all() {
            if let Open::Pipe(pipe, _) = open {
                self.empty_pipe(cpu, pipe);
            }
        }
    }

    fn empty_pipe(&self, cpu: &Cpu<'_>, pipe: u32) {
        while let Some(range) = self.pop_buffer(cpu, pipe) {
            self.put_range(cpu, &range);
        }
    }

    /// Whether what a reader of the pipe would copy has been unplugged: the copy fails, and the buffer stays (recorded).
    fn oldest_is_gone(&self, cpu: &Cpu<'_>, pipe: u32) -> bool {
        if !self.dax.is_unplugged() {
            return false;
        }
        let ring = self.pipes[pipe].ring.lock(cpu);
        ring.len > 0 && self.dax.span.contains(ring.buffers[0].first())
    }

    fn push_buffer(&self, cpu: &Cpu<'_>, pipe: u32, range: GupRange) -> bool {
        let mut ring = self.pipes[pipe].ring.lock(cpu);
        let len = ring.len as usize;
        let room = len < self.geometry.pipe_slots.into();
        if room {
            ring.buffers[len] = range;
            ring.len += 1;
            self.dax.vm.gup_hand_over(cpu, &range, Hold::Task, Hold::Pipe);
        }
        room
    }

    fn pop_buffer(&self, cpu: &Cpu<'_>, pipe: u32) -> Option<GupRange> {
        let mut ring = self.pipes[pipe].ring.lock(cpu);
        let len = (ring.len as usize).checked_sub(1)?;
        let oldest = ring.buffers[0];
        ring.buffers.copy_within(1..=len, 0);
        ring.len -= 1;
        self.dax.vm.gup_hand_over(cpu, &oldest, Hold::Pipe, Hold::Task);
        Some(oldest)
    }

    /// The pipe behind a name, with a use of one end to give back.
    fn use_pipe(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        name: PipeNo,
        end: End,
    ) -> Result<u32, Errno> {
        let handles = self.proc(worker)?.handles.lock(cpu);
        let pipe = handles.fds.pipe(name, end).ok_or(Errno::EBADF)?;
        self.get_pipe(cpu, pipe, end);
        Ok(pipe)
    }

    pub(super) fn get_pipe(&self, cpu: &Cpu<'_>, pipe: u32, end: End) {
        must_live(cpu, &self.pipes, pipe);
        self.pipes[pipe].users(end).inc();
    }

    /// `fput` at the end of a call.
    fn put_pipe(&self, cpu: &Cpu<'_>, pipe: u32, end: End) {
        must_live(cpu, &self.pipes, pipe);
        if self.pipes[pipe].put_and_test(end) {
            self.pipe_release(cpu, pipe);
        }
    }

    /// `pipe_release`: an end is closed. With the last one goes the pipe, and what is in it.
    pub(super) fn pipe_release(&self, cpu: &Cpu<'_>, pipe: u32) {
        if self.pipes[pipe].files.dec_and_test() {
            self.empty_pipe(cpu, pipe);
            self.pipes.free(cpu, pipe);
        }
    }
}
