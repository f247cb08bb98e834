//! What a look has looked at, for whoever would rather not look twice.
//!
//! A look (`peek`) is no step and leads to a complaint or to nothing. One that has led to nothing does so again where
//! memory holds the same ([`Arena::digest`](crate::Arena::digest)), and may be left out; but the words that it looked at
//! are still what the step before it depends on, and have to be named ([`touch_all`](pgmap_sched::touch_all)).

use core::cell::{Cell, RefCell};

use pgmap_sched::Object;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    static LOOKS: RefCell<Vec<Object>> = const { RefCell::new(Vec::new()) };
}

/// Whether looks are noted.
#[inline]
pub(crate) fn are_noted() -> bool {
    ON.get()
}

/// A look at this.
#[cold]
pub(crate) fn note(object: Object) {
    LOOKS.with_borrow_mut(|looks| looks.push(object));
}

/// Nobody looks: whoever did may have been abandoned over it.
pub(crate) fn reset() {
    ON.set(false);
}

/// What `act` looks at, in its order. It must take no step, and does not return if it complains.
pub fn looks_of(act: impl FnOnce()) -> Vec<Object> {
    LOOKS.with_borrow_mut(Vec::clear);
    ON.set(true);
    act();
    ON.set(false);
    LOOKS.with_borrow(Vec::clone)
}
