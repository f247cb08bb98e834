//! The count word of a folio (`include/linux/page_ref.h`).
//!
//! One signed word, as in `struct page::_refcount`:
//!
//! ```text
//!   0                 free or frozen: try_add refuses, only the owner of the page may leave zero
//!   1 ..= LIMIT       that many references are out
//!   above LIMIT       nearly full: try_add refuses (K§9 B28)
//!   below 0           underflow: parked at SATURATED, every later operation complains
//! ```
//!
//! Who may write when: `try_add` and `sub` by anyone holding a pointer; `set`, `unfreeze` and
//! `inc_from_idle` only by the owner of an idle page (I07, K§5.4 step 10), and through devmap entries.
//!
//! Departure: the word counts references that somebody has. Up to v6.14 the kernel's counts one more for a DAX page,
//! which nobody has and a free page keeps (K§3.7 Era A): an observer is told so (`Pagemaps::count_of_free`), as it is
//! told mapcounts that the kernel keeps less one.

use prim::{AtomicI32, Strength, zeroed};

/// Largest count a speculative get still accepts.
pub const LIMIT: i32 = i32::MAX / 2;
/// Where an underflown count is parked: far from zero in both directions.
pub const SATURATED: i32 = i32::MIN / 2;

/// A count as it was read. What a number means, and which of them is that of a free page, is known here and
/// nowhere else: schemes differ in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(i32);

impl Count {
    /// Of a page that nobody holds: free, or with its owner, who may map it.
    pub const IDLE: Self = Self(0);

    /// What was read, where a test says so.
    #[cfg(test)]
    pub(crate) const fn of(count: i32) -> Self {
        Self(count)
    }

    /// Nobody holds the page.
    #[inline(always)]
    #[must_use]
    pub fn is_idle(self) -> bool {
        self == Self::IDLE
    }

    /// Others hold the page than those of whom this many are known: its mappings, most often.
    #[inline(always)]
    #[must_use]
    pub fn is_busy(self, known: i32) -> bool {
        self.0 != Self::IDLE.0 + known
    }

    /// Somebody holds the page, as far as a count that was not taken below zero tells.
    #[inline(always)]
    #[must_use]
    pub fn is_held(self) -> bool {
        self.0 > Self::IDLE.0
    }

    /// So many hold it that no more are let in.
    #[must_use]
    pub fn is_full(self) -> bool {
        self.0 > LIMIT
    }

    /// More was put than was held.
    #[must_use]
    pub fn is_underflown(self) -> bool {
        self.0 < Self::IDLE.0
    }

    /// The number, for whoever tells it or adds it up.
    #[inline(always)]
    #[must_use]
    pub fn get(self) -> i32 {
        self.0
    }
}

impl From<Count> for i64 {
    fn from(count: Count) -> Self {
        count.0.into()
    }
}

/// Why a speculative get was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Refused {
    /// Free or frozen; the caller cannot tell which (K§2.2).
    Zero,
    /// Below zero or nearly full.
    Saturated(i32),
}

/// What a put left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Dropped {
    /// Somebody else still holds a reference.
    Live,
    /// This put took the last one: the caller owns the page and must free it.
    Zero,
    /// More was put than was held; the count is now [`SATURATED`].
    Underflow(i32),
}

zeroed! {
    /// `_refcount`.
    #[derive(Debug)]
    pub struct PageRef {
        count: AtomicI32,
    }
}

impl PageRef {
    /// `page_ref_count`: a snapshot, stale at once.
    #[doc(alias = "page_ref_count")]
    #[inline(always)]
    pub fn count(&self) -> Count {
        Count(self.count.read())
    }

    /// The count for the ledger: no step.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Count {
        Count(self.count.peek())
    }

    /// `set_page_count`: a plain store. Only while nobody else can touch the page (I07).
    #[doc(alias = "set_page_count")]
    #[inline(always)]
    pub fn set(&self, count: i32) {
        self.count.set(count);
    }

    /// Publishes a freshly built folio. Release: pairs with the successful CAS of [`Self::try_add`],
    /// so whoever gets a reference also sees head, order and mapping. `how` is the rule `folio-publish`.
    #[doc(alias = "set_page_count")]
    #[inline(always)]
    pub fn publish(&self, how: Strength, count: i32) {
        self.count.set_release_with(how, count);
    }

    /// `folio_ref_try_add`: add `refs` unless free, frozen or saturated. Full order on success
    /// (pairs with the unmapper's clear-then-read, K§4.1), none on failure.
    #[doc(alias = "folio_ref_try_add")]
    #[inline(always)]
    pub fn try_add(&self, refs: i32) -> Result<(), Refused> {
        self.try_add_with(Strength::KEPT, refs)
    }

    /// [`Self::try_add`] by a reader without locks; `how` is the rule `gup-grab`.
    #[doc(alias = "folio_ref_try_add")]
    #[inline(always)]
    pub fn try_add_with(&self, how: Strength, refs: i32) -> Result<(), Refused> {
        self.try_add_noting(how, refs, || ())
    }

    /// The same; `wrote` is ghost work in the step of each compare-and-exchange, for a failing one writes, too.
    #[doc(alias = "folio_ref_try_add")]
    #[inline(always)]
    pub fn try_add_noting(
        &self,
        how: Strength,
        refs: i32,
        wrote: impl Fn(),
    ) -> Result<(), Refused> {
        let mut seen = self.count.read();
        loop {
            // One unsigned compare covers zero, negative and nearly full.
            if (seen.wrapping_sub(1)).cast_unsigned() >= LIMIT.cast_unsigned() {
                return Err(if seen == 0 { Refused::Zero } else { Refused::Saturated(seen) });
            }
            let swapped = self.count.cmpxchg_with(how, seen, seen.wrapping_add(refs));
            wrote();
            match swapped {
                Ok(_) => return Ok(()),
                Err(now) => seen = now,
            }
        }
    }

    /// `folio_ref_add` by somebody who already holds a reference. Relaxed, as in the kernel.
    #[doc(alias = "folio_ref_add")]
    #[inline(always)]
    pub fn add(&self, refs: i32) {
        self.count.add(refs);
    }

    /// `folio_ref_inc` by the owner of an idle page: the legal 0 -> 1. Full order, so that the
    /// bookkeeping before it is visible to the first speculative get.
    #[doc(alias = "folio_ref_inc")]
    #[inline(always)]
    pub fn inc_from_idle(&self) -> Count {
        Count(self.count.inc_return())
    }

    /// `folio_put_refs`. Full order: everything done under the reference happens before the free. `note` is
    /// ghost work, in the step of the subtraction; `how` is the rule `folio-put`.
    #[doc(alias = "folio_put_refs")]
    #[inline(always)]
    pub fn sub(&self, how: Strength, refs: i32, note: impl FnOnce()) -> Dropped {
        // One locked instruction whose flags decide, as in the kernel: asking the same RMW for the value as well
        // costs 7 % of a get and a put. The look afterwards may see somebody else's underflow instead of ours.
        let zero = self.count.sub_and_test_with(how, refs);
        note();
        if zero {
            return Dropped::Zero;
        }
        let left = self.count.read();
        if left >= 0 {
            return Dropped::Live;
        }
        self.count.set(SATURATED);
        Dropped::Underflow(left)
    }

    /// `folio_ref_freeze`: `expected` to zero, or nothing. Full order on success.
    #[doc(alias = "folio_ref_freeze")]
    #[must_use]
    #[inline]
    pub fn freeze(&self, expected: i32) -> bool {
        self.count.cmpxchg(expected, 0).is_ok()
    }

    /// `folio_ref_unfreeze`. Release: pairs with [`Self::try_add`]. Returns false, and does nothing,
    /// when the count was not frozen or `count` would leave it so. `how` is the rule `folio-publish`.
    #[doc(alias = "folio_ref_unfreeze")]
    #[must_use]
    #[inline]
    pub fn unfreeze(&self, how: Strength, count: i32) -> bool {
        let frozen = self.count.read() == 0 && count > 0;
        if frozen {
            self.count.set_release_with(how, count);
        }
        frozen
    }
}
