//! The words of page tables, and the only ways in which they change (`linux/pgtable.h`).
//!
//! ```text
//!   none --publish--> present --publish--> writable, or back after a clear
//!   present --clear--> none                the unmapper's half of K§4.1
//!   present --clear--> none --publish--> migration --publish--> present
//!   present --clear--> none --publish--> exclusive --publish--> present
//!   none --publish--> table --unlink--> none
//!   leaf --invalidate--> invalid --publish--> table, or a migration entry of the whole
//! ```
//!
//! A word changes under the lock of its table, which each change asks to see; it is read once without any
//! lock by GUP and by the hardware walk.

use prim::{AtomicU64, Guarded, LockClass, SpinGuard, plain, zeroed};
use program::rules::ZapClear;

use crate::lock_order;
use crate::vm::entry::{Pmd, Pte};

zeroed! {
    /// A PTE in memory.
    #[derive(Debug)]
    pub(super) struct PteWord {
        word: AtomicU64,
    }
}

zeroed! {
    /// A PMD in memory.
    #[derive(Debug)]
    pub(super) struct PmdWord {
        word: AtomicU64,
    }
}

/// The bits that a walker without locks has read, to be compared when it looks again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot(u64);

plain! {
    /// The PTL protects the entries of its table, which live beside it.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct PtLocked;
}

impl Guarded for PtLocked {
    const CLASS: LockClass = lock_order::PAGE_TABLE_LOCK;
}

/// The lock that a change of a word is made under.
type Locked<'a> = &'a SpinGuard<'a, PtLocked>;

impl PteWord {
    /// `ptep_get`: relaxed.
    #[doc(alias = "ptep_get")]
    #[inline(always)]
    #[track_caller]
    pub(super) fn load(&self) -> Pte {
        Pte::from_bits(self.word.read())
    }

    /// `ptep_get_lockless`. Acquire: pairs with [`Self::publish`].
    #[doc(alias = "ptep_get_lockless")]
    #[inline(always)]
    #[track_caller]
    pub(super) fn load_lockless(&self) -> (Pte, Snapshot) {
        let bits = self.word.read_acquire();
        (Pte::from_bits(bits), Snapshot(bits))
    }

    /// The second look of a walker without locks. Relaxed: ordered by the reference it took in between.
    #[inline(always)]
    #[track_caller]
    pub(super) fn differs(&self, seen: Snapshot) -> bool {
        self.word.differs_from(seen.0)
    }

    /// Whether it did, for a check.
    #[inline(always)]
    pub(super) fn differed(&self, seen: Snapshot, told: bool) -> bool {
        self.word.really_differs_from(seen.0, told)
    }

    /// For an audit: no step.
    pub(super) fn peek(&self) -> Pte {
        Pte::from_bits(self.word.peek())
    }

    /// `set_pte_at`. Release: pairs with [`Self::load_lockless`]; whoever sees the entry sees the counts.
    #[doc(alias = "set_pte_at")]
    #[inline(always)]
    #[track_caller]
    pub(super) fn publish(&self, _ptl: Locked<'_>, pte: Pte) {
        self.word.set_release(pte.bits());
    }

    /// `ptep_get_and_clear`.
    #[doc(alias = "ptep_get_and_clear")]
    pub(super) fn clear(&self, _ptl: Locked<'_>, how: ZapClear) -> Pte {
        Pte::from_bits(get_and_clear(&self.word, how))
    }
}

impl PmdWord {
    /// `pmdp_get`: relaxed.
    #[doc(alias = "pmdp_get")]
    #[inline(always)]
    #[track_caller]
    pub(super) fn load(&self) -> Pmd {
        Pmd::from_bits(self.word.read())
    }

    /// `pmdp_get_lockless`. Acquire: pairs with [`Self::publish`].
    #[doc(alias = "pmdp_get_lockless")]
    #[inline(always)]
    #[track_caller]
    pub(super) fn load_lockless(&self) -> (Pmd, Snapshot) {
        let bits = self.word.read_acquire();
        (Pmd::from_bits(bits), Snapshot(bits))
    }

    /// The second look of a walker without locks. Relaxed: ordered by the reference it took in between.
    #[inline(always)]
    #[track_caller]
    pub(super) fn differs(&self, seen: Snapshot) -> bool {
        self.word.differs_from(seen.0)
    }

    /// Whether it did, for a check.
    #[inline(always)]
    pub(super) fn differed(&self, seen: Snapshot, told: bool) -> bool {
        self.word.really_differs_from(seen.0, told)
    }

    /// For an audit: no step.
    pub(super) fn peek(&self) -> Pmd {
        Pmd::from_bits(self.word.peek())
    }

    /// `set_pmd_at`, `pmd_populate`. Release: pairs with [`Self::load_lockless`]; whoever sees a leaf sees its
    /// counts, whoever sees a table finds its entries none.
    #[doc(alias = "set_pmd_at")]
    #[inline(always)]
    #[track_caller]
    pub(super) fn publish(&self, _ptl: Locked<'_>, pmd: Pmd) {
        self.word.set_release(pmd.bits());
    }

    /// `pmdp_huge_get_and_clear`.
    #[doc(alias = "pmdp_huge_get_and_clear")]
    pub(super) fn clear(&self, _ptl: Locked<'_>, how: ZapClear) -> Pmd {
        Pmd::from_bits(get_and_clear(&self.word, how))
    }

    /// `pmdp_invalidate`: what was a leaf is no longer walked, and not none either. Full order, as a clear.
    #[doc(alias = "pmdp_invalidate")]
    #[track_caller]
    pub(super) fn invalidate(&self, _pmd_lock: Locked<'_>) -> Pmd {
        Pmd::from_bits(self.word.xchg(Pmd::Invalid.bits()))
    }

    /// `pmd_clear` of a table. Full order: whoever waits for walkers afterwards waits for all that found it.
    #[doc(alias = "pmd_clear")]
    #[track_caller]
    pub(super) fn unlink(&self, _ptl: Locked<'_>) {
        self.word.xchg(0);
    }
}

/// A present entry becomes none: the rule `zap-clear`.
#[track_caller]
fn get_and_clear(word: &AtomicU64, how: ZapClear) -> u64 {
    match how {
        // Full order: pairs with the grab of GUP-fast (K§4.1).
        ZapClear::Xchg => word.xchg(0),
        ZapClear::LoadStore => {
            let seen = word.read();
            word.set(0);
            seen
        }
    }
}
