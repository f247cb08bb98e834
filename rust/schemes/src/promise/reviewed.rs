//! Two holders put and review the object: one of them, or a later review, finds that it has gone.
//!
//! Both references were taken on the CPU of task 0, and task 1 puts the second on its own, so no CPU knows the whole
//! count.

use prim::Cpu;

use super::{Case, Promise};
use crate::scheme::{Caps, Learns, Scheme};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Reviewed;

impl Promise for Reviewed {
    fn name(self) -> &'static str {
        "a review finds the end, once, and not before it"
    }

    fn tasks(self) -> usize {
        2
    }

    fn held(self) -> usize {
        2
    }

    fn is_asked_of(self, caps: Caps) -> bool {
        caps.zero == Learns::AtReview
    }

    fn run<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>, task: usize) {
        case.use_and_put(cpu, case.held(task), task);
        case.review(cpu);
        case.leave(cpu);
    }

    fn finish<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>) {
        case.review_until_freed(cpu);
        assert_eq!(case.books().times_freed(), 1, "no review found the end");
        assert_eq!(case.sum(), 0, "a count that is not zero at the end");
    }
}
