//! `memremap_pages` and `memunmap_pages` (K§3.2, K§3.3): the order of steps is the protocol.
//!
//! Departures: struct pages are not initialised here, since zero means free (except where an idle page has the count
//! one: GENERIC, and a driver's with `init-mode=busy`); a pagemap has one range. Deferred percpu switches are run by
//! whoever waits for them.

use prim::{Cpu, Sleep, Strength, WaitClass, Waiting, synchronize_rcu};
use program::rules::{PercpuExit, TeardownPages};
use program::{Errno, rules};

use crate::page::{Hold, Order, Span};
use crate::pagemap::{PagemapHold, PagemapId, PagemapType, Pagemaps, RangeSlot};
use crate::percpu_ref::{Confirm, Init, Put, Switched};
use crate::refcount::Dropped;
use crate::tally;
use crate::warn::{Complaint, warn_on};

/// The wait of unbind; its object is a pagemap.
pub const REFERENCES: WaitClass = WaitClass::event("pagemap references");

impl Pagemaps {
    /// Puts `span` under a new pagemap.
    ///
    /// # Errors
    /// `EINVAL` for an empty or foreign range, `ENOMEM` without memory or when a live pagemap covers
    /// either end (the kernel's answer too).
    pub fn memremap_pages(
        &self,
        cpu: &Cpu<'_>,
        kind: PagemapType,
        span: Span,
    ) -> Result<PagemapId, Errno> {
        self.memremap_folios(cpu, kind, span, Order::PAGE)
    }

    /// As [`Self::memremap_pages`], of folios that all have one order for good (`vmemmap_shift`).
    ///
    /// # Errors
    /// As there.
    #[doc(alias = "memremap_pages")]
    pub fn memremap_folios(
        &self,
        cpu: &Cpu<'_>,
        kind: PagemapType,
        span: Span,
        order: Order,
    ) -> Result<PagemapId, Errno> {
        let end = span.start.0.checked_add(span.pages).ok_or(Errno::EINVAL)?;
        if span.pages == 0 || end > self.ram.first().0 || span.start.0 == 0 {
            return Err(Errno::EINVAL);
        }
        let index = self.maps.alloc(cpu).map_err(|_| Errno::ENOMEM)?;
        let Ok(ref_id) = self.percpu.init(cpu, Init::Percpu) else {
            self.maps.free(cpu, index);
            return Err(Errno::ENOMEM);
        };
        let map = &self.maps[index];
        map.done.reinit();
        map.ref_index.set(ref_id.0);
        map.start.set(span.start.0);
        map.pages.set(span.pages);
        map.shift.set(order.0.into());
        self.owners_begin(PagemapId(index));
        // Release: pairs with the acquire in `run_deferred`, which must not take the ref of an earlier
        // life for this one's.
        map.kind.set_release(kind as u32);
        let id = PagemapId(index);
        if let Err(errno) = self.pgmap_array_store(cpu, id, span) {
            self.percpu.exit(cpu, ref_id);
            self.forget(cpu, id);
            return Err(errno);
        }
        let base = self.base_count(kind);
        if base > 0 {
            for pfn in span.iter().step_by(order.pages() as usize) {
                if order > Order::PAGE {
                    self.memmap.prep_folio(pfn, order, PagemapId(index).head());
                }
                self.memmap.page(pfn).refcount.set(base);
                self.memmap.owners_base(pfn);
            }
        }
        if kind.holds_bulk() {
            let folios = span.pages >> order.0;
            self.percpu.get_many(cpu, ref_id, folios as usize);
            self.refs_add(cpu, id, PagemapHold::Bulk, folios);
        }
        Ok(id)
    }

    /// Takes a pagemap away: kill, drop the bulk references, wait for the rest, remove the range, wait
    /// for lookups, exit. `last_look` runs when the last reference is gone and the struct pages are
    /// still there: the owner's chance to let go of them (a departure, see `dax::unbind`).
    ///
    /// Individual page counts are looked at only to complain (B31).
    pub fn memunmap_pages(&self, cpu: &Cpu<'_>, id: PagemapId, last_look: impl FnOnce()) {
        self.kill(cpu, id);
        let span = self.span(id);
        let kind = self.kind(id);
        if kind.holds_bulk() {
            let order = Order(self.maps[id.0].shift.peek() as u8);
            match (kind, self.rules.teardown_pages) {
                (PagemapType::Generic, TeardownPages::WaitIdle) => {
                    self.put_bases(cpu, id, span, order)
                }
                (_, TeardownPages::Ignore | TeardownPages::WaitIdle) => {
                    let folios = span.pages >> order.0;
                    self.refs_move(cpu, id, (PagemapHold::Bulk, PagemapHold::Task), folios);
                    self.put_refs(cpu, id, folios);
                }
            }
        }
        self.run_deferred(cpu);
        if self.rules.memunmap_wait == rules::Switch::On {
            if !self.maps[id.0].done.done() {
                cpu.count(tally::KILL_WITH_REFS);
            }
            let waiting = Waiting { class: &REFERENCES, object: id.0.into(), owner: 0 };
            // Uninterruptible: returns with `done` complete, or the machine is poisoned.
            let _ = self.maps[id.0].done.wait(cpu, Sleep::Uninterruptible, waiting);
        }
        self.complain_of_users(cpu, id);
        last_look();
        if self.kind(id).holds_bulk() {
            // What others remember of pages says which epoch they were in. No page that a driver allocates outlives its
            // pagemap.
            self.memmap.shadow_unplug().add(1);
        }
        self.memmap.reset_pages(span);
        match self.rules.percpu_exit {
            // Only then: a lookup that found the range may have been using the ref until the grace period inside
            // pgmap_array_delete ended.
            PercpuExit::AfterDelete => {
                self.pgmap_array_delete(cpu, id);
                self.percpu.exit(cpu, self.ref_id(id));
            }
            // The mistake up to v5.19 (B02).
            PercpuExit::BeforeDelete => {
                self.percpu.exit(cpu, self.ref_id(id));
                self.pgmap_array_delete(cpu, id);
            }
        }
        self.forget(cpu, id);
    }

    /// Puts the count that each page of device-dax has had from the start; who comes to zero drops the page's reference on
    /// the pagemap. That of a page that somebody else has is dropped by whoever puts it last.
    #[doc(alias = "memunmap_pages")]
    fn put_bases(&self, cpu: &Cpu<'_>, id: PagemapId, span: Span, order: Order) {
        for folio in self.memmap.heads(span, order) {
            let count = &folio.page().refcount;
            match count.sub(Strength::KEPT, 1, || folio.owners_sub(cpu, Hold::Base, 1)) {
                Dropped::Zero => self.put_bulk(cpu, id),
                Dropped::Live => {}
                Dropped::Underflow(left) => {
                    warn_on(cpu, Complaint::RefUnderflow, folio.pfn(), left.into());
                }
            }
        }
    }

    /// One of the references that memremap took for a page.
    pub(super) fn put_bulk(&self, cpu: &Cpu<'_>, id: PagemapId) {
        self.refs_move(cpu, id, (PagemapHold::Bulk, PagemapHold::Task), 1);
        self.put_refs(cpu, id, 1);
    }

    fn forget(&self, cpu: &Cpu<'_>, id: PagemapId) {
        self.maps[id.0].kind.set(0);
        self.maps.free(cpu, id.0);
    }

    /// `percpu_ref_kill`: no new references from here on. One that is dying already is left alone.
    #[doc(alias = "percpu_ref_kill")]
    pub fn kill(&self, cpu: &Cpu<'_>, id: PagemapId) {
        let ref_id = self.ref_id(id);
        if !self.percpu.is_dying(ref_id)
            && self.percpu.kill_and_confirm(cpu, ref_id, Confirm::NONE) == Put::Zero
        {
            self.release(cpu, id);
        }
    }

    /// Finishes the mode switches whose grace period can end now, and releases what they held up.
    pub fn run_deferred(&self, cpu: &Cpu<'_>) {
        self.percpu.run_switches(cpu, |switched| {
            let Switched::Released(ref_id) = switched else { return };
            let owns = |index: &u32| {
                let made = self.maps[*index].kind.read_acquire() != 0;
                made && self.ref_id(PagemapId(*index)) == ref_id
            };
            if let Some(index) = self.maps.iter_live().find(owns) {
                self.release(cpu, PagemapId(index));
            }
        });
    }

    /// Both readings of I13: the pagemap goes, so it has no references (weak), and the struct pages go,
    /// so none of them is referenced (strong, B31). Looks at the pages that were ever used.
    fn complain_of_users(&self, cpu: &Cpu<'_>, id: PagemapId) {
        // Those of device-dax are put before the wait, where there is one.
        let own = match (self.kind(id), self.rules.teardown_pages) {
            (PagemapType::Generic, TeardownPages::WaitIdle) => 0,
            (kind, TeardownPages::Ignore | TeardownPages::WaitIdle) => self.base_count(kind),
        };
        let span = self.span(id);
        let counts = self.memmap.used(span).map(|pfn| self.memmap.folio(pfn));
        let busy = counts
            .map(|folio| (folio.pfn(), folio.refcount(), folio.mapcount()))
            .find(|(_, count, _)| count.is_busy(own));
        if !self.maps[id.0].done.done() {
            let pfn = busy.map_or(span.start, |(pfn, ..)| pfn);
            warn_on(cpu, Complaint::ReleasedEarly, pfn, self.ledger(id));
        } else if let Some((pfn, count, mapped)) = busy {
            let complaint = match count.is_busy(own + mapped) {
                true => Complaint::UnplugBusy,
                false => Complaint::UnplugMapped,
            };
            warn_on(cpu, complaint, pfn, count.into());
        }
    }

    /// On a machine at rest, what there is for its pagemaps, by what it is, and how many of it there should be: each has
    /// a ref, which has counters, and a range by which its frames are looked up.
    pub(crate) fn at_rest(&self) -> [(&'static str, usize, usize); 4] {
        let live = self.maps.live();
        let made = self.maps.iter_live().filter(|index| self.maps[*index].kind.read() != 0);
        let ranged = |slot: &&RangeSlot| slot.pagemap.read() != 0 || slot.pages.read() != 0;
        let named = self.maps.iter_live().filter(|index| {
            let span = self.span(PagemapId(*index));
            self.ranges.iter().any(|slot| {
                (slot.pagemap.read(), slot.start.read(), slot.pages.read())
                    == (index + 1, span.start.0, span.pages)
            })
        });
        let (refs, counters, had) = self.percpu.at_rest();
        let ranges = self.ranges.iter().filter(ranged).count();
        [
            ("pagemaps", live, made.count()),
            ("percpu refs", refs, live),
            ("counters of percpu refs", counters, had),
            ("ranges of pagemaps", ranges, named.count()),
        ]
    }

    fn pgmap_array_store(&self, cpu: &Cpu<'_>, id: PagemapId, span: Span) -> Result<(), Errno> {
        let _lock = self.ranges_lock[0].lock(cpu);
        let overlaps = self.ranges.iter().any(|slot| {
            let range =
                Span { start: crate::page::Pfn(slot.start.read()), pages: slot.pages.read() };
            slot.pagemap.read() != 0 && range.start < span.end() && span.start < range.end()
        });
        let free = self.ranges.iter().find(|slot| slot.pages.read() == 0);
        let slot = free.filter(|_| !overlaps).ok_or(Errno::ENOMEM)?;
        slot.start.set(span.start.0);
        slot.pages.set(span.pages);
        // Release: pairs with the acquire in `lookup`.
        slot.pagemap.set_release(id.0 + 1);
        Ok(())
    }

    /// Store NULL, **then** wait for every lookup that may have seen the range.
    fn pgmap_array_delete(&self, cpu: &Cpu<'_>, id: PagemapId) {
        let slot = {
            let _lock = self.ranges_lock[0].lock(cpu);
            let slot = self.ranges.iter().find(|slot| slot.pagemap.read() == id.0 + 1);
            slot.inspect(|slot| slot.pagemap.set(0))
        };
        synchronize_rcu(cpu);
        // The slot is free only now: a lookup may have been between its pagemap and its range.
        if let Some(slot) = slot {
            slot.pages.set(0);
        }
    }
}
