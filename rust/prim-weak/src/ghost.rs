//! Ghost state: as natively, there is none. Who owns each reference is the explorer's to know; a model
//! here says what must hold in its own words.

use core::{fmt, marker::PhantomData};

use crate::{PlainData, ZeroInit};

/// A `T` that exists only when explored.
pub struct Ghost<T: PlainData>(PhantomData<fn(T) -> T>);

impl<T: PlainData> Ghost<T> {
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// Never runs `update`.
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

impl<T: PlainData> ZeroInit for Ghost<T> {
    fn zeroed() -> Self {
        Self::new()
    }

    fn wipe(&self) {}
}
