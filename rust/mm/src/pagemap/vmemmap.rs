//! Struct pages that share one page (`hugetlb_vmemmap_optimize_folio`, `mm/hugetlb_vmemmap.c`; K§9 B24).
//!
//! The tails of a huge folio all say the same, so all but the first of the pages that their struct pages fill can be one
//! page, mapped again and again, and read-only: one write would be seen in every tail. Nobody has a reason to write: a tail's own
//! count is zero as long as the folio is there, and whoever asks for a reference by frame number reads it first.
//!
//! But somebody may have read it before the folio was made, when the page was one of its own and had a count, and write
//! it now: a compare-and-exchange writes, or traps, whether or not it succeeds. So whoever folds waits for walkers first, who
//! read and write in one RCU section; one that begins after that reads zero and writes nothing.
//!
//! ```text
//!   walker   [ read count 1 ............ cmpxchg 1 -> 2 ]        [ read count 0: refused ]
//!   folder          page freed, huge folio made    synchronize_rcu    read-only
//! ```
//!
//! Departures: it is done to a driver's folios, since there is no hugetlb here, where device-dax has it from the start
//! (`vmemmap_shift`); nothing is copied, a word says that it is so. The first two pages stand for those that fit into the
//! first page of struct pages, where a folio counts what is counted of the whole.

use prim::{Cpu, synchronize_rcu};
use program::Errno;
use program::rules::Switch;

use crate::page::{Folio, Pfn};
use crate::pagemap::Pagemaps;
use crate::warn::{Complaint, warn_on};

/// Pages of a folio whose struct pages stay their own.
const OWN: u32 = 2;

impl Pagemaps {
    /// `hugetlb_vmemmap_optimize_folio`, by who has a reference. May sleep.
    ///
    /// # Errors
    /// `EINVAL` if the folio is not as large as a PMD.
    #[doc(alias = "hugetlb_vmemmap_optimize_folio")]
    pub fn vmemmap_fold(&self, cpu: &Cpu<'_>, folio: Folio<'_>) -> Result<(), Errno> {
        if folio.order() < self.pmd_order {
            return Err(Errno::EINVAL);
        }
        match self.rules.fold_wait {
            Switch::On => {
                synchronize_rcu(cpu);
            }
            // The mistake of B24.
            Switch::Off => {}
        }
        self.folded[self.fold_of(folio.pfn())].set(1);
        Ok(())
    }

    /// `hugetlb_vmemmap_restore_folio`, by who is about to write a folio's words.
    #[doc(alias = "hugetlb_vmemmap_restore_folio")]
    #[track_caller]
    pub(crate) fn vmemmap_restore(&self, folio: Folio<'_>) {
        let folded = &self.folded[self.fold_of(folio.pfn())];
        if folded.peek() != 0 {
            folded.set(0);
        }
    }

    /// Somebody has just written to the count of a page, or tried to: it must have been one of its own. No step.
    pub(super) fn check_writable(&self, cpu: &Cpu<'_>, pfn: Pfn) {
        let shared = pfn.0 & (self.pmd_order.pages() - 1) >= OWN;
        if shared && self.folded[self.fold_of(pfn)].peek() != 0 {
            warn_on(cpu, Complaint::SharedTailWritten, pfn, 0);
        }
    }

    fn fold_of(&self, pfn: Pfn) -> usize {
        (pfn.0 >> self.pmd_order.0) as usize
    }
}
