//! Programs with a known failure, and searches for it.
#![allow(dead_code, reason = "each test takes what it needs")]

use pgmap_explore::{Ends, Found, Scenario, Verdict, explore};
use pgmap_prim::SplitMix64;
use pgmap_program::{Era, Program};
use pgmap_sched::{Control, Plan};

/// A layout break that is never woken (B33): under the faithful era only.
pub(crate) const LOST: &str = "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nw0 pin 0 0\nstart\n\
                        w0 w 0 0 | w0 unpin\nw1 ftruncate f 0\n";

/// A device writes to a block that truncate gave away: if truncate waits for nobody.
pub(crate) const TORN: &str = "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\n\
                        w0 pin 0 0 | w0 dma_write | w0 unpin\nw1 ftruncate f 0\n";

pub(crate) fn scenario(text: &str, era: Era, broken: &[&str]) -> Scenario {
    let program = Program::parse(text).expect("a program");
    let mut scenario = Scenario::new(program, era);
    broken.iter().for_each(|rule| scenario.rules.apply(rule).expect("a rule"));
    scenario
}

pub(crate) fn lost() -> Scenario {
    scenario(LOST, Era::V6_15, &[])
}

pub(crate) fn torn() -> Scenario {
    scenario(TORN, Era::V6_15Sound, &["truncate-break-layout=off"])
}

pub(crate) fn find(scenario: &Scenario) -> Found {
    find_within(scenario, Some(2))
}

pub(crate) fn find_within(scenario: &Scenario, bound: Option<u32>) -> Found {
    let plan = Plan { bound, ..Plan::default() };
    match explore(scenario, &plan, Ends::Any, &mut |_| Control::Go)
        .expect("a scenario that can be explored")
    {
        Verdict::Found { found, .. } => *found,
        other => panic!("nothing found in\n{}{other:?}", scenario.program),
    }
}

/// A stream of numbers without a pattern.
pub(crate) struct Numbers(SplitMix64);

impl Numbers {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}
