//! An owner freezes the count, changes the object and unfreezes it, while somebody tries to get it.

use prim::Cpu;

use super::{Case, Promise};
use crate::scheme::{Caps, Put, Scheme};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Frozen;

/// What the object is afterwards.
const CHANGED: u32 = 7;

impl Promise for Frozen {
    fn name(self) -> &'static str {
        "nobody gets it while it is frozen, and whoever gets it later sees the change"
    }

    fn tasks(self) -> usize {
        2
    }

    fn held(self) -> usize {
        1
    }

    fn is_asked_of(self, caps: Caps) -> bool {
        caps.freeze
    }

    fn run<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>, task: usize) {
        let books = case.books();
        if task == 0 {
            if case.freeze(1) {
                books.freezes();
                assert_eq!(books.out(), 1, "frozen under a reference");
                case.kind().set(CHANGED);
                books.unfreezes();
                case.unfreeze(1);
            }
        } else if let Some(token) = case.try_take(cpu) {
            let changed = books.is_changed();
            let kind = case.kind().read();
            assert!(!changed || kind == CHANGED, "an old field under a new reference");
            assert!(case.put(cpu, token) != Put::Zero, "freed under a reference");
        }
    }

    fn finish<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>) {
        assert_eq!(case.sum(), 1, "a reference was lost");
        assert_eq!(case.put(cpu, case.held(0)), Put::Zero, "the last put is not told");
    }
}
