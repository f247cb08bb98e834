//! Memory for one record that something else guards; loom checks that it does.

use loom::cell::UnsafeCell;

use crate::{PlainData, ZeroInit};

/// One place of a ring, read and written under the ring's lock.
pub(crate) struct Place<T>(UnsafeCell<T>);

// SAFETY: `put` and `get` want exclusion; T: PlainData is Send.
unsafe impl<T: PlainData> Sync for Place<T> {}

impl<T: PlainData> ZeroInit for Place<T> {
    fn zeroed() -> Self {
        Self(UnsafeCell::new(T::zeroed()))
    }

    fn wipe(&self) {
        // SAFETY: whoever wipes a table promises that nobody uses its entries.
        unsafe { self.put(T::zeroed()) };
    }
}

impl<T: PlainData> Place<T> {
    /// # Safety
    /// Nobody else uses the place meanwhile.
    pub(crate) unsafe fn put(&self, item: T) {
        // SAFETY: the caller's promise; the pointer is good for the length of the closure.
        self.0.with_mut(|place| unsafe { *place = item });
    }

    /// # Safety
    /// Nobody writes the place meanwhile.
    pub(crate) unsafe fn get(&self) -> T {
        // SAFETY: as above.
        self.0.with(|place| unsafe { *place })
    }
}
