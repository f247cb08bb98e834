//! How much of its order an operation keeps, where that is a rule.
//!
//! Some mistakes are an ordering that is too weak. On the machines that these faces are, real x86 and the
//! explorer's memory, the weak operation *is* the strong one: a locked instruction is a full barrier and
//! a plain store releases, whatever the source asked for. So here a strength has no size, the rule behind it
//! is never read and the operation keeps its order; the face over C11 memory has one that says something.
//!
//! An operation that takes a strength is called like the one it may fall short of, `_with` appended.

use crate::{AtomicI32, AtomicI64};

/// Full, or release, as the operation's name says; or relaxed, by a rule that is wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strength(());

const _: () = assert!(size_of::<Strength>() == 0);

impl Strength {
    /// The operation keeps what its name promises.
    pub const KEPT: Self = Self(());

    /// Relaxed if `wrong` says so; nobody asks it here.
    #[inline(always)]
    #[must_use]
    pub fn relaxed_if(wrong: impl FnOnce() -> bool) -> Self {
        let _ = wrong;
        Self::KEPT
    }
}

macro_rules! with_strength {
    ($($name:ident: $int:ty),*) => { $(
        impl $name {
            /// `cmpxchg`, or `cmpxchg_relaxed`.
            #[inline(always)]
            #[track_caller]
            pub fn cmpxchg_with(&self, _: Strength, old: $int, new: $int) -> Result<$int, $int> {
                self.cmpxchg(old, new)
            }

            /// `sub_and_test`, or as much without its order.
                    #[must_use = "whoever brings the count to zero owns what follows"]
            #[inline(always)]
            #[track_caller]
            pub fn sub_and_test_with(&self, _: Strength, n: $int) -> bool {
                self.sub_and_test(n)
            }

            /// `set_release`, or `set`.
                    #[inline(always)]
            #[track_caller]
            pub fn set_release_with(&self, _: Strength, value: $int) {
                self.set_release(value);
            }
        }
    )* };
}

with_strength!(AtomicI32: i32, AtomicI64: i64);
