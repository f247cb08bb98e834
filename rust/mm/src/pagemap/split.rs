//! Taking a large folio apart while others may look at it (`__split_unmapped_folio`, `mm/huge_memory.c`; K§7.3, K§7.4).
//!
//! Nobody maps the folio, any more (`vm/split.rs`) or at all (`folio_split_unmapped` of a driver's memory), and the one who splits it has its only reference. Whoever else comes by a frame number, and
//! so without having asked anybody, is kept off by the count:
//!
//! ```text
//!   count       1 --freeze--> 0 ............................ 0 --unfreeze--> 1   original head, last
//!   parts                     words written, tails leave -->  0 --unfreeze--> 1   each new head
//!   try_get     takes one     refused on the head, whichever the reader saw       takes one of the part
//! ```
//!
//! * The freeze is a compare-and-exchange from the one reference that there may be. If somebody has another one it fails,
//!   nothing has changed, and the answer is `EAGAIN`. To go on regardless is what review caught in a helper of 2025
//!   that split device-private folios (B11).
//! * While the count is zero nobody gets a reference by a tail, since all tails still name a frozen head or already a
//!   frozen new one. So the words may be written one by one.
//! * A reader who read the head before and takes its reference after finds another head when it looks again
//!   (`try_get_folio`); the release of each unfreeze pairs with that success.
//!
//! Departures: a driver's folio is not locked, for nothing that the lock guards, mappings and caches, exists there; and
//! the pagemap is copied to the parts without asking the driver (`folio_split` of its operations).

use prim::{Cpu, Strength};
use program::Errno;
use program::rules::{MigrateUnqueue, Publication, SplitFreeze, SplitUnfreeze};

use crate::page::{Folio, Head, Hold, Order, Span};
use crate::pagemap::{PagemapHold, PagemapId, Pagemaps};
use crate::tally;
use crate::warn::{Complaint, warn_on};

/// What a split may find on the folio: the reference of who splits it.
const EXPECTED: i32 = 1;

impl Pagemaps {
    /// Splits a folio of which the caller has the only reference into parts of `order`. Afterwards it has one on each
    /// part; the span returned is theirs.
    ///
    /// # Errors
    /// `EINVAL` when the parts would not be smaller, or pages of this kind are never split; `EAGAIN` when somebody else
    /// has a reference. The folio is as it was then, and the reference still the caller's.
    pub fn folio_split_unmapped(
        &self,
        cpu: &Cpu<'_>,
        id: PagemapId,
        folio: Folio<'_>,
        order: Order,
    ) -> Result<Span, Errno> {
        let whole = folio.span();
        if order.pages() >= whole.pages || !self.kind(id).holds_per_page() {
            return Err(Errno::EINVAL);
        }
        // May be wrong at once either way: it spares a freeze that cannot succeed.
        if folio.refcount().is_busy(EXPECTED) {
            cpu.count(tally::SPLIT_REFUSED);
            return Err(Errno::EAGAIN);
        }
        self.split_frozen(cpu, folio, order, 0)
    }

    /// Freezes a folio of which the caller has a reference, and nobody else one but `mapped` mappings, and takes it apart:
    /// the part of every split that is the same. That anything maps it is a mistake, and told (I05).
    ///
    /// # Errors
    /// `EAGAIN` when somebody else has a reference.
    #[doc(alias = "__split_unmapped_folio")]
    pub(crate) fn split_frozen(
        &self,
        cpu: &Cpu<'_>,
        folio: Folio<'_>,
        order: Order,
        mapped: i32,
    ) -> Result<Span, Errno> {
        let (whole, of) = (folio.span(), folio.page().peek_kind_of_head());
        if folio.page().refcount.freeze(EXPECTED + mapped) {
            if folio.peek_mapcount() != 0 {
                warn_on(cpu, Complaint::FrozenMapped, folio.pfn(), folio.peek_mapcount().into());
            }
            folio.owners_sub(cpu, Hold::Task, EXPECTED);
        } else {
            cpu.count(tally::SPLIT_REFUSED);
            match self.rules.split_freeze {
                SplitFreeze::Checked => return Err(Errno::EAGAIN),
                SplitFreeze::Ignored => {}
            }
        }
        self.unqueue(cpu, folio);
        // What its pages hold of the pagemap is in the freezer's hands until each part is in use again.
        self.page_idle(cpu, folio);
        let others = self.memmap.heads(whole, order).filter(|part| *part != folio);
        match self.rules.split_unfreeze {
            SplitUnfreeze::HeadLast => {
                self.memmap.split_folio(folio, order);
                others.for_each(|part| self.unfreeze_part(cpu, part));
                self.unfreeze_part(cpu, folio);
            }
            SplitUnfreeze::HeadFirst => {
                self.unfreeze_part(cpu, folio);
                self.memmap.split_folio(folio, order);
                if let Head::Pagemap(id) = of {
                    let left = whole.pages - order.pages();
                    let way = (PagemapHold::Page, PagemapHold::Task);
                    self.refs_move(cpu, PagemapId(id), way, left);
                }
                others.for_each(|part| self.unfreeze_part(cpu, part));
            }
        }
        Ok(whole)
    }

    /// Does something while nobody can get a reference on a folio that nobody maps, and on which there are so many
    /// references of the caller's: says whether it was so.
    #[doc(alias = "folio_migrate_mapping")]
    pub(crate) fn while_frozen(
        &self,
        cpu: &Cpu<'_>,
        folio: Folio<'_>,
        expected: i32,
        work: impl FnOnce(),
    ) -> bool {
        match self.rules.migrate_unqueue {
            MigrateUnqueue::Frozen => {}
            MigrateUnqueue::Checked => {
                let alone = !folio.refcount().is_busy(expected);
                if alone {
                    self.unqueue(cpu, folio);
                    work();
                }
                return alone;
            }
        }
        if !folio.page().refcount.freeze(expected) {
            return false;
        }
        folio.owners_sub(cpu, Hold::Task, expected);
        self.page_idle(cpu, folio);
        self.unqueue(cpu, folio);
        work();
        self.unfreeze(cpu, folio, expected);
        self.page_in_use(cpu, folio);
        true
    }

    /// Nobody is to split it any more, if it is ordinary memory.
    fn unqueue(&self, cpu: &Cpu<'_>, folio: Folio<'_>) {
        if self.ram.contains(folio.pfn()) {
            self.deferred.unqueue(cpu, folio);
        }
    }

    /// The caller's reference, and those of the mappings that there are not.
    fn unfreeze_part(&self, cpu: &Cpu<'_>, folio: Folio<'_>) {
        self.unfreeze(cpu, folio, EXPECTED + folio.peek_mapcount());
        self.page_in_use(cpu, folio);
    }

    #[doc(alias = "folio_ref_unfreeze")]
    fn unfreeze(&self, cpu: &Cpu<'_>, folio: Folio<'_>, expected: i32) {
        let count = &folio.page().refcount;
        let how = Strength::relaxed_if(|| self.rules.folio_publish == Publication::Relaxed);
        if count.unfreeze(how, expected) {
            folio.owners_add(cpu, Hold::Task, expected - folio.peek_mapcount());
        } else {
            warn_on(cpu, Complaint::UnfrozenLive, folio.pfn(), count.count().into());
        }
    }
}
