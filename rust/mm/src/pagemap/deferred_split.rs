//! Huge pages of ordinary memory that are mapped in parts, and will be taken apart when memory is short (`deferred_split_folio`,
//! `mm/huge_memory.c`; K§7.5).
//!
//! ```text
//!   queue        whoever unmapped a part of it put it there            no reference
//!   private      a shrinker took it, under the lock of the queue       a reference, by try_get
//!   neither      split, or freed, or moved: taken off by who had its count at zero
//! ```
//!
//! The links of a folio are one pair of words, whichever list it is on, and the lock of the queue protects the queue. A
//! shrinker walks its own list without. So a folio may be taken off only while its count is zero: then no shrinker has a
//! reference, and it is on no such list. To ask for the count, find nobody, and take it off under the lock is not enough
//! (`migrate-unqueue`, B23).
//!
//! Departures: one queue for the machine; it has room for so many, which are more than there are huge pages. Folios of a device
//! are never queued: what comes home needs the folio split at once.

use prim::{Arena, Cpu, Guarded, LockClass, NoMemory, SpinLock, Table, plain};

use crate::lock_order;
use crate::page::{Folio, Hold, Memmap, Order, Pfn};
use crate::warn::{Complaint, warn_on};

/// Folios that the queue has room for.
pub(crate) const DEFERRED: usize = 16;

plain! {
    /// A folio that is on a list.
    #[derive(Clone, Copy, Debug)]
    struct Listed {
        /// Its first frame; 0 for an empty place.
        pfn: u32,
        /// 0 for the queue, else whose private list.
        private_to: u32,
    }
}

plain! {
    /// `struct deferred_split`: what is on the queue, and on which private lists the rest is.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Lists {
        listed: [Listed; DEFERRED],
    }
}

impl Guarded for Lists {
    const CLASS: LockClass = lock_order::SPLIT_QUEUE_LOCK;
}

impl Lists {
    fn find(&mut self, pfn: Pfn) -> Option<&mut Listed> {
        self.listed.iter_mut().find(|it| it.pfn == pfn.0)
    }
}

/// The queue.
#[derive(Debug)]
pub struct DeferredSplit {
    lists: Table<SpinLock<Lists>>,
}

impl DeferredSplit {
    const NONE: Listed = Listed { pfn: 0, private_to: 0 };

    pub(super) fn new(arena: &Arena) -> Result<Self, NoMemory> {
        Ok(Self { lists: arena.table("deferred split queue", 1)? })
    }

    /// `deferred_split_folio`: some of its pages are not mapped any more, and nothing maps it as a whole.
    #[doc(alias = "deferred_split_folio")]
    pub(crate) fn queue(&self, cpu: &Cpu<'_>, folio: Folio<'_>) {
        if folio.order() < Order(2) {
            return;
        }
        let mut lists = self.lists[0].lock(cpu);
        if lists.find(folio.pfn()).is_none()
            && let Some(place) = lists.find(Pfn(0))
        {
            *place = Listed { pfn: folio.pfn().0, private_to: 0 };
            folio.deferred_list().set(1);
        }
    }

    /// `folio_unqueue_deferred_split`, by who has its count at zero.
    #[doc(alias = "folio_unqueue_deferred_split")]
    pub(crate) fn unqueue(&self, cpu: &Cpu<'_>, folio: Folio<'_>) {
        if folio.order() < Order(2) || folio.deferred_list().read() == 0 {
            return;
        }
        let mut lists = self.lists[0].lock(cpu);
        if let Some(place) = lists.find(folio.pfn()) {
            if ![0, cpu.owner_word()].contains(&place.private_to) {
                warn_on(cpu, Complaint::UnlinkedPrivate, folio.pfn(), folio.refcount().into());
            }
            *place = Self::NONE;
            folio.deferred_list().set(0);
        }
    }

    /// The first half of `deferred_split_scan`: what is on the queue goes to a private list, with a reference each. One that
    /// is being freed, or is frozen, is taken off.
    #[doc(alias = "deferred_split_scan")]
    pub(crate) fn isolate(&self, cpu: &Cpu<'_>, memmap: &Memmap) -> [Option<Pfn>; DEFERRED] {
        let mut lists = self.lists[0].lock(cpu);
        let mut taken = [None; DEFERRED];
        let queued = lists.listed.iter_mut().filter(|it| it.pfn != 0 && it.private_to == 0);
        for (it, out) in queued.zip(&mut taken) {
            let folio = memmap.folio_at(Pfn(it.pfn));
            if folio.page().refcount.try_add(1).is_ok() {
                folio.owners_add(cpu, Hold::Task, 1);
                it.private_to = cpu.owner_word();
                *out = Some(folio.pfn());
            } else {
                folio.deferred_list().set(0);
                *it = Self::NONE;
            }
        }
        taken
    }

    /// One that could not be split goes back to the queue.
    #[doc(alias = "deferred_split_scan")]
    pub(crate) fn put_back(&self, cpu: &Cpu<'_>, folio: Folio<'_>) {
        if let Some(place) = self.lists[0].lock(cpu).find(folio.pfn()) {
            place.private_to = 0;
        }
    }
}
