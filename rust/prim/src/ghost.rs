//! Ghost state: what the explorer knows and a machine does not (who owns each reference).
//!
//! Natively a ghost has no size, is never read and its updates are compiled away; under the
//! scheduler the same name holds a `T`. Protocol code may therefore write ghosts wherever it likes
//! but may never let a ghost decide anything.

use core::{fmt, marker::PhantomData};

use crate::{PlainData, ZeroInit};

/// A `T` that exists only when explored.
pub struct Ghost<T: PlainData>(PhantomData<fn(T) -> T>);

impl<T: PlainData> Ghost<T> {
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(size_of::<Self>() == 0 && align_of::<Self>() == 1) };
        Self(PhantomData)
    }

    /// Never runs `update` here; runs it, as one step with what surrounds it, when explored.
    #[inline(always)]
    pub fn with(&self, update: impl FnOnce(&mut T)) {
        let _ = update;
    }
}

impl<T: PlainData> Default for Ghost<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: PlainData> fmt::Debug for Ghost<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ghost")
    }
}

// SAFETY: zero-sized, so it has no bytes to be invalid; `fn(T) -> T` is always Sync.
unsafe impl<T: PlainData> ZeroInit for Ghost<T> {}
