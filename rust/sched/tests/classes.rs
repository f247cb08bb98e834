//! The search without a bound: how many classes of executions there are in programs where they can be
//! counted by hand, and what the search makes of waits, failures and limits.

mod toy;

use std::cell::Cell;

use pgmap_sched::{
    Control, Defect, Doubt, Ended, Explorer, Failure, Judgement, Limit, Outcome, Plan, Stats,
    Trace, choose,
};
use toy::{Memory, Toy, brute, by_class, found, search_all};

#[track_caller]
fn explore(toy: &mut Toy) -> Stats {
    let (outcome, _) = search_all(toy, &by_class());
    let Outcome::Exhausted { stats } = outcome else { panic!("{outcome:?}") };
    let [only] = &stats[..] else { panic!("{stats:?}") };
    assert_eq!(only.bound, None);
    only.clone()
}

/// How many executions came to their end.
#[track_caller]
fn count(mut toy: Toy) -> u64 {
    explore(&mut toy).schedules
}

/// `n` tasks that do the same.
fn all(n: usize, body: impl Fn(&Memory) + Copy + 'static) -> Toy {
    (0..n).fold(Toy::new(), |toy, _| toy.task(body))
}

fn walk(word: usize, n: usize) -> impl Fn(&Memory) {
    move |memory| {
        for _ in 0..n {
            memory.add(word, 1);
        }
    }
}

#[test]
fn tasks_that_share_nothing_have_one_class() {
    let toy = || (0..4).fold(Toy::new(), |toy, word| toy.task(walk(word, 10)));
    let stats = explore(&mut toy());
    assert_eq!((stats.schedules, stats.pruned, stats.points, stats.longest), (1, 0, 40, 40));
    assert_eq!(count(Toy::new()), 1);
    assert_eq!(count(Toy::new().task(|_| ())), 1);
}

#[test]
fn writers_of_one_object_have_a_class_for_each_order() {
    // n!
    assert_eq!(count(all(2, |memory| memory.store(0, 1))), 2);
    assert_eq!(count(all(4, |memory| memory.store(0, 1))), 24);
    assert_eq!(count(all(5, |memory| memory.store(0, 1))), 120);
}

#[test]
fn readers_are_before_a_write_or_after_it() {
    let reader = |memory: &Memory| {
        let _ = memory.load(0);
    };
    assert_eq!(count(all(5, reader)), 1);
    // 2^n
    assert_eq!(count(all(3, reader).task(|memory| memory.store(0, 1))), 8);
    assert_eq!(count(all(5, reader).task(|memory| memory.store(0, 1))), 32);
}

#[test]
fn a_load_and_a_store_each_have_four_classes() {
    // Of the C(4, 2) orders those two pairs are one that differ by the order of the loads.
    assert_eq!(count(toy::lost_update()), 4);
}

#[test]
fn an_exchange_that_fails_is_a_read() {
    let fails = |memory: &Memory| assert!(!memory.cas(0, 5, 6));
    assert_eq!(count(all(4, fails)), 1);
    // The first to come succeeds, the others commute.
    let one_wins = |memory: &Memory| {
        let _ = memory.cas(0, 0, 1);
    };
    assert_eq!(count(all(4, one_wins)), 4);
}

#[test]
fn critical_sections_have_a_class_for_each_order() {
    let section = |memory: &Memory| {
        memory.add(2, 0);
        memory.lock(0);
        memory.add(1, 1);
        memory.unlock(0);
    };
    let alone = |own: usize| {
        move |memory: &Memory| {
            memory.add(own, 1);
            memory.lock(0);
            memory.add(1, 1);
            memory.unlock(0);
            memory.add(own, 1);
        }
    };
    // What a task does for itself before and after makes no difference: 3!
    assert_eq!(count(Toy::new().task(alone(2)).task(alone(3)).task(alone(4))), 6);
    // The orders of the first steps and of the sections: 2! 2!
    assert_eq!(count(all(2, section)), 4);
}

#[test]
fn a_sleeper_has_no_choice_and_a_spinner_looks_early_or_late() {
    let waker = |memory: &Memory| memory.store(0, 1);
    assert_eq!(count(Toy::new().task(|memory| memory.sleep_until(0, 1)).task(waker)), 1);
    assert_eq!(count(Toy::new().task(|memory| memory.spin_until(0, 1)).task(waker)), 2);
}

#[test]
fn choices_multiply_and_sleep_as_one() {
    let chooser = |memory: &Memory| {
        memory.add(0, 1);
        memory.result(u64::from(choose(3) * 2 + choose(2)));
    };
    let mut toy = Toy::new().task(chooser).task(walk(1, 3));
    assert_eq!(explore(&mut toy).schedules, 6);
    assert_eq!(toy.finals.borrow().len(), 6);
    // Either comes first, and the choice is made each time.
    assert_eq!(count(Toy::new().task(chooser).task(walk(0, 1))), 12);
    // A choice before the first step.
    let early = |memory: &Memory| memory.store(0, u64::from(choose(2)));
    assert_eq!(count(all(2, early)), 8);
}

#[test]
fn a_step_conflicts_by_what_is_recorded_after_it() {
    let swap = |memory: &Memory| memory.swap(0, 1);
    let reader = |word: usize| {
        move |memory: &Memory| {
            let _ = memory.load(word);
        }
    };
    assert_eq!(count(Toy::new().task(swap).task(reader(0))), 2);
    assert_eq!(count(Toy::new().task(swap).task(reader(1))), 2);
    assert_eq!(count(Toy::new().task(swap).task(reader(2))), 1);
}

#[test]
fn a_wait_may_end_by_other_objects_than_its_steps_own() {
    // Either flag lets the sleeper go: between the two, or after both.
    let sleeper = |memory: &Memory| memory.sleep_for(0, [1, 2], |a, b| a + b > 0);
    let raise = |word: usize| move |memory: &Memory| memory.store(word, 1);
    let toy = Toy::new().task(sleeper).task(raise(1)).task(raise(2));
    assert_eq!(count(toy), 3);
}

#[test]
fn a_wait_that_others_make_last_may_also_come_before_them() {
    // Words 1 and 2 keep the sleeper from going, and neither is its step's own.
    let mut toy = Toy::new()
        .task(|memory| {
            memory.add(3, 1);
            memory.sleep_for(0, [1, 2], |a, b| a == 0 && b == 0);
            memory.result(1);
        })
        .task(|memory| memory.store(1, 1))
        .task(|memory| memory.store(2, 1));
    let stats = explore(&mut toy);
    // All three end, the sleeper first; or one of the others came before it and it never ends.
    assert_eq!(toy.finals.borrow().len(), 1);
    assert!(stats.failures > 0 && stats.failures < stats.schedules);
    // Two flags that are up together only if nobody lowers the first in between.
    let mut toy = Toy::new()
        .task(|memory| memory.store(1, 1))
        .task(|memory| {
            memory.store(2, 1);
            memory.store(2, 0);
        })
        .task(|memory| {
            memory.sleep_for(0, [1, 2], |a, b| a == 1 && b == 1);
            memory.result(1);
        });
    let _ = explore(&mut toy);
    assert_eq!(toy.finals.borrow().len(), 1, "the sleeper ends in some execution");
}

#[test]
fn locks_taken_in_two_orders_hang_in_one_class() {
    let task = |first: usize, second: usize| {
        move |memory: &Memory| {
            memory.lock(first);
            memory.lock(second);
            memory.unlock(second);
            memory.unlock(first);
        }
    };
    let mut toy = Toy::new().task(task(0, 1)).task(task(1, 0));
    let stats = explore(&mut toy);
    assert_eq!((stats.schedules, stats.failures), (3, 1));
    let (failure, _) = found(&mut toy, &by_class());
    assert!(matches!(failure, Failure::Deadlock { cycle: Some(_), .. }), "{failure:?}");
}

#[test]
fn a_failure_is_shown_once_and_hides_nothing() {
    // The failure needs nobody else, and the others' orders are theirs: 2!, cut where it sleeps.
    let fails = |memory: &Memory| memory.refuse(0, 0);
    let mut toy = Toy::new().task(fails).task(walk(1, 1)).task(walk(1, 1));
    let stats = explore(&mut toy);
    assert_eq!((stats.schedules, stats.failures, stats.pruned), (1, 1, 2));
    // What another does much later keeps the first from failing.
    let mut toy = Toy::new().task(fails).task(|memory| {
        memory.add(1, 1);
        memory.add(0, 1);
    });
    let stats = explore(&mut toy);
    assert_eq!((stats.schedules, stats.failures), (2, 1));
    assert_eq!(toy.finals.borrow().len(), 1);
}

#[test]
fn what_was_found_can_be_run_again() {
    let (failure, schedule) = found(&mut toy::lost_update(), &by_class());
    let replayed =
        Explorer::new()
            .replay(&mut toy::lost_update(), &schedule, Trace::Skip, &mut || Control::Go);
    assert_eq!((replayed.end, replayed.diverged), (Ended::Failed(failure), None));
}

#[test]
fn a_model_that_is_not_the_same_each_time_is_noticed() {
    let runs = Cell::new(0);
    let once = move |memory: &Memory| {
        if runs.replace(1) == 0 {
            memory.store(0, 2);
        }
    };
    let mut toy = Toy::new().task(|memory| memory.store(0, 1)).task(once);
    let (outcome, _) = search_all(&mut toy, &by_class());
    let Outcome::Inconclusive { why: Doubt::Unsteady { .. }, .. } = outcome else {
        panic!("{outcome:?}")
    };
}

#[test]
fn limits_hold_without_a_bound_too() {
    let toy = || all(5, |memory| memory.store(0, 1));
    let (outcome, _) = search_all(&mut toy(), &Plan { schedules_max: 7, ..by_class() });
    assert!(matches!(outcome, Outcome::Stopped { limit: Limit::Schedules, .. }), "{outcome:?}");
    let (outcome, _) = search_all(&mut toy(), &Plan { steps_max: 3, ..by_class() });
    assert!(matches!(outcome, Outcome::Inconclusive { why: Doubt::TooLong, .. }), "{outcome:?}");
}

#[test]
fn a_loop_without_end_does_not_hide_what_comes_after_it() {
    let spinner = |memory: &Memory| {
        while memory.load(0) == 0 {}
        memory.refuse(1, 0);
    };
    let mut toy = Toy::new().task(spinner).task(|memory| memory.store(0, 1));
    let (outcome, failures) = search_all(&mut toy, &Plan { steps_max: 50, ..by_class() });
    assert!(matches!(outcome, Outcome::Inconclusive { why: Doubt::TooLong, .. }), "{outcome:?}");
    assert!(failures.iter().any(|(failure, _)| matches!(failure, Failure::Defect { .. })));
}

#[test]
fn the_share_that_is_done_is_a_share() {
    let mut shares = Vec::new();
    let mut toy = all(8, |memory| memory.store(0, 1));
    let outcome = Explorer::new().search(
        &mut toy,
        &Plan { schedules_max: 40_000, ..by_class() },
        &mut |_, _| Judgement::Continue,
        &mut |progress| {
            shares.push(progress.fraction);
            Control::Go
        },
    );
    // Of 8! classes.
    assert!(matches!(outcome, Outcome::Stopped { .. }));
    assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
    assert!(shares.is_sorted_by(|a, b| *a <= b + 0.5));
}

#[test]
fn a_fault_that_needs_one_order_is_found() {
    let toy = || {
        let late = |memory: &Memory| memory.store(0, 1);
        let both = |memory: &Memory| {
            let (first, second) = (memory.load(0), memory.load(1));
            memory.result(first * 10 + second);
        };
        Toy::new().task(both).task(late).task(|memory| memory.store(1, 1)).check(|memory| {
            match memory.result_of(0) {
                1 => Err(Defect { code: 3, object: 0, value: 1 }),
                _ => Ok(()),
            }
        })
    };
    let (failure, _) = found(&mut toy(), &by_class());
    assert_eq!(failure, found(&mut toy(), &brute(None)).0);
}
