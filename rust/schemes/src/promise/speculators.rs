//! The last holder puts while two others try to get the object: they get it before its end or not at all.

use prim::Cpu;

use super::{Case, Promise};
use crate::scheme::{Caps, Scheme};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Speculators;

impl Promise for Speculators {
    fn name(self) -> &'static str {
        "whoever gets it without holding it gets it before its end or not at all"
    }

    fn tasks(self) -> usize {
        3
    }

    fn held(self) -> usize {
        1
    }

    fn is_asked_of(self, caps: Caps) -> bool {
        caps.is_speculative()
    }

    fn run<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>, task: usize) {
        if task == 0 {
            case.use_and_put(cpu, case.held(0), task);
        } else if let Some(token) = case.try_take(cpu) {
            case.use_and_put(cpu, token, task);
        }
    }

    fn finish<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>) {
        assert_eq!(case.books().times_freed(), 1, "nobody was told of the last put");
        assert_eq!(case.sum(), 0, "a count that is not zero at the end");
        assert!(case.try_take(cpu).is_none(), "a reference on a freed object");
    }
}
