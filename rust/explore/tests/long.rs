//! Programs of hundreds of steps: cut down by one execution a change, and a wish to stop that comes at any count
//! leaves the best so far, which fails as it did.
#![allow(clippy::unwrap_used)]

mod failing;

use std::fmt::Write as _;
use std::num::NonZeroUsize;

use failing::{find, scenario};
use pgmap_explore::{
    Ends, ExploredWorld, Found, Outcome, Scenario, Search, ShrinkBudget, ShrinkProgress,
    Unfinished, Verdict, replay, report, search, shrink, strangers,
};
use pgmap_program::Era;
use pgmap_sched::{Control, Limit, Plan};

/// A device writes to a block that was given away, among steps that have nothing to do with it: before, beside
/// and after.
fn long(padding: usize) -> Scenario {
    let mut text = String::from("file f 1 written\nfile g 1 written\nw1 mmap 0 f 0 1 rw shared\n");
    let pad = |text: &mut String, who: &str| {
        for n in 0..padding {
            let op = ["nop", "pread g 0 1", "fsync g"][n % 3];
            writeln!(text, "{who} {op}").unwrap();
        }
    };
    pad(&mut text, "w1");
    text.push_str("w1 w 0 0\nw1 pin 0 0\nstart\n");
    pad(&mut text, "w0");
    text.push_str("w0 ftruncate f 0\n");
    pad(&mut text, "w0");
    pad(&mut text, "w1");
    text.push_str("w1 dma_write\n");
    pad(&mut text, "w1");
    text.push_str("w1 unpin\n");
    pad(&mut text, "w2");
    scenario(&text, Era::V6_15Sound, &["truncate-break-layout=off"])
}

fn shrunk(scenario: &Scenario, found: &Found) -> (Scenario, Found, ShrinkProgress) {
    let mut last = ShrinkProgress::default();
    let mut listen = |at: &ShrinkProgress| {
        last = *at;
        Control::Go
    };
    let (small, after) =
        shrink(scenario, found, Ends::Any, &ShrinkBudget::default(), &mut listen).unwrap();
    (small, after, last)
}

fn fails_as(before: &Found, scenario: &Scenario, found: &Found) {
    assert!(found.finding.is_same(&before.finding), "{:?}", found.finding);
    let token = found.token(scenario);
    let again = replay(&token, None, &mut || Control::Go).unwrap();
    assert_eq!(again.outcome, Outcome::Reproduced(found.finding.clone()));
}

#[test]
fn a_long_program_comes_down_to_its_race_within_few_changes() {
    let mut tried = Vec::new();
    for padding in [50, 200] {
        let scenario = long(padding);
        let found = find(&scenario);
        let (small, after, last) = shrunk(&scenario, &found);
        assert!(small.program.steps.len() <= 7, "{}", small.program);
        fails_as(&found, &small, &after);
        assert!(!last.spent);
        tried.push(last.tried);
    }
    // Four times the steps are not four times the changes.
    assert!(tried[1] < tried[0] + 60, "{tried:?}");
}

#[test]
fn a_stop_at_any_count_leaves_a_program_that_fails_as_it_did() {
    let scenario = long(40);
    let found = find(&scenario);
    let mut least = scenario.program.steps.len();
    for nth in [1, 2, 5, 20, 60] {
        let mut asked = 0;
        let mut stop = |_: &ShrinkProgress| {
            asked += 1;
            if asked >= nth { Control::Stop } else { Control::Go }
        };
        let budget = ShrinkBudget::default();
        let (small, after) = shrink(&scenario, &found, Ends::Any, &budget, &mut stop).unwrap();
        assert!(asked <= nth + 2, "asked {asked} times, {nth} were enough");
        fails_as(&found, &small, &after);
        assert!(small.program.steps.len() <= least);
        least = small.program.steps.len();
    }
    assert!(least < scenario.program.steps.len());
}

#[test]
fn who_is_told_to_stop_does_not_even_list_what_could_be_tried() {
    // Listing it for each of so many steps would take minutes.
    let scenario = long(3000);
    let found = find(&scenario);
    let budget = ShrinkBudget::default();
    let (same, _) = shrink(&scenario, &found, Ends::Any, &budget, &mut |_| Control::Stop).unwrap();
    assert_eq!(same, scenario);
}

#[test]
fn work_is_bounded_by_points() {
    let scenario = long(40);
    let found = find(&scenario);
    let budget = ShrinkBudget { points_max: 1_000, ..ShrinkBudget::default() };
    let mut spent = false;
    let (small, after) = shrink(&scenario, &found, Ends::Any, &budget, &mut |at| {
        spent |= at.spent;
        Control::Go
    })
    .unwrap();
    assert!(spent);
    fails_as(&found, &small, &after);
}

#[test]
fn telling_and_replay_stop_within_an_execution() {
    // Longer than what passes between two questions.
    let scenario = long(1000);
    let found = find(&scenario);
    let mut asked = 0;
    let mut stop = || {
        asked += 1;
        Control::Stop
    };
    let told = report(&scenario, &found, &mut stop).map(|report| report.title);
    assert_eq!(told, Err(Unfinished::Stopped));
    let again = replay(&found.token(&scenario), None, &mut stop).map(|again| again.outcome);
    assert_eq!(again, Err(Unfinished::Stopped));
    assert_eq!(asked, 2);
}

/// Says stop at the nth question, and counts them.
fn stop_at(nth: usize, asked: &mut usize) -> impl FnMut() -> Control {
    move || {
        *asked += 1;
        if *asked >= nth { Control::Stop } else { Control::Go }
    }
}

#[test]
fn a_long_set_up_stops_between_its_steps() {
    let scenario = long(3000);
    let steps = scenario.program.halves().0.len();
    let mut asked = 0;
    ExploredWorld::new(&scenario, &mut stop_at(usize::MAX, &mut asked)).unwrap();
    assert!(asked >= steps / 512, "asked {asked} times in {steps} steps");
    for nth in [1, 2, asked] {
        let mut asked = 0;
        let explored = ExploredWorld::new(&scenario, &mut stop_at(nth, &mut asked)).map(drop);
        assert_eq!((explored, asked), (Err(Unfinished::Stopped), nth));
    }
}

#[test]
fn a_search_that_is_stopped_in_its_set_up_has_seen_nothing_and_claims_nothing() {
    let scenario = long(3000);
    let wanted = Search {
        bounds: Some(Plan::default()),
        random: None,
        schedules_max: u64::MAX,
        threads: NonZeroUsize::MIN,
        ends: Ends::News,
    };
    let mut asked = 0;
    let mut stop = stop_at(2, &mut asked);
    let verdict = search(&scenario, &wanted, &mut |_| stop()).unwrap();
    drop(stop);
    let Verdict::NotFound { why: Limit::Asked, seen } = verdict else { panic!("{verdict:?}") };
    assert_eq!((seen.schedules(), asked), (0, 2));
    // Each step has its row all the same, and nobody is said to have met nobody.
    assert_eq!(seen.outcomes.rows(&scenario).len(), scenario.program.halves().1.len());
    assert!(strangers(&scenario, &seen.outcomes).is_empty());
}

#[test]
fn a_long_execution_is_told_in_few_rows_about_its_end() {
    let (short, long) = (long(20), long(200));
    let [one, other] = [&short, &long]
        .map(|scenario| report(scenario, &find(scenario), &mut || Control::Go).unwrap());
    assert_eq!(one.signature, other.signature);
    assert!(other.rows.len() <= pgmap_explore::report::ROWS_MAX);
}
