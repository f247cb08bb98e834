//! Fixed arrays in an arena.

use core::{marker::PhantomData, ops::Range, panic::Location, ptr::NonNull};
use std::sync::Arc;

use pgmap_sched::Effect;

use crate::{
    ZeroInit, edits::left_out, memory::Memory, object, step, store_buffer, verb, wipe::wipe,
};

/// A fixed array in an arena, which it keeps alive. Clones name the same entries.
pub struct Table<T: ZeroInit> {
    base: NonNull<T>,
    len: usize,
    memory: Arc<Memory>,
    entries: PhantomData<T>,
}

// SAFETY: a table gives out `&T` only, and T: Sync. It never drops or moves a T, so T: Send is not
// needed.
unsafe impl<T: ZeroInit> Send for Table<T> {}
// SAFETY: as above.
unsafe impl<T: ZeroInit> Sync for Table<T> {}

impl<T: ZeroInit> Table<T> {
    /// # Safety
    /// `base` was carved from `memory` for `len` entries, and holds zeros.
    pub(crate) unsafe fn new(base: NonNull<T>, len: usize, memory: Arc<Memory>) -> Self {
        Self { base, len, memory, entries: PhantomData }
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        // SAFETY: in bounds of what was carved for this table, aligned, zero bytes or what T's own
        // methods made of them; alive as long as `self.memory`.
        (index < self.len).then(|| unsafe { self.base.add(index).as_ref() })
    }

    /// Where in the table an entry of it is; the inverse of indexing.
    #[must_use]
    #[inline]
    pub fn index_of(&self, entry: &T) -> usize {
        let distance = core::ptr::from_ref(entry).addr().wrapping_sub(self.base.addr().get());
        distance / size_of::<T>()
    }

    /// All entries.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: as in `get`, for every index; entries are only ever changed through `&T`.
        unsafe { core::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }

    /// Makes the entries of `range` new again. Untouched memory is looked at and stays untouched.
    ///
    /// Wants quiescence of these entries (module introduction of [`arena`](crate::arena)). A protocol
    /// that is wrong may wipe what another task is about to read: one point, and a write of every word
    /// that was not zero, so that this order is explored and not confused with another.
    ///
    /// # Panics
    /// If the range is not inside the table.
    #[track_caller]
    pub fn zero(&self, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {}", self.len);
        let site = Location::caller();
        if left_out("zero", site) {
            return;
        }
        let start = self.base.addr().get() + range.start * size_of::<T>();
        let bytes = range.len() * size_of::<T>();
        if store_buffer::takes_zeros(verb::MEMSET, site, start, bytes) {
            return;
        }
        if step::in_task() {
            step::point(verb::MEMSET, Effect::Write, object::range(start), site);
        }
        // SAFETY: `range` is inside the table.
        wipe(unsafe { self.base.add(range.start) }.cast(), bytes, site);
    }
}

impl<T: ZeroInit> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { memory: Arc::clone(&self.memory), ..*self }
    }
}
