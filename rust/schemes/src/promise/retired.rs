//! The owner kills the object, which waits for its users, and frees it, while two others try to use it.

use prim::Cpu;

use super::{Case, Promise};
use crate::scheme::{Caps, Learns, Scheme};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Retired;

impl Promise for Retired {
    fn name(self) -> &'static str {
        "a kill waits for every user, and nobody uses it afterwards"
    }

    fn tasks(self) -> usize {
        3
    }

    fn held(self) -> usize {
        1
    }

    fn is_asked_of(self, caps: Caps) -> bool {
        caps.zero == Learns::AtKill
    }

    fn run<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>, task: usize) {
        if task == 0 {
            let counted = case.kill(cpu);
            // Whoever is putting has been taken off the books already.
            assert_eq!((counted, case.books().out()), (Some(1), 1), "a kill left a user behind");
            case.use_and_put(cpu, case.held(0), task);
        } else if let Some(token) = case.try_take(cpu) {
            case.use_and_put(cpu, token, task);
        }
    }

    fn finish<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>) {
        assert_eq!(case.books().times_freed(), 1, "the owner was not told");
        assert_eq!(case.sum(), 0, "a count that is not zero at the end");
        assert!(case.try_take(cpu).is_none(), "a reference on a freed object");
    }
}
