//! Audits that need not be made, because memory holds what it held when they found nothing.
//!
//! The books are compared at the end of each operation, and at the end of an execution when everybody has left. Both
//! are functions of what memory holds, and most executions leave behind what others left: of ten audits nine find
//! just what one before them did. So what was found right is kept, as a digest of what was written since the start of
//! executions, and an audit is made where its digest is new. The words that an audit looks at count as touched by
//! the step before it, whether it is made or left out: a search within a bound leaves out none and tries none that it would not
//! otherwise.
//!
//! Now and then, as often as the number of those left out doubles, one is made all the same, and must find
//! nothing in the same places.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use pgmap_prim::looks_of;
use pgmap_sched::{Object, touch_all};

/// Digests kept of either kind, a few dozen bytes each; beyond that every new audit is made.
const MOST: usize = 1 << 18;

/// What audits look at differs where memory does in who holds what, so there are few ways; each is some KiB.
const MOST_LOOKS: usize = 1 << 10;

/// What was found right; in each place a number of what was looked at.
#[derive(Debug, Default)]
pub(crate) struct Audited {
    operations: RefCell<HashMap<u128, u32>>,
    looks: RefCell<Vec<Vec<Object>>>,
    ends: RefCell<HashSet<u128>>,
    /// Those that were known to find nothing, and of these those that were made all the same.
    known: Cell<u64>,
    made: Cell<u64>,
    /// None is left out.
    all: Cell<bool>,
}

impl Audited {
    /// From here on every audit is made.
    pub(crate) fn make_all(&self) {
        self.all.set(true);
    }

    /// Makes the audit at the end of an operation unless it is known to find nothing. It does not return if it
    /// complains.
    pub(crate) fn operation(&self, now: Option<u128>, audit: impl FnOnce()) {
        let known = now.and_then(|now| self.operations.borrow().get(&now).copied());
        if let Some(known) = known
            && self.may_leave_out()
        {
            return touch_all(known, &self.looks.borrow()[known as usize]);
        }
        let looks = looks_of(audit);
        match (known, now) {
            (Some(known), _) => {
                let before = &self.looks.borrow()[known as usize];
                assert!(
                    *before == looks,
                    "an audit looks elsewhere than one before it in the same memory"
                );
            }
            (None, Some(now)) if self.operations.borrow().len() < MOST => {
                if let Some(known) = self.number(looks) {
                    self.operations.borrow_mut().insert(now, known);
                }
            }
            (None, _) => {}
        }
    }

    /// Whether the books were found to balance at the end of an execution that left this behind.
    pub(crate) fn balances(&self, now: Option<u128>) -> bool {
        now.is_some_and(|now| self.ends.borrow().contains(&now)) && self.may_leave_out()
    }

    /// They do.
    pub(crate) fn note_balance(&self, now: Option<u128>) {
        let mut ends = self.ends.borrow_mut();
        if ends.len() < MOST {
            ends.extend(now);
        }
    }

    fn may_leave_out(&self) -> bool {
        let now = self.known.get() + 1;
        self.known.set(now);
        let made = now.is_power_of_two() || self.all.get();
        self.made.set(self.made.get() + u64::from(made));
        !made
    }

    /// How many audits were not made.
    pub(crate) fn left_out(&self) -> u64 {
        self.known.get() - self.made.get()
    }

    /// There are few different ones; None beyond that.
    fn number(&self, looks: Vec<Object>) -> Option<u32> {
        let mut all = self.looks.borrow_mut();
        let known = all.iter().rposition(|before| *before == looks).or_else(|| {
            (all.len() < MOST_LOOKS).then(|| {
                all.push(looks);
                all.len() - 1
            })
        });
        known.map(|known| known as u32)
    }
}
