//! An entry and its folio (`dax_associate_entry`, `dax_folio_put`; K§5.3).
//!
//! Association is where a free block's pages become one folio of the entry's order, and dissociation
//! where they come apart again: the fsdax fracture, legal only at count zero. The entry itself holds no
//! reference, but with `dax-pages=entry-refs` one on each of its frames: taken here, the legal 0 -> 1, and put when the
//! entry goes, which then must be 1 -> 0. Caller: the holder of the entry lock, or of the `i_pages` lock with the entry
//! unlocked.
//!
//! A page whose block several files have (`reflink`) is the first one's whose fault came to it. When a second file's comes, it
//! is nobody's, and its share word, which is the index word of any other page, counts the entries that have it; the last
//! of them takes the folio apart. `share-count` has what kernels before v6.15 did. Whoever has an entry of any of these
//! files reads the word and writes it: in the kernel nothing keeps two files' faults apart there (B32, `share-update`).

use prim::{Cpu, Guarded, LockClass, SpinGuard, plain};
use program::rules::{DaxPages, Holder, ShareCount, ShareReset, ShareUpdate};

use crate::dax::entry::{DaxEntry, Kind};
use crate::dax::idle::By;
use crate::dax::{Dax, InodeId};
use crate::lock_order;
use crate::page::{Folio, Hold, Order, Pfn};
use crate::pagemap::PagemapId;
use crate::warn::{Complaint, warn_on};

plain! {
    /// Who changes what pages say of several files.
    #[derive(Clone, Copy, Debug)]
    pub struct SharesLocked;
}

impl Guarded for SharesLocked {
    const CLASS: LockClass = lock_order::SHARED_PAGES;
}

/// How an entry counts in its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shares {
    /// The page is its file's.
    Alone,
    /// The page may be another file's, too.
    WithOthers,
}

impl Dax {
    /// `dax_associate_entry`. False, and nothing is associated, when the entry would have to hold its pages and the pagemap
    /// is dying.
    #[must_use]
    pub(super) fn dax_associate_entry(
        &self,
        cpu: &Cpu<'_>,
        (inode, index): (InodeId, u32),
        (head, pagemap): (Pfn, PagemapId),
        (order, shares): (Order, Shares),
    ) -> bool {
        let memmap = &self.vm.pagemaps.memmap;
        let _shares = self.lock_shares(cpu, inode);
        for at in 0..order.pages() {
            let page = memmap.folio_at(head.add(at));
            // Whoever has the page of a clone may have it through another file.
            if !self.is_cloned(inode) {
                self.check_idle(cpu, page, Complaint::BlockAllocatedBusy, By::Reference);
            }
        }
        // A folio of the whole, or up to v6.14 a page for each frame.
        let (folio, folios) = match self.vm.pagemaps.rules.dax_pages {
            DaxPages::Normal => (order, 1),
            DaxPages::Devmap | DaxPages::EntryRefs => (Order::PAGE, order.pages()),
        };
        for at in 0..folios {
            let first = head.add(at);
            let counted = match shares {
                Shares::Alone => Shares::Alone,
                Shares::WithOthers => self.share_get(memmap.folio(first), (folio, pagemap)),
            };
            if counted == Shares::Alone {
                if memmap.folio(first).mapping().is_some() {
                    warn_on(cpu, Complaint::MappingOverwritten, first, 0);
                }
                let folio = memmap.prep_folio(first, folio, pagemap.head());
                folio.set_mapping(Some(inode.0));
                folio.set_index_or_share(index + at);
            }
            if self.refs_of_entry() > 0 && !self.entry_get(cpu, pagemap, memmap.folio(first)) {
                match counted {
                    Shares::Alone => memmap.folio(first).set_mapping(None),
                    Shares::WithOthers => {
                        self.share_put(memmap.folio(first));
                    }
                }
                (0..at).for_each(|at| self.put_folio(cpu, inode, head.add(at), pagemap));
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

    /// What keeps the files apart that may share the pages of this one, where something does.
    #[track_caller]
    fn lock_shares<'a>(
        &'a self,
        cpu: &'a Cpu<'_>,
        inode: InodeId,
    ) -> Option<SpinGuard<'a, SharesLocked>> {
        match self.vm.pagemaps.rules.share_update {
            ShareUpdate::Locked if self.is_cloned(inode) => Some(self.shares_lock[0].lock(cpu)),
            ShareUpdate::Locked | ShareUpdate::Plain => None,
        }
    }

    /// `dax_folio_is_shared`.
    #[track_caller]
    pub(super) fn is_shared(&self, folio: Folio<'_>) -> bool {
        match self.vm.pagemaps.rules.share_count {
            ShareCount::Counted => folio.mapping().is_none() && folio.index_or_share() > 0,
            ShareCount::Marked | ShareCount::OnWrite => folio.is_marked_shared(),
        }
    }

    /// One more entry has the page, if it counts as shared now; if not, the page is to be its file's.
    #[doc(alias = "dax_folio_make_shared")]
    fn share_get(&self, folio: Folio<'_>, (order, pagemap): (Order, PagemapId)) -> Shares {
        let shared = self.is_shared(folio);
        let of_a_file = !shared && folio.mapping().is_some();
        match self.vm.pagemaps.rules.share_count {
            ShareCount::Counted if !shared && !of_a_file => return Shares::Alone,
            ShareCount::Counted if of_a_file => {
                folio.set_mapping(None);
                folio.set_index_or_share(1);
            }
            ShareCount::Counted => {}
            ShareCount::Marked | ShareCount::OnWrite if shared => {}
            ShareCount::Marked | ShareCount::OnWrite => {
                if of_a_file {
                    folio.set_index_or_share(1);
                } else {
                    self.vm.pagemaps.memmap.prep_folio(folio.pfn(), order, pagemap.head());
                }
                folio.mark_shared();
            }
        }
        // Not in one step (B32).
        folio.set_index_or_share(folio.index_or_share() + 1);
        Shares::WithOthers
    }

    /// One entry less has a shared page; whether another one has it still. v6.1 looked at what the count had been.
    #[doc(alias = "dax_folio_put")]
    fn share_put(&self, folio: Folio<'_>) -> bool {
        let share = folio.index_or_share();
        let left = share.saturating_sub(1);
        folio.set_index_or_share(left);
        match self.vm.pagemaps.rules.share_count {
            ShareCount::Counted | ShareCount::Marked => left > 0,
            ShareCount::OnWrite => share > 0,
        }
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
    pub(super) fn dax_disassociate_entry(&self, cpu: &Cpu<'_>, inode: InodeId, entry: DaxEntry) {
        let pagemap = self.pagemap();
        match (entry.kind(), pagemap) {
            (Kind::None | Kind::Empty | Kind::Zero, _) => {}
            (Kind::Folio(head), None) => self.complain_of_unplugged(cpu, head),
            (Kind::Folio(head), Some(pagemap)) => {
                let _shares = self.lock_shares(cpu, inode);
                for pfn in self.frames_of(head, entry) {
                    self.put_folio(cpu, inode, pfn, pagemap);
                }
            }
        }
    }

    /// One entry less has the folio at a frame; the last one takes it apart.
    #[track_caller]
    fn put_folio(&self, cpu: &Cpu<'_>, inode: InodeId, pfn: Pfn, pagemap: PagemapId) {
        let folio = self.vm.pagemaps.memmap.folio(pfn);
        let refs = self.refs_of_entry();
        if refs > 0 {
            folio.owners_move(cpu, Hold::Entry, Hold::Task, refs);
            self.vm.pagemaps.folio_put_refs(cpu, folio, refs);
        }
        if !self.is_left_to_others(inode, folio) {
            self.let_go_of_folio(cpu, inode, folio, pagemap);
        }
    }

    /// One entry less of a file has a folio; whether entries of other files have it still.
    #[track_caller]
    fn is_left_to_others(&self, inode: InodeId, folio: Folio<'_>) -> bool {
        self.is_cloned(inode) && self.is_shared(folio) && self.share_put(folio)
    }

    /// The same of an entry whose struct pages are about to go: that they are busy is told then.
    #[doc(alias = "dax_disassociate_entry")]
    pub(super) fn forget_folio(&self, cpu: &Cpu<'_>, inode: InodeId, entry: DaxEntry) {
        let (Kind::Folio(head), Some(pagemap)) = (entry.kind(), self.pagemap()) else { return };
        let _shares = self.lock_shares(cpu, inode);
        for pfn in self.frames_of(head, entry) {
            let folio = self.vm.pagemaps.memmap.folio(pfn);
            if !self.is_left_to_others(inode, folio) {
                self.reset_folio(folio, pagemap);
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
    fn let_go_of_folio(&self, cpu: &Cpu<'_>, inode: InodeId, folio: Folio<'_>, pagemap: PagemapId) {
        // A write takes the page of a clone from the file while its block is another one's, too: see `SharedFree`.
        // A huge page may not be taken apart under anybody, though: the kernel warns there.
        if !self.is_cloned(inode) || folio.is_large() {
            self.check_idle(cpu, folio, Complaint::BusyReset, By::Reference);
        }
        self.reset_folio(folio, pagemap);
    }

    #[track_caller]
    fn reset_folio(&self, folio: Folio<'_>, pagemap: PagemapId) {
        folio.set_mapping(None);
        if folio.is_large() {
            self.vm.pagemaps.memmap.reset_order(folio, pagemap.head());
        } else if self.vm.pagemaps.rules.share_reset == ShareReset::Cleared {
            folio.set_index_or_share(0);
        }
    }
}
