//! What is a step and what is not, and who is named in a deadlock.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::{Body, Closures, Pair, WAITING, cpu, table};
use pgmap_prim_explored::{
    AtomicU32, Cpu, PlainData, RwSem, Sleep, SpinLock, Subject, Table, synchronize_rcu, verb_name,
    wait_event, wake_up_all,
};
use pgmap_sched::{Kind, Outcome};

fn words() -> [AtomicU32; 3] {
    Default::default()
}

fn sems() -> [RwSem<Pair>; 2] {
    [const { RwSem::new(Pair { a: 0, b: 0 }) }; 2]
}

#[test]
fn a_section_of_one_step_costs_no_schedule_and_a_peek_none() {
    let write = |words: &[AtomicU32; 3], cpu: &Cpu<'_>| {
        words[0].set(1);
        synchronize_rcu(cpu);
        words[1].set(1);
    };
    let count = |read: &dyn Fn(&[AtomicU32; 3], &Cpu<'_>)| {
        Closures::new(&words, &[&write, read]).schedules()
    };
    let bare = count(&|words, _| _ = words[1].read());
    assert_eq!(bare, count(&|words, cpu| cpu.rcu_read_leaf(|| _ = words[1].read())));
    let peek = |words: &[AtomicU32; 3], _: &Cpu<'_>| {
        words[1].read();
        words[1].peek();
    };
    assert_eq!(bare, count(&peek));
    let twice = |words: &[AtomicU32; 3], _: &Cpu<'_>| _ = (words[1].read(), words[1].read());
    assert_ne!(bare, count(&twice), "a read is a step");
}

#[test]
fn a_failed_exchange_commutes_with_a_read() {
    let (arena, table) = table();
    let _entered = arena.enter();
    let zero = || table.iter().for_each(|word| word.set(0));
    let read = |(): &(), _: &Cpu<'_>| {
        table[0].read();
        table[1].read();
    };
    let executions = |old: u32| {
        let exchange = |(): &(), _: &Cpu<'_>| {
            let _ = (table[0].cmpxchg(old, 5), table[1].cmpxchg(old, 5));
        };
        Closures::new(&zero, &[&read, &exchange]).schedules()
    };
    assert!(executions(1) < executions(0), "two orders of reads are one history");
}

#[test]
fn a_trace_tells_verb_and_place() {
    let (arena, table) = table();
    let _entered = arena.enter();
    let start = || ();
    let body = |(): &(), _: &Cpu<'_>| {
        table[3].inc();
        let _ = table[3].cmpxchg(0, 1);
    };
    let trace = Closures::new(&start, &[&body]).trace().trace;
    let steps = trace.iter().filter(|event| event.kind == Kind::Step);
    let told: Vec<_> = steps
        .filter_map(|event| match Subject::of(event.object) {
            Subject::Word(at) => {
                let it = arena.locate(at as usize).unwrap();
                let site = event.site.unwrap();
                assert!(site.file().ends_with("steps.rs"), "{site}");
                Some((verb_name(event.verb), it.index, it.byte, event.values))
            }
            _ => None,
        })
        .collect();
    let expected = [("atomic_inc", 3, 0, Some((0, 1))), ("cmpxchg", 3, 0, Some((1, 1)))];
    assert_eq!(told, expected);
}

/// Verb and effect of the events about something, in the first execution.
fn told<S>(
    start: &dyn Fn() -> S,
    tasks: &[Body<'_, S>],
    about: fn(Subject) -> bool,
) -> Vec<String> {
    let trace = Closures::new(start, tasks).trace().trace;
    let events = trace.iter().filter(|it| matches!(it.kind, Kind::Step | Kind::Record));
    let events = events.filter(|it| about(Subject::of(it.object)));
    events.map(|it| format!("{} {:?}", verb_name(it.verb), it.effect)).collect()
}

#[test]
fn a_sleep_is_these_steps_on_its_queue() {
    let (arena, table) = table();
    let _entered = arena.enter();
    let zero = || table.iter().for_each(|word| word.set(0));
    let wait = |(): &(), cpu: &Cpu<'_>| {
        let there = || table[0].read() == 1;
        wait_event(cpu, &table[0], Sleep::Uninterruptible, WAITING, there).unwrap();
    };
    let wake = |(): &(), cpu: &Cpu<'_>| {
        table[0].set(1);
        wake_up_all(cpu, &table[0]);
        wake_up_all(cpu, &table[0]);
    };
    let queue = |subject| matches!(subject, Subject::Queue(_));
    let steps = [
        "prepare_to_wait Write",
        "wake_up Write",
        "wake_up Read",
        "schedule Read",
        "prepare_to_wait Write",
        "finish_wait Write",
    ];
    assert_eq!(told(&zero, &[&wait, &wake], queue), steps);
}

#[test]
fn a_sleeper_that_was_woken_in_vain_sleeps_again() {
    let wait = |words: &[AtomicU32; 3], cpu: &Cpu<'_>| {
        let there = || words[0].read() == 2;
        wait_event(cpu, &words[0], Sleep::Uninterruptible, WAITING, there).unwrap();
    };
    let wake = |words: &[AtomicU32; 3], cpu: &Cpu<'_>| {
        words[0].set(1);
        wake_up_all(cpu, &words[0]);
    };
    let found = Closures::new(&words, &[&wait, &wake]).search().1;
    assert_eq!(found, BTreeSet::from(["deadlock [(0, \"event\")]".to_owned()]));
}

#[test]
fn a_section_and_its_waiter_are_these_events() {
    let read = |words: &[AtomicU32; 3], cpu: &Cpu<'_>| {
        let _section = cpu.rcu_read_lock();
        words[0].read();
        words[1].read();
        words[2].set(1);
    };
    // Lets the reader go in first: it waits for the reader's first step.
    let wait = |words: &[AtomicU32; 3], cpu: &Cpu<'_>| {
        while words[2].read() == 0 {
            cpu.relax();
        }
        synchronize_rcu(cpu);
    };
    let section = |subject| matches!(subject, Subject::Section(_));
    let events = ["read section begins Read", "read section ends Read", "synchronize_rcu Write"];
    assert_eq!(told(&words, &[&read, &wait], section), events);
    // The reader sleeps inside, and the grace period takes its second step after it has left.
    let hold = |words: &[AtomicU32; 3], cpu: &Cpu<'_>| {
        let _section = cpu.rcu_read_lock();
        words[0].set(1);
        while words[2].read() == 0 {
            cpu.relax();
        }
    };
    let release = |words: &[AtomicU32; 3], cpu: &Cpu<'_>| match cpu.id().0 {
        1 => {
            synchronize_rcu(cpu);
        }
        _ => words[2].set(1),
    };
    let events = [
        "read section begins Read",
        "synchronize_rcu Write",
        "read section ends Read",
        "synchronize_rcu Write",
    ];
    assert_eq!(told(&words, &[&hold, &release, &release], section), events);
}

#[test]
fn a_wipe_is_ordered_against_every_word_it_changes() {
    let make = || {
        let (_, table) = table();
        table[1].set(7);
        table
    };
    let seen = std::sync::Mutex::new(BTreeSet::new());
    let wipe = |table: &Table<AtomicU32>, _: &Cpu<'_>| table.zero(0..4);
    let read =
        |table: &Table<AtomicU32>, _: &Cpu<'_>| _ = seen.lock().unwrap().insert(table[1].read());
    Closures::new(&make, &[&wipe, &read]).search();
    assert_eq!(*seen.lock().unwrap(), BTreeSet::from([0, 7]));
}

#[test]
fn a_busy_wait_goes_on_when_somebody_writes_and_is_a_livelock_when_nobody_does() {
    let spin = |words: &[AtomicU32; 3], cpu: &Cpu<'_>| {
        while words[0].read() == 0 {
            cpu.relax();
        }
    };
    let write = |at: usize| move |words: &[AtomicU32; 3], _: &Cpu<'_>| words[at].set(1);
    let (right, wrong) = (write(0), write(1));
    assert_eq!(Closures::new(&words, &[&spin, &right]).search().1, BTreeSet::new());
    let found = Closures::new(&words, &[&spin, &wrong]).search().1;
    assert_eq!(found, BTreeSet::from(["livelock".to_owned()]));
}

#[test]
fn a_retry_that_the_task_ends_itself_waits_for_nobody() {
    let retry = |words: &[AtomicU32; 3], cpu: &Cpu<'_>| {
        while words[0].inc_return() < 3 {
            cpu.cond_resched();
        }
    };
    assert_eq!(Closures::new(&words, &[&retry]).search().1, BTreeSet::new());
}

// Deadlocks name the holders.

#[test]
fn a_semaphore_held_for_reading_names_its_reader() {
    let cross = |first: usize| {
        move |sems: &[RwSem<Pair>; 2], cpu: &Cpu<'_>| {
            let _outer = sems[first].read(cpu);
            drop(sems[1 - first].write(cpu));
        }
    };
    let (a, b) = (cross(0), cross(1));
    let found = Closures::new(&sems, &[&a, &b]).search().1;
    assert_eq!(found, BTreeSet::from(["cycle of 2".to_owned()]));
}

#[test]
fn a_grace_period_inside_a_lock_that_its_reader_wants_is_a_cycle() {
    let start = || (SpinLock::new(Pair::zeroed()), AtomicU32::default());
    type State = (SpinLock<Pair>, AtomicU32);
    let read = |(lock, word): &State, cpu: &Cpu<'_>| {
        let _section = cpu.rcu_read_lock();
        word.read();
        lock.lock(cpu).a = 1;
    };
    let wait = |(lock, _): &State, cpu: &Cpu<'_>| {
        let _held = lock.lock(cpu);
        synchronize_rcu(cpu);
    };
    let found = Closures::new(&start, &[&read, &wait]).search().1;
    assert_eq!(found, BTreeSet::from(["cycle of 2".to_owned()]));
}

#[test]
fn what_abandoned_tasks_left_behind_is_put_back() {
    // Every execution ends with both tasks inside their locks; the next begins with nothing held.
    let start = || ();
    let sems = sems();
    let both = |(): &(), cpu: &Cpu<'_>| {
        assert_eq!(cpu.machine().held(cpu.id()), []);
        let _section = cpu.rcu_read_lock();
        let _held = sems[cpu.id().0].read(cpu);
        cpu.warn(pgmap_prim_explored::Warn { code: 9, object: 0, value: 0 });
    };
    let tasks: [Body<'_, ()>; 2] = [&both, &both];
    let mut model = Closures::new(&start, &tasks);
    let (outcome, found) = model.search();
    assert_eq!(found, BTreeSet::from(["defect 0xff01".to_owned()]), "sleeping in a section");
    assert!(outcome.stats().iter().all(|bound| bound.failures == bound.schedules));
    model.machine.reset();
    let alone = cpu(&model.machine, 0);
    assert!(!synchronize_rcu(&alone).0);
}

#[test]
fn searching_twice_and_on_another_thread_counts_the_same() {
    let count = || {
        let add = |sems: &[RwSem<Pair>; 2], cpu: &Cpu<'_>| {
            sems[0].write(cpu).a += 1;
            let _reading = sems[1].read(cpu);
        };
        let outcome = Closures::new(&sems, &[&add, &add]).search().0;
        let Outcome::Exhausted { stats } = outcome else { unreachable!() };
        stats
    };
    let elsewhere = std::thread::spawn(count);
    assert_eq!((count(), count()), (elsewhere.join().unwrap(), count()));
}
