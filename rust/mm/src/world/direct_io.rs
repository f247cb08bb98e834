//! O_DIRECT: pages pinned for as long as a slow device works on them (`block/bio.c`).
//!
//! Devices have no clock of their own here: I/O completes at once, after a number of steps of virtual
//! time, or when told.

use prim::{
    AtomicU32, Cpu, Guarded, LockClass, Sleep, SpinLock, WaitClass, Waiting, plain, wait_event,
    wake_up_all, zeroed,
};
use program::Errno;
use program::op::{Access, DioRead, DioWrite, FdNo, MapNo, WorkerId};
use program::rules::DioRef;

use crate::lock_order;
use crate::page::Hold;
use crate::vm::{GupKind, GupRange};
use crate::world::file_refs::Context;
use crate::world::{PAGE_SIZE, Return, World};

/// Ranges one I/O can cover.
const SEGMENTS: usize = 16;

/// The wait of direct I/O for its device; its object is a bio.
pub const IN_FLIGHT: WaitClass = WaitClass::event("I/O in flight");

plain! {
    /// What a device is working on.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Segments {
        pub(super) len: u32,
        pub(super) ranges: [GupRange; SEGMENTS],
        /// Virtual time at which it is done; 0 means when told.
        due: u32,
        /// 1 when the device writes memory.
        into_memory: u32,
        pub(super) worker: u32,
    }
}

impl Guarded for Segments {
    const CLASS: LockClass = lock_order::BIO;
}

zeroed! {
    /// I/O in flight.
    #[derive(Debug)]
    pub(crate) struct Bio {
        pub(super) segments: SpinLock<Segments>,
        /// 1 once it completed.
        done: AtomicU32,
    }
}

/// I/O in either direction.
struct Io {
    device: FdNo,
    map: MapNo,
    page: u32,
    pages: u32,
    /// Steps until it is done; none: when time passes.
    ticks: Option<u32>,
    /// What the device does to memory.
    memory: Access,
}

impl World {
    /// O_DIRECT from memory to the slow block device: the pages are pinned while it works. Returns bytes.
    ///
    /// # Errors
    /// `EBADF` unless `device` is the slow block device, `EFAULT`, `ENOMEM`.
    pub fn dio_write(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &DioWrite) -> Return {
        let DioWrite { device, map, page, pages, ticks } = *op;
        let memory = Access::Read;
        self.direct_io(cpu, worker, &Io { device, map, page, pages, ticks, memory })
    }

    /// The other way round, into memory.
    ///
    /// # Errors
    /// As [`Self::dio_write`].
    pub fn dio_read(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &DioRead) -> Return {
        let DioRead { device, map, page, pages, ticks } = *op;
        let memory = Access::Write;
        self.direct_io(cpu, worker, &Io { device, map, page, pages, ticks, memory })
    }

    fn direct_io(&self, cpu: &Cpu<'_>, worker: WorkerId, io: &Io) -> Return {
        let Io { device, map, page, pages, ticks, memory } = *io;
        if !self.is_slow_block(cpu, worker, device)? {
            return Err(Errno::EBADF.into());
        }
        let mut ranges = [GupRange::EMPTY; SEGMENTS];
        let kind = match self.rules().dio_ref {
            DioRef::Pin => GupKind::Pin,
            DioRef::Get => GupKind::Get,
        };
        let request = Self::request(pages, kind, memory);
        let into_memory = u32::from(memory == Access::Write);
        let due = match ticks {
            Some(0) => {
                let (taken, len) = self.gup(cpu, worker, map, page, request, &mut ranges)?;
                self.end_io(cpu, &ranges[..len], into_memory, Context::Task);
                return Ok(i64::from(taken) * PAGE_SIZE);
            }
            Some(steps) => self.now().saturating_add(steps),
            None => 0,
        };
        // As in the kernel, there is a bio before its pages are taken.
        let bio = self.bios.alloc(cpu).map_err(|_| Errno::ENOMEM)?;
        let taken = self.gup(cpu, worker, map, page, request, &mut ranges);
        let (taken, len) = taken.inspect_err(|_| self.bios.free(cpu, bio))?;
        let this = &self.bios[bio];
        this.done.set(0);
        {
            let mut segments = this.segments.lock(cpu);
            *segments =
                Segments { len: len as u32, ranges, due, into_memory, worker: worker.0.into() };
            self.bio_owns(cpu, &ranges[..len], Hold::Task, Hold::Bio);
        }
        let waiting = Waiting { class: &IN_FLIGHT, object: bio.into(), owner: 0 };
        // Uninterruptible: comes back completed.
        let _ = wait_event(cpu, &this.done, Sleep::Uninterruptible, waiting, || {
            this.done.read_acquire() == 1
        });
        self.bios.free(cpu, bio);
        Ok(i64::from(taken) * PAGE_SIZE)
    }

    /// Virtual time passes one step; I/O that is due completes.
    pub fn advance_clock(&self, cpu: &Cpu<'_>) {
        let now = self.clock[0].inc_return();
        self.complete_bios(cpu, |io| io.due != 0 && io.due <= now);
    }

    /// What `worker` has in flight completes, whatever its time; for whoever knows the device's time.
    pub fn complete_io_of(&self, cpu: &Cpu<'_>, worker: WorkerId) {
        self.complete_bios(cpu, |io| io.worker == u32::from(worker.0));
    }

    /// Time passes: all I/O in flight completes.
    ///
    /// # Errors
    /// None.
    pub fn sleep(&self, cpu: &Cpu<'_>, _worker: WorkerId) -> Return {
        self.complete_io(cpu);
        Ok(0)
    }

    /// All I/O in flight completes, whatever its time.
    pub fn complete_io(&self, cpu: &Cpu<'_>) {
        self.complete_bios(cpu, |_| true);
    }

    fn complete_bios(&self, cpu: &Cpu<'_>, is_due: impl Fn(&Segments) -> bool) {
        for bio in self.bios.iter_live() {
            let this = &self.bios[bio];
            let segments = {
                let mut segments = this.segments.lock(cpu);
                if segments.len == 0 || !is_due(&segments) {
                    continue;
                }
                let all = *segments;
                segments.len = 0;
                self.bio_owns(cpu, &all.ranges[..all.len as usize], Hold::Bio, Hold::Task);
                all
            };
            let ranges = &segments.ranges[..segments.len as usize];
            self.end_io(cpu, ranges, segments.into_memory, Context::Completion);
            // Release: pairs with the acquire of the waiting submitter.
            this.done.set_release(1);
            wake_up_all(cpu, &this.done);
        }
    }

    fn bio_owns(&self, cpu: &Cpu<'_>, ranges: &[GupRange], from: Hold, to: Hold) {
        ranges.iter().for_each(|range| self.dax.vm.gup_hand_over(cpu, range, from, to));
    }

    /// The device is done: it has moved the data, and lets the pages go.
    fn end_io(&self, cpu: &Cpu<'_>, ranges: &[GupRange], into_memory: u32, context: Context) {
        for range in ranges {
            let before = self.dax.vm.dma(cpu, range, None);
            if into_memory == 1 {
                // The slow device gives back what was last written to it: here, what was there.
                self.dax.vm.dma(cpu, range, Some(&|_| before));
            }
            self.put_bio_range(cpu, range, context);
        }
    }
}
