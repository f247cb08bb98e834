//! Whether anybody still has a page that changes hands (I18).
//!
//! Asked where an entry and its folio come together and apart (`dax_associate_entry`, `dax_disassociate_entry`) and
//! where a block is taken and freed. The kernel warns at the first two; the others are our own.
//!
//! Where a free page has the count one (up to v6.14), GUP-fast takes a reference on it for a moment, before its second
//! look at the entry tells it that the page is gone. Such a reference is nobody's, and is over when the section with
//! interrupts off has ended in which it was taken. So whoever finds one waits for those sections and looks again: a
//! reference that is still there then has an owner. The kernel does not look again; its warning there may be a false one.

use prim::{Cpu, sync_irq};
use program::rules::DaxPages;

use crate::dax::Dax;
use crate::page::{Folio, Pfn};
use crate::refcount::Count;
use crate::warn::{Complaint, warn_on};

/// What makes a page busy.
#[derive(Clone, Copy)]
pub(super) enum By {
    Reference,
    /// Or a mapping of this page of the folio.
    ReferenceOrMapping(Pfn),
}

impl Dax {
    /// Complains of a folio that somebody has, and not in passing.
    #[track_caller]
    pub(super) fn check_idle(&self, cpu: &Cpu<'_>, folio: Folio<'_>, complaint: Complaint, by: By) {
        let found = match (self.in_use(folio, by), self.vm.pagemaps.rules.dax_pages) {
            (Some(_), DaxPages::Devmap) => {
                let _ = sync_irq(cpu);
                self.in_use(folio, by)
            }
            (found, DaxPages::Devmap | DaxPages::Normal | DaxPages::EntryRefs) => found,
        };
        if let Some(count) = found {
            warn_on(cpu, complaint, folio.pfn(), count.into());
        }
    }

    /// What the entries that have a folio hold: one's, or those of as many as its share word says.
    #[track_caller]
    pub(super) fn refs_of_entries(&self, folio: Folio<'_>) -> i32 {
        match self.refs_of_entry() {
            0 => 0,
            refs if self.is_shared(folio) => refs * folio.index_or_share().cast_signed(),
            refs => refs,
        }
    }

    /// The same of a frame, without a step.
    #[must_use]
    pub(crate) fn peek_refs_of_entries(&self, pfn: Pfn) -> i32 {
        let (mapping, share) = self.vm.pagemaps.memmap.page(pfn).peek_place();
        let entries =
            if self.peek_shared(pfn) { share.cast_signed() } else { (mapping != 0).into() };
        self.refs_of_entry() * entries
    }

    /// What holds each frame of a file for as long as an entry of it is there.
    #[must_use]
    pub(super) fn refs_of_entry(&self) -> i32 {
        match self.vm.pagemaps.rules.dax_pages {
            DaxPages::Normal | DaxPages::Devmap => 0,
            DaxPages::EntryRefs => 1,
        }
    }

    /// The count of a folio that is not idle.
    #[track_caller]
    fn in_use(&self, folio: Folio<'_>, by: By) -> Option<Count> {
        let count = folio.refcount();
        let in_use = !count.is_idle()
            || match by {
                By::Reference => false,
                By::ReferenceOrMapping(pfn) => {
                    self.vm.pagemaps.memmap.page(pfn).mapcount.read() != 0
                }
            };
        in_use.then_some(count)
    }
}
