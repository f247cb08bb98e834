//! The number of executions of programs that can be counted by hand, without the cache.

mod toy;

use pgmap_sched::{Outcome, choose};
use toy::{Memory, Toy, brute, search_all};

/// How many executions there are within a bound.
#[track_caller]
fn count(mut toy: Toy, bound: Option<u32>) -> u64 {
    let (outcome, _) = search_all(&mut toy, &brute(bound));
    let Outcome::Exhausted { stats } = outcome else { panic!("{outcome:?}") };
    let last = stats.last().expect("a bound");
    assert_eq!((last.bound, last.pruned), (bound, 0));
    last.schedules
}

/// A task of `n` points on a word of its own.
fn walk(word: usize, n: usize) -> impl Fn(&Memory) {
    move |memory| {
        for _ in 0..n {
            memory.add(word, 1);
        }
    }
}

fn walks(lengths: &[usize]) -> Toy {
    lengths.iter().enumerate().fold(Toy::new(), |toy, (word, &n)| toy.task(walk(word, n)))
}

#[test]
fn two_tasks_have_all_their_interleavings() {
    // C(m + n, m).
    assert_eq!(count(walks(&[1, 1]), None), 2);
    assert_eq!(count(walks(&[3, 2]), None), 10);
    assert_eq!(count(walks(&[4, 4]), None), 70);
    assert_eq!(count(walks(&[6, 6]), None), 924);
}

#[test]
fn three_tasks_have_all_their_interleavings() {
    // 6! / (2! 2! 2!) and 7! / (3! 2! 2!).
    assert_eq!(count(walks(&[2, 2, 2]), None), 90);
    assert_eq!(count(walks(&[3, 2, 2]), None), 210);
}

#[test]
fn without_preemptions_only_the_order_of_tasks_is_left() {
    // k!
    assert_eq!(count(walks(&[5]), Some(0)), 1);
    assert_eq!(count(walks(&[5, 3]), Some(0)), 2);
    assert_eq!(count(walks(&[2, 3, 4]), Some(0)), 6);
    assert_eq!(count(walks(&[2, 2, 2, 2]), Some(0)), 24);
}

#[test]
fn one_preemption_of_two_tasks_has_a_place_before_each_later_step() {
    // Two orders, and one execution for each of the m-1 and n-1 places between two steps of the
    // task that begins: 2 + (m-1) + (n-1) = m + n.
    assert_eq!(count(walks(&[3, 4]), Some(1)), 7);
    assert_eq!(count(walks(&[10, 20]), Some(1)), 30);
}

#[test]
fn two_preemptions_of_two_tasks_take_a_place_in_each() {
    // m + n, and with two preemptions a place in each of both, whoever begins:
    // 2 (m-1) (n-1). For 3 and 4: 7 + 12. For 2 and 2: 4 + 2 = C(4, 2), everything.
    assert_eq!(count(walks(&[3, 4]), Some(2)), 19);
    assert_eq!(count(walks(&[2, 2]), Some(2)), 6);
}

#[test]
fn one_preemption_of_three_tasks() {
    // 3! orders. The first of the three is preempted at one of n-1 places by one of 2 others;
    // when that one has ended, 2 orders are left: 3 * (n-1) * 2 * 2. Or the second is, by the only
    // one left: 3 * 2 * (n-1). In all 6 + 18 (n-1).
    assert_eq!(count(walks(&[2, 2, 2]), Some(1)), 24);
    assert_eq!(count(walks(&[4, 4, 4]), Some(1)), 60);
}

#[test]
fn a_large_bound_is_no_bound() {
    // Two tasks of 3 points can be preempted 4 times at most.
    assert_eq!(count(walks(&[3, 3]), Some(4)), 20);
    assert_eq!(count(walks(&[3, 3]), None), 20);
}

#[test]
fn critical_sections_do_not_interleave() {
    let section = |memory: &Memory| {
        memory.lock(0);
        memory.add(1, 1);
        memory.unlock(0);
    };
    // Whoever takes the lock first finishes its section first.
    assert_eq!(count(Toy::new().task(section).task(section), None), 2);
    // 3!
    assert_eq!(count(Toy::new().task(section).task(section).task(section), None), 6);
}

#[test]
fn a_step_before_the_lock_moves_freely() {
    let task = |own: usize| {
        move |memory: &Memory| {
            memory.add(own, 1);
            memory.lock(0);
            memory.add(1, 1);
            memory.unlock(0);
        }
    };
    // If the first task has the lock first, its four steps and the second's three are in order;
    // the second's first step stands before any of the four or after them: 5. Twice.
    assert_eq!(count(Toy::new().task(task(2)).task(task(3)), None), 10);
    // Without preemptions: who begins. Nobody is ever interrupted, so nobody waits.
    assert_eq!(count(Toy::new().task(task(2)).task(task(3)), Some(0)), 2);
}

#[test]
fn waiting_for_a_lock_costs_no_preemption() {
    let task = |own: usize| {
        move |memory: &Memory| {
            memory.lock(0);
            memory.add(own, 1);
            memory.unlock(0);
            memory.add(own, 1);
        }
    };
    // Steps L x U y. With one preemption: 2 orders, and the first task may be left before y only:
    // before x and U the other cannot run. Left there, the other runs to its end: +1 each. Left
    // before y the other could be preempted, but the budget is spent.
    assert_eq!(count(Toy::new().task(task(1)).task(task(2)), Some(1)), 4);
}

#[test]
fn a_sleeper_runs_only_once_woken() {
    let sleeper = |memory: &Memory| memory.sleep_until(0, 1);
    let waker = |memory: &Memory| memory.store(0, 1);
    // The store, then the sleeper.
    assert_eq!(count(Toy::new().task(sleeper).task(waker), None), 1);
    // The store, then the sleeper and one more step in 2 orders.
    let busy = |memory: &Memory| {
        memory.store(0, 1);
        memory.add(1, 1);
    };
    assert_eq!(count(Toy::new().task(sleeper).task(busy), None), 2);
    // Leaving the waker after the store is a preemption.
    assert_eq!(count(Toy::new().task(sleeper).task(busy), Some(0)), 1);
}

#[test]
fn a_spinner_looks_again_only_after_a_change() {
    let spinner = |memory: &Memory| memory.spin_until(0, 1);
    // r w r', and w r.
    let writer = |memory: &Memory| memory.store(0, 1);
    assert_eq!(count(Toy::new().task(spinner).task(writer), None), 2);
    assert_eq!(count(Toy::new().task(spinner).task(writer), Some(0)), 2);
    // With a step on another word before the store: r a w r', a r w r', a w r.
    let late = |memory: &Memory| {
        memory.add(1, 1);
        memory.store(0, 1);
    };
    assert_eq!(count(Toy::new().task(spinner).task(late), None), 3);
}

#[test]
fn the_end_of_a_busy_wait_and_the_next_look_are_one_step() {
    let spinner = |memory: &Memory| memory.spin_until(0, 1);
    let early = |memory: &Memory| {
        memory.store(0, 1);
        memory.add(1, 1);
    };
    // w before the first look: r and b in 2 orders. After it: r' and b in 2 orders. (Five if the
    // end of the wait were a step of its own.)
    assert_eq!(count(Toy::new().task(spinner).task(early), None), 4);
}

#[test]
fn choices_multiply() {
    let chooser = |memory: &Memory| {
        let a = choose(3);
        let b = choose(2);
        memory.result(u64::from(a * 2 + b));
    };
    let mut toy = Toy::new().task(chooser);
    let (outcome, _) = search_all(&mut toy, &brute(Some(0)));
    assert_eq!(outcome.stats()[0].schedules, 6);
    assert_eq!(toy.finals.borrow().len(), 6);
    // Two results of the choice, and 2 orders of one point each.
    let half = |memory: &Memory| {
        memory.add(0, u64::from(choose(2)));
    };
    assert_eq!(count(Toy::new().task(half).task(walk(1, 1)), None), 4);
    // A choice among one is none.
    assert_eq!(count(Toy::new().task(|_| assert_eq!(choose(1), 0)), None), 1);
}

#[test]
fn a_recorded_event_is_no_place_to_switch() {
    let marked = |memory: &Memory| {
        memory.add(0, 1);
        memory.mark(2);
        memory.add(0, 1);
    };
    // C(2 + 1, 1).
    assert_eq!(count(Toy::new().task(marked).task(walk(1, 1)), None), 3);
}

#[test]
fn tasks_without_points_have_one_execution() {
    assert_eq!(count(Toy::new().task(|_| ()).task(|_| ()), None), 1);
    assert_eq!(count(Toy::new(), None), 1);
}
