//! A schedule that was drawn is made calmer: it fails as before, with no more preemptions than before and, where they can be
//! counted, with the fewest there are.

mod toy;

use pgmap_sched::{
    Control, Defect, Explorer, Failure, Judgement, Outcome, Plan, Redone, Replayed, Sampled,
    Sampling, Schedule, Strategy, Trace,
};
use toy::{Memory, Toy};

/// A bug that shows if so many steps of two tasks happen in turns, with others that do not matter in between.
fn ladder(rungs: u64) -> Toy {
    let climb = move |task: u64| {
        move |memory: &Memory| {
            for rung in (0..rungs).filter(|rung| rung % 2 == task) {
                let _ = memory.load(1);
                let _ = memory.load(2);
                memory.cas(0, rung, rung + 1);
                let _ = memory.load(3);
            }
        }
    };
    let bystander = |memory: &Memory| (1..4).for_each(|word| memory.store(word, 7));
    Toy::new().task(climb(0)).task(climb(1)).task(bystander).check(move |memory| {
        match memory.peek(0) == rungs {
            true => Err(Defect { code: 1, object: 0, value: 0 }),
            false => Ok(()),
        }
    })
}

/// A failing schedule, drawn.
fn drawn(toy: &mut Toy, strategy: Strategy) -> (Failure, Schedule) {
    let sampling = Sampling { strategy, seed: 3, first: 0, until: 1_000_000, steps_max: 1_000 };
    let mut explorer = Explorer::new();
    let profile = explorer.survey(toy, &sampling, &mut || Control::Go);
    let mut stop = |_: &_, _: &_| Judgement::Stop;
    match explorer.sample(toy, &sampling, &profile, &mut stop, &mut |_| Control::Go) {
        Sampled::Found { failure, schedule, .. } => (failure, schedule),
        other => panic!("{other:?}"),
    }
}

/// The fewest preemptions of a failing schedule.
fn least(toy: &mut Toy) -> u32 {
    let plan = Plan { bound: Some(9), ..Plan::default() };
    let mut stop = |_: &_, _: &_| Judgement::Stop;
    match Explorer::new().search(toy, &plan, &mut stop, &mut |_| Control::Go) {
        Outcome::Found { bound: Some(bound), .. } => bound,
        other => panic!("{other:?}"),
    }
}

fn calmed(toy: &mut Toy, failure: &Failure, schedule: &Schedule) -> Redone {
    let mut same = |now: &Failure| now == failure;
    let calm = Explorer::new().calm(toy, schedule, 10_000, &mut same, &mut || Control::Go);
    calm.expect("a schedule that fails")
}

#[test]
fn a_drawn_schedule_is_made_calmer_and_fails_as_before() {
    for rungs in [3, 5, 6] {
        for strategy in [Strategy::Random, Strategy::Pct { depth: 5 }, Strategy::Pos] {
            let mut toy = ladder(rungs);
            let (failure, schedule) = drawn(&mut toy, strategy);
            let before = Explorer::new().redo(&mut toy, &schedule, &mut || Control::Go);
            let before = before.expect("a failure").preemptions;
            let calm = calmed(&mut toy, &failure, &schedule);
            let Replayed { diverged, .. } =
                Explorer::new().replay(&mut toy, &calm.schedule, Trace::Skip, &mut || Control::Go);
            assert_eq!((calm.failure, diverged), (failure, None));
            assert_eq!(calm.preemptions, least(&mut toy), "{rungs} {strategy:?}, {before} before");
        }
    }
}

#[test]
fn near_a_schedule_its_own_failure_is_found_with_as_few_preemptions_as_anywhere() {
    for rungs in [5, 6] {
        let mut toy = ladder(rungs);
        let (failure, drawn) = drawn(&mut toy, Strategy::Random);
        let calm = calmed(&mut toy, &failure, &drawn).schedule;
        let least = least(&mut toy);
        let mut near = |schedule: &Schedule, bound| {
            let plan = Plan { bound: Some(bound), ..Plan::default() };
            let mut stop = |_: &_, _: &_| Judgement::Stop;
            Explorer::new().near(&mut toy, schedule, &plan, &mut stop, &mut |_| Control::Go)
        };
        for schedule in [&drawn, &calm] {
            let found = near(schedule, 9);
            let Outcome::Found { bound, .. } = found else { panic!("{found:?}") };
            assert_eq!(bound, Some(least));
            assert!(matches!(near(schedule, least - 1), Outcome::Exhausted { .. }));
        }
        // Where a schedule leaves its tasks seldom, little is near it.
        let points =
            |outcome: &Outcome| -> u64 { outcome.stats().iter().map(|stats| stats.points).sum() };
        let few = points(&near(&calm, least - 1));
        let many = points(&near(&drawn, least - 1));
        assert!(few < many, "{rungs}: {few} of {many}, {least}, {calm:?}");
    }
}

#[test]
fn what_does_not_fail_so_is_not_made_calmer() {
    let mut toy = ladder(3);
    let (_, schedule) = drawn(&mut toy, Strategy::Random);
    let calm = Explorer::new().calm(&mut toy, &schedule, 100, &mut |_| false, &mut || Control::Go);
    assert_eq!(calm, None);
}
