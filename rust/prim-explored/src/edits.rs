//! What an experiment changes in the protocol: steps that are left out.
//!
//! A step is one call of a primitive: a place in the source, and which primitive, since a helper that takes its
//! caller's place may make several calls. Each primitive asks here, before it does anything, whether it is to have
//! no effect, and each says in its own words what that means; the rules that they follow:
//!
//! | left out | what its caller sees | what others see |
//! |---|---|---|
//! | a store, an `or`, an `add` | nothing, as ever | the word as it was |
//! | a get that tells: `inc_return`, `add_unless`, `cmpxchg` | what it would have come to | the word as it was |
//! | a put that tells: `dec_return`, `sub_and_test` | the count as it was; it was not the last | the word as it was |
//! | an exchange, `fetch_or` | what the word says | the word as it was |
//! | a lock, with its unlock | a copy of what it guards (`lock/own.rs`) | what was changed, when it would be given back |
//! | a read-side section | nothing | nobody is inside |
//! | a wake-up, a barrier, a flush, a grace period | nothing | nothing happens |
//! | a wait | that it may go on | nothing |
//! | another look | that nothing has changed | nothing |
//!
//! While anything is left out, complaints about how primitives are used ([`code`](crate::code)) are not made: an
//! execution goes on until something is broken that the protocol is there for.
//!
//! A machine keeps its edits and puts them in force when it is made to have them and at each reset; they are the
//! thread's until another machine of that thread is reset.

use core::cell::{Cell, RefCell};
use std::collections::HashSet;

use crate::event::Site;

/// A call of a primitive that has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edit {
    /// The end of the path of its source.
    pub file: &'static str,
    pub line: u32,
    pub column: u32,
    pub op: &'static str,
}

impl Edit {
    fn is_of(&self, op: &str, site: Site) -> bool {
        let here = site.line() == self.line && site.column() == self.column && self.op == op;
        here && site.file().ends_with(self.file)
    }
}

/// A primitive that was called, and where.
pub type Call = (Site, &'static str);

/// Nothing to look for.
const QUIET: u8 = 0;
const EDITED: u8 = 1;
const NOTED: u8 = 2;

thread_local! {
    /// Whether there is anything to look for: all that a step asks where nobody experiments.
    static STATE: Cell<u8> = const { Cell::new(QUIET) };
    static EDITS: RefCell<Vec<Edit>> = const { RefCell::new(Vec::new()) };
    static CALLS: RefCell<HashSet<Call>> = RefCell::default();
}

/// Is this call of a primitive to have no effect?
#[inline]
pub(crate) fn left_out(op: &'static str, site: Site) -> bool {
    STATE.get() != QUIET && look_up(op, site)
}

#[cold]
fn look_up(op: &'static str, site: Site) -> bool {
    if STATE.get() & NOTED != 0 {
        CALLS.with_borrow_mut(|calls| calls.insert((site, op)));
    }
    EDITS.with_borrow(|edits| edits.iter().any(|edit| edit.is_of(op, site)))
}

/// Is anything left out?
pub(crate) fn are_in_force() -> bool {
    STATE.get() & EDITED != 0
}

/// From here on these are left out, and no others.
pub(crate) fn put_in_force(edits: &[Edit]) {
    if edits.is_empty() && !are_in_force() {
        return;
    }
    let edited = if edits.is_empty() { QUIET } else { EDITED };
    STATE.set(STATE.get() & NOTED | edited);
    EDITS.with_borrow_mut(|mine| {
        mine.clear();
        mine.extend_from_slice(edits);
    });
}

/// The primitives that this thread calls from here on are noted, until [`noted`].
pub fn note() {
    CALLS.take();
    STATE.set(STATE.get() | NOTED);
}

/// Those that were called since [`note`], each once, in no order.
#[must_use]
pub fn noted() -> Vec<Call> {
    STATE.set(STATE.get() & !NOTED);
    CALLS.take().into_iter().collect()
}
