//! Several threads come to what one comes to: over random programs, at each bound, the same complete traces (signatures
//! of happens-before), the same final states and the same failures, and first the same one with the same schedule.

use std::collections::{BTreeSet, HashSet};
use std::thread;

use crate::control::Control;
use crate::crew::Crew;
use crate::explorer::Explorer;
use crate::failure::Failure;
use crate::faults::Tree as Faults;
use crate::model::Model;
use crate::plan::{Judgement, Outcome, Plan, Stats};
use crate::schedule::Schedule;
use crate::toy::buffered::buffered_toy;
use crate::toy::cached;
use crate::toy::random::random_toy;
use crate::toy::wide::wide_toy;

const BOUNDS: [Option<u32>; 3] = [Some(1), Some(2), Some(3)];

/// Random programs of one kind: see `traces`.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Wide,
    Buffered,
}

const KINDS: [Kind; 3] = [Kind::Plain, Kind::Wide, Kind::Buffered];
const PROGRAMS: u64 = 100;
/// Of how many programs a fault must do harm to one.
const TRIED: u64 = 300;

/// In how many rounds over all of them, at most.
const AGAIN: u64 = 20;

/// What a search showed to all threads, and its failures to the one that leads.
#[derive(PartialEq, Eq)]
struct Shown {
    traces: HashSet<u128>,
    finals: BTreeSet<Vec<u64>>,
    failures: BTreeSet<String>,
    first: Option<(Failure, Schedule, Option<u32>)>,
}

/// Everything that a search shows, or what it finds first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    All,
    First,
}

struct Asked {
    plan: Plan,
    threads: usize,
    goal: Goal,
    faults: Faults,
}

impl Asked {
    fn of(bound: Option<u32>, threads: usize, goal: Goal) -> Self {
        Asked { plan: cached(bound), threads, goal, faults: Faults::default() }
    }

    fn shown(&self, kind: Kind, seed: u64) -> (Shown, Outcome) {
        match kind {
            Kind::Plain => self.run(&|| random_toy(seed), &|toy| toy.finals.take()),
            Kind::Wide => self.run(&|| wide_toy(seed), &|toy| toy.finals.take()),
            Kind::Buffered => self.run(&|| buffered_toy(seed), &|toy| toy.finals.take()),
        }
    }

    fn run<M: Model>(
        &self,
        make: &(impl Fn() -> M + Sync),
        finals: &(impl Fn(&M) -> BTreeSet<Vec<u64>> + Sync),
    ) -> (Shown, Outcome) {
        let crew = Crew::eager();
        let help = || {
            let (mut explorer, mut model) = (Explorer::new(), make());
            explorer.help(&mut model, &crew, &mut |_| Judgement::Stop);
            (explorer.ends, finals(&model))
        };
        thread::scope(|scope| {
            let helpers: Vec<_> = (1..self.threads).map(|_| scope.spawn(help)).collect();
            let (mut explorer, mut model) = (Explorer::new(), make());
            explorer.faults.tree = self.faults;
            let mut failures = BTreeSet::new();
            let mut judge = |failure: &Failure, _: &Schedule| {
                failures.insert(format!("{failure:?}"));
                if self.goal == Goal::All { Judgement::Continue } else { Judgement::Stop }
            };
            let outcome =
                explorer.lead(&mut model, &self.plan, &crew, &mut judge, &mut |_| Control::Go);
            crew.dismiss();
            let first = match &outcome {
                Outcome::Found { failure, schedule, bound, .. } => {
                    Some((failure.clone(), schedule.clone(), *bound))
                }
                _ => None,
            };
            let (mut traces, mut all) = (explorer.ends, finals(&model));
            for helper in helpers {
                let (theirs, more) = helper.join().expect("a helper that ends");
                traces.extend(theirs);
                all.extend(more);
            }
            (Shown { traces, finals: all, failures, first }, outcome)
        })
    }
}

fn points(outcome: &Outcome) -> u64 {
    outcome.stats().iter().map(|Stats { points, .. }| points).sum()
}

#[test]
fn any_number_of_threads_shows_all_that_one_does() {
    for kind in KINDS {
        let mut more = 0;
        for seed in 0..PROGRAMS {
            for bound in BOUNDS {
                let (alone, one) = Asked::of(bound, 1, Goal::All).shown(kind, seed);
                for threads in [2, 4] {
                    let (together, several) =
                        Asked::of(bound, threads, Goal::All).shown(kind, seed);
                    let what = format!("{kind:?} {seed}, bound {bound:?}, {threads} threads");
                    assert!(matches!(several, Outcome::Exhausted { .. }), "{what}: {several:?}");
                    // What nobody notices is put off in vain where less is known, and shows in traces.
                    let same = alone.traces == together.traces || matches!(kind, Kind::Buffered);
                    assert!(same, "{what}: traces");
                    assert!(alone.finals == together.finals, "{what}: finals");
                    assert!(alone.failures == together.failures, "{what}: failures");
                    more += u64::from(points(&several) != points(&one));
                }
            }
        }
        // The comparison means something: others did a part of it, however seldom a busy machine lets them.
        assert!(more > 0, "{kind:?}");
    }
}

#[test]
fn any_number_of_threads_finds_the_same_first_with_the_same_schedule() {
    let mut found = 0;
    for kind in KINDS {
        for seed in 0..PROGRAMS {
            let (alone, _) = Asked::of(Some(3), 1, Goal::First).shown(kind, seed);
            found += u64::from(alone.first.is_some());
            for threads in [2, 4] {
                let (together, _) = Asked::of(Some(3), threads, Goal::First).shown(kind, seed);
                let what = format!("{kind:?} {seed}, {threads} threads");
                assert_eq!(alone.first, together.first, "{what}");
            }
        }
    }
    assert!(found > PROGRAMS / 4, "{found}");
}

/// Whether a fault loses something in some program. Which thread is where when is the machine's affair, and on a busy one
/// a helper may come too late to do harm: all are tried again, and again.
fn does_harm(kind: Kind, faults: Faults) -> bool {
    (0..AGAIN * TRIED).map(|round| round % TRIED).any(|seed| {
        [Some(1), Some(2)].into_iter().any(|bound| {
            let alone = Asked::of(bound, 1, Goal::All).shown(kind, seed).0;
            let wrong = Asked { faults, ..Asked::of(bound, 3, Goal::All) }.shown(kind, seed).0;
            alone.traces.len() > wrong.traces.len() || alone.failures != wrong.failures
        })
    })
}

#[test]
fn a_helper_that_tells_of_a_state_before_it_is_done_with_it_loses_traces() {
    assert!(does_harm(Kind::Plain, Faults { publishes_early: true, ..Faults::default() }));
}

#[test]
fn a_helper_that_tells_of_a_state_with_a_failure_below_it_hides_the_failure() {
    assert!(does_harm(Kind::Wide, Faults { publishes_failures: true, ..Faults::default() }));
}

#[test]
fn threads_that_number_objects_each_for_itself_lose_traces() {
    let faults = Faults { numbers_alone: true, ..Faults::default() };
    assert!(KINDS.into_iter().any(|kind| does_harm(kind, faults)));
}

#[test]
fn a_limit_on_executions_and_a_search_without_a_bound_are_for_one() {
    for plan in [Plan { schedules_max: 50, ..cached(Some(3)) }, cached(None)] {
        let asked = |threads| Asked { plan, ..Asked::of(None, threads, Goal::All) };
        let (one, several) = (asked(1).shown(Kind::Plain, 3).1, asked(3).shown(Kind::Plain, 3).1);
        assert_eq!(one, several);
    }
}
