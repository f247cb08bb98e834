//! References by number: pins, and reads through somebody else's memory.
//!
//! They are what truncate, eviction and unbind wait for. A worker's pins are given back when it exits, and so is its
//! registered buffer; pipes and I/O in flight, which may outlive their maker, are next door, too.

use prim::Cpu;
use program::Errno;
use program::op::{
    Access, DmaRead, DmaWrite, Get, Longterm, MapNo, Pin, PinNo, Pvmread, Unpin, WorkerId,
};

use crate::page::{Hold, Stamp};
use crate::vm::{GupKind, GupRange, GupRequest, MmId, Vpn};
use crate::world::process::{MapSlot, PAGES, Pinned, Pins, Worker};
use crate::world::{PAGE_SIZE, Return, World};

/// Ranges one call can take.
const BATCH: usize = 32;
/// Numbers a worker's pins can have: what [`PinNo`] can name.
const NUMBERS: u32 = u16::MAX as u32 + 1;

/// A number for a pin, from 1, and the ranges there is room for under it.
#[derive(Clone, Copy, Debug)]
#[must_use = "the number is used up"]
pub struct PinTicket {
    number: u32,
    room: usize,
}

impl PinTicket {
    /// How a program names the pin, from 0.
    #[must_use]
    pub fn pin(self) -> u32 {
        self.number - 1
    }
}

impl Pins {
    /// The number after the last one that nothing is held under, as `idr_alloc_cyclic` gives them out:
    /// one that was given back comes round again, and until then numbers count calls.
    fn next_number(&mut self) -> u32 {
        loop {
            self.next = self.next % NUMBERS + 1;
            // At most [`PINS`](super::process::PINS) are held.
            if self.held.iter().all(|slot| slot.number != self.next) {
                return self.next;
            }
        }
    }

    /// Calls since a number was given out, at most: numbers come round.
    fn age(&self, number: u32) -> u32 {
        (self.next + NUMBERS - number) % NUMBERS
    }

    fn room(&self, pins_max: u16) -> usize {
        let held = self.held.iter().filter(|slot| slot.number != 0).count();
        usize::from(pins_max).saturating_sub(held)
    }
}

impl World {
    /// GUP on a mapping by number.
    pub(super) fn gup(
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
        self.gup_at(cpu, mm, slot, page, request, out)
    }

    fn gup_at(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        slot: MapSlot,
        page: u32,
        request: GupRequest,
        out: &mut [GupRange],
    ) -> Result<(u32, usize), Errno> {
        let start = slot.start.checked_add(page).ok_or(Errno::EFAULT)?;
        if request.pages == 0 || request.pages > PAGES {
            return Err(Errno::EINVAL);
        }
        let request = GupRequest { start: Vpn(start), ..request };
        self.gup_kept(cpu, mm, &request, out)
    }

    pub(super) fn request(pages: u32, kind: GupKind, access: Access) -> GupRequest {
        GupRequest { start: Vpn(0), pages, kind, access, longterm: Longterm::Short }
    }

    /// `pin_user_pages`, kept under the worker's next number. Returns pages taken.
    ///
    /// # Errors
    /// As GUP (`EFAULT`, `EOPNOTSUPP`, `ENOMEM`), and `ENOMEM` when the worker holds too many.
    #[doc(alias = "pin_user_pages")]
    pub fn pin(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Pin) -> Return {
        let ticket = self.next_pin(cpu, worker)?;
        self.pin_numbered(cpu, worker, ticket, GupKind::Pin, op)
    }

    /// `get_user_pages` to read, kept as a pin is.
    ///
    /// # Errors
    /// As [`Self::pin`].
    #[doc(alias = "get_user_pages")]
    pub fn get(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Get) -> Return {
        let ticket = self.next_pin(cpu, worker)?;
        self.pin_numbered(cpu, worker, ticket, GupKind::Get, &Pin::from(*op))
    }

    /// Uses up the worker's next number. A failing call uses one up too: programs count steps, not
    /// successes. What there is no room for is refused here, before any reference is taken.
    ///
    /// # Errors
    /// `ESRCH` when the worker does not run, `ENOMEM` when it holds too many.
    pub fn next_pin(&self, cpu: &Cpu<'_>, worker: WorkerId) -> Result<PinTicket, Errno> {
        self.proc_of(worker)?;
        let mut pins = self.worker(worker)?.pins.lock(cpu);
        let number = pins.next_number();
        match pins.room(self.geometry.pins_max) {
            0 => Err(Errno::ENOMEM),
            room => Ok(PinTicket { number, room }),
        }
    }

    /// References of either kind, under a number from [`Self::next_pin`]. Takes fewer pages than asked where
    /// there is room for no more.
    ///
    /// # Errors
    /// As [`Self::pin`].
    #[doc(alias = "pin_user_pages")]
    pub fn pin_numbered(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        ticket: PinTicket,
        kind: GupKind,
        op: &Pin,
    ) -> Return {
        let Pin { map, page, pages, longterm, access } = *op;
        let request = GupRequest { longterm, ..Self::request(pages, kind, access) };
        let mut out = [GupRange::EMPTY; BATCH];
        let out = &mut out[..ticket.room.min(BATCH)];
        let (taken, ranges) = self.gup(cpu, worker, map, page, request, out)?;
        self.keep_numbered(cpu, worker, ticket, &out[..ranges])?;
        Ok(taken.into())
    }

    /// What a call took is the worker's from now on, under this number.
    #[track_caller]
    pub(super) fn keep_numbered(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        PinTicket { number, .. }: PinTicket,
        taken: &[GupRange],
    ) -> Result<(), Errno> {
        // A worker does one thing at a time, so the room is still there.
        let mut pins = self.worker(worker)?.pins.lock(cpu);
        let free = pins.held.iter_mut().filter(|slot| slot.number == 0);
        for (slot, range) in free.zip(taken) {
            *slot = Pinned { number, range: *range };
            self.dax.vm.gup_hand_over(cpu, range, Hold::Task, range.hold());
        }
        Ok(())
    }

    /// `unpin_user_pages`: gives a numbered pin back, the most recent one by default. Returns pages.
    ///
    /// # Errors
    /// `EINVAL` when there is no such pin.
    #[doc(alias = "unpin_user_pages")]
    pub fn unpin(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Unpin) -> Return {
        let number = self.pin_number(cpu, worker, op.pin)?;
        Ok(self.unpin_number(cpu, self.worker(worker)?, number).into())
    }

    fn unpin_number(&self, cpu: &Cpu<'_>, worker: &Worker, number: u32) -> u32 {
        let mut pages = 0;
        while let Some(range) = self.take_pinned(cpu, worker, number) {
            self.put_range(cpu, &range);
            pages += range.pages;
        }
        pages
    }

    fn take_pinned(&self, cpu: &Cpu<'_>, worker: &Worker, number: u32) -> Option<GupRange> {
        let mut pins = worker.pins.lock(cpu);
        let slot = pins.held.iter_mut().find(|slot| slot.number == number)?;
        slot.number = 0;
        let range = slot.range;
        self.dax.vm.gup_hand_over(cpu, &range, range.hold(), Hold::Task);
        Some(range)
    }

    fn pin_number(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        pin: Option<PinNo>,
    ) -> Result<u32, Errno> {
        let pins = self.worker(worker)?.pins.lock(cpu);
        let numbers = pins.held.iter().map(|slot| slot.number).filter(|n| *n != 0);
        match pin {
            None => numbers.min_by_key(|number| pins.age(*number)).ok_or(Errno::EINVAL),
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

    /// A device writes the first page of every range of a pin.
    ///
    /// # Errors
    /// `EINVAL` when there is no such pin.
    pub fn dma_write(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &DmaWrite) -> Return {
        Ok(self.dma(cpu, worker, op.pin, Some(&|_| op.value)).map(|_| 0)?)
    }

    /// A device reads them. Returns what the first one held.
    ///
    /// # Errors
    /// `EINVAL` when there is no such pin.
    pub fn dma_read(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &DmaRead) -> Return {
        Ok(self.dma(cpu, worker, op.pin, None).map(u64::cast_signed)?)
    }

    /// A device reads, or writes, the first page of every range of a pin. Returns what the first page
    /// held before.
    ///
    /// # Errors
    /// `EINVAL` when there is no such pin.
    pub(super) fn dma(
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
            let (registered, number) = {
                let pins = worker.pins.lock(cpu);
                let last = pins.held.iter().map(|slot| slot.number).max().unwrap_or(0);
                (pins.buffer.is_registered(), last)
            };
            match (registered, number) {
                (true, _) => {
                    self.release_buffer(cpu, worker);
                }
                (false, 0) => break,
                (false, number) => {
                    self.unpin_number(cpu, worker, number);
                }
            }
        }
        worker.pins.lock(cpu).next = 0;
    }

    /// `process_vm_readv`: pins that are gone when the call returns. Returns bytes.
    ///
    /// # Errors
    /// `ESRCH`, `EFAULT`.
    pub fn process_vm_readv(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &Pvmread) -> Return {
        let Pvmread { target, map, page, pages } = *op;
        let id = self.get_proc(cpu, target)?;
        let mut out = [GupRange::EMPTY; BATCH];
        let request = Self::request(pages, GupKind::Pin, Access::Read);
        // By the process that is kept: the worker may run in another one by now.
        let proc = &self.procs[id.0];
        let taken = Self::slot_of(cpu, proc, map)
            .map_err(|_| Errno::EFAULT)
            .and_then(|slot| self.gup_at(cpu, MmId(proc.mm.read()), slot, page, request, &mut out));
        if let Ok((_, ranges)) = taken {
            for range in &out[..ranges] {
                self.dax.vm.dma(cpu, range, None);
                self.put_range(cpu, range);
            }
        }
        self.leave(cpu, id);
        Ok(taken.map(|(pages, _)| i64::from(pages) * PAGE_SIZE)?)
    }
}
