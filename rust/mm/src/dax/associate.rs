//! An entry and its folio (`dax_associate_entry`, `dax_folio_put`; K§5.3).
//!
//! Association is where a free block's pages become one folio of the entry's order, and dissociation
//! where they come apart again: the fsdax fracture, legal only at count zero. The entry itself holds no
//! reference, but with `dax-pages=entry-refs` one on each of its frames: taken here, the legal 0 -> 1, and put when the
//! entry goes, which then must be 1 -> 0. Caller: the holder of the entry lock, or of the `i_pages` lock with the entry
//! unlocked.

use prim::Cpu;
use program::rules::{DaxPages, Holder, ShareReset};

use crate::dax::entry::{DaxEntry, Kind};
use crate::dax::idle::By;
use crate::dax::{Dax, InodeId};
use crate::page::{Folio, Hold, Order, Pfn};
use crate::pagemap::PagemapId;
use crate::warn::{Complaint, warn_on};

impl Dax {
    /// `dax_associate_entry`, for an extent that no other file shares. False, and nothing is associated, when the entry
    /// would have to hold its pages and the pagemap is dying.
    #[must_use]
    pub(super) fn dax_associate_entry(
        &self,
        cpu: &Cpu<'_>,
        (inode, index): (InodeId, u32),
        (head, pagemap): (Pfn, PagemapId),
        order: Order,
    ) -> bool {
        let memmap = &self.vm.pagemaps.memmap;
        for at in 0..order.pages() {
            let page = memmap.folio_at(head.add(at));
            self.check_idle(cpu, page, Complaint::BlockAllocatedBusy, By::Reference);
        }
        // A folio of the whole, or up to v6.14 a page for each frame.
        let (folio, folios) = match self.vm.pagemaps.rules.dax_pages {
            DaxPages::Normal => (order, 1),
            DaxPages::Devmap | DaxPages::EntryRefs => (Order::PAGE, order.pages()),
        };
        for at in 0..folios {
            let first = head.add(at);
            if memmap.folio(first).mapping().is_some() {
                warn_on(cpu, Complaint::MappingOverwritten, first, 0);
            }
            let folio = memmap.prep_folio(first, folio, pagemap.head());
            folio.set_mapping(Some(inode.0));
            folio.set_index_or_share(index + at);
            if self.refs_of_entry() > 0 && !self.entry_get(cpu, pagemap, folio) {
                folio.set_mapping(None);
                (0..at).for_each(|at| self.let_go_of_folio(cpu, head.add(at), pagemap));
                return false;
            }
        }
        true
    }

    /// The reference of an entry on a frame of it (`get_dev_pagemap_many` and `page_ref_inc` as posted). None when the
    /// pagemap is dying.
    #[doc(alias = "dax_associate_entry")]
    #[must_use]
    fn entry_get(&self, cpu: &Cpu<'_>, pagemap: PagemapId, folio: Folio<'_>) -> bool {
        let live = self.vm.pagemaps.folio_get_owned(cpu, pagemap, folio);
        if live {
            folio.owners_move(cpu, Hold::Task, Hold::Entry, 1);
        }
        live
    }

    /// The frames of an entry that are a folio, or the first of one.
    pub(super) fn frames_of(&self, head: Pfn, entry: DaxEntry) -> impl Iterator<Item = Pfn> {
        let folios = match self.vm.pagemaps.rules.dax_pages {
            DaxPages::Normal => 1,
            DaxPages::Devmap | DaxPages::EntryRefs => self.order_of(entry.size()).pages(),
        };
        (0..folios).map(move |at| head.add(at))
    }

    /// `dax_disassociate_entry` -> `dax_folio_put`.
    ///
    /// From v6.15 to v6.18 an order-0 folio returned early and kept its `index`, which the next reader of
    /// `share` misread (B48).
    pub(super) fn dax_disassociate_entry(&self, cpu: &Cpu<'_>, entry: DaxEntry) {
        let pagemap = self.pagemap();
        match (entry.kind(), pagemap) {
            (Kind::None | Kind::Empty | Kind::Zero, _) => {}
            (Kind::Folio(head), None) => self.complain_of_unplugged(cpu, head),
            (Kind::Folio(head), Some(pagemap)) => {
                for pfn in self.frames_of(head, entry) {
                    self.let_go_of_folio(cpu, pfn, pagemap);
                }
            }
        }
    }

    /// There is no struct page to let go of. Of a file system that was told that its device goes nothing but an entry that
    /// somebody had locked is left; one that was not told comes here with all that it has.
    fn complain_of_unplugged(&self, cpu: &Cpu<'_>, pfn: Pfn) {
        match self.vm.pagemaps.rules.holder {
            Holder::Xfs => {}
            Holder::None => warn_on(cpu, Complaint::FileAfterUnplug, pfn, 0),
        }
    }

    #[track_caller]
    fn let_go_of_folio(&self, cpu: &Cpu<'_>, pfn: Pfn, pagemap: PagemapId) {
        let folio = self.vm.pagemaps.memmap.folio(pfn);
        let refs = self.refs_of_entry();
        if refs > 0 {
            folio.owners_move(cpu, Hold::Entry, Hold::Task, refs);
            self.vm.pagemaps.folio_put_refs(cpu, folio, refs);
        }
        self.check_idle(cpu, folio, Complaint::BusyReset, By::Reference);
        folio.set_mapping(None);
        if folio.is_large() {
            self.vm.pagemaps.memmap.reset_order(folio, pagemap.head());
        } else if self.vm.pagemaps.rules.share_reset == ShareReset::Cleared {
            folio.set_index_or_share(0);
        }
    }
}
