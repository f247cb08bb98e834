//! The arena in use: the one whose words this thread's steps are about.
//!
//! A step knows the address of its word and nothing else, so what it needs of the arena is found through
//! the thread: the base, for an identity that does not depend on where the arena lies, and the record of
//! what was written. [`Arena::enter`](crate::Arena::enter) sets it for as long as its guard lives.

use core::{cell::Cell, marker::PhantomData, ptr::NonNull};
use std::sync::Arc;

use crate::{dirty::Dirty, memory::Memory};

struct InUse {
    base: Cell<usize>,
    bytes: Cell<usize>,
    dirty: Cell<Option<NonNull<Dirty>>>,
}

thread_local! {
    static IN_USE: InUse =
        const { InUse { base: Cell::new(0), bytes: Cell::new(0), dirty: Cell::new(None) } };
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
            now.base.set(memory.base.addr().get());
            now.bytes.set(memory.bytes);
            now.dirty.set(Some(NonNull::from(&memory.dirty)));
        });
        Self { memory: Arc::clone(memory), this_thread: PhantomData }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.memory.dirty.forget();
        if is(&self.memory) {
            IN_USE.with(|now| {
                now.base.set(0);
                now.bytes.set(0);
                now.dirty.set(None);
            });
        }
    }
}
