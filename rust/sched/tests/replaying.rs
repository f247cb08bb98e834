//! A schedule leads to the same execution again, notices when the model has changed, and survives
//! being written down.

mod toy;

use std::cell::Cell;

use pgmap_sched::{
    BadSchedule, Control, Doubt, Effect, Ended, Explorer, Failure, Kind, Model, Object, Outcome,
    Schedule, Sight, Step, Task, Trace, Verb, note, point,
};
use toy::random::{Random, random_toy};
use toy::{Memory, Toy, brute, cached, found, lost_update, search, search_all};

/// Failures of random programs, with the programs' seeds.
fn found_failures(wanted: usize) -> Vec<(u64, Failure, Schedule)> {
    let mut all = Vec::new();
    for seed in 0.. {
        let (_, failures) = search_all(&mut random_toy(seed), &cached(Some(2)));
        all.extend(failures.into_iter().take(5).map(|(failure, s)| (seed, failure, s)));
        if all.len() >= wanted {
            all.truncate(wanted);
            return all;
        }
    }
    all
}

#[test]
fn every_found_failure_happens_again() {
    let mut explorer = Explorer::new();
    for (seed, failure, schedule) in found_failures(100) {
        let schedule = Schedule::from_bytes(&schedule.to_bytes()).expect("its own bytes");
        let again =
            explorer.replay(&mut random_toy(seed), &schedule, Trace::Keep, &mut || Control::Go);
        assert_eq!(again.end, Ended::Failed(failure), "program {seed}");
        assert_eq!(again.diverged, None, "program {seed}");
        let events = again.trace.iter().filter(|event| event.is_event()).count();
        assert_eq!(events, schedule.events() as usize);
        assert!(explorer.twice(&mut random_toy(seed), &schedule, &mut || Control::Go).is_ok());
    }
}

#[test]
fn a_trace_tells_who_did_what_and_what_changed() {
    let (_, schedule) = found(&mut lost_update(), &cached(Some(2)));
    let replayed =
        Explorer::new().replay(&mut lost_update(), &schedule, Trace::Keep, &mut || Control::Go);
    let told: Vec<_> = replayed
        .trace
        .iter()
        .filter(|event| event.kind == Kind::Step)
        .map(|event| (event.index, event.task.0, event.verb.0, event.values))
        .collect();
    let expected = vec![
        (0, 0, 1, Some((0, 0))),
        (1, 1, 1, Some((0, 0))),
        (2, 1, 2, Some((0, 1))),
        (3, 0, 2, Some((1, 1))),
    ];
    assert_eq!(told, expected);
    let switches: Vec<_> = replayed
        .trace
        .iter()
        .filter_map(|event| match event.kind {
            Kind::Switch { to } => Some((event.index, event.task.0, to.0)),
            _ => None,
        })
        .collect();
    assert_eq!(switches, vec![(1, 0, 1), (3, 1, 0)]);
    let quiet =
        Explorer::new().replay(&mut lost_update(), &schedule, Trace::Skip, &mut || Control::Go);
    assert!(quiet.trace.is_empty() && quiet.end == replayed.end);
}

#[test]
fn remarks_stand_after_the_step_they_follow() {
    let body = |memory: &Memory| {
        note(1, 0, 0);
        memory.store(0, 5);
        note(2, 3, 4);
    };
    let schedule = Schedule::default();
    let replayed =
        Explorer::new()
            .replay(&mut Toy::new().task(body), &schedule, Trace::Keep, &mut || Control::Go);
    let kinds: Vec<_> = replayed.trace.iter().map(|event| event.kind).collect();
    let (first, last) = (Kind::Note { code: 1, a: 0, b: 0 }, Kind::Note { code: 2, a: 3, b: 4 });
    assert_eq!(kinds, vec![first, Kind::Step, last]);
}

#[test]
fn an_altered_model_diverges_at_a_named_step() {
    let (_, schedule) = found(&mut lost_update(), &cached(Some(2)));
    // The first task has a step more at its start: known at the departure after it.
    let add = |memory: &Memory| {
        let old = memory.load(0);
        memory.store(0, old + 1);
    };
    let longer = move |memory: &Memory| {
        memory.add(3, 1);
        add(memory);
    };
    let changed = Explorer::new().replay(
        &mut Toy::new().task(longer).task(add),
        &schedule,
        Trace::Skip,
        &mut || Control::Go,
    );
    let divergence = changed.diverged.expect("a divergence");
    assert_eq!(divergence.step, 1);
    assert!(matches!((divergence.expected, divergence.found), (Sight::Hash(_), Sight::Hash(_))));
    // The second task has lost its last step: known at the end.
    let shorter = |memory: &Memory| {
        let _ = memory.load(0);
    };
    let changed = Explorer::new().replay(
        &mut Toy::new().task(add).task(shorter),
        &schedule,
        Trace::Skip,
        &mut || Control::Go,
    );
    let divergence = changed.diverged.expect("a divergence");
    assert_eq!((divergence.step, divergence.expected), (3, Sight::End(4)));
    // The second task cannot run where it did.
    let sleeper = |memory: &Memory| memory.sleep_until(5, 1);
    let changed = Explorer::new().replay(
        &mut Toy::new().task(add).task(sleeper),
        &schedule,
        Trace::Skip,
        &mut || Control::Go,
    );
    let divergence = changed.diverged.expect("a divergence");
    assert_eq!((divergence.step, divergence.expected), (1, Sight::Task(Task(1))));
    assert_eq!(divergence.found, Sight::Runnable(0b01));
}

/// A model steered by something that its reset does not put back.
struct Leaky {
    calls: Cell<u64>,
}

impl Model for Leaky {
    fn tasks(&self) -> usize {
        2
    }

    fn reset(&mut self) {}

    fn run(&self, _: Task) {
        let n = self.calls.replace(self.calls.get() + 1);
        let site = std::panic::Location::caller();
        for object in 0..=n % 5 {
            point(Step { verb: Verb(1), object: Object(object), effect: Effect::Write, site });
        }
    }

    fn finish(&self) -> Result<(), pgmap_sched::Defect> {
        Ok(())
    }
}

#[test]
fn uncontrolled_nondeterminism_is_noticed() {
    let mut leaky = Leaky { calls: Cell::new(0) };
    assert!(Explorer::new().twice(&mut leaky, &Schedule::default(), &mut || Control::Go).is_err());
    let outcome = search(&mut leaky, &brute(Some(2)));
    assert!(
        matches!(outcome, Outcome::Inconclusive { why: Doubt::Unsteady { .. }, .. }),
        "{outcome:?}"
    );
    let mut steady = Toy::new().task(|memory: &Memory| memory.store(0, 1));
    assert!(Explorer::new().twice(&mut steady, &Schedule::default(), &mut || Control::Go).is_ok());
}

/// A model whose tasks have less to do from the second execution on.
struct Tiring {
    executions: u32,
}

impl Model for Tiring {
    fn tasks(&self) -> usize {
        4
    }

    fn reset(&mut self) {
        self.executions += 1;
    }

    fn run(&self, task: Task) {
        let fresh = self.executions == 1;
        let site = std::panic::Location::caller();
        for _ in 0..if fresh { 2 } else { 2_u8.saturating_sub(task.0) } {
            point(Step { verb: Verb(1), object: Object(0), effect: Effect::Write, site });
        }
    }

    fn finish(&self) -> Result<(), pgmap_sched::Defect> {
        Ok(())
    }
}

#[test]
fn an_execution_that_ends_before_its_path_does_is_noticed() {
    // The first path that is gone back to turns off where the second execution has ended.
    let outcome = search(&mut Tiring { executions: 0 }, &brute(Some(1)));
    assert!(
        matches!(outcome, Outcome::Inconclusive { why: Doubt::Unsteady { step: 3 }, .. }),
        "{outcome:?}"
    );
}

#[test]
fn the_compact_form_is_read_back_as_it_was() {
    for (_, _, schedule) in found_failures(100) {
        let bytes = schedule.to_bytes();
        assert_eq!(Schedule::from_bytes(&bytes), Ok(schedule));
        for end in 0..bytes.len() {
            assert_eq!(Schedule::from_bytes(&bytes[..end]), Err(BadSchedule::Short));
        }
        let long = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Schedule::from_bytes(&long), Err(BadSchedule::Long));
    }
}

#[test]
fn bytes_that_are_no_schedule_are_errors() {
    assert_eq!(Schedule::from_bytes(&[]), Err(BadSchedule::Short));
    assert_eq!(Schedule::from_bytes(&[9]), Err(BadSchedule::Version(9)));
    let hash = [0; 8];
    let with = |head: &[u8]| [head, &hash].concat();
    // Two events, one departure, at 1, to task 16.
    assert_eq!(Schedule::from_bytes(&with(&[1, 2, 1, 1, 16])), Err(BadSchedule::Task(16)));
    // A departure past the end; a number that is not in its shortest form; one that is too large.
    assert_eq!(Schedule::from_bytes(&with(&[1, 2, 1, 3, 0])), Err(BadSchedule::Order));
    assert_eq!(Schedule::from_bytes(&with(&[1, 0x82, 0])), Err(BadSchedule::Number));
    let huge = [1, 0xff, 0xff, 0xff, 0xff, 0x1f];
    assert_eq!(Schedule::from_bytes(&with(&huge)), Err(BadSchedule::Number));
}

#[test]
fn random_bytes_are_errors_or_schedules_but_never_a_panic() {
    let mut random = Random(88_172_645_463_325_252);
    let (_, model) = found(&mut lost_update(), &cached(Some(2)));
    let good = model.to_bytes();
    let mut read = 0;
    for n in 0..100_000 {
        let bytes: Vec<u8> = if n % 2 == 0 {
            let mut bytes = good.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.next() as u8;
            }
            bytes
        } else {
            let length = random.below(40);
            (0..length).map(|_| (random.next() >> 7) as u8).collect()
        };
        // What is read is in its one form.
        if let Ok(schedule) = Schedule::from_bytes(&bytes) {
            assert_eq!(schedule.to_bytes(), bytes);
            read += 1;
            if n % 16 == 0 {
                let _ =
                    Explorer::new()
                        .replay(&mut lost_update(), &schedule, Trace::Skip, &mut || Control::Go);
            }
        }
    }
    assert!(read > 1000 && read < 99_000, "{read}");
}
