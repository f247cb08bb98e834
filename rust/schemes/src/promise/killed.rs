//! The owner kills the object and puts it, while another holder puts and a third tries to get it.
//!
//! The second reference was taken on the CPU of task 0 and is put on that of task 1, so no cell is right by itself.

use prim::Cpu;

use super::{Case, Promise};
use crate::scheme::{Caps, Learns, Scheme};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Killed;

impl Promise for Killed {
    fn name(self) -> &'static str {
        "a kill counts every reference, and the last put after it is told once"
    }

    fn tasks(self) -> usize {
        3
    }

    fn held(self) -> usize {
        2
    }

    fn is_asked_of(self, caps: Caps) -> bool {
        caps.zero == Learns::AfterKill
    }

    fn run<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>, task: usize) {
        match task {
            0 => {
                let counted = case.kill(cpu);
                // Whoever is putting has been taken off the books already.
                let known = case.books().out();
                assert!(counted.is_some_and(|counted| counted >= known), "a kill lost a reference");
                case.use_and_put(cpu, case.held(0), task);
            }
            1 => case.use_and_put(cpu, case.held(1), task),
            _ => {
                if let Some(token) = case.try_take(cpu) {
                    case.use_and_put(cpu, token, task);
                }
            }
        }
    }

    fn finish<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>) {
        assert_eq!(case.books().times_freed(), 1, "nobody was told of the last put");
        assert_eq!(case.sum(), 0, "a count that is not zero at the end");
        assert!(case.try_take(cpu).is_none(), "a reference on a freed object");
    }
}
