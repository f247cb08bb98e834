//! Sleeping and waking.

use super::{DEEP, WAITING, breaks, bump, counter, holds, wait_for, words};
use crate::model::set_up;
use crate::prim::{
    AtomicI32, AtomicU32, Completion, Cpu, Interrupted, Machine, Sleep, TaskId, wait_event,
    wait_event_exclusive, wait_var_event, wake_up_all, wake_up_one, wake_up_var,
};

#[test]
fn a_true_condition_does_not_sleep() {
    let machine = Machine::new(1);
    let cpu = set_up(0, &machine);
    assert_eq!(wait_event(&cpu, &0, DEEP, WAITING, || true), Ok(()));
    assert_eq!(wait_var_event(&cpu, &0, DEEP, WAITING, || true), Ok(()));
}

#[test]
fn no_wake_up_is_lost_unless_it_comes_before_the_change() {
    let wait = |words: &[AtomicU32; 1], cpu: &Cpu<'_>| wait_for(cpu, &words[0], 1);
    holds(
        2,
        words::<1>,
        |words, cpu, task| match task {
            0 => wait(words, cpu),
            _ => {
                words[0].set_release(1);
                wake_up_all(cpu, &words[0]);
            }
        },
        |_| {},
    );
    holds(
        2,
        words::<1>,
        |words, cpu, task| match task {
            0 => wait(words, cpu),
            _ => {
                words[0].inc_return();
                wake_up_var(cpu, &words[0]);
            }
        },
        |_| {},
    );
    breaks(
        "Deadlock",
        2,
        words::<1>,
        |words, cpu, task| match task {
            0 => wait(words, cpu),
            _ => {
                wake_up_all(cpu, &words[0]);
                words[0].set_release(1);
            }
        },
        |_| {},
    );
}

#[test]
fn a_wake_up_that_came_too_early_is_used_up() {
    // Woken for 1, the waiter for 2 sleeps again; nobody wakes it for 2.
    breaks(
        "Deadlock",
        2,
        words::<1>,
        |words, cpu, task| match task {
            0 => wait_for(cpu, &words[0], 2),
            _ => {
                words[0].set_release(1);
                wake_up_all(cpu, &words[0]);
                words[0].set_release(2);
            }
        },
        |_| {},
    );
}

#[test]
fn a_wake_up_reaches_those_who_wait_on_its_own_key() {
    breaks(
        "Deadlock",
        2,
        words::<2>,
        |words, cpu, task| match task {
            0 => wait_for(cpu, &words[0], 1),
            _ => {
                words[0].set_release(1);
                wake_up_all(cpu, &words[1]);
            }
        },
        |_| {},
    );
}

fn take_token(cpu: &Cpu<'_>, tokens: &AtomicI32) {
    // A taker that loses a race for one token looks again: there may be another.
    let take = || {
        let mut seen = tokens.read();
        while seen > 0 {
            match tokens.cmpxchg(seen, seen - 1) {
                Ok(_) => return true,
                Err(found) => seen = found,
            }
        }
        false
    };
    wait_event_exclusive(cpu, tokens, DEEP, WAITING, take).expect("uninterruptible");
}

#[test]
fn one_wake_up_wakes_one_exclusive_waiter_and_every_shared_one() {
    // Two tokens, two wake-ups: both takers get one. A taker that found a token by itself may have been
    // woken for the other one before it left the queue, so it hands the wake-up on.
    holds(
        3,
        AtomicI32::default,
        |tokens, cpu, task| match task {
            2 => (0..2).for_each(|_| {
                tokens.inc_return();
                wake_up_one(cpu, tokens);
            }),
            _ => {
                take_token(cpu, tokens);
                if tokens.read() > 0 {
                    wake_up_one(cpu, tokens);
                }
            }
        },
        |tokens| assert_eq!(tokens.read(), 0),
    );
    // Two tokens, one wake-up: one taker sleeps on.
    breaks(
        "Deadlock",
        3,
        AtomicI32::default,
        |tokens, cpu, task| match task {
            2 => {
                tokens.add_return(2);
                wake_up_one(cpu, tokens);
            }
            _ => take_token(cpu, tokens),
        },
        |_| {},
    );
    holds(
        3,
        words::<1>,
        |words, cpu, task| match task {
            2 => {
                words[0].set_release(1);
                wake_up_one(cpu, &words[0]);
            }
            _ => wait_for(cpu, &words[0], 1),
        },
        |_| {},
    );
}

#[test]
fn a_shared_waiter_behind_an_exclusive_one_is_woken_too() {
    holds(
        3,
        words::<1>,
        |words, cpu, task| match task {
            0 => {
                let set = || words[0].read() == 1;
                wait_event_exclusive(cpu, &words[0], DEEP, WAITING, set).expect("uninterruptible");
            }
            1 => wait_for(cpu, &words[0], 1),
            _ => {
                words[0].set_release(1);
                wake_up_one(cpu, &words[0]);
            }
        },
        |_| {},
    );
}

#[test]
fn a_signal_ends_an_interruptible_sleep_and_no_other() {
    let asleep = |word: &AtomicU32, cpu: &Cpu<'_>, sleep| {
        wait_event(cpu, word, sleep, WAITING, || word.read() == 1)
    };
    holds(
        2,
        || (AtomicU32::default(), AtomicU32::default()),
        |(word, leased), cpu, task| match task {
            0 => {
                leased.set_release(1);
                wake_up_all(cpu, leased);
                assert_eq!(asleep(word, cpu, Sleep::Interruptible), Err(Interrupted));
                assert!(cpu.signal_pending());
            }
            _ => {
                wait_for(cpu, leased, 1);
                cpu.machine().signal(TaskId(0));
            }
        },
        |_| {},
    );
    breaks(
        "Deadlock",
        2,
        AtomicU32::default,
        |word, cpu, task| match task {
            0 => drop(asleep(word, cpu, DEEP)),
            _ => cpu.machine().signal(TaskId(0)),
        },
        |_| {},
    );
}

#[test]
fn a_completion_lets_everybody_through_until_it_is_reinitialised() {
    holds(
        3,
        || (Completion::default(), words::<1>()),
        |(done, words), cpu, task| match task {
            2 => {
                words[0].set(1);
                done.complete_all(cpu);
            }
            _ => {
                done.wait(cpu, DEEP, WAITING).expect("uninterruptible");
                assert_eq!(words[0].read(), 1);
            }
        },
        |(done, _)| {
            assert!(done.done());
            done.reinit();
            assert!(!done.done());
        },
    );
}

#[test]
fn a_condition_may_take_a_contended_spin_lock() {
    holds(
        2,
        || (counter(), words::<1>()),
        |(lock, words), cpu, task| match task {
            0 => wait_event(cpu, &words[0], DEEP, WAITING, || lock.lock(cpu).a == 1)
                .expect("uninterruptible"),
            _ => {
                bump(&mut lock.lock(cpu));
                wake_up_all(cpu, &words[0]);
            }
        },
        |_| {},
    );
}
