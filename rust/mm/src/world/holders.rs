//! Who holds a page, as values.
//!
//! A report puts them into words; whoever judges a wait asks who could end it, and must not read that out of a
//! sentence. Pins, buffers, pipes and I/O are found in tables; what a call in progress has in its hands only the
//! ledger knows, so natively nobody does.

use core::fmt;

use alloc::vec::Vec;

use prim::Cpu;
use program::op::{PipeNo, WorkerId};

use crate::page::{Hold, Pfn};
use crate::world::World;
use crate::world::fds::{End, Open};
use crate::world::party::Party;

/// What keeps a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// A pin or get, by the number of its step.
    Pin { worker: WorkerId, number: u32 },
    /// The worker's registered buffer.
    Registered { worker: WorkerId },
    /// A pipe, and how many of its buffers are read before the last one with this page.
    Pipe { pipe: u32, before: u32 },
    /// I/O that the worker began.
    InFlight { worker: WorkerId },
    /// A call that is not over.
    Call(Party),
    /// Page table entries.
    Mappings(i32),
}

impl HeldBy {
    /// The worker that can let go of it, if it is one's.
    #[must_use]
    pub fn worker(self) -> Option<WorkerId> {
        match self {
            Self::Pin { worker, .. } | Self::Registered { worker } => Some(worker),
            Self::Call(party) => party.worker,
            Self::Pipe { .. } | Self::InFlight { .. } | Self::Mappings(_) => None,
        }
    }
}

impl HeldBy {
    /// The call that took it, or that has it in its hands, by the name of the table of operations.
    #[must_use]
    pub fn call(self) -> Option<&'static str> {
        match self {
            Self::Pin { .. } => Some("pin"),
            Self::Call(party) => party.call(),
            Self::Registered { .. }
            | Self::Pipe { .. }
            | Self::InFlight { .. }
            | Self::Mappings(_) => None,
        }
    }
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin { worker, number } => write!(f, "{worker} pin {number}"),
            Self::Registered { worker } => write!(f, "{worker} registered buffer"),
            Self::Pipe { pipe, .. } => write!(f, "pipe #{pipe}"),
            Self::InFlight { worker } => write!(f, "{worker} I/O in flight"),
            Self::Call(party) => write!(f, "{party}, a call in progress"),
            Self::Mappings(mapped) => write!(f, "{mapped} mapping(s)"),
        }
    }
}

/// Something that holds a reference on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who, and through what.
    pub by: HeldBy,
    /// Pages of the folio it holds.
    pub pages: u32,
}

/// The numbers of a worker's pins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PinNumbers {
    /// Those it holds, as [`HeldBy::Pin`] has them.
    pub held: Vec<u32>,
    /// The next one it takes.
    pub next: u32,
}

impl World {
    /// Everything known to hold a reference on the folio around `pfn`: pins, buffers, pipes, I/O, mappings.
    #[must_use]
    pub fn holders(&self, cpu: &Cpu<'_>, pfn: Pfn) -> Vec<Holder> {
        let head = self.pagemaps().memmap.folio(pfn).pfn();
        let same = |first: Pfn| self.pagemaps().memmap.folio(first).pfn() == head;
        let mut all = Vec::new();
        for (number, place) in (0..).zip(self.workers.iter()) {
            let worker = WorkerId(number);
            let pins = { *place.pins.lock(cpu) };
            for pinned in
                pins.held.iter().filter(|slot| slot.number != 0 && same(slot.range.first()))
            {
                let by = HeldBy::Pin { worker, number: pinned.number - 1 };
                all.push(Holder { by, pages: pinned.range.pages });
            }
            let held = pins.buffer.pinned().iter().filter(|range| same(range.first()));
            let by = HeldBy::Registered { worker };
            all.extend(held.map(|range| Holder { by, pages: range.pages }));
        }
        for pipe in self.pipes.iter_live() {
            let ring = { *self.pipes[pipe].ring.lock(cpu) };
            let buffers = (0..).zip(&ring.buffers[..ring.len as usize]);
            let held = buffers.filter(|(_, range)| same(range.first()));
            all.extend(held.map(|(before, range)| Holder {
                by: HeldBy::Pipe { pipe, before },
                pages: range.pages,
            }));
        }
        for bio in self.bios.iter_live() {
            let segments = { *self.bios[bio].segments.lock(cpu) };
            let worker = WorkerId(segments.worker as u8);
            let held =
                segments.ranges[..segments.len as usize].iter().filter(|range| same(range.first()));
            let by = HeldBy::InFlight { worker };
            all.extend(held.map(|range| Holder { by, pages: range.pages }));
        }
        let mapped = self.pagemaps().memmap.folio(pfn).mapcount();
        if mapped > 0 {
            all.push(Holder { by: HeldBy::Mappings(mapped), pages: 1 });
        }
        all
    }

    /// Calls in progress that have the folio around `pfn` in their hands, as far as the ledger tells: for each
    /// way to do that the last one. Natively nobody.
    #[must_use]
    pub fn calls_holding(&self, pfn: Pfn) -> Vec<Holder> {
        let Some(owners) = self.pagemaps().memmap.owners(pfn) else { return Vec::new() };
        let in_hands = [Hold::Task, Hold::Batch].into_iter().filter(|hold| owners.of(*hold) > 0);
        let holder = |hold| Holder { by: HeldBy::Call(Party::of(owners.last(hold))), pages: 1 };
        in_hands.map(holder).collect()
    }

    /// The pins a worker has, by number; none for a number too high.
    #[must_use]
    pub fn pin_numbers(&self, cpu: &Cpu<'_>, worker: WorkerId) -> PinNumbers {
        let Ok(place) = self.worker(worker) else { return PinNumbers::default() };
        let pins = place.pins.lock(cpu);
        let numbers = pins.held.iter().map(|slot| slot.number);
        let held = numbers.filter(|number| *number != 0).map(|number| number - 1);
        PinNumbers { held: held.collect(), next: pins.next }
    }

    /// The pipe that a worker reads from under a number.
    #[must_use]
    pub fn pipe_of(&self, cpu: &Cpu<'_>, worker: WorkerId, number: PipeNo) -> Option<u32> {
        self.proc(worker).ok()?.handles.lock(cpu).fds.pipe(number, End::Read)
    }

    /// Whether a worker that runs has a descriptor of a pipe.
    #[must_use]
    pub fn has_pipe(&self, cpu: &Cpu<'_>, worker: WorkerId, pipe: u32) -> bool {
        let Ok(proc) = self.proc(worker) else { return false };
        let handles = proc.handles.lock(cpu);
        handles.fds.all().any(|open| matches!(open, Open::Pipe(theirs, _) if theirs == pipe))
    }

    /// Whether more than one process has a pipe, or a call uses it.
    #[must_use]
    pub fn pipe_is_shared(&self, pipe: u32) -> bool {
        self.pipes[pipe].is_shared()
    }
}

#[cfg(test)]
mod tests {
    use program::op::call_number;

    use super::*;

    #[test]
    fn what_is_pinned_was_pinned_by_a_call_of_the_table() {
        let pin = HeldBy::Pin { worker: WorkerId(0), number: 0 };
        assert!(pin.call().is_some_and(|call| call_number(call) != 0));
    }
}
