//! io_uring's registered buffer: a long-term pin on part of a mapping (`io_uring/rsrc.c`, K§4, K§14).
//!
//! A worker has at most one. It is registered whole or not at all, and its pages stay pinned, whatever becomes of the
//! mapping, until it is taken back or the worker leaves. So there is room for a range of every page that one call can ask
//! for: pages of one folio share a range, single ones have one each. Departure: the kernel's rings have tables of them.

use prim::Cpu;
use program::Errno;
use program::op::{Access, Longterm, UringReg, WorkerId};
use program::rules::UringFiles;

use crate::page::Hold;
use crate::vm::{GupKind, GupRange, GupRequest};
use crate::world::process::{Buffer, PAGES, Worker};
use crate::world::{Return, World};

impl Buffer {
    /// Whether there is one.
    pub(super) fn is_registered(&self) -> bool {
        self.len != 0
    }

    /// What is pinned.
    pub(super) fn pinned(&self) -> &[GupRange] {
        &self.ranges[..self.len as usize]
    }
}

impl World {
    /// `IORING_REGISTER_BUFFERS`: a long-term pin. Returns 0.
    ///
    /// # Errors
    /// `EBUSY` when the worker has a buffer; `EOPNOTSUPP` on a DAX file, as every kernel since long-term pins were
    /// refused there; `EFAULT` when not all of it can be pinned.
    #[doc(alias = "io_sqe_buffers_register")]
    pub fn uring_register(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &UringReg) -> Return {
        let UringReg { map, page, pages } = *op;
        if self.worker(worker)?.pins.lock(cpu).buffer.is_registered() {
            return Err(Errno::EBUSY.into());
        }
        let mut out = [GupRange::EMPTY; PAGES as usize];
        let request = Self::request(pages, GupKind::Pin, Access::Write);
        let request = GupRequest { longterm: Longterm::Long, ..request };
        let (taken, ranges) = self.gup(cpu, worker, map, page, request, &mut out)?;
        let pinned = &out[..ranges];
        let refusal = match self.rules().uring_files {
            _ if taken < pages => Errno::EFAULT,
            UringFiles::Pinned => {
                self.keep_buffer(cpu, self.worker(worker)?, pinned);
                return Ok(0);
            }
            // Every mapping here is of a file, which is looked at once its pages are pinned (`io_pin_pages`).
            UringFiles::Refused => Errno::EOPNOTSUPP,
        };
        pinned.iter().for_each(|range| self.put_range(cpu, range));
        Err(refusal.into())
    }

    /// What was pinned is the worker's from now on.
    fn keep_buffer(&self, cpu: &Cpu<'_>, worker: &Worker, pinned: &[GupRange]) {
        // A worker does one thing at a time, so there is no buffer still.
        let buffer = &mut worker.pins.lock(cpu).buffer;
        for (slot, range) in buffer.ranges.iter_mut().zip(pinned) {
            *slot = *range;
            self.dax.vm.gup_hand_over(cpu, range, Hold::Task, range.hold());
        }
        buffer.len = pinned.len() as u32;
    }

    /// `IORING_UNREGISTER_BUFFERS`.
    ///
    /// # Errors
    /// `ENXIO` when nothing is registered.
    #[doc(alias = "io_sqe_buffers_unregister")]
    pub fn uring_unregister(&self, cpu: &Cpu<'_>, worker: WorkerId) -> Return {
        match self.release_buffer(cpu, self.worker(worker)?) {
            0 => Err(Errno::ENXIO.into()),
            _ => Ok(0),
        }
    }

    /// Gives a worker's buffer back, in the order of its pages. Returns ranges.
    pub(super) fn release_buffer(&self, cpu: &Cpu<'_>, worker: &Worker) -> usize {
        let released = {
            let buffer = &mut worker.pins.lock(cpu).buffer;
            let released = *buffer;
            buffer.len = 0;
            let hand_over =
                |range: &GupRange| self.dax.vm.gup_hand_over(cpu, range, range.hold(), Hold::Task);
            released.pinned().iter().for_each(hand_over);
            released
        };
        released.pinned().iter().for_each(|range| self.put_range(cpu, range));
        released.pinned().len()
    }
}
