//! One takes a reference beside another's, who puts that and reviews the object: it is still there.
//!
//! Both have reviewed it just before, so that each has told what there was to tell when the other's reference comes.

use prim::Cpu;

use super::{Case, Promise};
use crate::scheme::{Caps, Learns, Scheme};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Borrowed;

impl Promise for Borrowed {
    fn name(self) -> &'static str {
        "what was taken beside another's reference outlives that"
    }

    fn tasks(self) -> usize {
        2
    }

    fn held(self) -> usize {
        1
    }

    fn is_asked_of(self, caps: Caps) -> bool {
        caps.zero == Learns::AtReview
    }

    fn run<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>, task: usize) {
        let has_taken = case.kind();
        case.review(cpu);
        let token = if task == 0 {
            // Acquire: pairs with the release of whoever has taken one.
            while has_taken.read_acquire() == 0 {
                cpu.relax();
            }
            case.held(0)
        } else {
            let token = case.take(cpu);
            has_taken.set_release(1);
            token
        };
        case.use_and_put(cpu, token, task);
        case.review(cpu);
        case.leave(cpu);
    }

    fn finish<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>) {
        case.review_until_freed(cpu);
        assert_eq!(case.books().times_freed(), 1, "no review found the end");
        assert_eq!(case.sum(), 0, "a count that is not zero at the end");
    }
}
