//! The arena in use: the one whose words this thread's steps are about.
//!
//! A step knows the address of its word and nothing else, so what it needs of the arena is found through
//! the thread: the base, for an identity that does not depend on where the arena lies, and the record of
//! what was written. [`Arena::enter`](crate::Arena::enter) sets it for as long as its guard lives.

use core::{
    cell::Cell,
    marker::PhantomData,
    ptr::NonNull,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};
use std::sync::Arc;

use crate::{
    dirty::Dirty,
    memory::{Located, Memory},
};

struct InUse {
    memory: Cell<Option<NonNull<Memory>>>,
    base: Cell<usize>,
    bytes: Cell<usize>,
    dirty: Cell<Option<NonNull<Dirty>>>,
    /// The base again, as what may be written through.
    first: Cell<Option<NonNull<u8>>>,
}

thread_local! {
    static IN_USE: InUse =
        const { InUse { memory: Cell::new(None), base: Cell::new(0), bytes: Cell::new(0), dirty: Cell::new(None), first: Cell::new(None) } };
}

/// Where an address lies in the arena in use.
#[inline]
pub(crate) fn offset(address: usize) -> Option<usize> {
    IN_USE.with(|now| {
        let offset = address.wrapping_sub(now.base.get());
        (offset < now.bytes.get()).then_some(offset)
    })
}

/// These bytes are about to be written.
#[inline]
pub(crate) fn mark(address: usize, bytes: usize) {
    IN_USE.with(|now| {
        let offset = address.wrapping_sub(now.base.get());
        if offset < now.bytes.get()
            && let Some(dirty) = now.dirty.get()
        {
            // SAFETY: the memory it belongs to is kept alive by the guard that set it, which clears it
            // before it lets go.
            unsafe { dirty.as_ref() }.mark(offset, bytes);
        }
    });
}

/// Calls `act` with these bytes of the arena in use, if it has them.
pub(crate) fn with_bytes(offset: usize, bytes: usize, act: impl FnOnce(NonNull<u8>)) {
    let first = IN_USE.with(|now| {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= now.bytes.get());
        now.first.get().filter(|_| inside)
    });
    if let Some(first) = first {
        // SAFETY: inside the mapping, which the guard keeps alive as long as `first` is set.
        act(unsafe { first.add(offset) });
    }
}

/// Stores the low `bytes` of a value, 4 or 8, at an offset of the arena in use where a word of that size lies.
/// What was there; None if it is not a word of this arena.
pub(crate) fn store(offset: usize, bytes: usize, value: u64) -> Option<u64> {
    if !offset.is_multiple_of(bytes) {
        return None;
    }
    let mut before = None;
    with_bytes(offset, bytes, |word| {
        mark(word.addr().get(), bytes);
        before = match bytes {
            // SAFETY: inside the mapping and aligned; what lies in an arena and has a `set` is an atomic of
            // this size, and is only ever touched as one.
            4 => Some(
                unsafe { AtomicU32::from_ptr(word.cast().as_ptr()) }
                    .swap(value as u32, Relaxed)
                    .into(),
            ),
            // SAFETY: as above.
            8 => Some(unsafe { AtomicU64::from_ptr(word.cast().as_ptr()) }.swap(value, Relaxed)),
            _ => None,
        };
    });
    before
}

/// What lies at an offset of the arena in use.
pub(crate) fn locate(offset: usize) -> Option<Located> {
    let memory = IN_USE.with(|now| now.memory.get())?;
    // SAFETY: kept alive by the guard that set it, which clears it before it lets go.
    unsafe { memory.as_ref() }.locate(offset)
}

pub(crate) fn is(memory: &Memory) -> bool {
    IN_USE.with(|now| now.base.get() == memory.base.addr().get() && now.dirty.get().is_some())
}

/// While it lives, the steps of this thread are about this arena. Entering another one replaces it.
#[must_use = "the arena is in use until this is dropped"]
#[derive(Debug)]
pub struct Entered {
    memory: Arc<Memory>,
    this_thread: PhantomData<*mut ()>,
}

impl Entered {
    pub(crate) fn new(memory: &Arc<Memory>) -> Self {
        // Writes before this were not recorded.
        memory.dirty.forget();
        IN_USE.with(|now| {
            now.memory.set(Some(NonNull::from(&**memory)));
            now.base.set(memory.base.addr().get());
            now.bytes.set(memory.bytes);
            now.dirty.set(Some(NonNull::from(&memory.dirty)));
            now.first.set(Some(memory.base));
        });
        Self { memory: Arc::clone(memory), this_thread: PhantomData }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.memory.dirty.forget();
        if is(&self.memory) {
            IN_USE.with(|now| {
                now.memory.set(None);
                now.base.set(0);
                now.bytes.set(0);
                now.dirty.set(None);
                now.first.set(None);
            });
        }
    }
}
