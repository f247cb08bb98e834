//! The cache loses no behaviour: over random programs, the executions that it leaves show the
//! same complete traces (signatures of happens-before) and the same final states as all of them.

use std::collections::{BTreeSet, HashSet};

use crate::control::Control;
use crate::explorer::Explorer;
use crate::search::{Judgement, Outcome, Plan, Stats};
use crate::toy::random::random_toy;
use crate::toy::{brute, cached};

const PROGRAMS: u64 = 90;
const BOUNDS: [Option<u32>; 4] = [Some(0), Some(1), Some(2), Some(3)];

/// What a search showed: traces, final states, and the numbers of its last bound.
struct Shown {
    traces: HashSet<u128>,
    finals: BTreeSet<Vec<u64>>,
    last: Stats,
}

fn explore(seed: u64, plan: &Plan, forgets_preemptions: bool) -> Shown {
    let mut toy = random_toy(seed);
    let mut explorer = Explorer::new();
    explorer.faults.tree.forgets_preemptions = forgets_preemptions;
    let outcome =
        explorer.search(&mut toy, plan, &mut |_, _| Judgement::Continue, &mut |_| Control::Go);
    assert!(matches!(outcome, Outcome::Exhausted { .. }), "program {seed}: {outcome:?}");
    let last = outcome.stats().last().expect("a bound").clone();
    Shown { traces: explorer.ends, finals: toy.finals.into_inner(), last }
}

#[test]
fn the_cache_loses_no_trace_and_no_final_state() {
    let (mut all, mut left, mut failures) = (0, 0, 0);
    for seed in 0..PROGRAMS {
        for bound in BOUNDS {
            let whole = explore(seed, &brute(bound), false);
            let pruned = explore(seed, &cached(bound), false);
            assert!(whole.traces == pruned.traces, "program {seed}, bound {bound:?}: traces");
            assert!(whole.finals == pruned.finals, "program {seed}, bound {bound:?}: finals");
            assert_eq!(whole.last.failures > 0, pruned.last.failures > 0);
            assert_eq!(pruned.last.refused, 0);
            all += whole.last.schedules;
            left += pruned.last.schedules;
            failures += pruned.last.failures;
        }
    }
    // The comparison means something: the cache did cut, and some programs did get stuck.
    assert!(left * 3 < all, "{left} of {all}");
    assert!(failures > 0);
}

#[test]
fn a_cache_that_forgets_the_preemptions_spent_loses_traces() {
    let lost = (0..PROGRAMS).any(|seed| {
        [Some(1), Some(2)].into_iter().any(|bound| {
            let whole = explore(seed, &brute(bound), false);
            let pruned = explore(seed, &cached(bound), true);
            whole.traces.len() > pruned.traces.len()
        })
    });
    assert!(lost);
}

#[test]
fn a_cache_with_room_for_little_still_covers_everything() {
    let tiny = |bound| Plan { cache_bytes: 256, ..brute(bound) };
    let mut refused = 0;
    for seed in 0..20 {
        let whole = explore(seed, &brute(Some(2)), false);
        let pruned = explore(seed, &tiny(Some(2)), false);
        assert_eq!(whole.traces, pruned.traces);
        refused += pruned.last.refused;
    }
    assert!(refused > 0);
}
