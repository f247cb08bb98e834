//! Past the bound: what is drawn is found, whatever the number of threads; what is not found is told.

mod failing;

use std::num::NonZeroUsize;

use failing::{lost, scenario, torn};
use pgmap_explore::{
    Ends, Found, Look, Outcome, RandomSearch, Scenario, Search, Seen, ShrinkBudget, Unproven,
    Verdict, explore, replay, search, shrink,
};
use pgmap_program::Era;
use pgmap_sched::{Control, Limit, Plan, Strategy};

const ALL: [Strategy; 6] = [
    Strategy::Portfolio,
    Strategy::Random,
    Strategy::Pct { depth: 3 },
    Strategy::Pos,
    Strategy::Urw,
    Strategy::Surw,
];

fn random(strategy: Strategy, executions: u64, threads: usize) -> RandomSearch {
    let threads = NonZeroUsize::new(threads).expect("a number above 0");
    RandomSearch { strategy, seed: 1, executions, steps_max: 100_000, threads }
}

/// A sample alone.
fn only(random: RandomSearch) -> Search {
    let (schedules_max, threads) = (u64::MAX, random.threads);
    Search { bounds: None, random: Some(random), schedules_max, threads, ends: Ends::Any }
}

/// Bounds, then a sample.
fn both(bound: u32, random: RandomSearch) -> Search {
    let bounds = Some(Plan { bound: Some(bound), ..Plan::default() });
    Search { bounds, ..only(random) }
}

fn run(scenario: &Scenario, wanted: &Search) -> Verdict {
    search(scenario, wanted, &mut |_| Control::Go).expect("a scenario")
}

fn found(verdict: Verdict) -> Found {
    match verdict {
        Verdict::Found { found, .. } => *found,
        other => panic!("nothing found: {other:?}"),
    }
}

fn sound() -> Scenario {
    scenario(failing::TORN, Era::V6_15Sound, &[])
}

/// A race that needs a preemption at one place, between two of three tasks that do much else.
fn hidden() -> Scenario {
    let text = "file f 1 written\nfile g 2 written\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\n\
        w0 mmap 2 g 0 2 rw shared\nw2 mmap 3 g 0 2 rw shared\nstart\n\
        w0 r 2 0 | w0 w 2 0 | w0 pin 0 0 | w0 dma_write | w0 unpin | w0 w 2 1\n\
        w1 pread g 0 1 | w1 ftruncate f 0\nw2 w 3 1 | w2 r 3 1\n";
    scenario(text, Era::V6_15Sound, &["truncate-break-layout=off"])
}

#[test]
fn every_strategy_finds_the_same_whatever_the_number_of_threads() {
    let mut caught = 0;
    for scenario in [torn(), hidden()] {
        for strategy in ALL {
            let told = |threads| {
                let verdict = run(&scenario, &only(random(strategy, 2_000, threads)));
                let stats = verdict.seen().sample.clone().expect("a sample");
                let Verdict::Found { found, .. } = verdict else { return None };
                let drawn = found.drawn.expect("drawn");
                let token = found.token(&scenario).to_string();
                assert_eq!((drawn.strategy, found.preemptions), (strategy, None));
                let classes = stats.coverage.classes();
                Some((token, drawn.execution, stats.executions, stats.points, classes))
            };
            let alone = told(1);
            caught += u32::from(alone.is_some());
            assert_eq!(told(2), alone, "{strategy}");
            assert_eq!(told(4), alone, "{strategy}");
        }
    }
    assert!(caught >= 10, "{caught}");
}

#[test]
fn what_is_drawn_replays() {
    for scenario in [torn(), lost(), hidden()] {
        let found = found(run(&scenario, &only(random(Strategy::Portfolio, 20_000, 2))));
        let token = found.token(&scenario).to_string().parse().expect("a token");
        let outcome = replay(&token, None, &mut || Control::Go).expect("a scenario").outcome;
        assert_eq!(outcome, Outcome::Reproduced(found.finding.clone()));
    }
}

#[test]
fn a_sample_that_finds_nothing_says_how_much_it_saw_whatever_the_number_of_threads() {
    let told = |threads| {
        let verdict = run(&sound(), &only(random(Strategy::Portfolio, 1_000, threads)));
        let Verdict::NotFound { why: Limit::Schedules, seen: Seen { stats, sample, .. } } = verdict
        else {
            panic!("{verdict:?}");
        };
        let sample = sample.expect("a sample");
        assert!(stats.is_empty());
        let coverage = &sample.coverage;
        assert_eq!((sample.executions, coverage.executions()), (1_000, 1_000));
        (sample.points, sample.longest, coverage.classes(), coverage.singletons())
    };
    let alone = told(1);
    assert!(alone.2 > 20, "{alone:?}");
    assert_eq!(told(2), alone);
    assert_eq!(told(3), alone);
}

#[test]
fn another_seed_draws_others() {
    let told = |seed| {
        let wanted = only(RandomSearch { seed, ..random(Strategy::Random, 20_000, 1) });
        found(run(&torn(), &wanted)).schedule
    };
    assert!((2..10).any(|seed| told(seed) != told(1)));
}

#[test]
fn an_exhausted_bound_stays_exhausted_and_tells_of_what_lies_beyond() {
    let mut looks = [0, 0];
    let wanted = both(1, random(Strategy::Portfolio, 700, 2));
    let verdict = search(&sound(), &wanted, &mut |look| {
        looks[usize::from(matches!(look, Look::Drawn(_)))] += 1;
        Control::Go
    });
    let Ok(Verdict::Exhausted { bound: Some(1), seen }) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!((seen.stats.len(), seen.drawn()), (2, 700));
    assert!(looks[1] > 0, "{looks:?}");
}

#[test]
fn what_needs_more_than_the_bound_is_found_beyond_it() {
    let Verdict::Exhausted { .. } = run(&torn(), &both(0, random(Strategy::Portfolio, 0, 1)))
    else {
        panic!("it needs no preemption");
    };
    let verdict = run(&torn(), &both(0, random(Strategy::Portfolio, 5_000, 2)));
    // The bound that was exhausted is told as well.
    assert_eq!(verdict.seen().stats.len(), 1);
    let found = found(verdict);
    assert!(found.drawn.is_some());
}

#[test]
fn the_budget_is_for_the_bounds_and_what_is_beyond_together() {
    let wanted = both(1, random(Strategy::Portfolio, u64::MAX, 1));
    let bounds = run(&sound(), &Search { random: None, ..wanted });
    let used: u64 = bounds.seen().stats.iter().map(|now| now.schedules + now.pruned).sum();
    let left = run(&sound(), &Search { schedules_max: used + 300, ..wanted });
    assert_eq!(left.seen().drawn(), 300);
    let none = run(&sound(), &Search { schedules_max: used, ..wanted });
    assert!(matches!(none, Verdict::Exhausted { seen: Seen { sample: None, .. }, .. }), "{none:?}");
    let short = run(&sound(), &Search { schedules_max: used - 1, ..wanted });
    assert!(
        matches!(short, Verdict::NotFound { seen: Seen { sample: None, .. }, .. }),
        "{short:?}"
    );
}

#[test]
fn beyond_no_bound_there_is_nothing() {
    let small = "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\nw0 r 0 0\nw1 nop\n";
    let bounds = Some(Plan { bound: None, ..Plan::default() });
    let wanted = Search { bounds, ..only(random(Strategy::Random, 100, 1)) };
    let verdict = run(&scenario(small, Era::V6_15Sound, &[]), &wanted);
    assert!(
        matches!(verdict, Verdict::Exhausted { bound: None, seen: Seen { sample: None, .. } }),
        "{verdict:?}"
    );
}

#[test]
fn a_sample_ends_when_it_is_told_to() {
    let wanted = only(random(Strategy::Pos, u64::MAX, 2));
    let verdict = search(&sound(), &wanted, &mut |look| match look {
        Look::Drawn(stats) if stats.executions > 500 => Control::Stop,
        _ => Control::Go,
    });
    assert!(matches!(verdict, Ok(Verdict::NotFound { why: Limit::Asked, .. })), "{verdict:?}");
}

#[test]
fn what_was_drawn_shrinks_to_what_a_search_would_find() {
    let scenario = hidden();
    let drawn = found(run(&scenario, &only(random(Strategy::Portfolio, 20_000, 1))));
    let budget = ShrinkBudget::default();
    let (small, least) =
        shrink(&scenario, &drawn, Ends::Any, &budget, &mut |_| Control::Go).expect("a scenario");
    assert!(least.finding.is_same(&drawn.finding));
    assert_eq!(small.roles().len(), 2);
    let plan = Plan { bound: Some(3), ..Plan::default() };
    let Ok(Verdict::Found { found, .. }) = explore(&small, &plan, Ends::Any, &mut |_| Control::Go)
    else {
        panic!("not in {}", small.program);
    };
    assert_eq!(least.preemptions, found.preemptions);
}

#[test]
fn what_the_bounds_do_not_reach_in_the_whole_shrinks_by_drawing() {
    let text = "file f 1\nfile g 2\nw0 mmap 0 f 0 1 rw shared\nw0 mmap 1 g 0 2 rw shared\nw0 w 0 0\n\
        start\nw0 w 1 0 | w0 munmap 0 | w0 r 1 0\nw1 pread g 0 1 | w1 ftruncate f 0\n";
    let scenario = scenario(text, Era::V6_15Sound, &["zap-put=before-flush"]);
    let drawn = found(run(&scenario, &only(random(Strategy::Portfolio, 20_000, 1))));
    // So few schedules that the bounds do not get to the failure of the whole program.
    let budget = ShrinkBudget { schedules_max: 20, ..ShrinkBudget::default() };
    let (found, least) =
        shrink(&scenario, &drawn, Ends::Any, &budget, &mut |_| Control::Go).expect("a scenario");
    assert!(least.finding.is_same(&drawn.finding));
    let steps = |scenario: &Scenario| scenario.program.steps.len();
    assert!(steps(&found) < steps(&scenario), "{}", found.program);
    let (again, same) =
        shrink(&scenario, &drawn, Ends::Any, &budget, &mut |_| Control::Go).expect("again");
    assert_eq!((again, same.schedule), (found, least.schedule));
    // Without where it came from, a budget that does not reach the smallest program either gets nowhere.
    let lost = Found { drawn: None, ..drawn };
    let budget = ShrinkBudget { schedules_max: 4, ..ShrinkBudget::default() };
    let (stuck, _) =
        shrink(&scenario, &lost, Ends::Any, &budget, &mut |_| Control::Go).expect("a scenario");
    assert_eq!(stuck, scenario);
}

/// Four tasks with so much to do that one preemption can fall in more places than a first turn has executions.
fn large(wrong: &[&str]) -> Scenario {
    let much = |who: &str, map: u8| {
        format!("w{who} w {map} 1 | w{who} r {map} 0 | w{who} pread g 0 1 | w{who} r {map} 1 | ")
            .repeat(5)
            + &format!("w{who} r {map} 0\n")
    };
    let text = format!(
        "file f 2 written\nfile g 2 written\nw0 mmap 0 f 0 2 rw shared\nw0 w 0 0\n\
         w2 mmap 2 g 0 2 rw shared\nw3 mmap 3 g 0 2 rw shared\nstart\n\
         w0 w 0 1 | w0 munmap 0 | w0 pread g 0 1\nw1 pread g 0 1 | w1 ftruncate f 0\n{}{}",
        much("2", 2),
        much("3", 3),
    );
    scenario(&text, Era::V6_15Sound, wrong)
}

#[test]
fn bounds_that_are_not_exhausted_share_what_is_left_with_the_sample() {
    let wanted = both(6, random(Strategy::Portfolio, u64::MAX, 2));
    let spent = |schedules_max| {
        let verdict = run(&large(&[]), &Search { schedules_max, ..wanted });
        let Verdict::NotFound { why: Limit::Schedules, seen } = verdict else {
            panic!("{verdict:?}");
        };
        let bounded: u64 = seen.stats.iter().map(|now| now.schedules + now.pruned).sum();
        (bounded, seen.drawn())
    };
    assert_eq!(spent(200), (200, 0));
    assert_eq!(spent(256 + 100), (256, 100));
    // The bounds begin again, and what was drawn is not drawn again.
    assert_eq!(spent(2 * 256 + 500), (500, 256));
    assert_eq!(spent(2 * 256 + 4_096 + 100), (4_096, 256 + 100));
}

#[test]
fn what_is_far_from_the_first_bounds_is_drawn_before_they_reach_it() {
    let scenario = large(&["zap-put=before-flush"]);
    let plan = Plan { bound: Some(6), schedules_max: 256, ..Plan::default() };
    let by_bounds = explore(&scenario, &plan, Ends::Any, &mut |_| Control::Go);
    assert!(matches!(by_bounds, Ok(Verdict::NotFound { .. })), "{by_bounds:?}");
    // A seed may be unlucky for a turn; one of a few is not.
    let drawn = |seed| {
        let sample = RandomSearch { seed, ..random(Strategy::Portfolio, u64::MAX, 2) };
        found(run(&scenario, &both(6, sample))).drawn.is_some()
    };
    assert!((1..=4).any(drawn));
}

#[test]
fn executions_that_wait_on_purpose_are_counted_whether_bounded_or_drawn_and_prove_nothing() {
    // Nobody takes the pin back, so truncate waits for ever, whatever the order.
    let mut held = large(&[]);
    let text = held.program.to_string().replace("start\n", "w0 pin 0 0\nstart\n");
    held.program = pgmap_program::Program::parse(&text).expect("a program");
    // The sample is spent after the first turn, and then the bounds go on alone.
    let wanted = both(6, random(Strategy::Portfolio, 100, 2));
    let verdict = run(&held, &Search { schedules_max: 256 + 100 + 300, ..wanted });
    // Nothing else was seen, which is no verdict.
    let Verdict::Inconclusive { why: Unproven::AllWait, seen } = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!((seen.drawn(), seen.waiting), (100, seen.schedules() + 100));
}
