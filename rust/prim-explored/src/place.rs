//! Memory for one record that something else guards. As natively, and writes are recorded.

use core::cell::UnsafeCell;

use crate::{PlainData, ZeroInit, in_use};

/// One place of a ring, read and written under the ring's lock.
pub(crate) struct Place<T>(UnsafeCell<T>);

// SAFETY: `put` and `get` want exclusion; T: PlainData is Send.
unsafe impl<T: PlainData> Sync for Place<T> {}
// SAFETY: zero bytes are a T because it is PlainData; no Drop because it is Copy.
unsafe impl<T: PlainData> ZeroInit for Place<T> {}

impl<T: PlainData> Place<T> {
    /// # Safety
    /// Nobody else uses the place meanwhile.
    pub(crate) unsafe fn put(&self, item: T) {
        in_use::mark(self.0.get().addr(), size_of::<T>());
        // SAFETY: the caller's promise.
        unsafe { *self.0.get() = item };
    }

    /// # Safety
    /// Nobody writes the place meanwhile.
    pub(crate) unsafe fn get(&self) -> T {
        // SAFETY: the caller's promise.
        unsafe { *self.0.get() }
    }
}
