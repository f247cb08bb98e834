//! What must hold in a world, by number (K§10), so that a report, a test and a race of the
//! catalogue name the same thing.
//!
//! I13 comes in two strengths, because kernels since v5.18 satisfy only the weak one for file
//! system DAX and generic pages; a report must never mix them up. P1 is no property of a world: it is what
//! a program itself says (`expect`).

use crate::by_name::{serialized_by, shown_by};
use crate::same::same;

macro_rules! invariants {
    ($($name:ident $id:literal $sentence:literal;)+) => {
        /// One invariant of the emulated machine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)] // each carries its sentence as doc
        pub enum Invariant {
            $(#[doc = $sentence] $name,)+
        }

        impl Invariant {
            /// All of them, in the order of K§10.
            pub const ALL: &'static [Invariant] = &[$(Invariant::$name),+];

            /// The number used in reports, `"I13-strong"`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Invariant::$name => $id),+ }
            }

            /// One sentence that says what holds.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Invariant::$name => $sentence),+ }
            }
        }
    };
}

invariants! {
    I01 "I01" "No counter goes below zero and none wraps.";
    I02 "I02" "While a page's refcount is zero, no page table, TLB, gather batch, pin or thread names it.";
    I03 "I03" "The refcount is exactly the sum of its owners: base, mappings, batches, gets, pins and entries.";
    I04 "I04" "The mapcount counts the page-table entries, the pincount the pins, and the refcount covers both.";
    I05 "I05" "A frozen folio is unmapped and has one freezer, who restores exactly what the caches hold.";
    I06 "I06" "A tail page's own refcount stays zero, and nobody writes to a shared tail.";
    I07 "I07" "A refcount is stored plainly only while no other thread can reach it.";
    I08 "I08" "Once a folio is handed to its free callback, the thread that freed it does not touch it again.";
    I09 "I09" "Each device page is free on exactly one list, allocated, or in transit in one thread.";
    I10 "I10" "An allocation has one owner, and two allocated folios never overlap.";
    I11 "I11" "No page goes from zero to one reference once its pagemap is dead.";
    I12 "I12" "A pagemap's references are its bulk, its allocated pages and its live lookups, no more.";
    I13Weak "I13-weak" "After memunmap returns, no thread touches the pagemap or its struct pages.";
    I13Strong "I13-strong" "Teardown does not finish while any page of the pagemap still has a reference.";
    I14 "I14" "A per-CPU reference count adds up, and is released once, after kill, at exactly zero.";
    I15 "I15" "Nobody follows a pointer to data, ops or holder after it was cleared.";
    I16 "I16" "Every successful pagemap lookup is put once, and none succeeds after the kill is confirmed.";
    I17 "I17" "A DAX entry and its folio agree on file, index and order; a shared folio counts its entries.";
    I18 "I18" "A block is freed only when its pages are idle, so a pinned block stays with its file and offset.";
    I19 "I19" "A locked DAX entry has one owner, and its unlock wakes somebody who takes it or passes it on.";
    I20 "I20" "Nobody sleeps for an idle page while holding a lock that faults need; the lock graph has no cycle.";
    I21 "I21" "An inode is not freed while one of its pages is pinned.";
    I22 "I22" "A page is put by zap only after every CPU that may hold a translation has flushed it.";
    I23 "I23" "A page-table page is not reused while a lock-free walker may stand in it.";
    I24 "I24" "When lock-free GUP succeeds, the address still mapped that page, which still belonged to the folio it holds.";
    I25 "I25" "A split moves no address to another frame and loses no reference.";
    I26 "I26" "Migration entries exist only while the folio is locked.";
    I27 "I27" "Compound metadata matches the allocation, and no page points to a foreign head.";
    I28 "I28" "During a migration each address reaches exactly one copy, and its data never goes back in time.";
    I29 "I29" "A page handed to a driver's migrate callback is alive and is the one the entry names.";
    I30 "I30" "After a notifier invalidation returns, no device still maps the old page.";
    L1 "L1" "Unmapping a pagemap ends once all references are gone.";
    L2 "L2" "Breaking a layout ends once the pins are gone.";
    L3 "L3" "No retry loop runs for ever without progress.";
    L4 "L4" "Every sleeper is woken.";
    P1 "P1" "The steps of a program come to what it expects of them.";
}

impl Invariant {
    /// The invariant with this number.
    #[must_use]
    pub const fn from_id(id: &str) -> Option<Invariant> {
        let mut i = 0;
        while i < Invariant::ALL.len() {
            if same(Invariant::ALL[i].id(), id) {
                return Some(Invariant::ALL[i]);
            }
            i += 1;
        }
        None
    }
}

shown_by!(id: Invariant);
serialized_by!(id: Invariant);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_and_sentences_are_unique_and_ids_find_their_invariant() {
        let ids: BTreeSet<_> = Invariant::ALL.iter().map(|i| i.id()).collect();
        let sentences: BTreeSet<_> = Invariant::ALL.iter().map(|i| i.sentence()).collect();
        let all = Invariant::ALL.len();
        assert_eq!((ids.len(), sentences.len()), (all, all));
        for &i in Invariant::ALL {
            assert_eq!(Invariant::from_id(i.id()), Some(i));
            assert!(i.sentence().ends_with('.'));
        }
        assert_eq!(Invariant::from_id("I99"), None);
    }
}
