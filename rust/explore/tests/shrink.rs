//! A shrunk program has the same failure, and nothing that it does not need.

#![allow(clippy::unwrap_used)]

mod failing;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use failing::{find, find_within, lost, scenario, torn};
use pgmap_explore::{
    Ends, Found, Outcome, RandomSearch, Scenario, Search, ShrinkBudget, ShrinkProgress, Verdict,
    replay, search, shrink,
};
use pgmap_program::{Era, Geometry, Program};
use pgmap_sched::{Control, Strategy};

/// The lost wake-up among bystanders: workers, steps, pages and a file that have nothing to do with it.
const PADDED_LOST: &str = "file g 2 unwritten\nfile f 6 written\nfile h 3 written\n\
    w0 open 3 f rw\nw0 mmap 0 3 1 4 rw shared\nw0 mmap 1 g 0 2 rw shared\nw0 w 1 0 2\n\
    w0 w 0 2\nw0 r 0 0\nw0 pin 0 0\nw0 pin 0 2\nw0 unpin 0\nw2 pread h 0 1\n\
    w3 mmap 4 h 0 3 r shared\nw4 nop\nstart\n\
    w0 nop | w0 w 0 2 | w0 r 1 0 | w0 unpin 1\nw1 nop | w1 ftruncate f 3 &\n\
    w2 pread h 1 1\nw3 r 4 2 | w3 munmap 4\nw4 nop\n";

/// A device's write to a block that was given away, in the same company.
const PADDED_TORN: &str = "file g 2 written\nfile f 8 written\n\
    w0 mmap 0 f 0 8 rw shared\nw0 w 0 5\nw0 w 0 1\nw0 mmap 7 g 0 2 rw shared\nstart\n\
    w0 get 0 1 | w0 pin 0 5 | w0 nop | w0 dma_write 1 | w0 unpin 0 | w0 unpin 1\n\
    w1 nop | w1 ftruncate f 3\nw2 pwrite g 0 1 | w2 nop\nw3 nop\n";

fn padded() -> [Scenario; 2] {
    [
        scenario(PADDED_LOST, Era::V6_15, &[]),
        scenario(PADDED_TORN, Era::V6_15Sound, &["truncate-break-layout=off"]),
    ]
}

fn shrunk(scenario: &Scenario) -> (Scenario, Found) {
    let found = find(scenario);
    shrink(scenario, &found, Ends::Any, &ShrinkBudget::default(), &mut |_| Control::Go).unwrap()
}

/// Its tasks, and their steps after `start`.
fn size(scenario: &Scenario) -> (usize, usize) {
    let roles = scenario.roles();
    (roles.len(), roles.iter().map(|role| role.steps.len()).sum())
}

fn assert_same_failure(before: &Found, scenario: &Scenario, found: &Found) {
    assert!(found.finding.is_same(&before.finding), "{:?}\n{:?}", before.finding, found.finding);
    let text = scenario.program.to_string();
    assert_eq!(Program::parse(&text).unwrap(), scenario.program, "not what is printed:\n{text}");
    let again = find_within(scenario, found.preemptions);
    assert!(again.finding.is_same(&found.finding));
    assert_eq!(again.schedule, found.schedule);
    let token = found.token(scenario).to_string().parse().unwrap();
    let outcome = replay(&token, None, &mut || Control::Go).unwrap().outcome;
    assert_eq!(outcome, Outcome::Reproduced(found.finding.clone()));
}

#[test]
fn padding_goes_and_the_failure_stays() {
    for scenario in padded() {
        let before = find(&scenario);
        let (small, found) = shrunk(&scenario);
        let (tasks, steps) = size(&small);
        assert!(tasks <= 3 && steps <= 6, "{tasks} tasks, {steps} steps:\n{}", small.program);
        assert!(found.preemptions <= before.preemptions);
        let (program, geometry) = (&small.program, small.geometry);
        assert_eq!((program.files.len(), program.files[0].pages), (1, 1), "{program}");
        assert_eq!(geometry, Scenario::smallest_geometry(program));
        assert_eq!((small.era, small.rules), (scenario.era, scenario.rules));
        assert_same_failure(&before, &small, &found);
    }
}

#[test]
fn nothing_is_left_that_could_go() {
    for scenario in padded() {
        let (small, found) = shrunk(&scenario);
        // A second shrink has nothing to do.
        let (again, _) =
            shrink(&small, &found, Ends::Any, &ShrinkBudget::default(), &mut |_| Control::Go)
                .unwrap();
        assert_eq!(again, small);
        let steps: BTreeSet<String> = small
            .program
            .steps
            .iter()
            .map(|step| small.program.step_text(step).to_string())
            .collect();
        assert!(!steps.iter().any(|step| step.contains("nop") || step.contains('&')), "{steps:?}");
    }
}

#[test]
fn the_smallest_programs_known_stay_as_small() {
    for scenario in [lost(), torn()] {
        let (small, found) = shrunk(&scenario);
        assert!(size(&small) <= size(&scenario));
        assert!(small.program.steps.len() <= scenario.program.steps.len());
        assert_same_failure(&find(&scenario), &small, &found);
    }
}

#[test]
fn both_sides_of_a_race_stay_after_start() {
    for scenario in [torn(), padded()[1].clone()] {
        let (small, _) = shrunk(&scenario);
        assert!(size(&small).0 >= 2, "{}", small.program);
    }
}

#[test]
fn a_program_without_a_set_up_gets_one() {
    let text = "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nw0 pin 0 0\nw0 dma_write\n\
                w1 ftruncate f 0\n";
    let all = scenario(text, Era::V6_15Sound, &["truncate-break-layout=off"]);
    let (small, found) = shrunk(&all);
    assert!(!small.program.halves().0.is_empty(), "{}", small.program);
    assert!(size(&small).1 < size(&all).1);
    assert_same_failure(&find(&all), &small, &found);
}

#[test]
fn what_an_unbounded_search_finds_comes_out_with_its_preemptions_counted() {
    let found = find_within(&torn(), None);
    assert_eq!(found.preemptions, None);
    let budget = ShrinkBudget::default();
    let (small, after) = shrink(&torn(), &found, Ends::Any, &budget, &mut |_| Control::Go).unwrap();
    assert!(after.preemptions.is_some());
    assert!(size(&small) <= size(&torn()));
}

/// A reader that sees each of several values: its loads and the writer's stores take turns, and each turn but the last is a
/// preemption. With one more store the last is one, too. A store and a load can be done before the start.
#[test]
fn a_drawn_failure_comes_out_with_the_few_preemptions_it_needs() {
    let more = " | w0 store 0 0 9";
    for (more, strategy) in [("", Strategy::Random), (more, Strategy::Pos)] {
        let stores: Vec<_> = (1..=4).map(|value| format!("w0 store 0 0 {value}")).collect();
        let loads: String = (1..=4).map(|nth| format!("l{nth}: w1 load 0 0\n")).collect();
        let seen: Vec<_> = (1..=4).map(|nth| format!("l{nth} = {nth}")).collect();
        let text = format!(
            "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nw1 mmap 0 f 0 1 rw shared\nw1 w 0 0\nstart\n\
             {}{more}\n{loads}never {}\n",
            stores.join(" | "),
            seen.join(" and "),
        );
        let scenario = scenario(&text, Era::V6_15Sound, &[]);
        let (executions, steps_max, threads) = (100_000, 100_000, NonZeroUsize::MIN);
        let random = RandomSearch { strategy, seed: 1, executions, steps_max, threads };
        let (random, schedules_max) = (Some(random), u64::MAX);
        let drawing = Search { bounds: None, random, schedules_max, threads, ends: Ends::Any };
        let verdict = search(&scenario, &drawing, &mut |_| Control::Go).unwrap();
        let Verdict::Found { found, .. } = verdict else { panic!("{verdict:?}") };
        assert_eq!(found.preemptions, None);
        let budget = ShrinkBudget::default();
        let (small, after) =
            shrink(&scenario, &found, Ends::Any, &budget, &mut |_| Control::Go).unwrap();
        let least = find_within(&small, after.preemptions).preemptions;
        assert!(least > Some(3), "{}", small.program);
        assert_eq!(after.preemptions, least, "{strategy:?} {}", small.program);
        assert!(after.finding.is_same(&found.finding) && after.drawn.is_some());
        let token = after.token(&small).to_string().parse().unwrap();
        let outcome = replay(&token, None, &mut || Control::Go).unwrap().outcome;
        assert_eq!(outcome, Outcome::Reproduced(after.finding.clone()));
    }
}

#[test]
fn the_same_failure_shrinks_to_the_same_program() {
    for scenario in padded() {
        let [(one, found), (other, again)] = [shrunk(&scenario), shrunk(&scenario)];
        assert_eq!(one, other);
        assert_eq!(found.token(&one).to_string(), again.token(&other).to_string());
    }
}

#[test]
fn sizes_that_were_asked_for_stay() {
    let mut large = torn();
    large.geometry = Geometry { cpus: 5, pages: 64, ..Geometry::SMALL };
    let (small, _) = shrunk(&large);
    assert_eq!(small.geometry, large.geometry);
}

#[test]
fn progress_is_told_and_can_stop() {
    let scenario = padded()[1].clone();
    let found = find(&scenario);
    let budget = ShrinkBudget::default();
    let mut told: Vec<ShrinkProgress> = Vec::new();
    let mut listen = |progress: &ShrinkProgress| {
        told.push(*progress);
        Control::Go
    };
    let (small, _) = shrink(&scenario, &found, Ends::Any, &budget, &mut listen).unwrap();
    assert!(told.windows(2).all(|pair| {
        pair[0].tried <= pair[1].tried
            && pair[0].kept <= pair[1].kept
            && pair[0].steps >= pair[1].steps
    }));
    let last = *told.last().unwrap();
    assert_eq!((last.tasks, last.steps), size(&small));

    let mut stop_at_once = |_: &ShrinkProgress| Control::Stop;
    let (same, as_found) =
        shrink(&scenario, &found, Ends::Any, &budget, &mut stop_at_once).unwrap();
    assert_eq!((&same, &as_found.schedule), (&scenario, &found.schedule));

    let mut stop_halfway = |progress: &ShrinkProgress| match progress.kept {
        0..2 => Control::Go,
        _ => Control::Stop,
    };
    let (halfway, found_there) =
        shrink(&scenario, &found, Ends::Any, &budget, &mut stop_halfway).unwrap();
    assert!(size(&small) < size(&halfway) && size(&halfway) < size(&scenario));
    assert_same_failure(&found, &halfway, &found_there);
}

#[test]
fn a_spent_budget_ends_with_the_smallest_program_so_far() {
    let scenario = padded()[0].clone();
    let found = find(&scenario);
    for candidates_max in [0, 1, 5, 10] {
        let budget = ShrinkBudget { candidates_max, ..ShrinkBudget::default() };
        let mut tried = 0;
        let mut count = |progress: &ShrinkProgress| {
            tried = progress.tried;
            Control::Go
        };
        let (small, after) = shrink(&scenario, &found, Ends::Any, &budget, &mut count).unwrap();
        assert_eq!(tried, candidates_max);
        assert!(size(&small) <= size(&scenario));
        assert!(after.finding.is_same(&found.finding));
    }
}

#[test]
fn another_failure_is_no_reason_to_keep_a_change() {
    for scenario in padded() {
        let mut found = find(&scenario);
        // Whatever is found in a smaller program, it is not this.
        found.finding.title.push_str(", seen elsewhere");
        let budget = ShrinkBudget::default();
        let (same, _) =
            shrink(&scenario, &found, Ends::Any, &budget, &mut |_| Control::Go).unwrap();
        assert_eq!(same, scenario);
    }
}
