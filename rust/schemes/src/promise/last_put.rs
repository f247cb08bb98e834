//! Two holders use the object and put it: one of them is told, once, and sees what both did.

use prim::Cpu;

use super::{Case, Promise};
use crate::scheme::{Caps, Learns, Scheme};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct LastPut;

impl Promise for LastPut {
    fn name(self) -> &'static str {
        "the last put is told, once, and sees every use"
    }

    fn tasks(self) -> usize {
        2
    }

    fn held(self) -> usize {
        2
    }

    fn is_asked_of(self, caps: Caps) -> bool {
        caps.zero == Learns::AtPut && caps.is_shared()
    }

    fn run<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>, task: usize) {
        case.use_and_put(cpu, case.held(task), task);
    }

    fn finish<S: Scheme>(self, case: &Case<S>, _cpu: &Cpu<'_>) {
        assert_eq!(case.books().times_freed(), 1, "nobody was told of the last put");
        assert_eq!(case.sum(), 0, "a count that is not zero at the end");
    }
}
