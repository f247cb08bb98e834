//! Entries against folios (K§10 I17).
//!
//! ```text
//!   entry (file, index) -> pfn, order   <=>   folio at pfn: mapping = file, index, order
//!   entries of several files -> pfn     <=>   folio at pfn: no file, share = how many
//! ```
//!
//! Exact in the middle of other calls, since both sides are changed by whoever holds the entry:
//!
//! * a fault ties a folio to its file while its entry is locked, and unlocks the entry when they agree;
//! * a delete unties the folio of an unlocked entry and removes the entry under one hold of `i_pages`.
//!
//! So an entry that is not locked, in a file whose `i_pages` nobody holds, agrees with its folio; and if none of
//! the file's entries is locked, each folio that says it is in the file has an entry there. (With one
//! locked, a folio may have its file already and its index not yet, as in the kernel.) Entries of the zero page
//! and placeholders have no folio: a folio that names their index is one without an entry. An unbind may let
//! entries go and leave the folios to the end of the struct pages (B50), so folios are asked only while the device
//! is alive. Pages of files that share blocks are asked only while no entry of any of these is locked, for a fault of one
//! changes what the page says of the others, and the share word only of a page that an entry has: of any other page up to
//! v6.18 it is a stale index, by design (B48).
//!
//! Explored only; nothing here takes a step.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use prim::{Cpu, Ghost};
use program::rules::{DaxPages, ShareCount};

use crate::dax::entry::{DaxEntry, DaxSlot, Kind, Size};
use crate::dax::{Dax, InodeId};
use crate::page::{Order, Pfn};
use crate::warn::{Complaint, warn_on};

/// A folio, by what it says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    inode: InodeId,
    index: u32,
    order: Order,
}

impl Dax {
    /// Complains when an entry and its folio disagree.
    #[inline(always)]
    pub(crate) fn audit(&self, cpu: &Cpu<'_>) {
        Ghost::<()>::new().with(|()| {
            // Entries may outlive the struct pages that they name; a device that comes back forgets them.
            if self.device[0].is_dead() {
                return;
            }
            let wrong = self
                .entry_without_folio()
                .or_else(|| self.folio_without_entry())
                .or_else(|| self.miscounted_share());
            if let Some((complaint, pfn, index)) = wrong {
                warn_on(cpu, complaint, pfn, index.into());
            }
        });
    }

    /// The first unlocked entry whose folio says something else.
    fn entry_without_folio(&self) -> Option<(Complaint, Pfn, u32)> {
        (0..self.inodes.capacity() as u32).map(InodeId).find_map(|inode| {
            let at_rest = |end: u32| (0..end).find_map(|index| self.disagrees(inode, index));
            self.inode(inode).i_pages.peek(|i_pages| at_rest(i_pages.end)).flatten()
        })
    }

    fn disagrees(&self, inode: InodeId, index: u32) -> Option<(Complaint, Pfn, u32)> {
        let entry = self.peek_entry(inode, index);
        let head = match entry.kind() {
            Kind::Folio(head) if !entry.is_locked() => head,
            Kind::None | Kind::Empty | Kind::Zero | Kind::Folio(_) => return None,
        };
        let order = match self.vm.pagemaps.rules.dax_pages {
            DaxPages::Normal => self.order_of(entry.size()),
            DaxPages::Devmap | DaxPages::EntryRefs => Order::PAGE,
        };
        let claim = |at| Some(Claim { inode, index: index + at, order });
        let disagrees = (0..).zip(self.frames_of(head, entry));
        let shared =
            |pfn| self.is_cloned(inode) && (self.peek_shared(pfn) || self.clones().is_none());
        let mut wrong =
            disagrees.filter(|(at, pfn)| self.claim_of(*pfn) != claim(*at) && !shared(*pfn));
        wrong.next().map(|(at, pfn)| (Complaint::EntryDisagrees, pfn, index + at))
    }

    /// The first folio in a file that has no entry for it, and is getting none.
    fn folio_without_entry(&self) -> Option<(Complaint, Pfn, u32)> {
        self.span.iter().find_map(|pfn| {
            let claim = self.claim_of(pfn)?;
            let known = self.inodes.get(claim.inode.0)?.i_pages.peek(|i_pages| {
                let mut all = (0..i_pages.end).map(|index| self.peek_entry(claim.inode, index));
                let (at, entry) = self.peek_entry_of(claim.inode, claim.index);
                match entry.kind() {
                    Kind::Folio(head) if head.add(claim.index - at) == pfn => true,
                    Kind::None | Kind::Empty | Kind::Zero | Kind::Folio(_) => {
                        all.any(DaxEntry::is_locked)
                    }
                }
            });
            (known == Some(false)).then_some((Complaint::FolioWithoutEntry, pfn, claim.index))
        })
    }

    /// The entries of all files that share blocks; none while one of them is locked.
    fn clones(&self) -> Option<Vec<DaxEntry>> {
        let mut all = Vec::new();
        let inodes = (0..self.inodes.capacity() as u32).map(InodeId);
        for inode in inodes.filter(|inode| self.is_cloned(*inode)) {
            let end = self.inode(inode).i_pages.peek(|i_pages| i_pages.end)?;
            all.extend((0..end).map(|index| self.peek_entry(inode, index)));
        }
        (!all.iter().any(|entry| entry.is_locked())).then_some(all)
    }

    /// The first page that several files' entries have and whose share word is not their number.
    fn miscounted_share(&self) -> Option<(Complaint, Pfn, u32)> {
        let mut counts = BTreeMap::<u32, u32>::new();
        for entry in self.clones()? {
            match entry.kind() {
                Kind::None | Kind::Empty | Kind::Zero => {}
                Kind::Folio(head) => self
                    .frames_of(head, entry)
                    .filter(|pfn| self.peek_shared(*pfn))
                    .for_each(|pfn| *counts.entry(pfn.0).or_default() += 1),
            }
        }
        counts.into_iter().find_map(|(pfn, entries)| {
            let (_, share) = self.vm.pagemaps.memmap.page(Pfn(pfn)).peek_place();
            (share != entries).then_some((Complaint::ShareMiscounted, Pfn(pfn), share))
        })
    }

    /// Whether the folio headed at a frame says that several files have it.
    pub(super) fn peek_shared(&self, pfn: Pfn) -> bool {
        let page = self.vm.pagemaps.memmap.page(pfn);
        let (mapping, share) = page.peek_place();
        match self.vm.pagemaps.rules.share_count {
            ShareCount::Counted => mapping == 0 && share > 0,
            ShareCount::Marked | ShareCount::OnWrite => page.peek_marked_shared(),
        }
    }

    /// What the folio headed at a frame says; nothing for a tail, or a page in no file, or in several.
    fn claim_of(&self, pfn: Pfn) -> Option<Claim> {
        let page = self.vm.pagemaps.memmap.page(pfn);
        if page.peek_head(pfn) != pfn || page.peek_marked_shared() {
            return None;
        }
        let (mapping, index) = page.peek_place();
        let inode = InodeId(mapping.checked_sub(1)?);
        Some(Claim { inode, index, order: page.peek_order() })
    }

    /// The entry that answers for an index, and where it sits. A folio's is where the folio says it begins.
    fn peek_entry_of(&self, inode: InodeId, index: u32) -> (u32, DaxEntry) {
        let entry = self.peek_entry(inode, index);
        let head = index & !(self.pmd_order().pages() - 1);
        match self.vm.pagemaps.rules.dax_pages {
            DaxPages::Devmap | DaxPages::EntryRefs if entry == DaxEntry::NONE => {
                let huge = self.peek_entry(inode, head);
                match huge.size() {
                    Size::Page => (index, entry),
                    Size::Pmd => (head, huge),
                }
            }
            DaxPages::Devmap | DaxPages::EntryRefs | DaxPages::Normal => (index, entry),
        }
    }

    fn peek_entry(&self, inode: InodeId, index: u32) -> DaxEntry {
        let at = self.row(inode) + index as usize;
        self.entries.get(at).map_or(DaxEntry::NONE, DaxSlot::peek)
    }
}
