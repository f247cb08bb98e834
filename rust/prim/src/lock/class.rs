//! Classes of locks: their names and their places in the order.

use crate::{Ends, PlainData, WaitClass};

/// What all locks of one kind have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockClass {
    /// How waits for such a lock appear in reports.
    pub waits: WaitClass,
    /// Place in the locking order, outermost first. The explored face checks it.
    pub rank: u8,
}

impl LockClass {
    /// Ranks are below this.
    pub const RANKS: u8 = 64;

    /// A class.
    ///
    /// # Panics
    /// If the rank is [`Self::RANKS`] or more; at compile time, for a constant.
    #[must_use]
    pub const fn new(name: &'static str, rank: u8) -> Self {
        assert!(rank < Self::RANKS);
        Self { waits: WaitClass { name, ends: Ends::WithLock { rank } }, rank }
    }

    /// A class under whose locks no other is taken.
    #[must_use]
    pub const fn innermost(name: &'static str) -> Self {
        Self::new(name, Self::RANKS - 1)
    }

    /// What the lock is called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.waits.name
    }
}

/// Data that has a lock of its own. The class belongs to the data, so that two locks of one kind
/// cannot disagree about their rank.
pub trait Guarded: PlainData {
    const CLASS: LockClass;
}
