//! A wish to stop is heard in the midst of an execution, at a count of points and not at a time; and what has
//! failed by then is not lost.

mod toy;

use pgmap_sched::{
    Control, Ended, Explorer, Judgement, Limit, Outcome, Sampled, Sampling, Schedule, Strategy,
    Trace,
};
use toy::{Memory, Toy, cached};

/// Points between two looks in a long execution, at most.
const APART: u64 = 4096;

/// Says stop at the nth question.
fn stop_at(nth: u32) -> impl FnMut() -> Control {
    let mut asked = 0;
    move || {
        asked += 1;
        if asked >= nth { Control::Stop } else { Control::Go }
    }
}

fn long() -> Toy {
    Toy::new().task(|memory: &Memory| (0..1_000_000).for_each(|_| _ = memory.load(0)))
}

fn plan() -> pgmap_sched::Plan {
    pgmap_sched::Plan { steps_max: u32::MAX, ..cached(Some(0)) }
}

#[test]
fn a_search_stops_within_an_execution() {
    for nth in [1, 3] {
        let mut stop = stop_at(nth);
        let outcome =
            Explorer::new()
                .search(&mut long(), &plan(), &mut |_, _| Judgement::Stop, &mut |_| stop());
        let Outcome::Stopped { limit: Limit::Asked, stats } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(stats[0].schedules, 0);
        assert!(stats[0].points <= (u64::from(nth) + 1) * APART, "{stats:?}");
    }
}

#[test]
fn progress_within_an_execution_counts_its_points() {
    let mut heard = Vec::new();
    let _ = Explorer::new().search(
        &mut long(),
        &pgmap_sched::Plan { steps_max: 20_000, ..plan() },
        &mut |_, _| Judgement::Stop,
        &mut |at| {
            heard.push(at.points);
            Control::Go
        },
    );
    assert!(heard.len() >= 4 && heard.is_sorted() && heard[0] <= 2 * APART, "{heard:?}");
}

#[test]
fn a_sample_and_its_survey_stop_within_an_execution() {
    let strategy: Strategy = "surw".parse().expect("a strategy");
    let sampling = Sampling { strategy, seed: 1, first: 0, until: 10, steps_max: u32::MAX };
    let mut explorer = Explorer::new();
    let profile = explorer.survey(&mut long(), &sampling, &mut stop_at(1));
    let mut stop = stop_at(2);
    let sampled =
        explorer
            .sample(&mut long(), &sampling, &profile, &mut |_, _| Judgement::Stop, &mut |_| stop());
    let Sampled::Stopped { stats } = sampled else { panic!("{sampled:?}") };
    assert_eq!(stats.executions, 0);
}

#[test]
fn a_replay_stops_within_its_execution() {
    let schedule = Schedule::default();
    let mut explorer = Explorer::new();
    // What is shorter than a look apart is over before anybody asks.
    let short = || Toy::new().task(|memory: &Memory| (0..9).for_each(|_| _ = memory.load(0)));
    let replayed = explorer.replay(&mut short(), &schedule, Trace::Skip, &mut stop_at(1));
    assert_eq!(replayed.end, Ended::Passed);
    let replayed = explorer.replay(&mut long(), &schedule, Trace::Keep, &mut stop_at(2));
    assert_eq!(replayed.end, Ended::Stopped);
    assert!(replayed.trace.len() as u64 <= 3 * APART);
    let twice = explorer.twice(&mut long(), &schedule, &mut stop_at(1));
    assert_eq!(twice.expect("nothing to compare").end, Ended::Stopped);
}

#[test]
fn a_failure_that_is_being_written_down_is_not_lost_to_a_stop() {
    // Two looks before it fails, and from then on everybody wants it to stop.
    let fails = |memory: &Memory| {
        (0..10_000).for_each(|_| _ = memory.load(0));
        pgmap_sched::fail(pgmap_sched::Defect { code: 1, object: 0, value: 0 });
    };
    let mut stop = stop_at(3);
    let outcome = Explorer::new().search(
        &mut Toy::new().task(fails),
        &plan(),
        &mut |_, _| Judgement::Stop,
        &mut |_| stop(),
    );
    assert!(matches!(outcome, Outcome::Found { .. }), "{outcome:?}");
}

#[test]
fn what_is_left_of_a_schedule_is_followed_in_a_smaller_model() {
    // The lost update, after steps that have nothing to do with it.
    let model = |padding: u64| {
        Toy::new()
            .task(move |memory: &Memory| {
                (0..padding).for_each(|_| memory.store(2, 0));
                let seen = memory.load(0);
                memory.store(0, seen + 1);
            })
            .task(move |memory: &Memory| {
                (0..padding).for_each(|_| memory.store(3, 0));
                memory.add(0, 1);
            })
            .check(|memory| match memory.peek(0) {
                2 => Ok(()),
                other => Err(pgmap_sched::Defect { code: 1, object: 0, value: other as i64 }),
            })
    };
    let (failure, schedule) = toy::found(&mut model(50), &cached(Some(1)));
    let mut explorer = Explorer::new();
    let mut go = || Control::Go;
    let replayed = explorer.replay(&mut model(50), &schedule, Trace::Keep, &mut go);
    let left = schedule.without(&replayed.trace, &mut |event| event.object.0 >= 2);
    assert_eq!(left.events(), 3);
    let redone = explorer.redo(&mut model(0), &left, &mut go).expect("a failure");
    assert_eq!((redone.failure, redone.preemptions), (failure, 1));
    let again = explorer.replay(&mut model(0), &redone.schedule, Trace::Skip, &mut go);
    assert_eq!(again.diverged, None);
}
