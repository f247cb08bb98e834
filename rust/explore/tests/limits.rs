//! Executions that are cut at the limit of their events are counted, and whatever a search came to without them
//! proves nothing.

mod failing;

use std::num::NonZeroUsize;

use failing::{TORN, scenario, torn};
use pgmap_explore::hunt::{Caught, Hunt, Wanted, hunt};
use pgmap_explore::{Ends, Look, RandomSearch, Scenario, Search, Unproven, Verdict, search};
use pgmap_program::op::Hunted;
use pgmap_program::{Era, Memory, TlbRefill};
use pgmap_sched::{Control, Doubt, Plan};

fn right() -> Scenario {
    scenario(TORN, Era::V6_15Sound, &[])
}

/// More than most executions of these programs have, or fewer.
fn wanted(steps_max: u32, drawn: u64) -> Search {
    let plan = Plan { steps_max, ..Plan::default() };
    let strategy = "random".parse().expect("a strategy");
    let (executions, threads) = (drawn, NonZeroUsize::MIN);
    let random = RandomSearch { strategy, seed: 1, executions, steps_max, threads };
    let (bounds, random, schedules_max) = (Some(plan), Some(random), u64::MAX);
    Search { bounds, random, schedules_max, threads, ends: Ends::Any }
}

fn cut(verdict: &Verdict) -> u64 {
    match verdict {
        Verdict::Inconclusive { why: Unproven::Doubt(Doubt::TooLong), seen } => seen.cut(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_search_that_cut_executions_is_inconclusive_however_it_ends() {
    let scenario = right();
    let mut go = |_: &Look<'_>| Control::Go;
    // Of all bounds, with a sample beyond them that is drawn all the same.
    let verdict = search(&scenario, &wanted(40, 100), &mut go).expect("a scenario");
    assert_eq!(cut(&verdict), verdict.seen().schedules() + 100);
    assert_eq!(verdict.seen().drawn(), 100);
    // Of a sample alone.
    let alone = Search { bounds: None, ..wanted(40, 64) };
    assert_eq!(cut(&search(&scenario, &alone, &mut go).expect("a scenario")), 64);
    // When the executions it may run are used up.
    let few = Search { schedules_max: 1, ..wanted(40, 0) };
    assert_eq!(cut(&search(&scenario, &few, &mut go).expect("a scenario")), 1);
    // Nothing is cut, nothing is in doubt.
    let all = search(&scenario, &wanted(100_000, 100), &mut go).expect("a scenario");
    assert!(matches!(all, Verdict::Exhausted { .. }) && all.seen().cut() == 0, "{all:?}");
}

#[test]
fn a_search_that_is_stopped_remembers_what_was_cut() {
    let scenario = right();
    for enough in [1, 200] {
        // When the search asks is its own affair, and it may ask before anything was drawn.
        let mut stop = |look: &Look<'_>| match look {
            Look::Drawn(stats) if stats.executions >= enough => Control::Stop,
            Look::Drawn(_) | Look::Bounds(_) => Control::Go,
        };
        let alone = Search { bounds: None, ..wanted(40, u64::MAX) };
        let verdict = search(&scenario, &alone, &mut stop).expect("a scenario");
        assert_eq!(cut(&verdict), verdict.seen().drawn(), "{verdict:?}");
    }
}

#[test]
fn a_failure_before_the_limit_is_found_none_the_less() {
    // Long enough for the failure, and too short for the end.
    let broken = torn();
    let found = failing::find(&broken);
    let wanted = wanted(found.schedule.events() + 1, 0);
    let verdict = search(&broken, &wanted, &mut |_| Control::Go).expect("a scenario");
    assert!(matches!(verdict, Verdict::Found { .. }), "{verdict:?}");
}

#[test]
fn a_hunt_counts_what_it_cut() {
    let era = Era::V6_15Sound;
    let words = ["mmap", "touch"]
        .map(|word| Hunted::all().into_iter().find(|known| known.word == word).expect("a word"));
    let mut asked = Hunt {
        words: words.to_vec(),
        seed: 1,
        era,
        rules: era.rules(),
        memory: Memory::Sc,
        tlb: TlbRefill::OnAccess,
        without: Vec::new(),
        ops_max: 3,
        programs_max: None,
        sizes: Vec::new(),
        plan: Plan { bound: Some(0), steps_max: 20, ..Plan::default() },
        threads: NonZeroUsize::MIN,
        wanted: Wanted::Anything,
        ends: Ends::Any,
    };
    let Caught::Nothing { tried, .. } = hunt(&asked, &mut |_| Control::Go) else {
        panic!("a find")
    };
    assert!(tried.cut > 0 && tried.cut <= tried.schedules, "{tried:?}");
    asked.plan.steps_max = 100_000;
    let Caught::Nothing { tried, .. } = hunt(&asked, &mut |_| Control::Go) else {
        panic!("a find")
    };
    assert_eq!(tried.cut, 0, "{tried:?}");
}
