//! Ghost state: what the explorer knows and a machine does not (who owns each reference).
//!
//! Here a ghost holds a `T`, in the memory that a restore puts back. An update is no step: it belongs to
//! what surrounds it. It must not take steps itself, and nothing in the protocol may depend on it.
//!
//! The search without a bound does not know of it. So a change of a ghost rides on a step that writes a word at
//! which whoever judges the ghost peeks: that word orders the two.

use core::{
    cell::UnsafeCell,
    fmt,
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Release},
    },
};

use crate::{PlainData, ZeroInit, in_use, looks};

/// A `T` that exists only when explored.
#[repr(C)]
pub struct Ghost<T: PlainData> {
    /// 1 while an update runs: what makes `&Ghost` safe to share.
    busy: AtomicU32,
    state: UnsafeCell<T>,
}

// SAFETY: `busy` lets one update in at a time; T: PlainData is Send.
unsafe impl<T: PlainData> Sync for Ghost<T> {}
// SAFETY: 0 is "not busy", zero bytes are a T because it is PlainData; T: Copy, so no Drop; T sits in an
// UnsafeCell.
unsafe impl<T: PlainData> ZeroInit for Ghost<T> {}

impl<T: PlainData> Ghost<T> {
    #[must_use]
    pub const fn new() -> Self {
        // SAFETY: zero bytes are a T because it is PlainData.
        let zero = unsafe { core::mem::zeroed() };
        Self { busy: AtomicU32::new(0), state: UnsafeCell::new(zero) }
    }

    /// Runs `update`, as one step with what surrounds it.
    ///
    /// # Panics
    /// If an update of this ghost runs already.
    pub fn with(&self, update: impl FnOnce(&mut T)) {
        // What only looks changes nothing, and must not seem to: it may be left out.
        if !looks::are_noted() {
            in_use::mark(core::ptr::from_ref(self).addr(), size_of::<Self>());
        }
        assert!(self.busy.swap(1, Acquire) == 0, "a ghost's update inside its update");
        // SAFETY: `busy` was 0, so this is the only reference.
        update(unsafe { &mut *self.state.get() });
        self.busy.store(0, Release);
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
