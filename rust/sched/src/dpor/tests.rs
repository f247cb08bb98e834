//! Over random programs, the search by classes brings each class that there is to its end, once.

use std::collections::{BTreeSet, HashSet};

use super::Classes;
use crate::control::Control;
use crate::explorer::Explorer;
use crate::failure::Failure;
use crate::plan::{Judgement, Outcome, Plan, Stats};
use crate::toy::random::random_toy;
use crate::toy::wide::wide_toy;
use crate::toy::{Toy, brute, by_class};

const PROGRAMS: u64 = 300;

/// Ways to search wrongly, and what was met on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) sleep: Sleep,
    /// The other order of a race is not wanted.
    pub(crate) ignores_races: bool,
    /// A step that waits at the end is not held to race with anything.
    pub(crate) forgets_waiters: bool,
    /// Who was woken is taken to do what it dreamt of.
    pub(crate) trusts_dreams: bool,
    /// The end of a busy-wait depends on nothing.
    pub(crate) forgets_watches: bool,
    /// Some busy-wait watched several objects, so classes may be repeated.
    pub(crate) watched_several: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Sleep {
    #[default]
    Right,
    /// A sleeping task sleeps on whatever the others do.
    NobodyWakes,
    NobodySleeps,
}

impl Classes {
    /// The last block ends a busy-wait.
    pub(super) fn met_spinner(&mut self) {
        let Some(node) = self.nodes.last_mut() else { return };
        self.faults.watched_several |= node.footprint.accesses().len() > 1;
        if self.faults.forgets_watches {
            node.footprint.clear();
        }
    }
}

/// What a search showed.
struct Shown {
    classes: HashSet<u128>,
    finals: BTreeSet<Vec<u64>>,
    failures: HashSet<String>,
    stats: Stats,
    watched_several: bool,
}

impl Shown {
    /// Whether a failure ended an execution that could have gone on.
    fn was_cut_short(&self) -> bool {
        self.failures.iter().any(|failure| failure.starts_with("Defect"))
    }
}

fn explore(mut toy: Toy, plan: &Plan, faults: Faults) -> Shown {
    let mut explorer = Explorer::new();
    explorer.faults.classes = faults;
    let mut failures = HashSet::new();
    let mut judge = |failure: &Failure, _: &_| {
        failures.insert(format!("{failure:?}"));
        Judgement::Continue
    };
    let outcome = explorer.search(&mut toy, plan, &mut judge, &mut |_| Control::Go);
    assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
    let stats = outcome.stats()[0].clone();
    let watched_several = explorer.faults.classes.watched_several;
    let finals = toy.finals.into_inner();
    Shown { classes: explorer.ends, finals, failures, stats, watched_several }
}

fn whole(toy: Toy) -> Shown {
    explore(toy, &brute(None), Faults::default())
}

fn reduced(toy: Toy, faults: Faults) -> Shown {
    explore(toy, &by_class(), faults)
}

#[test]
fn each_class_comes_to_its_end_exactly_once() {
    let (mut programs, mut all, mut ended, mut cut, mut failures) = (0, 0, 0, 0, 0);
    for seed in 0..PROGRAMS {
        let whole = whole(random_toy(seed));
        let some = reduced(random_toy(seed), Faults::default());
        assert!(whole.classes == some.classes, "program {seed}: classes");
        assert!(whole.finals == some.finals, "program {seed}: finals");
        assert!(whole.failures == some.failures, "program {seed}: failures");
        let classes = some.classes.len() as u64;
        assert!(some.stats.schedules >= classes);
        if !some.watched_several {
            assert_eq!(some.stats.schedules, classes, "program {seed}");
            programs += 1;
        }
        all += whole.stats.schedules;
        ended += some.stats.schedules;
        cut += some.stats.pruned;
        failures += some.failures.len();
    }
    // The comparison means something: most programs were counted, there was much to leave
    // out, and some programs did get stuck.
    assert!(programs > 200, "{programs}");
    assert!((ended + cut) * 40 < all, "{ended} and {cut} of {all}");
    assert!(failures > 0);
}

#[test]
fn steps_on_several_objects_and_waits_for_others_lose_no_class() {
    let (mut cut_short, mut equal, mut counted) = (0, 0, 0);
    for seed in 0..10 * PROGRAMS {
        let whole = whole(wide_toy(seed));
        let some = reduced(wide_toy(seed), Faults::default());
        assert!(whole.finals == some.finals, "program {seed}: finals");
        assert!(whole.failures == some.failures, "program {seed}: failures");
        if whole.was_cut_short() {
            // A failure is shown once for all that others could have done beside it.
            assert!(some.classes.is_subset(&whole.classes), "program {seed}: classes");
            cut_short += 1;
            continue;
        }
        assert!(whole.classes == some.classes, "program {seed}: classes");
        equal += 1;
        // A choice that says what a block touches may repeat classes.
        if seed % 2 == 0 {
            assert_eq!(some.stats.schedules, some.classes.len() as u64, "program {seed}");
            counted += 1;
        }
    }
    assert!(cut_short > 10 && equal > 100 && counted > 100, "{cut_short} {equal} {counted}");
}

/// How many of the random programs lose classes to a fault, and how many have classes repeated.
fn harm(faults: Faults) -> (u64, u64) {
    let (mut lost, mut repeated) = (0, 0);
    for seed in 0..PROGRAMS {
        let right = reduced(random_toy(seed), Faults::default());
        let wrong = reduced(random_toy(seed), faults);
        lost += u64::from(wrong.classes.len() < right.classes.len());
        repeated += u64::from(wrong.stats.schedules > wrong.classes.len() as u64);
    }
    (lost, repeated)
}

#[test]
fn a_sleeper_that_nobody_wakes_loses_classes() {
    let (lost, _) = harm(Faults { sleep: Sleep::NobodyWakes, ..Faults::default() });
    assert!(lost > PROGRAMS / 2, "{lost}");
}

#[test]
fn without_sleepers_classes_are_repeated_and_none_is_lost() {
    let (lost, repeated) = harm(Faults { sleep: Sleep::NobodySleeps, ..Faults::default() });
    assert_eq!(lost, 0);
    assert!(repeated > PROGRAMS / 2, "{repeated}");
}

#[test]
fn a_search_that_ignores_races_loses_classes() {
    let (lost, _) = harm(Faults { ignores_races: true, ..Faults::default() });
    assert!(lost > PROGRAMS / 2, "{lost}");
}

#[test]
fn a_search_that_forgets_who_waits_at_the_end_loses_classes() {
    let (lost, _) = harm(Faults { forgets_waiters: true, ..Faults::default() });
    assert!(lost > 0);
}

#[test]
fn a_search_that_forgets_what_a_busy_wait_watches_loses_classes() {
    let (lost, _) = harm(Faults { forgets_watches: true, ..Faults::default() });
    assert!(lost > 0);
}

#[test]
fn a_search_that_trusts_dreams_loses_classes() {
    // The reader is before the writer only if that comes before the adder, and behind that the writer is none.
    let toy = || {
        Toy::new()
            .task(|memory| memory.raise_unless(0, 1))
            .task(|memory| {
                let _ = (memory.load(2), memory.add(0, 1));
            })
            .task(|memory| memory.result(memory.load(1)))
    };
    let (whole, right) = (whole(toy()), reduced(toy(), Faults::default()));
    assert_eq!((whole.classes.len(), &right.finals), (3, &whole.finals));
    assert_eq!((right.classes == whole.classes, right.stats.schedules), (true, 3));
    let wrong = reduced(toy(), Faults { trusts_dreams: true, ..Faults::default() });
    assert_eq!(wrong.classes.len(), 2);
}
