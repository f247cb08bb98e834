//! Deadlocks with their cycles, lost wake-ups, livelocks, retry storms, panics; and silence about
//! the correct versions of the same programs.

mod toy;

use std::panic::Location;

use pgmap_sched::{
    Defect, Effect, Failure, Looks, Object, Outcome, Plan, Step, Task, Verb, Wait, WaitClass, fail,
    point_when,
};
use toy::{Memory, Toy, brute, cached, found, lost_update, search, search_all};

const BOUND: Option<u32> = Some(2);

#[track_caller]
fn clean(mut toy: Toy) {
    for plan in [cached(BOUND), brute(BOUND), cached(None)] {
        let outcome = search(&mut toy, &plan);
        assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
    }
}

fn nested(first: usize, second: usize) -> impl Fn(&Memory) {
    move |memory| {
        memory.lock(first);
        memory.lock(second);
        memory.unlock(second);
        memory.unlock(first);
    }
}

#[test]
fn a_lost_update_needs_one_preemption() {
    let mut toy = lost_update();
    let outcome = search(&mut toy, &cached(BOUND));
    let Outcome::Found { failure, schedule, bound, stats } = outcome else { panic!("{outcome:?}") };
    let defect = Defect { code: 7, object: 0, value: 1 };
    assert_eq!(failure, Failure::Defect { task: None, defect });
    assert_eq!((bound, stats.len(), stats[0].failures), (Some(1), 2, 0));
    // The first task reads, the second runs to its end; the rest is the default.
    let departures: Vec<_> = schedule.departures().iter().map(|d| (d.at, d.task)).collect();
    assert_eq!((departures, schedule.events()), (vec![(1, Task(1))], 4));
}

#[test]
fn two_locks_in_opposite_order_deadlock_in_a_cycle() {
    let mut toy = Toy::new().task(nested(0, 1)).task(nested(1, 0));
    let (failure, _) = found(&mut toy, &cached(BOUND));
    let Failure::Deadlock { waits, cycle } = failure else { panic!("{failure:?}") };
    assert_eq!(cycle, Some(vec![Task(0), Task(1)]));
    let edges: Vec<_> = waits.iter().map(|w| (w.task, w.class.name, w.object, w.owner)).collect();
    let expected = vec![(Task(0), "lock", 1, Some(Task(1))), (Task(1), "lock", 0, Some(Task(0)))];
    assert_eq!(edges, expected);
    clean(Toy::new().task(nested(0, 1)).task(nested(0, 1)));
}

#[test]
fn three_locks_in_a_ring_deadlock_in_a_cycle_of_three() {
    let mut ring = Toy::new().task(nested(0, 1)).task(nested(1, 2)).task(nested(2, 0));
    let (_, failures) = search_all(&mut ring, &cached(BOUND));
    let all_three = |failure: &Failure| match failure {
        Failure::Deadlock { cycle: Some(cycle), .. } => *cycle == [Task(0), Task(1), Task(2)],
        _ => false,
    };
    assert!(!failures.is_empty() && failures.iter().all(|(failure, _)| all_three(failure)));
    clean(Toy::new().task(nested(0, 1)).task(nested(1, 2)).task(nested(0, 2)));
}

#[test]
fn a_task_that_takes_its_own_lock_again_is_a_cycle_of_one() {
    let mut toy = Toy::new().task(nested(0, 0)).task(|memory: &Memory| {
        memory.add(3, 1);
    });
    let (failure, _) = found(&mut toy, &cached(BOUND));
    let Failure::Deadlock { cycle, .. } = failure else { panic!("{failure:?}") };
    assert_eq!(cycle, Some(vec![Task(0)]));
}

/// A sleeper that looks at a flag (0), announces that it sleeps (1) and waits for the wake-up (2).
fn sleeper(recheck: bool) -> impl Fn(&Memory) {
    move |memory| {
        let done = memory.load(0) == 1;
        if done {
            return;
        }
        memory.store(1, 1);
        if recheck && memory.load(0) == 1 {
            return;
        }
        memory.sleep_until(2, 1);
    }
}

fn waker(memory: &Memory) {
    memory.store(0, 1);
    if memory.load(1) == 1 {
        memory.store(2, 1);
    }
}

#[test]
fn a_lost_wake_up_is_a_deadlock_without_a_cycle() {
    let mut toy = Toy::new().task(sleeper(false)).task(waker);
    let (failure, _) = found(&mut toy, &cached(BOUND));
    let Failure::Deadlock { waits, cycle } = failure else { panic!("{failure:?}") };
    assert_eq!((waits.len(), waits[0].class.name, waits[0].object), (1, "event", 2));
    assert_eq!(cycle, None);
    clean(Toy::new().task(sleeper(true)).task(waker));
}

#[test]
fn spinners_that_wait_for_each_other_are_a_livelock() {
    let turn = |mine: usize, other: usize| {
        move |memory: &Memory| {
            memory.spin_until(other, 1);
            memory.store(mine, 1);
        }
    };
    let mut toy = Toy::new().task(turn(0, 1)).task(turn(1, 0)).task(|_| ());
    let (failure, _) = found(&mut toy, &cached(BOUND));
    let tasks = vec![Task(0), Task(1)];
    assert_eq!(failure, Failure::Livelock { tasks, recurrence: None });
    let first = |memory: &Memory| {
        memory.store(0, 1);
        memory.spin_until(1, 1);
    };
    clean(Toy::new().task(first).task(turn(1, 0)));
}

#[test]
fn a_spinner_beside_a_sleeper_is_a_deadlock_that_lists_both() {
    let mut toy = Toy::new()
        .task(|memory: &Memory| memory.spin_until(0, 1))
        .task(|memory: &Memory| memory.sleep_until(1, 1));
    let (failure, _) = found(&mut toy, &cached(BOUND));
    let Failure::Deadlock { waits, .. } = failure else { panic!("{failure:?}") };
    let classes: Vec<_> = waits.iter().map(|wait| (wait.task, wait.class.name)).collect();
    assert_eq!(classes, vec![(Task(0), "relax"), (Task(1), "event")]);
}

#[test]
fn a_busy_lock_by_compare_and_exchange_raises_no_alarm() {
    let task = |memory: &Memory| {
        while !memory.cas(0, 0, 1) {
            pgmap_sched::relax(std::panic::Location::caller());
        }
        let old = memory.load(1);
        memory.store(1, old + 1);
        memory.store(0, 0);
    };
    let check = |memory: &Memory| match memory.peek(1) {
        2 => Ok(()),
        _ => Err(Defect { code: 1, object: 1, value: 0 }),
    };
    clean(Toy::new().task(task).task(task).check(check));
}

#[test]
fn a_spinner_by_unconditional_exchange_is_woken_too() {
    // The loop only ever writes: it must see the other's release all the same.
    let spinner = |memory: &Memory| {
        while memory.add(0, 0) == 1 {
            pgmap_sched::relax(std::panic::Location::caller());
        }
    };
    let holder = |memory: &Memory| {
        memory.store(0, 1);
        memory.store(0, 0);
    };
    clean(Toy::new().task(spinner).task(holder));
}

#[test]
fn a_change_between_the_look_and_the_busy_wait_is_not_missed() {
    // The second look comes after the change but is thrown away.
    let careless = |memory: &Memory| {
        while memory.load(0) != 1 {
            let _ = memory.load(0);
            pgmap_sched::relax(std::panic::Location::caller());
        }
    };
    clean(Toy::new().task(careless).task(|memory: &Memory| memory.store(0, 1)));
    // The spinner's own write covers the other's.
    let covering = |memory: &Memory| {
        while memory.load(0) != 1 {
            memory.add(0, 0);
            pgmap_sched::relax(std::panic::Location::caller());
        }
    };
    clean(Toy::new().task(covering).task(|memory: &Memory| memory.store(0, 1)));
}

/// Takes a reference, finds the object dying, drops it and tries again, for ever.
fn stormy(memory: &Memory) {
    loop {
        memory.add(0, 1);
        if memory.load(1) == 0 {
            return;
        }
        memory.add(0, u64::MAX);
    }
}

#[test]
fn a_retry_storm_is_a_livelock_that_names_the_step() {
    let mut toy = Toy::new().task(stormy).task(|memory: &Memory| memory.store(1, 1));
    let plan = Plan { steps_max: 5_000, ..cached(Some(0)) };
    let (failure, _) = found(&mut toy, &plan);
    let Failure::Livelock { tasks, recurrence: Some(recurrence) } = failure else {
        panic!("{failure:?}")
    };
    assert_eq!((tasks, recurrence.task), (vec![Task(0)], Task(0)));
    assert!(recurrence.step.site.file().ends_with("failures.rs"));
    // The dying object comes back: whoever retries gets through.
    let brief = |memory: &Memory| {
        memory.store(1, 1);
        memory.store(1, 0);
    };
    let mut toy = Toy::new().task(stormy).task(brief);
    let outcome = search(&mut toy, &cached(Some(0)));
    assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
}

#[test]
fn a_long_loop_that_changes_something_is_no_storm() {
    // 3000 times over two words, alone: each value of the one is new, the other never changes.
    let counter = |memory: &Memory| {
        for _ in 0..3000 {
            memory.add(0, 1);
            let _ = memory.load(1);
        }
    };
    let mut toy = Toy::new().task(counter);
    assert!(matches!(search(&mut toy, &cached(BOUND)), Outcome::Exhausted { .. }));
}

#[test]
fn a_counted_loop_over_memory_that_stays_the_same_is_no_storm_however_long() {
    let reader = |memory: &Memory| {
        for _ in 0..30_000 {
            let _ = memory.load(0);
        }
    };
    let plan = Plan { steps_max: 100_000, ..cached(BOUND) };
    let mut toy = Toy::new().task(reader);
    assert!(matches!(search(&mut toy, &plan), Outcome::Exhausted { .. }));
    // In passes of several words, with a counter of passes and one of words.
    let passes = |memory: &Memory| {
        for _ in 0..5_000 {
            for at in 0..4 {
                let _ = memory.load(at);
            }
        }
    };
    let mut toy = Toy::new().task(passes);
    assert!(matches!(search(&mut toy, &plan), Outcome::Exhausted { .. }));
}

/// The round of the storm that a lonely task is found in.
fn round(body: impl Fn(&Memory) + 'static) -> u32 {
    let plan = Plan { steps_max: 100_000, ..cached(Some(0)) };
    let (failure, _) = found(&mut Toy::new().task(body), &plan);
    match failure {
        Failure::Livelock { recurrence: Some(recurrence), .. } => recurrence.round,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_ring_is_a_storm_whatever_its_length_and_whenever_it_is_entered() {
    let two = |memory: &Memory| {
        while memory.load(0) == 0 {
            memory.store(1, 0);
        }
    };
    assert_eq!(round(two), 2);
    // Longer than anybody's patience.
    let long = |memory: &Memory| {
        while memory.load(0) == 0 {
            for n in (0..5_000).chain((0..5_000).rev()) {
                memory.store(1, n);
            }
        }
    };
    assert_eq!(round(long), 10_001);
    // After a long way that is no part of it, at the same step.
    let late = |memory: &Memory| {
        let look = || memory.load(0);
        for _ in 0..9_000 {
            let _ = look();
        }
        while look() == 0 {}
    };
    assert_eq!(round(late), 1);
}

#[test]
fn a_loop_that_a_choice_may_end_is_no_storm() {
    let gambler = |memory: &Memory| {
        while pgmap_sched::choose(2) == 0 {
            let _ = memory.load(0);
        }
    };
    let plan = Plan { steps_max: 20_000, schedules_max: 1, ..cached(Some(0)) };
    let outcome = search(&mut Toy::new().task(gambler), &plan);
    assert_eq!(outcome.stats()[0].too_long, 1, "{outcome:?}");
}

#[test]
fn a_task_is_accused_of_a_storm_only_when_it_is_alone() {
    let reader = |memory: &Memory| {
        while memory.load(0) == 0 {}
    };
    let other = |memory: &Memory| {
        memory.add(1, 1);
    };
    let mut toy = Toy::new().task(reader).task(other);
    let (_, failures) = search_all(&mut toy, &brute(Some(0)));
    // Not while the other could still run, only after it has ended.
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].1.departures()[0].task, Task(1));
}

#[test]
fn a_loop_that_outruns_the_limit_of_events_proves_nothing() {
    let endless = |memory: &Memory| {
        loop {
            memory.add(0, 1);
        }
    };
    let mut toy = Toy::new().task(endless);
    let outcome = search(&mut toy, &Plan { steps_max: 700, ..cached(BOUND) });
    let Outcome::Inconclusive { stats, .. } = outcome else { panic!("{outcome:?}") };
    assert!(stats.iter().all(|bound| bound.too_long == 1 && bound.schedules == 1));
}

#[test]
fn a_task_can_end_the_execution_with_a_fault() {
    let accuser = |memory: &Memory| {
        if memory.load(0) == 1 {
            fail(Defect { code: 3, object: 9, value: -1 });
        }
    };
    let mut toy = Toy::new().task(|memory: &Memory| memory.store(0, 1)).task(accuser);
    let (outcome, failures) = search_all(&mut toy, &brute(None));
    let defect = Defect { code: 3, object: 9, value: -1 };
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].0, Failure::Defect { task: Some(Task(1)), defect });
    assert_eq!((outcome.stats()[0].schedules, outcome.stats()[0].failures), (2, 1));
}

#[test]
fn a_panic_in_a_task_is_a_failure_with_its_message() {
    let panics = |memory: &Memory| assert_eq!(memory.load(0), 0, "the word is clean");
    let mut toy = Toy::new().task(panics).task(|memory: &Memory| memory.store(0, 1));
    let (failure, _) = found(&mut toy, &cached(BOUND));
    let Failure::Panic { task, message } = failure else { panic!("{failure:?}") };
    assert_eq!(task, Some(Task(0)));
    assert!(message.contains("the word is clean") && message.contains("failures.rs"), "{message}");
}

#[test]
fn a_panic_in_the_final_check_is_a_failure_of_nobody() {
    let mut toy = Toy::new().task(|_| ()).check(|_| panic!("unhappy"));
    let (failure, _) = found(&mut toy, &cached(BOUND));
    assert!(
        matches!(&failure, Failure::Panic { task: None, message } if message.contains("unhappy"))
    );
}

#[test]
fn a_panic_in_the_condition_of_a_wait_is_a_failure() {
    let sleeper = |memory: &Memory| {
        let wait = Wait::unowned(WaitClass::named("picky"), 0, Looks::Anywhere);
        let site = Location::caller();
        let step = Step { verb: Verb(9), object: Object(0), effect: Effect::Read, site };
        point_when(step, wait, &|| memory.peek(0) == 0 || panic!("not zero"));
    };
    let mut toy = Toy::new().task(|memory: &Memory| memory.store(0, 1)).task(sleeper);
    let (failure, _) = found(&mut toy, &cached(BOUND));
    assert!(
        matches!(&failure, Failure::Panic { message, .. } if message.contains("not zero")),
        "{failure:?}"
    );
}

#[test]
fn an_execution_inside_an_execution_is_refused() {
    let mut toy = Toy::new().task(|_| {
        let _ = search(&mut Toy::new(), &brute(Some(0)));
    });
    let (failure, _) = found(&mut toy, &cached(BOUND));
    assert!(matches!(failure, Failure::Panic { task: Some(Task(0)), .. }), "{failure:?}");
}
