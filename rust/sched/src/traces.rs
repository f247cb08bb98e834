//! The search within a bound loses no behaviour and makes none dearer: over random programs, the executions
//! that it leaves show, at each bound, the same complete traces (signatures of happens-before), the same final states
//! and the same failures as all of them.

use std::collections::{BTreeSet, HashSet};

use crate::control::Control;
use crate::explorer::Explorer;
use crate::faults::Tree as Faults;
use crate::model::Model;
use crate::plan::{Judgement, Outcome, Plan, Stats};
use crate::toy::buffered::{Buffered, Op, buffered_toy};
use crate::toy::random::random_toy;
use crate::toy::wide::wide_toy;
use crate::toy::{Toy, brute, cached};

const BOUNDS: [Option<u32>; 4] = [Some(0), Some(1), Some(2), Some(3)];

/// What a search showed, and the numbers of its last bound.
struct Shown {
    traces: HashSet<u128>,
    finals: BTreeSet<Vec<u64>>,
    failures: BTreeSet<String>,
    last: Stats,
}

/// Random programs of one kind.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Steps on single words.
    Plain,
    /// Steps on several words, waits for others than their own, failures in the midst of an execution.
    Wide,
    /// Stores that wait, at a price.
    Buffered,
}

const KINDS: [(Kind, u64); 3] = [(Kind::Plain, 600), (Kind::Wide, 600), (Kind::Buffered, 400)];

fn explore(kind: Kind, seed: u64, plan: &Plan, faults: Faults) -> Shown {
    let toy = |toy: Toy| run(toy, |toy| toy.finals.take(), plan, faults);
    match kind {
        Kind::Plain => toy(random_toy(seed)),
        Kind::Wide => toy(wide_toy(seed)),
        Kind::Buffered => run(buffered_toy(seed), |toy| toy.finals.take(), plan, faults),
    }
}

fn run<M: Model>(
    mut model: M,
    finals: impl Fn(&M) -> BTreeSet<Vec<u64>>,
    plan: &Plan,
    faults: Faults,
) -> Shown {
    let mut explorer = Explorer::new();
    explorer.faults.tree = faults;
    let mut failures = BTreeSet::new();
    let mut judge = |failure: &_, _: &_| {
        failures.insert(format!("{failure:?}"));
        Judgement::Continue
    };
    let outcome = explorer.search(&mut model, plan, &mut judge, &mut |_| Control::Go);
    assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
    let last = outcome.stats().last().expect("a bound").clone();
    Shown { traces: explorer.ends, finals: finals(&model), failures, last }
}

#[test]
fn within_a_bound_no_trace_no_final_state_and_no_failure_is_lost() {
    for (kind, programs) in KINDS {
        let (mut all, mut known, mut left, mut failures) = (0, 0, 0, 0);
        for seed in 0..programs {
            for bound in BOUNDS {
                let whole = explore(kind, seed, &brute(bound), Faults::default());
                // Who puts off what nobody notices has a trace of it.
                let puts_all_off = Faults { puts_all_off: true, ..Faults::default() };
                let some = explore(kind, seed, &cached(bound), puts_all_off);
                let what = format!("{kind:?} {seed}, bound {bound:?}");
                assert!(whole.traces == some.traces, "{what}: traces");
                assert!(whole.finals == some.finals, "{what}: finals");
                assert!(whole.failures == some.failures, "{what}: failures");
                assert_eq!(some.last.refused, 0);
                let cache_alone = Faults { leaves_nothing_out: true, ..puts_all_off };
                let cache_alone = explore(kind, seed, &cached(bound), cache_alone).last;
                all += whole.last.schedules;
                known += cache_alone.schedules + cache_alone.pruned;
                left += some.last.schedules + some.last.pruned;
                failures += some.failures.len();
            }
        }
        // The comparison means something: there was much to leave out, and some programs did fail.
        assert!(left < known && left < all, "{kind:?}: {left}, {known} of {all}");
        assert!(failures > 0 || matches!(kind, Kind::Buffered), "{kind:?}");
    }
}

#[test]
fn what_is_not_put_off_because_nobody_notices_shows_no_other_values() {
    let (mut all, mut left) = (0, 0);
    for seed in 0..1_500 {
        for bound in BOUNDS {
            let whole = explore(Kind::Buffered, seed, &brute(bound), Faults::default());
            let some = explore(Kind::Buffered, seed, &cached(bound), Faults::default());
            assert!(whole.finals == some.finals, "{seed}, bound {bound:?}: finals");
            let puts_all_off = Faults { puts_all_off: true, ..Faults::default() };
            let more = explore(Kind::Buffered, seed, &cached(bound), puts_all_off).last;
            all += more.schedules + more.pruned;
            left += some.last.schedules + some.last.pruned;
        }
    }
    assert!(left < all, "{left} of {all}");
}

/// What tasks with store buffers come to within a bound of one.
fn finals(programs: &[&[Op]], faults: Faults) -> BTreeSet<Vec<u64>> {
    let toy = Buffered::of(programs.iter().map(|&ops| ops.to_vec()).collect());
    run(toy, |toy| toy.finals.take(), &cached(Some(1)), faults).finals
}

fn loses_something(programs: &[&[Op]], faults: Faults) {
    let (all, some) = (finals(programs, Faults::default()), finals(programs, faults));
    assert!(some.is_subset(&all) && some.len() < all.len(), "{some:?} of {all:?}");
}

#[test]
fn a_store_that_somebody_looks_for_meanwhile_is_put_off() {
    let programs: [&[Op]; 2] = [&[Op::Load(2), Op::Store(0, 1), Op::Load(1)], &[Op::Load(0)]];
    let store_buffer: [&[Op]; 2] =
        [&[Op::Load(2), Op::Store(0, 1), Op::Load(1)], &[Op::Store(1, 1), Op::Load(0)]];
    let nothing = Faults { puts_nothing_off: true, ..Faults::default() };
    loses_something(&store_buffer, nothing);
    assert_eq!(finals(&programs, nothing), finals(&programs, Faults::default()));
}

#[test]
fn what_others_do_before_a_task_settles_counts() {
    // Who is told by hardware that a store is done finds that it is not.
    let told: [&[Op]; 2] =
        [&[Op::Load(2), Op::Store(0, 1), Op::Past(1, 1)], &[Op::Load(1), Op::Follow(0)]];
    loses_something(&told, Faults { forgets_what_is_unsettled: true, ..Faults::default() });
}

#[test]
fn what_goes_past_a_store_is_overwritten_by_it() {
    let passed: [&[Op]; 2] = [&[Op::Load(2), Op::Store(0, 1), Op::Past(0, 2)], &[Op::Load(2)]];
    loses_something(&passed, Faults { forgets_what_goes_past: true, ..Faults::default() });
}

/// Of how many programs a fault loses traces or failures.
fn harm(kind: Kind, faults: Faults) -> usize {
    let loses = |&seed: &u64| {
        [Some(1), Some(2)].into_iter().any(|bound| {
            let right = explore(kind, seed, &cached(bound), Faults::default());
            let wrong = explore(kind, seed, &cached(bound), faults);
            right.traces.len() > wrong.traces.len() || right.failures != wrong.failures
        })
    };
    (0..100).filter(loses).count()
}

#[test]
fn a_cache_that_forgets_the_preemptions_spent_loses_traces() {
    assert!(harm(Kind::Plain, Faults { forgets_preemptions: true, ..Faults::default() }) > 0);
}

#[test]
fn a_cache_that_forgets_who_was_there_last_loses_traces() {
    assert!(harm(Kind::Plain, Faults { forgets_task: true, ..Faults::default() }) > 0);
}

#[test]
fn a_read_that_is_taken_to_commute_with_a_write_loses_traces() {
    assert!(harm(Kind::Plain, Faults { reads_commute: true, ..Faults::default() }) > 0);
}

#[test]
fn what_others_do_later_than_right_after_a_step_counts() {
    let faults = Faults { forgets_what_is_ahead: true, ..Faults::default() };
    assert!(harm(Kind::Plain, faults) > 0);
}

#[test]
fn what_others_wait_for_counts() {
    let faults = Faults { forgets_waits: true, ..Faults::default() };
    let harm = [Kind::Plain, Kind::Wide, Kind::Buffered].map(|kind| harm(kind, faults));
    assert!(harm.iter().any(|&harm| harm > 0), "{harm:?}");
}

#[test]
fn a_cache_with_room_for_little_still_covers_everything() {
    let tiny = |bound| Plan { cache_bytes: 512, ..brute(bound) };
    let mut refused = 0;
    for seed in 0..20 {
        let whole = explore(Kind::Plain, seed, &brute(Some(2)), Faults::default());
        let some = explore(Kind::Plain, seed, &tiny(Some(2)), Faults::default());
        assert_eq!(whole.traces, some.traces);
        refused += some.last.refused;
    }
    assert!(refused > 0);
}
