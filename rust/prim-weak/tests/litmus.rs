//! The orderings of this face, each by the litmus test that tells it from the next weaker one.
//!
//! A test names outcomes that are allowed and asks for all of them and no other: a face that is too strong
//! fails it as one that is too weak does.

mod common;

use common::{Litmus, outcomes};
use pgmap_prim_weak::{AtomicI32, AtomicU32, Strength, smp_mb, smp_rmb, smp_wmb};

type Words = [AtomicU32; 2];

/// Two tasks over two words that are 0; what each task returns, in every execution.
fn two(tasks: [fn(&Words) -> u32; 2]) -> Vec<[u32; 2]> {
    outcomes(Litmus { start: || [AtomicU32::new(0), AtomicU32::new(0)], tasks })
}

const ALL: [[u32; 2]; 4] = [[0, 0], [0, 1], [1, 0], [1, 1]];

#[test]
fn stores_may_wait_behind_later_loads_unless_both_tasks_have_a_full_barrier() {
    fn bare(words: &Words, mine: usize) -> u32 {
        words[mine].set(1);
        words[1 - mine].read()
    }
    fn fenced(words: &Words, mine: usize) -> u32 {
        words[mine].set(1);
        smp_mb();
        words[1 - mine].read()
    }
    fn exchanged(words: &Words, mine: usize) -> u32 {
        words[mine].xchg(1);
        words[1 - mine].read()
    }
    fn added(words: &Words, mine: usize) -> u32 {
        words[mine].add(1);
        words[1 - mine].read()
    }
    assert_eq!(two([|w| bare(w, 0), |w| bare(w, 1)]), ALL);
    assert_eq!(two([|w| added(w, 0), |w| added(w, 1)]), ALL, "an RMW without a value is relaxed");
    assert_eq!(two([|w| fenced(w, 0), |w| bare(w, 1)]), ALL, "one barrier is none");
    assert_eq!(two([|w| fenced(w, 0), |w| fenced(w, 1)]), ALL[1..]);
    assert_eq!(two([|w| exchanged(w, 0), |w| exchanged(w, 1)]), ALL[1..]);
    assert_eq!(two([|w| exchanged(w, 0), |w| fenced(w, 1)]), ALL[1..]);
}

#[test]
fn a_message_is_seen_with_its_flag_only_if_both_sides_are_ordered() {
    // The receiver returns what it saw of the message, or 2 if the flag was not up.
    fn receive(words: &Words, flag: fn(&AtomicU32) -> u32, between: fn()) -> u32 {
        match flag(&words[1]) {
            0 => 2,
            _ => {
                between();
                words[0].read()
            }
        }
    }
    fn send(words: &Words, between: fn(), flag: fn(&AtomicU32)) -> u32 {
        words[0].set(1);
        between();
        flag(&words[1]);
        0
    }
    let torn = [[0, 0], [0, 1], [0, 2]];
    let whole = [[0, 1], [0, 2]];
    assert_eq!(
        two([|w| send(w, || {}, |f| f.set(1)), |w| receive(w, AtomicU32::read, || {})]),
        torn
    );
    assert_eq!(
        two([|w| send(w, || {}, |f| f.set_release(1)), |w| receive(w, AtomicU32::read, || {})]),
        torn
    );
    assert_eq!(
        two([|w| send(w, || {}, |f| f.set(1)), |w| receive(w, AtomicU32::read_acquire, || {})]),
        torn
    );
    assert_eq!(
        two([
            |w| send(w, || {}, |f| f.set_release(1)),
            |w| { receive(w, AtomicU32::read_acquire, || {}) }
        ]),
        whole
    );
    assert_eq!(
        two([|w| send(w, smp_wmb, |f| f.set(1)), |w| receive(w, AtomicU32::read, smp_rmb)]),
        whole
    );
    assert_eq!(
        two([
            |w| send(w, || {}, |f| assert!(f.cmpxchg(0, 1).is_ok())),
            |w| { receive(w, AtomicU32::read_acquire, || {}) }
        ]),
        whole
    );
    assert_eq!(
        two([
            |w| send(w, || {}, |f| assert!(f.cmpxchg_release(0, 1).is_ok())),
            |w| { receive(w, |f| f.cmpxchg_acquire(1, 1).unwrap_or(0), || {}) }
        ]),
        whole
    );
}

#[test]
fn a_failed_cmpxchg_orders_nothing_after_it() {
    fn try_and_look(words: &Words) -> u32 {
        match words[1].cmpxchg(0, 1) {
            Ok(_) => 2,
            Err(_) => words[0].read(),
        }
    }
    fn send(words: &Words) -> u32 {
        words[0].set(1);
        words[1].set_release(1);
        0
    }
    assert_eq!(two([send, try_and_look]), [[0, 0], [0, 1], [0, 2]]);
}

#[test]
fn what_a_rule_weakens_is_relaxed_and_what_it_does_not_is_not() {
    type Count = (AtomicI32, AtomicU32);
    fn count(tasks: [fn(&Count) -> u32; 2]) -> Vec<[u32; 2]> {
        outcomes(Litmus { start: || (AtomicI32::new(0), AtomicU32::new(0)), tasks })
    }
    fn wrong() -> Strength {
        Strength::relaxed_if(|| true)
    }
    fn kept() -> Strength {
        Strength::relaxed_if(|| false)
    }
    fn send(it: &Count, how: Strength) -> u32 {
        it.1.set(1);
        it.0.set_release_with(how, 1);
        0
    }
    fn get(it: &Count, how: Strength) -> u32 {
        if it.0.cmpxchg_with(how, 1, 2).is_ok() { it.1.read() } else { 2 }
    }
    fn put(it: &Count, how: Strength) -> u32 {
        if it.0.sub_and_test_with(how, 1) { it.1.read() } else { 2 }
    }
    let whole = [[0, 1], [0, 2]];
    let torn = [[0, 0], [0, 1], [0, 2]];
    assert_eq!(count([|it| send(it, kept()), |it| get(it, kept())]), whole);
    assert_eq!(count([|it| send(it, wrong()), |it| get(it, kept())]), torn);
    assert_eq!(count([|it| send(it, kept()), |it| get(it, wrong())]), torn);
    assert_eq!(count([|it| send(it, kept()), |it| put(it, kept())]), whole);
    assert_eq!(count([|it| send(it, kept()), |it| put(it, wrong())]), torn);
    assert_eq!(count([|it| send(it, Strength::KEPT), |it| put(it, Strength::default())]), whole);
}

#[test]
fn a_read_before_a_write_does_not_hide_that_another_task_reads() {
    fn read(words: &Words) -> u32 {
        words[0].read()
    }
    fn read_and_write(words: &Words) -> u32 {
        let seen = words[0].read();
        words[0].set(1);
        seen
    }
    assert_eq!(two([read, read_and_write]), [[0, 0], [1, 0]]);
    assert_eq!(two([read_and_write, read]), [[0, 0], [0, 1]]);
}

#[test]
fn an_increment_is_never_lost_but_a_read_and_a_write_lose_one() {
    fn inc(words: &Words) -> u32 {
        words[0].inc_return()
    }
    fn torn(words: &Words) -> u32 {
        let seen = words[0].read();
        words[0].set(seen + 1);
        seen + 1
    }
    assert_eq!(two([inc, inc]), [[1, 2], [2, 1]]);
    assert_eq!(two([torn, torn]), [[1, 1], [1, 2], [2, 1]]);
}
