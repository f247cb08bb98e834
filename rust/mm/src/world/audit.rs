//! The ledger against the tables: every owner it knows is found where such owners are kept (K§10 I03).
//!
//! Exact in the middle of other calls: a reference is a page table entry's, a pin's, a pipe's from the very
//! step that stores it there until the one that takes it out, and belongs to a call in progress before and
//! after. Only a table whose lock somebody holds is left out. No step is taken, and natively nothing is done.
//!
//! The driver's pool is such a table, as are the free lists of the program's drivers, and says more: a page on its free list is in use by nobody. It is
//! marked there after its count came to zero, and taken off before it is allocated.

use alloc::vec::Vec;

use prim::{Cpu, Ghost};

use crate::devmem::Pooled;
use crate::page::{Hold, Memmap, Pfn};
use crate::vm::{GupKind, GupRange};
use crate::warn::{Complaint, warn_on};
use crate::world::World;

/// Owners that are kept in tables, in the order of [`Found::refs`].
const KEPT: [Hold; 6] = [Hold::Mapping, Hold::Get, Hold::Pin, Hold::Pipe, Hold::Bio, Hold::Driver];

/// What the tables hold.
struct Found<'a> {
    memmap: &'a Memmap,
    /// References by frame of the head.
    refs: Vec<[i32; KEPT.len()]>,
    /// Some table of the kind is locked.
    unsure: [bool; KEPT.len()],
    /// A frame of the driver's free list that is in use.
    free_in_use: Option<Pfn>,
}

impl Found<'_> {
    fn place(hold: Hold) -> usize {
        KEPT.iter().position(|kept| *kept == hold).unwrap_or(0)
    }

    fn range(&mut self, hold: Hold, range: &GupRange) {
        let pinned = range.kind() == GupKind::Pin;
        let (head, refs) = self.memmap.peek_refs(range.first(), range.pages, pinned);
        self.refs[head.as_index()][Self::place(hold)] += refs;
    }

    /// A table of these kinds could not be looked at.
    fn unless_seen(&mut self, seen: Option<()>, holds: &[Hold]) {
        if seen.is_none() {
            holds.iter().for_each(|hold| self.unsure[Self::place(*hold)] = true);
        }
    }

    /// The first frame whose owners are not those found, and the kind.
    fn difference(&self) -> Option<(Pfn, Hold)> {
        let frames = (0..).map(Pfn).zip(&self.refs);
        frames.filter(|(pfn, _)| *pfn != Pfn::ZERO_PAGE).find_map(|(pfn, found)| {
            let owners = self.memmap.owners_of_frame(pfn)?;
            let differs = |at: &usize| !self.unsure[*at] && owners.of(KEPT[*at]) != found[*at];
            (0..KEPT.len()).find(differs).map(|at| (pfn, KEPT[at]))
        })
    }
}

impl World {
    /// Complains when the ledger and the tables differ. For the end of an operation.
    pub fn audit(&self, cpu: &Cpu<'_>) {
        // A ghost of its own: what is done with it is done only when explored.
        Ghost::<()>::new().with(|()| {
            let found = self.found();
            if let Some((pfn, hold)) = found.difference() {
                warn_on(cpu, Complaint::OwnerNotFound, pfn, hold as i64);
            }
            if let Some(pfn) = found.free_in_use {
                let count = found.memmap.page(pfn).refcount.peek();
                warn_on(cpu, Complaint::FreePageOwned, pfn, count.into());
            }
            self.dax.vm.peek_migrating(|pfn| {
                let folio = found.memmap.folio_at(found.memmap.page(pfn).peek_head(pfn));
                if folio.page().peek_flags().locker() == 0 {
                    let count = folio.page().refcount.peek();
                    warn_on(cpu, Complaint::MigrationUnlocked, pfn, count.into());
                }
            });
            self.pagemaps().audit(cpu);
            self.dax.audit(cpu);
        });
    }

    fn found(&self) -> Found<'_> {
        let memmap = &self.dax.vm.pagemaps.memmap;
        let refs = Vec::from_iter((0..memmap.frames()).map(|_| [0; KEPT.len()]));
        let unsure = [false; KEPT.len()];
        let mut found = Found { memmap, refs, unsure, free_in_use: None };
        self.dax.vm.peek_present(|leaf| {
            let Some(pfn) = leaf.normal_page() else { return };
            let (head, refs) = memmap.peek_refs(pfn, 1, false);
            found.refs[head.as_index()][Found::place(Hold::Mapping)] += refs;
        });
        for worker in self.workers.iter() {
            let seen = worker.pins.peek(|pins| {
                // The lowest free places are taken first.
                let held = pins.held.iter().take(self.geometry.pins_max.into());
                held.filter(|slot| slot.number != 0)
                    .for_each(|slot| found.range(slot.range.hold(), &slot.range));
                let buffer = pins.buffer.pinned().iter();
                buffer.for_each(|range| found.range(range.hold(), range));
            });
            found.unless_seen(seen, &[Hold::Get, Hold::Pin]);
        }
        for pipe in (0..).map_while(|pipe| self.pipes.get(pipe)) {
            let seen = pipe.ring.peek(|ring| {
                let held = ring.buffers.iter().take(ring.len as usize);
                held.for_each(|range| found.range(Hold::Pipe, range));
            });
            found.unless_seen(seen, &[Hold::Pipe]);
        }
        for bio in (0..).map_while(|bio| self.bios.get(bio)) {
            let seen = bio.segments.peek(|io| {
                let held = io.ranges.iter().take(io.len as usize);
                held.for_each(|range| found.range(Hold::Bio, range));
            });
            found.unless_seen(seen, &[Hold::Bio]);
        }
        let seen = self.devmem.peek(|pfn, says| match says {
            Pooled::Out(refs) => {
                found.refs[pfn.as_index()][Found::place(Hold::Driver)] += i32::from(refs);
            }
            Pooled::Free if self.pagemaps().peek_is_free(pfn) => {}
            Pooled::Free => found.free_in_use = Some(pfn),
        });
        found.unless_seen(seen, &[Hold::Driver]);
        let seen = self.devmem.drivers.peek_kept(|pfn| {
            let (head, refs) = memmap.peek_refs(pfn, 1, false);
            found.refs[head.as_index()][Found::place(Hold::Driver)] += refs;
        });
        found.unless_seen(seen, &[Hold::Driver]);
        self.devmem.drivers.peek_free(memmap, |pfn| {
            if !self.pagemaps().peek_is_free(pfn) {
                found.free_in_use = Some(pfn);
            }
        });
        found
    }
}
