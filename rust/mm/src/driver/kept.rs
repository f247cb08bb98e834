//! The pages that workers have of drivers, each worker's in the order in which it took them.
//!
//! A reference is the driver's in the ledger from the moment it stands here until somebody takes it out to put it, under
//! the worker's lock both times. A worker that leaves leaves its pages here: they are the driver's.

use prim::{Cpu, Guarded, LockClass, plain};
use program::Errno;
use program::op::{DriverIdx, WORKERS_MAX, WorkerId};

use super::Drivers;
use crate::lock_order;
use crate::page::{Hold, Pfn};
use crate::pagemap::{PagemapId, Pagemaps};

/// Pages that one worker can have.
const PAGES_MAX: usize = 16;

plain! {
    /// A worker's pages.
    #[derive(Clone, Copy, Debug)]
    pub struct Kept {
        pages: [u32; PAGES_MAX],
        len: u32,
    }
}

impl Guarded for Kept {
    const CLASS: LockClass = lock_order::DRIVER_PAGES;
}

impl Kept {
    fn all(&self) -> &[u32] {
        &self.pages[..self.len as usize]
    }

    /// Whether there was room.
    fn push(&mut self, pfn: Pfn) -> bool {
        let place = self.pages.get_mut(self.len as usize);
        let room = place.is_some();
        if let Some(place) = place {
            *place = pfn.0;
            self.len += 1;
        }
        room
    }

    fn pop(&mut self) -> Option<Pfn> {
        let last = self.all().last().copied()?;
        self.len -= 1;
        Some(Pfn(last))
    }
}

impl Drivers {
    /// A driver's `alloc`, for a worker, who has the page from then on. Returns what `alloc` does.
    ///
    /// # Errors
    /// As `alloc`; `ENOMEM` when the worker has as many pages as it can.
    pub(crate) fn alloc_for(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        pagemap: PagemapId,
        (number, worker): (DriverIdx, WorkerId),
    ) -> Result<u32, Errno> {
        let made = self.alloc(cpu, pagemaps, pagemap, number)?;
        let folio = pagemaps.memmap.folio(made.pfn);
        let kept = {
            let mut kept = self.kept[worker.index()].lock(cpu);
            let room = kept.push(made.pfn);
            if room {
                folio.owners_move(cpu, Hold::Task, Hold::Driver, 1);
            }
            room
        };
        if !kept {
            pagemaps.folio_put_refs(cpu, folio, 1);
            return Err(Errno::ENOMEM);
        }
        Ok(made.value)
    }

    /// Puts the reference on the page that a worker took last and still has.
    ///
    /// # Errors
    /// `ENXIO` when it has none.
    pub(crate) fn put_last(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        worker: WorkerId,
    ) -> Result<(), Errno> {
        let folio = {
            let mut kept = self.kept[worker.index()].lock(cpu);
            let folio = pagemaps.memmap.folio(kept.pop().ok_or(Errno::ENXIO)?);
            folio.owners_move(cpu, Hold::Driver, Hold::Task, 1);
            folio
        };
        pagemaps.folio_put_refs(cpu, folio, 1);
        Ok(())
    }

    /// Puts whatever workers have.
    pub(crate) fn put_all(&self, cpu: &Cpu<'_>, pagemaps: &Pagemaps) {
        // Who has no driver has no pages of one.
        if self.pages() > 0 {
            let workers = (0..WORKERS_MAX).map(WorkerId);
            workers.for_each(|worker| while self.put_last(cpu, pagemaps, worker).is_ok() {});
        }
    }

    /// Each page that a worker has, without a step; nothing while somebody holds a lock of theirs.
    pub(crate) fn peek_kept(&self, mut each: impl FnMut(Pfn)) -> Option<()> {
        if self.pages() == 0 {
            return Some(());
        }
        self.kept.iter().try_for_each(|kept| {
            kept.peek(|kept| kept.all().iter().copied().map(Pfn).for_each(&mut each))
        })
    }
}
