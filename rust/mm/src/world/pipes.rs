//! Pipes: references that outlive the process that took them (`fs/splice.c`).
//!
//! A pipe is inherited by fork and keeps its pages when the process that spliced them is dead. A
//! buffer holds one page.

use prim::{AtomicU32, Cpu, Guarded, LockClass, SpinLock, plain, zeroed};
use program::Errno;
use program::op::{self, Access, Drain, PipeNo, Tee, Vmsplice, WorkerId};

use crate::lock_order;
use crate::page::Hold;
use crate::vm::{GupKind, GupRange};
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
        users: AtomicU32,
        pub(super) ring: SpinLock<Ring>,
    }
}

impl Pipe {
    /// Processes that have it, and calls that use it.
    pub(super) fn users(&self) -> u32 {
        self.users.read()
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
        self.pipes[pipe].users.set(1);
        self.pipes[pipe].ring.lock(cpu).len = 0;
        let mut handles = proc.handles.lock(cpu);
        if handles.pipes[number.index()] != 0 {
            drop(handles);
            self.pipes.free(cpu, pipe);
            return Err(Errno::EBUSY.into());
        }
        handles.pipes[number.index()] = pipe + 1;
        Ok(0)
    }

    /// `vmsplice` without `SPLICE_F_GIFT`: plain references kept in a pipe. Returns bytes.
    ///
    /// # Errors
    /// `EBADF` for no such pipe, `EAGAIN` when it is full, `EFAULT` and `ENOMEM` from GUP.
    pub fn vmsplice(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Vmsplice) -> Return {
        let Vmsplice { pipe, map, page, pages } = *op;
        let pipe = self.use_pipe(cpu, worker, pipe)?;
        let mut taken = 0;
        let mut failed = None;
        // A buffer holds one page.
        for at in 0..pages {
            let mut out = [GupRange::EMPTY; 1];
            let request = Self::request(1, GupKind::Get, Access::Read);
            match self.gup(cpu, worker, map, page + at, request, &mut out) {
                Ok(_) if self.push_buffer(cpu, pipe, out[0]) => taken += 1,
                Ok(_) => {
                    self.dax.vm.gup_put(cpu, &out[0]);
                    failed = Some(Errno::EAGAIN);
                }
                Err(errno) => failed = Some(errno),
            }
            if failed.is_some() {
                break;
            }
        }
        self.put_pipe(cpu, pipe);
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
        let from = self.use_pipe(cpu, worker, from)?;
        let to = match self.use_pipe(cpu, worker, to) {
            Ok(to) => to,
            Err(errno) => {
                self.put_pipe(cpu, from);
                return Err(errno.into());
            }
        };
        if from == to {
            self.put_pipe(cpu, to);
            self.put_pipe(cpu, from);
            return Err(Errno::EINVAL.into());
        }
        let mut copied = 0;
        for at in 0..pages as usize {
            // The buffer's own reference is held by the ring; ours is taken under its lock.
            let duplicate = {
                let ring = self.pipes[from].ring.lock(cpu);
                let buffers = &ring.buffers[..ring.len as usize];
                buffers.get(at).map(|range| self.dax.vm.gup_dup(cpu, range))
            };
            let Some(range) = duplicate else { break };
            if !self.push_buffer(cpu, to, range) {
                self.dax.vm.gup_put(cpu, &range);
                break;
            }
            copied += 1;
        }
        self.put_pipe(cpu, to);
        self.put_pipe(cpu, from);
        Ok(copied * PAGE_SIZE)
    }

    /// Reads `pages` pages out of a pipe, dropping their references. Returns bytes; a pipe never made
    /// reads as empty, as it did for the recorder.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn drain(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Drain) -> Return {
        let Drain { pipe, pages } = *op;
        self.proc(worker)?;
        let Ok(pipe) = self.use_pipe(cpu, worker, pipe) else { return Ok(0) };
        let mut drained = 0;
        while drained < i64::from(pages) {
            let Some(range) = self.pop_buffer(cpu, pipe) else { break };
            self.dax.vm.gup_put(cpu, &range);
            drained += 1;
        }
        self.put_pipe(cpu, pipe);
        Ok(drained * PAGE_SIZE)
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

    /// The pipe behind a number, with a use of it to give back.
    fn use_pipe(&self, cpu: &Cpu<'_>, worker: WorkerId, number: PipeNo) -> Result<u32, Errno> {
        let handles = self.proc(worker)?.handles.lock(cpu);
        let word = handles.pipes.get(number.index()).copied().unwrap_or(0);
        let pipe = word.checked_sub(1).ok_or(Errno::EBADF)?;
        self.get_pipe(cpu, pipe);
        Ok(pipe)
    }

    pub(super) fn get_pipe(&self, _cpu: &Cpu<'_>, pipe: u32) {
        self.pipes[pipe].users.inc();
    }

    /// The last user of a pipe drops what is in it.
    pub(super) fn put_pipe(&self, cpu: &Cpu<'_>, pipe: u32) {
        if self.pipes[pipe].users.dec_and_test() {
            while let Some(range) = self.pop_buffer(cpu, pipe) {
                self.dax.vm.gup_put(cpu, &range);
            }
            self.pipes.free(cpu, pipe);
        }
    }
}
