//! An explorer that stays with its thread: the stacks and tables of one search serve the next.
//!
//! A small search is over in less time than it takes to map stacks and to touch them first. Who searches many
//! programs, one after the other, asks for the thread's explorer each time. What comes of a search does not depend on
//! those before it: an execution begins anew whatever was on its stacks, and there are many in one search.

use core::cell::Cell;

use crate::explorer::Explorer;

thread_local! {
    static KEPT: Cell<Option<Box<Explorer>>> = const { Cell::new(None) };
}

impl Explorer {
    /// Calls `act` with the explorer of this thread. One that is asked for meanwhile is another; after a panic, of
    /// which nobody knows what it left behind, there is a new one.
    pub fn kept<R>(act: impl FnOnce(&mut Explorer) -> R) -> R {
        let mut explorer = KEPT.take().unwrap_or_default();
        let result = act(&mut explorer);
        KEPT.set(Some(explorer));
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> usize {
        Explorer::kept(|explorer| core::ptr::from_ref(explorer).addr())
    }

    #[test]
    fn a_thread_keeps_one_and_gives_it_again() {
        let outer = Explorer::kept(|explorer| {
            let outer = core::ptr::from_ref(explorer).addr();
            assert_ne!(address(), outer, "two at the same time");
            outer
        });
        assert_eq!(address(), outer);
    }

    #[test]
    fn after_a_panic_it_is_forgotten() {
        let caught =
            std::panic::catch_unwind(|| Explorer::kept(|_| panic!("in the midst of a search")));
        assert!(caught.is_err());
        assert!(KEPT.take().is_none());
    }
}
