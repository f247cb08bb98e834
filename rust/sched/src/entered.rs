//! Which engine this thread's points talk to, if any. Only its address: what it is, `runtime` knows.
//!
//! Const-initialised and without a destructor, so that a look costs a load.

use core::cell::Cell;
use core::ptr;

thread_local! {
    static ENGINE: Cell<*mut ()> = const { Cell::new(ptr::null_mut()) };
}

/// The engine that was entered last and not left; null outside tasks.
#[inline]
pub(crate) fn entered() -> *mut () {
    ENGINE.get()
}

/// Makes an engine the one that this thread's points talk to; the previous one comes back when
/// the value is dropped.
pub(crate) struct Entered(*mut ());

impl Entered {
    pub(crate) fn new(engine: *mut ()) -> Self {
        Entered(ENGINE.replace(engine))
    }

    /// Nothing is scheduled while the value lives.
    pub(crate) fn nothing() -> Self {
        Self::new(ptr::null_mut())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        ENGINE.set(self.0);
    }
}
