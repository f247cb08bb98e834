//! How much of its order an operation keeps, where that is a rule.
//!
//! Here the rule is read and shows: see the native face's file of this name for the others.

use core::fmt;

/// Full, or release, as the operation's name says; or relaxed, by a rule that is wrong.
#[derive(Clone, Copy, Default)]
pub struct Strength {
    relaxed: bool,
}

impl Strength {
    /// The operation keeps what its name promises.
    pub const KEPT: Self = Self { relaxed: false };

    /// Relaxed if `wrong` says so.
    #[must_use]
    pub fn relaxed_if(wrong: impl FnOnce() -> bool) -> Self {
        Self { relaxed: wrong() }
    }

    pub(crate) fn is_relaxed(self) -> bool {
        self.relaxed
    }
}

impl fmt::Debug for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.relaxed { "relaxed" } else { "kept" })
    }
}
