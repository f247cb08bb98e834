//! Who owns each reference of a pagemap (K§10 I12, K§3.1).
//!
//! Ghost state, next to the ledger of pages and by the same rule: whoever changes the count changes the ledger
//! in the same step. The count is a percpu_ref, whose own ledger knows how many references its users took;
//! here is which users those are.
//!
//! ```text
//!   memremap ------------------------------> Bulk ---> Task --> put
//!   get_dev_pagemap -----------------------> Lookup -> Task --> put
//!   tryget --> Task --page 0 -> 1 or publish--> Page --page 1 -> 0--> Task --> put
//! ```
//!
//! A page in use holds what its type and the rules say ([`Pagemaps::peek_weight`]), from the step that takes
//! its count from zero to the one that brings it back there. So at every moment, in the middle of other calls
//! too, the references owned by pages are those that the pages in use call for: what
//! [`Pagemaps::peek_pages_wrong`] compares.

use prim::{Cpu, Ghost, plain};
use program::rules::TeardownPages;

use crate::page::{Folio, Head, Hold, Order, Pfn};
use crate::pagemap::{PagemapId, PagemapType, Pagemaps};
use crate::percpu_ref::RefId;
use crate::warn::{Complaint, warn_on};

/// What owns a reference of a pagemap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PagemapHold {
    /// A function's hands.
    Task,
    /// What memremap took, to be dropped by memunmap.
    Bulk,
    /// A lookup that was not put yet.
    Lookup,
    /// Pages in use.
    Page,
}

const KINDS: usize = 4;

impl PagemapHold {
    /// All of them.
    pub const ALL: [Self; KINDS] = [Self::Task, Self::Bulk, Self::Lookup, Self::Page];

    /// In a few words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "a call in progress",
            Self::Bulk => "memremap",
            Self::Lookup => "lookups",
            Self::Page => "pages in use",
        }
    }
}

plain! {
    /// The owners of one pagemap's references.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct PagemapOwners {
        refs: [i64; KINDS],
    }
}

impl PagemapOwners {
    /// References of one kind.
    #[must_use]
    pub fn of(&self, hold: PagemapHold) -> i64 {
        self.refs[hold as usize]
    }

    fn add(&mut self, hold: PagemapHold, refs: i64) {
        self.refs[hold as usize] += refs;
    }

    /// What does not agree with the references that are out.
    fn judge(&self, out: i64) -> Option<(Complaint, i64)> {
        let missing = PagemapHold::ALL.into_iter().find(|hold| self.of(*hold) < 0);
        if let Some(hold) = missing {
            return Some((Complaint::PagemapNotTheOwner, hold as i64));
        }
        let wrong = self.refs.iter().sum::<i64>() != out;
        wrong.then_some((Complaint::PagemapRefsWrong, out))
    }
}

impl Pagemaps {
    /// `refs` references more, owned by `hold`. In the step that took them.
    #[inline(always)]
    pub(super) fn refs_add(&self, cpu: &Cpu<'_>, id: PagemapId, hold: PagemapHold, refs: u32) {
        self.account(cpu, id, |owners| owners.add(hold, refs.into()));
    }

    /// `refs` references fewer. In the step that put them.
    #[inline(always)]
    pub(super) fn refs_sub(&self, cpu: &Cpu<'_>, id: PagemapId, hold: PagemapHold, refs: u32) {
        self.account(cpu, id, |owners| owners.add(hold, -i64::from(refs)));
    }

    /// `refs` references pass from one owner to another.
    #[inline(always)]
    pub(super) fn refs_move(
        &self,
        cpu: &Cpu<'_>,
        id: PagemapId,
        (from, to): (PagemapHold, PagemapHold),
        refs: u32,
    ) {
        self.account(cpu, id, |owners| {
            owners.add(from, -i64::from(refs));
            owners.add(to, refs.into());
        });
    }

    /// The count of an idle folio has just become one: it holds what the caller took for it.
    #[inline(always)]
    pub(crate) fn page_in_use(&self, cpu: &Cpu<'_>, folio: Folio<'_>) {
        self.page_turns(cpu, folio, (PagemapHold::Task, PagemapHold::Page));
    }

    /// The count of a folio has just become zero: what it held is its last user's to put.
    #[inline(always)]
    pub(super) fn page_idle(&self, cpu: &Cpu<'_>, folio: Folio<'_>) {
        self.page_turns(cpu, folio, (PagemapHold::Page, PagemapHold::Task));
    }

    #[inline(always)]
    fn page_turns(&self, cpu: &Cpu<'_>, folio: Folio<'_>, way: (PagemapHold, PagemapHold)) {
        Ghost::<()>::new().with(|()| {
            if let Head::Pagemap(id) = folio.page().peek_kind_of_head() {
                let id = PagemapId(id);
                self.refs_move(cpu, id, way, self.peek_weight(id, folio.page().peek_order()));
            }
        });
    }

    /// The life of a pagemap begins: nobody has anything.
    #[inline(always)]
    pub(super) fn owners_begin(&self, id: PagemapId) {
        self.maps[id.0].owners.with(|owners| *owners = PagemapOwners::default());
    }

    /// Who owns the references of a pagemap; nothing natively.
    #[must_use]
    pub fn owners(&self, id: PagemapId) -> Option<PagemapOwners> {
        let mut known = None;
        self.maps[id.0].owners.with(|owners| known = Some(*owners));
        known
    }

    /// Complains of each live pagemap whose references differ from its owners, or whose pages in use do not
    /// hold what they should. No step.
    pub(crate) fn audit(&self, cpu: &Cpu<'_>) {
        Ghost::<()>::new().with(|()| {
            let made = |id: &PagemapId| self.maps.get(id.0).is_some_and(|map| map.kind.peek() != 0);
            let all = (0..self.maps.capacity() as u32).map(PagemapId);
            all.filter(made).for_each(|id| {
                self.account(cpu, id, |_| {});
                if let Some(held) = self.peek_pages_wrong(id) {
                    warn_on(cpu, Complaint::PagemapPagesWrong, id.0, held);
                }
            });
        });
    }

    /// The references that pages own, if they are not those that the pages in use call for.
    fn peek_pages_wrong(&self, id: PagemapId) -> Option<i64> {
        let map = &self.maps[id.0];
        let held = self.owners(id)?.of(PagemapHold::Page);
        let (start, pages) = (map.start.peek(), map.pages.peek());
        // What an idle page counts is the machine's.
        let is_idle = |pfn: &Pfn| {
            self.memmap.owners_of_frame(*pfn).is_some_and(|owners| owners.of(Hold::Base) > 0)
        };
        let in_use = (start..start + pages).map(Pfn).filter(|pfn| !is_idle(pfn));
        let in_use = in_use.map(|pfn| self.memmap.page(pfn));
        // A tail counts nothing itself, so only heads are found.
        let in_use = in_use.filter(|page| page.refcount.peek().is_held());
        let called_for = in_use.map(|page| i64::from(self.peek_weight(id, page.peek_order())));
        (called_for.sum::<i64>() != held).then_some(held)
    }

    /// References that a folio of this order holds on its pagemap while it is in use.
    fn peek_weight(&self, id: PagemapId, order: Order) -> u32 {
        match PagemapType::from_word(self.maps[id.0].kind.peek()) {
            PagemapType::FsDax => (self.rules.teardown_pages == TeardownPages::WaitIdle).into(),
            PagemapType::Generic => 0,
            kind @ (PagemapType::Private | PagemapType::Coherent) => {
                order.pages() * self.refs_of_allocated(kind)
            }
        }
    }

    #[inline(always)]
    fn account(&self, cpu: &Cpu<'_>, id: PagemapId, change: impl FnOnce(&mut PagemapOwners)) {
        Ghost::<()>::new().with(|()| {
            let map = &self.maps[id.0];
            let count = RefId(map.ref_index.peek());
            self.percpu.check(cpu, count);
            let out = self.percpu.users(count).unwrap_or(0);
            let mut wrong = None;
            map.owners.with(|owners| {
                change(owners);
                wrong = owners.judge(out);
            });
            if let Some((complaint, value)) = wrong {
                warn_on(cpu, complaint, id.0, value);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(holds: &[(PagemapHold, i64)]) -> PagemapOwners {
        let mut owners = PagemapOwners::default();
        holds.iter().for_each(|(hold, refs)| owners.add(*hold, *refs));
        owners
    }

    #[test]
    fn references_that_are_all_owned_are_right() {
        assert_eq!(owned(&[]).judge(0), None);
        assert_eq!(owned(&[(PagemapHold::Bulk, 8), (PagemapHold::Page, 2)]).judge(10), None);
    }

    #[test]
    fn a_reference_that_nobody_owns_is_wrong() {
        let owners = owned(&[(PagemapHold::Bulk, 8)]);
        assert_eq!(owners.judge(9), Some((Complaint::PagemapRefsWrong, 9)));
    }

    #[test]
    fn who_never_looked_up_has_nothing_to_put() {
        let owners = owned(&[(PagemapHold::Bulk, 8), (PagemapHold::Lookup, -1)]);
        let lookup = PagemapHold::Lookup as i64;
        assert_eq!(owners.judge(7), Some((Complaint::PagemapNotTheOwner, lookup)));
    }

    #[test]
    fn every_kind_has_its_own_place() {
        for (at, hold) in (0..).zip(PagemapHold::ALL) {
            assert_eq!(hold as u8, at, "{hold:?}");
        }
    }
}
