//! References that outlive the call that took them: pins, pipes, registered buffers, I/O in flight.
//!
//! They are what truncate, eviction and unbind wait for, and they may outlive their maker: a pipe is
//! inherited by fork and keeps its pages when the process that spliced them is dead.

use prim::{
    AtomicU32, Cpu, Guarded, LockClass, Sleep, SpinLock, WaitClass, Waiting, plain, wait_event,
    wake_up_all, zeroed,
};
use program::Errno;
use program::op::{FdNo, Longterm as OpLongterm, MapNo, PinNo, PipeNo, WorkerId};

use crate::page::Stamp;
use crate::vm::{GupKind, GupRange, GupRequest, Longterm, Permission, Vpn};
use crate::world::process::{Pinned, REGISTERED, Worker};
use crate::world::{PAGE_SIZE, Return, World};

/// Buffers a pipe holds.
pub(super) const SLOTS: usize = program::geometry::PIPE_SLOTS_MAX as usize;
/// Ranges one I/O can cover.
const SEGMENTS: usize = 16;
/// Ranges one call can take.
const BATCH: usize = 32;

static IN_FLIGHT: WaitClass = WaitClass { name: "I/O in flight" };

plain! {
    /// The buffers of a pipe, oldest first.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Ring {
        pub(super) len: u32,
        pub(super) buffers: [GupRange; SLOTS],
    }
}

impl Guarded for Ring {
    const CLASS: LockClass = LockClass { name: "pipe", rank: 93 };
}

zeroed! {
    /// A pipe.
    #[derive(Debug)]
    pub(crate) struct Pipe {
        users: AtomicU32,
        pub(super) ring: SpinLock<Ring>,
    }
}

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
    const CLASS: LockClass = LockClass { name: "bio", rank: 94 };
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

/// When I/O completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completes {
    /// Before the call returns.
    AtOnce,
    /// This many steps from now.
    In(u32),
    /// When time passes ([`World::complete_io`]).
    WhenTold,
}

impl World {
    /// GUP on a mapping by number.
    fn gup(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        map: MapNo,
        page: u32,
        request: GupRequest,
        out: &mut [GupRange],
    ) -> Result<(u32, usize), Errno> {
        let mm = self.mm_of(worker)?;
        let slot = self.map_slot(cpu, worker, map).map_err(|_| Errno::EFAULT)?;
        let start = slot.start.checked_add(page).ok_or(Errno::EFAULT)?;
        if request.pages == 0 || request.pages as usize > SEGMENTS * 64 {
            return Err(Errno::EINVAL);
        }
        let request = GupRequest { start: Vpn(start), ..request };
        self.dax.vm.gup(cpu, mm, &request, &self.dax, out)
    }

    fn request(pages: u32, kind: GupKind, access: Permission) -> GupRequest {
        GupRequest { start: Vpn(0), pages, kind, access, longterm: Longterm::No }
    }

    /// `pin_user_pages` or `get_user_pages`, kept under the worker's next number. Returns pages taken.
    ///
    /// # Errors
    /// As GUP (`EFAULT`, `EOPNOTSUPP`, `ENOMEM`), and `ENOMEM` when the worker holds too many.
    #[expect(clippy::too_many_arguments, reason = "the system call has as many")]
    pub fn pin(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        map: MapNo,
        page: u32,
        pages: u32,
        kind: GupKind,
        access: Permission,
        longterm: OpLongterm,
    ) -> Return {
        let number = self.next_pin(cpu, worker)?;
        self.pin_numbered(cpu, worker, number, map, page, pages, kind, access, longterm)
    }

    /// Uses up the worker's next number, from 1. A failing call uses one up too: programs count steps,
    /// not successes.
    ///
    /// # Errors
    /// `ESRCH` when the worker does not run.
    pub fn next_pin(&self, cpu: &Cpu<'_>, worker: WorkerId) -> Result<u32, Errno> {
        self.proc_of(worker)?;
        let mut pins = self.worker(worker)?.pins.lock(cpu);
        pins.next += 1;
        Ok(pins.next)
    }

    /// As [`Self::pin`], under a number from [`Self::next_pin`].
    ///
    /// # Errors
    /// As [`Self::pin`].
    #[expect(clippy::too_many_arguments, reason = "the system call has as many")]
    pub fn pin_numbered(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        number: u32,
        map: MapNo,
        page: u32,
        pages: u32,
        kind: GupKind,
        access: Permission,
        longterm: OpLongterm,
    ) -> Return {
        let longterm = if longterm == OpLongterm::Long { Longterm::Yes } else { Longterm::No };
        let request = GupRequest { longterm, ..Self::request(pages, kind, access) };
        self.pin_as(cpu, worker, map, page, request, number)
    }

    fn pin_as(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        map: MapNo,
        page: u32,
        request: GupRequest,
        number: u32,
    ) -> Return {
        let mut out = [GupRange::EMPTY; BATCH];
        let (taken, ranges) = self.gup(cpu, worker, map, page, request, &mut out)?;
        let room = {
            let mut pins = self.worker(worker)?.pins.lock(cpu);
            let used = pins.held.iter().filter(|slot| slot.number != 0).count();
            let room = used + ranges <= self.geometry.pins_max.into();
            if room {
                let free = pins.held.iter_mut().filter(|slot| slot.number == 0);
                free.zip(&out[..ranges])
                    .for_each(|(slot, range)| *slot = Pinned { number, range: *range });
            }
            room
        };
        if room {
            return Ok(taken.into());
        }
        out[..ranges].iter().for_each(|range| self.dax.vm.gup_put(cpu, range));
        Err(Errno::ENOMEM.into())
    }

    /// `unpin_user_pages`: gives a numbered pin back, the most recent one by default. Returns pages.
    ///
    /// # Errors
    /// `EINVAL` when there is no such pin.
    pub fn unpin(&self, cpu: &Cpu<'_>, worker: WorkerId, pin: Option<PinNo>) -> Return {
        let number = self.pin_number(cpu, worker, pin)?;
        Ok(self.unpin_number(cpu, self.worker(worker)?, number).into())
    }

    fn unpin_number(&self, cpu: &Cpu<'_>, worker: &Worker, number: u32) -> u32 {
        let mut pages = 0;
        while let Some(range) = Self::take_pinned(cpu, worker, number) {
            self.dax.vm.gup_put(cpu, &range);
            pages += range.pages;
        }
        pages
    }

    fn take_pinned(cpu: &Cpu<'_>, worker: &Worker, number: u32) -> Option<GupRange> {
        let mut pins = worker.pins.lock(cpu);
        let slot = pins.held.iter_mut().find(|slot| slot.number == number)?;
        slot.number = 0;
        Some(slot.range)
    }

    fn pin_number(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        pin: Option<PinNo>,
    ) -> Result<u32, Errno> {
        let pins = self.worker(worker)?.pins.lock(cpu);
        let numbers =
            pins.held.iter().map(|slot| slot.number).filter(|n| *n != 0 && *n != REGISTERED);
        match pin {
            None => numbers.max().ok_or(Errno::EINVAL),
            Some(pin) => {
                let wanted = u32::from(pin.0) + 1;
                numbers.into_iter().find(|n| *n == wanted).ok_or(Errno::EINVAL)
            }
        }
    }

    /// Pins a worker holds.
    #[must_use]
    pub fn pins_held(&self, cpu: &Cpu<'_>, worker: WorkerId) -> usize {
        let held = |worker: &Worker| {
            worker.pins.lock(cpu).held.iter().filter(|slot| slot.number != 0).count()
        };
        self.worker(worker).map_or(0, held)
    }

    /// A device reads, or writes, the first page of every range of a pin. Returns what the first page
    /// held before.
    ///
    /// # Errors
    /// `EINVAL` when there is no such pin.
    pub fn dma(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        pin: Option<PinNo>,
        store: Option<&dyn Fn(Stamp) -> u64>,
    ) -> Result<u64, Errno> {
        let number = self.pin_number(cpu, worker, pin)?;
        let held = { self.worker(worker)?.pins.lock(cpu).held };
        let mut first = None;
        for slot in held.iter().filter(|slot| slot.number == number) {
            let before = self.dax.vm.dma(cpu, &slot.range, store);
            first.get_or_insert(before);
        }
        first.ok_or(Errno::EINVAL)
    }

    /// Gives back everything a worker holds; part of its exit.
    pub(super) fn release_pins(&self, cpu: &Cpu<'_>, worker: &Worker) {
        loop {
            let number = {
                let pins = worker.pins.lock(cpu);
                pins.held.iter().map(|slot| slot.number).max().unwrap_or(0)
            };
            if number == 0 {
                break;
            }
            self.unpin_number(cpu, worker, number);
        }
        worker.pins.lock(cpu).next = 0;
    }

    /// `IORING_REGISTER_BUFFERS`: a long-term pin. Returns 0.
    ///
    /// # Errors
    /// `EOPNOTSUPP` on a DAX file, as every kernel since long-term pins were refused there.
    pub fn uring_register(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        map: MapNo,
        page: u32,
        pages: u32,
    ) -> Return {
        let request = Self::request(pages, GupKind::Pin, Permission::Write);
        let request = GupRequest { longterm: Longterm::Yes, ..request };
        self.pin_as(cpu, worker, map, page, request, REGISTERED).map(|_| 0)
    }

    /// `IORING_UNREGISTER_BUFFERS`.
    ///
    /// # Errors
    /// `ENXIO` when nothing is registered.
    pub fn uring_unregister(&self, cpu: &Cpu<'_>, worker: WorkerId) -> Return {
        match self.unpin_number(cpu, self.worker(worker)?, REGISTERED) {
            0 => Err(Errno::ENXIO.into()),
            _ => Ok(0),
        }
    }

    /// `process_vm_readv`: pins that are gone when the call returns. Returns bytes.
    ///
    /// # Errors
    /// `ESRCH`, `EFAULT`.
    pub fn vm_read(
        &self,
        cpu: &Cpu<'_>,
        target: WorkerId,
        map: MapNo,
        page: u32,
        pages: u32,
    ) -> Return {
        let proc = self.get_proc(cpu, target)?;
        let mut out = [GupRange::EMPTY; BATCH];
        let request = Self::request(pages, GupKind::Pin, Permission::Read);
        let taken = self.gup(cpu, target, map, page, request, &mut out);
        if let Ok((_, ranges)) = taken {
            for range in &out[..ranges] {
                self.dax.vm.dma(cpu, range, None);
                self.dax.vm.gup_put(cpu, range);
            }
        }
        self.leave(cpu, proc);
        Ok(taken.map(|(pages, _)| i64::from(pages) * PAGE_SIZE)?)
    }

    /// `pipe`, under a number.
    ///
    /// # Errors
    /// `EMFILE`, `EBUSY` for a number in use.
    pub fn pipe(&self, cpu: &Cpu<'_>, worker: WorkerId, number: PipeNo) -> Return {
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

    /// `vmsplice(SPLICE_F_GIFT-less)`: plain references kept in a pipe. Returns bytes.
    ///
    /// # Errors
    /// `EBADF` for no such pipe, `EAGAIN` when it is full, `EFAULT` and `ENOMEM` from GUP.
    pub fn vmsplice(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        pipe: PipeNo,
        map: MapNo,
        page: u32,
        pages: u32,
    ) -> Return {
        let pipe = self.use_pipe(cpu, worker, pipe)?;
        let mut taken = 0;
        let mut failed = None;
        // A buffer holds one page.
        for at in 0..pages {
            let mut out = [GupRange::EMPTY; 1];
            let request = Self::request(1, GupKind::Get, Permission::Read);
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
    pub fn tee(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        from: PipeNo,
        to: PipeNo,
        pages: u32,
    ) -> Return {
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
                ring.buffers[..ring.len as usize].get(at).map(|range| self.dax.vm.gup_dup(range))
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
    pub fn drain(&self, cpu: &Cpu<'_>, worker: WorkerId, pipe: PipeNo, pages: u32) -> Return {
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

    /// O_DIRECT between memory and the slow block device: the pages are pinned while it works.
    /// Returns bytes.
    ///
    /// # Errors
    /// `EBADF` unless `device` is the slow block device, `EFAULT`, `ENOMEM`.
    #[expect(clippy::too_many_arguments, reason = "the system call has as many")]
    pub fn direct_io(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        device: FdNo,
        map: MapNo,
        page: u32,
        pages: u32,
        memory: Permission,
        completes: Completes,
    ) -> Return {
        if !self.is_slow_block(cpu, worker, device)? {
            return Err(Errno::EBADF.into());
        }
        let mut ranges = [GupRange::EMPTY; SEGMENTS];
        let request = Self::request(pages, GupKind::Pin, memory);
        let (taken, len) = self.gup(cpu, worker, map, page, request, &mut ranges)?;
        let bytes = i64::from(taken) * PAGE_SIZE;
        let into_memory = u32::from(memory == Permission::Write);
        let due = match completes {
            Completes::AtOnce => {
                self.end_io(cpu, &ranges[..len], into_memory);
                return Ok(bytes);
            }
            Completes::In(steps) => self.now().saturating_add(steps.max(1)),
            Completes::WhenTold => 0,
        };
        let Ok(bio) = self.bios.alloc(cpu) else {
            ranges[..len].iter().for_each(|range| self.dax.vm.gup_put(cpu, range));
            return Err(Errno::ENOMEM.into());
        };
        let this = &self.bios[bio];
        this.done.set(0);
        *this.segments.lock(cpu) =
            Segments { len: len as u32, ranges, due, into_memory, worker: worker.0.into() };
        let waiting = Waiting { class: &IN_FLIGHT, object: bio.into(), owner: 0 };
        // Uninterruptible: comes back completed.
        let _ = wait_event(cpu, &this.done, Sleep::Uninterruptible, waiting, || {
            this.done.read_acquire() == 1
        });
        self.bios.free(cpu, bio);
        Ok(bytes)
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
                all
            };
            self.end_io(cpu, &segments.ranges[..segments.len as usize], segments.into_memory);
            // Release: pairs with the acquire of the waiting submitter.
            this.done.set_release(1);
            wake_up_all(cpu, &this.done);
        }
    }

    /// The device is done: it has moved the data, and lets the pages go.
    fn end_io(&self, cpu: &Cpu<'_>, ranges: &[GupRange], into_memory: u32) {
        for range in ranges {
            let before = self.dax.vm.dma(cpu, range, None);
            if into_memory == 1 {
                // The slow device gives back what was last written to it: here, what was there.
                self.dax.vm.dma(cpu, range, Some(&|_| before));
            }
            self.dax.vm.gup_put(cpu, range);
        }
    }

    fn push_buffer(&self, cpu: &Cpu<'_>, pipe: u32, range: GupRange) -> bool {
        let mut ring = self.pipes[pipe].ring.lock(cpu);
        let len = ring.len as usize;
        let room = len < self.geometry.pipe_slots.into();
        if room {
            ring.buffers[len] = range;
            ring.len += 1;
        }
        room
    }

    fn pop_buffer(&self, cpu: &Cpu<'_>, pipe: u32) -> Option<GupRange> {
        let mut ring = self.pipes[pipe].ring.lock(cpu);
        let len = (ring.len as usize).checked_sub(1)?;
        let oldest = ring.buffers[0];
        ring.buffers.copy_within(1..=len, 0);
        ring.len -= 1;
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
