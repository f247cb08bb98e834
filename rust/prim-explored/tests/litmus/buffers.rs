//! The buffers themselves: what they cost, what is written down of them, who waits for them, and that
//! pruning loses nothing of theirs.

use std::collections::BTreeSet;

use pgmap_prim_explored::{
    Cpu, Sleep, SplitMix64, WaitClass, Waiting, may_speculate, smp_mb, synchronize_rcu, verb_name,
    wait_var_event, wake_up_all, wake_up_var,
};
use pgmap_sched::{Control, Effect, Explorer, Kind, Schedule, Trace};

use crate::fixture::Memory::{Sc, Tso};
use crate::fixture::{Body, Litmus, SB, Shared, both_miss, can, executions, results};

#[test]
fn what_hardware_does_unasked_costs_and_is_one_event() {
    let hardware: Body<'_> = &|shared, _| {
        // What is done unasked happens with this.
        shared.words[2].read();
        may_speculate(|| {
            shared.x().set(1);
            shared.y().set(1);
        });
    };
    let look: Body<'_> = &|shared, _| {
        shared.report(0, shared.x().read());
        shared.report(1, shared.y().read());
    };
    let results = |bound, told: bool| {
        let tasks = [hardware, look];
        let mut litmus = Litmus::new(Sc, &tasks);
        if told {
            litmus.stage.machine.speculate();
        }
        litmus.search(bound, 1 << 20);
        let seen = litmus.seen.take();
        seen.into_iter().map(|all| (all[0], all[1])).collect::<BTreeSet<_>>()
    };
    assert_eq!(results(None, false), [(0, 0)].into());
    assert_eq!(results(Some(0), true), [(0, 0)].into());
    // The other task looks before, after, or between its two looks; never in the middle of it.
    assert_eq!(results(None, true), [(0, 0), (0, 1), (1, 1)].into());
}

/// The schedule of one task whose first store waits until it must not.
fn waiting_at_once() -> Schedule {
    // Version with payments; no departures, no choices; one payment: the first asked, 1; no hash.
    let mut bytes = vec![2, 0, 0, 0, 1, 0, 1];
    bytes.extend([0; 8]);
    Schedule::from_bytes(&bytes).expect("a schedule")
}

#[test]
fn what_goes_into_a_buffer_and_comes_out_is_in_the_history() {
    let writes: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.y().read();
        shared.x().set(2);
        shared.x().xchg(3);
        shared.y().set(4);
    };
    let tasks = [writes];
    let mut litmus = Litmus::new(Tso, &tasks);
    let schedule = waiting_at_once();
    let trace =
        Explorer::new().replay(&mut litmus, &schedule, Trace::Keep, &mut || Control::Go).trace;
    let events = trace.iter().filter(|event| matches!(event.kind, Kind::Step | Kind::Record));
    let told: Vec<_> = events
        .map(|event| (event.task.0, verb_name(event.verb), event.effect == Effect::Write))
        .collect();
    let buffer = "store buffer";
    let expected = [
        (0, buffer, true),
        (0, "READ_ONCE", false),
        (0, buffer, true),
        (1, "WRITE_ONCE", true),
        (1, buffer, true),
        (1, "WRITE_ONCE", true),
        (1, buffer, true),
        (0, "smp_mb", false),
        (0, "xchg", true),
        (0, "WRITE_ONCE", true),
    ];
    let seen: Vec<_> =
        told.into_iter().filter(|event| event.1 != "get_cpu" && event.1 != "put_cpu").collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_task_reads_the_newest_of_its_own_stores() {
    let alone: Body<'_> = &|shared, cpu| {
        shared.x().set(1);
        shared.x().set(2);
        shared.report(0, shared.x().read());
        cpu.percpu_add(&shared.cells[0], 2);
        cpu.percpu_add(&shared.cells[0], 3);
        shared.report(1, shared.cells[0].read() as u32);
        shared.y().set(7);
        shared.words.zero(0..2);
        shared.report(2, shared.y().read());
    };
    let all = results(Tso, None, &[alone]);
    assert_eq!(all.into_iter().collect::<Vec<_>>(), [vec![2, 5, 0, 0, 0, 0]]);
}

#[test]
fn a_peek_counts_a_store_that_waits_as_done() {
    let one: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.words[2].xchg(1);
    };
    let wait: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.report(0, shared.x().peek());
        shared.report(1, 1);
    };
    assert!(!can(Tso, None, &[wait], |result| result[0] == 0));
    let look: Body<'_> = &|shared, _| {
        let before = shared.x().read();
        shared.report(2, shared.x().peek());
        shared.report(3, before);
    };
    // Memory says 0, and a peek in the same step already says 1: only while the store waits.
    let ahead = |result: &[u32]| result[2..4] == [1, 0];
    assert!(can(Tso, None, &[one, look], ahead));
    assert!(!can(Sc, None, &[one, look], ahead));
}

#[test]
fn a_grace_period_lands_what_was_in_flight() {
    // Asymmetric: the reader has no barrier, the waiter's is everybody's.
    let wait: Body<'_> = &|shared, cpu| {
        shared.y().set(1);
        synchronize_rcu(cpu);
        shared.report(1, shared.x().read());
    };
    assert!(!can(Tso, None, &[SB[0], wait], both_miss));
    let section: Body<'_> = &|shared, cpu| {
        cpu.rcu_read_leaf(|| {
            shared.report(0, shared.y().read());
            shared.x().set(1);
            shared.words[2].read();
        });
    };
    let wait: Body<'_> = &|shared, cpu| {
        shared.y().xchg(1);
        synchronize_rcu(cpu);
        shared.report(1, shared.x().read());
    };
    assert!(!can(Tso, None, &[section, wait], both_miss), "what a section stored is seen after it");
    let outlives: Body<'_> = &|shared, cpu| {
        let section = cpu.rcu_read_lock();
        shared.report(0, shared.y().read());
        // A step in which the section is found, before the store is made.
        shared.words[2].read();
        shared.x().set(1);
        drop(section);
        shared.words[2].read();
    };
    assert!(
        !can(Tso, None, &[outlives, wait], both_miss),
        "also what it stored after it was found"
    );
}

#[test]
fn a_store_outside_the_arena_does_not_overtake_those_that_wait() {
    let send: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.outside.set(1);
    };
    let receive: Body<'_> = &|shared, _| {
        shared.report(0, shared.outside.read());
        shared.report(1, shared.x().read());
    };
    let told_too_early = |result: &[u32]| result[..2] == [1, 0];
    assert!(!can(Tso, None, &[send, receive], told_too_early));
    // And there is something to overtake: the store to x does wait, past a load.
    assert!(can(Tso, None, &SB, both_miss));
}

static GO: WaitClass = WaitClass::event("go");
const GOING: Waiting = Waiting { class: &GO, object: 0, owner: 0 };

#[test]
fn a_wake_up_without_a_barrier_overtakes_the_store_it_is_about() {
    let sleeper: Body<'_> = &|shared, cpu| {
        let awake = || shared.x().read() == 1;
        let _ = wait_var_event(cpu, shared.x(), Sleep::Uninterruptible, GOING, awake);
    };
    let plain: Body<'_> = &|shared, cpu| {
        shared.x().set(1);
        wake_up_var(cpu, shared.x());
    };
    let hangs = |memory, waker| {
        let (_, failures) = Litmus::new(memory, &[sleeper, waker]).search(Some(2), 1 << 20);
        !failures.is_empty()
    };
    assert!(!hangs(Sc, plain));
    assert!(hangs(Tso, plain));
    let barrier: Body<'_> = &|shared, cpu| {
        shared.x().set(1);
        smp_mb();
        wake_up_var(cpu, shared.x());
    };
    assert!(!hangs(Tso, barrier));
    let all: Body<'_> = &|shared, cpu| {
        shared.x().set(1);
        wake_up_all(cpu, shared.x());
    };
    assert!(!hangs(Tso, all), "wake_up has the barrier inside");
}

#[test]
fn executions_are_as_many_as_can_be_counted_by_hand() {
    let one: Body<'_> = &|shared, _| shared.x().set(1);
    let two: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.y().set(1);
    };
    let load_between: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.y().read();
        shared.words[2].set(1);
    };
    assert_eq!([Some(0), Some(1), None].map(|bound| executions(Sc, bound, &[two])), [1, 1, 1]);
    // It waits or it does not.
    assert_eq!([Some(0), Some(1), None].map(|bound| executions(Tso, bound, &[one])), [1, 2, 2]);
    // Neither waits; the second does; the first does, and the second behind it.
    assert_eq!([Some(0), Some(1), None].map(|bound| executions(Tso, bound, &[two])), [1, 3, 3]);
    // The first goes at once: 2. It waits past the load: the second queues, 1. It waits, and goes before the
    // load: 2; and that costs no more, for before its first step the task need not be preempted.
    let bounds = [Some(0), Some(1), Some(2), None];
    assert_eq!(bounds.map(|bound| executions(Tso, bound, &[load_between])), [1, 4, 5, 5]);
}

/// One operation of a program that nobody wrote; `n` makes stores differ.
fn random_operation(shared: &Shared, dice: u64, n: u32) -> u32 {
    let word = &shared.words[(dice >> 8) as usize % 3];
    match dice % 8 {
        0..=3 => word.set(n),
        4..=5 => return word.read(),
        6 => return word.xchg(n),
        _ => smp_mb(),
    }
    0
}

#[test]
fn pruning_loses_no_result_of_random_programs() {
    let mut fewer = 0;
    for seed in 0..150 {
        let mut dice = SplitMix64::new(seed);
        let program: [[u64; 4]; 2] =
            core::array::from_fn(|_| core::array::from_fn(|_| dice.next_u64()));
        let task = |me: usize| {
            move |shared: &Shared, _: &Cpu<'_>| {
                let mut seen = 0;
                for (at, dice) in (1..).zip(program[me]) {
                    let n = 5 * me as u32 + at;
                    seen = seen * 11 + random_operation(shared, dice, n);
                }
                shared.report(me, seen);
            }
        };
        let (one, other) = (task(0), task(1));
        let tasks: [Body<'_>; 2] = [&one, &other];
        for bound in [Some(1), Some(2), None] {
            // One after the other: stores can wait only in the arena in use.
            let run = |cache_bytes| {
                let mut litmus = Litmus::new(Tso, &tasks);
                let stats = litmus.search(bound, cache_bytes).0;
                let executions = stats.stats().last().map(|now| now.schedules);
                (litmus.seen.take(), executions)
            };
            let ((all, executions), (some, pruned)) = (run(0), run(1 << 20));
            assert_eq!(all, some, "program {seed} within {bound:?}");
            assert!(pruned <= executions);
            fewer += u32::from(pruned < executions);
        }
    }
    assert!(fewer > 200, "pruned: {fewer}");
}
