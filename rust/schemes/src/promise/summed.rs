//! Holders take and give back on two CPUs: what is out at the end is what was taken.

use prim::Cpu;

use super::{Case, Promise};
use crate::scheme::{Caps, Learns, Put, Scheme};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Summed;

impl Promise for Summed {
    fn name(self) -> &'static str {
        "what is out is what was taken"
    }

    fn tasks(self) -> usize {
        2
    }

    fn held(self) -> usize {
        2
    }

    fn is_asked_of(self, caps: Caps) -> bool {
        caps.is_shared() && caps.zero != Learns::AtKill
    }

    fn run<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>, task: usize) {
        let kept = case.take(cpu);
        // The other task's first reference stays out, so nobody is told of zero.
        if task == 0 {
            assert!(case.put(cpu, kept) != Put::Zero, "freed under a reference");
        } else {
            assert!(case.put(cpu, case.held(1)) != Put::Zero, "freed under a reference");
        }
    }

    fn finish<S: Scheme>(self, case: &Case<S>, _cpu: &Cpu<'_>) {
        assert_eq!(case.sum(), 2, "a reference was lost");
    }
}
