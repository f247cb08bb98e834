//! Locks exclude, wake, report, and let go.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{WAITING, cpu, lease, until, until_asleep};
use pgmap_prim::{
    AtomicU32, Completion, Guarded, Interrupted, LockClass, Machine, PlainData, Poison, RwSem,
    Sleep, SpinLock, Srcu, Stopped, TaskId, bit_lock, bit_spin_lock, bit_spin_unlock, bit_unlock,
    bit_wait, catch_abandon, code, plain, wait_event, wake_up_all,
};

static BIT: LockClass = LockClass::new("bit", 7);

plain! {
    #[derive(Clone, Copy, Debug)]
    struct Counter { a: u64, b: u64, }
}
impl Guarded for Counter {
    const CLASS: LockClass = LockClass::new("counter", 6);
}

const TASKS: u32 = 4;
const ROUNDS: u64 = 5_000;

fn in_parallel(work: impl Fn(&pgmap_prim::Cpu<'_>) + Sync) {
    let machine = Machine::new(TASKS as usize);
    std::thread::scope(|s| {
        for task in 0..TASKS {
            let (machine, work) = (&machine, &work);
            s.spawn(move || work(&cpu(machine, task)));
        }
    });
    assert_eq!(machine.warnings(), []);
}

fn bump(counter: &mut Counter) {
    assert_eq!(counter.a, counter.b);
    counter.a += 1;
    // The host may take the core away from a holder, which is when waiters park.
    if counter.a.is_multiple_of(64) {
        std::thread::yield_now();
    }
    counter.b += 1;
}

#[test]
fn a_spin_lock_has_one_holder() {
    let lock = SpinLock::new(Counter::zeroed());
    in_parallel(|cpu| (0..ROUNDS).for_each(|_| bump(&mut lock.lock(cpu))));
    let machine = Machine::new(1);
    assert_eq!(lock.lock(&cpu(&machine, 0)).b, ROUNDS * u64::from(TASKS));
}

#[test]
fn a_semaphore_has_one_writer_or_many_readers() {
    let sem = RwSem::new(Counter::zeroed());
    in_parallel(|cpu| {
        for round in 0..ROUNDS {
            if round % 3 == 0 {
                bump(&mut sem.write(cpu));
            } else {
                let read = sem.read(cpu);
                assert_eq!(read.a, read.b);
            }
        }
    });
    assert!(!sem.is_locked());
}

#[test]
fn a_bit_lock_has_one_holder_and_leaves_the_other_bits_alone() {
    let word = AtomicU32::new(0b1000);
    let (a, b) = (AtomicU32::new(0), AtomicU32::new(0));
    in_parallel(|cpu| {
        for _ in 0..ROUNDS {
            bit_lock(cpu, &word, 0, &BIT);
            assert_eq!(a.read(), b.read());
            a.set(a.read() + 1);
            b.set(b.read() + 1);
            bit_unlock(cpu, &word, 0);
        }
    });
    assert_eq!((word.read(), u64::from(a.read())), (0b1000, ROUNDS * u64::from(TASKS)));
}

#[test]
fn a_lock_wait_is_seen_with_its_class_and_holder() {
    let machine = Machine::new(2);
    let lock = SpinLock::new(Counter::zeroed());
    let sem = RwSem::new(Counter::zeroed());
    let holder = cpu(&machine, 0);
    for kind in 0..2 {
        std::thread::scope(|s| {
            let spin = (kind == 0).then(|| lock.lock(&holder));
            let write = (kind == 1).then(|| sem.write(&holder));
            s.spawn(|| {
                let cpu = cpu(&machine, 1);
                match kind {
                    0 => drop(lock.lock(&cpu)),
                    _ => drop(sem.read(&cpu)),
                }
            });
            until_asleep(&machine, 1);
            let waiter = machine.waiters().remove(0);
            assert_eq!((waiter.task, waiter.class.name), (TaskId(1), "counter"));
            assert_eq!(waiter.owner, Some(TaskId(0)));
            drop((spin, write));
        });
    }
}

#[test]
fn a_waiting_writer_holds_off_new_readers() {
    let machine = Machine::new(3);
    let sem = RwSem::new(Counter::zeroed());
    let (reader, late) = (cpu(&machine, 0), cpu(&machine, 2));
    std::thread::scope(|s| {
        let reading = sem.read(&reader);
        s.spawn(|| sem.write(&cpu(&machine, 1)).a = 5);
        until_asleep(&machine, 1);
        assert!(sem.try_read(&late).is_none());
        drop(reading);
        assert_eq!(sem.read(&late).a, 5);
    });
}

#[test]
fn a_deadlock_is_reported_with_both_sides_and_everything_is_let_go() {
    let machine = Machine::new(2);
    let locks = [RwSem::new(Counter::zeroed()), RwSem::new(Counter::zeroed())];
    let holding = AtomicU32::new(0);
    let stopped: Vec<_> = std::thread::scope(|s| {
        let tasks = [0, 1].map(|task: u32| {
            let (machine, locks, holding) = (&machine, &locks, &holding);
            s.spawn(move || {
                catch_abandon(|| {
                    let cpu = lease(machine, task, Duration::from_millis(100));
                    let _mine = locks[task as usize].write(&cpu);
                    holding.inc_return();
                    until(|| holding.read_acquire() == 2);
                    drop(locks[1 - task as usize].write(&cpu));
                })
            })
        });
        tasks.into_iter().map(|task| task.join().unwrap()).collect()
    });
    let Some(Poison::Hang { waiters, .. }) = machine.poisoned() else { panic!() };
    let owners: Vec<_> = waiters.iter().map(|w| (w.task.0, w.owner.unwrap().0)).collect();
    assert_eq!(owners, [(0, 1), (1, 0)]);
    assert!(stopped.iter().all(|s| matches!(s, Err(Stopped::Poisoned(_)))));
    assert!(locks.iter().all(|lock| !lock.is_locked()));
}

#[test]
fn taking_a_lock_twice_is_warned_about() {
    for kind in 0..2 {
        let machine = Machine::new(1);
        let (spin, sem) = (SpinLock::new(Counter::zeroed()), RwSem::new(Counter::zeroed()));
        let stopped = catch_abandon(|| {
            let cpu = lease(&machine, 0, Duration::from_millis(1));
            match kind {
                0 => drop((spin.lock(&cpu), spin.lock(&cpu))),
                _ => drop((sem.write(&cpu), sem.write(&cpu))),
            }
        });
        assert!(matches!(stopped, Err(Stopped::Poisoned(Poison::Hang { .. }))));
        assert_eq!(machine.warnings()[0].warn.code, code::LOCK_RECURSION);
        assert!(!spin.is_locked() && !sem.is_locked());
    }
}

#[test]
fn sleeping_locks_may_not_be_taken_under_a_spin_lock() {
    let machine = Machine::new(1);
    let cpu = cpu(&machine, 0);
    let (spin, sem) = (SpinLock::new(Counter::zeroed()), RwSem::new(Counter::zeroed()));
    let _held = spin.lock(&cpu);
    drop(sem.read(&cpu));
    assert_eq!(machine.warnings()[0].warn.code, code::SLEEP_WHILE_ATOMIC);
}

#[test]
fn unlocking_a_free_bit_is_warned_about() {
    let machine = Machine::new(1);
    bit_unlock(&cpu(&machine, 0), &AtomicU32::new(0), 2);
    assert_eq!(machine.warnings()[0].warn.code, code::UNLOCK_OF_UNLOCKED);
}

#[test]
fn waiting_for_a_bit_does_not_take_it() {
    let machine = Machine::new(2);
    let word = AtomicU32::new(0);
    let holder = cpu(&machine, 0);
    bit_lock(&holder, &word, 4, &BIT);
    std::thread::scope(|s| {
        s.spawn(|| {
            let cpu = cpu(&machine, 1);
            bit_wait(&cpu, &word, 4, Sleep::Uninterruptible, &BIT).unwrap();
            assert_eq!(word.read(), 0);
        });
        until_asleep(&machine, 1);
        bit_unlock(&holder, &word, 4);
    });
}

#[test]
fn a_condition_may_take_a_contended_spin_lock() {
    let machine = Machine::new(3);
    let lock = SpinLock::new(Counter::zeroed());
    let key = AtomicU32::new(0);
    std::thread::scope(|s| {
        s.spawn(|| {
            let cpu = cpu(&machine, 0);
            let cond = || lock.lock(&cpu).a == ROUNDS;
            wait_event(&cpu, &key, Sleep::Uninterruptible, WAITING, cond).unwrap();
        });
        for task in 1..3 {
            let (machine, lock, key) = (&machine, &lock, &key);
            s.spawn(move || {
                let cpu = cpu(machine, task);
                for _ in 0..ROUNDS / 2 {
                    bump(&mut lock.lock(&cpu));
                    wake_up_all(&cpu, key);
                }
            });
        }
    });
    assert_eq!(machine.warnings(), []);
}

#[test]
fn a_completion_lets_everybody_through_until_it_is_reinitialised() {
    let machine = Machine::new(3);
    let done = Completion::default();
    std::thread::scope(|s| {
        for task in [1, 2] {
            let (machine, done) = (&machine, &done);
            s.spawn(move || done.wait(&cpu(machine, task), Sleep::Uninterruptible, WAITING));
            until_asleep(machine, task);
        }
        done.complete_all(&cpu(&machine, 0));
    });
    let cpu = lease(&machine, 0, Duration::from_millis(1));
    assert_eq!(done.wait(&cpu, Sleep::Interruptible, WAITING), Ok(()));
    done.reinit();
    assert_eq!(done.wait(&cpu, Sleep::Interruptible, WAITING), Err(Interrupted));
}

#[test]
fn an_srcu_grace_period_waits_for_a_reader_that_sleeps() {
    let machine = Machine::new(3);
    let srcu = Srcu::new();
    let (go, left) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|s| {
        s.spawn(|| {
            let cpu = cpu(&machine, 1);
            let _srcu = srcu.read_lock(&cpu);
            let cond = || go.read_acquire() == 1;
            wait_event(&cpu, &go, Sleep::Uninterruptible, WAITING, cond).unwrap();
            left.set_release(1);
        });
        until_asleep(&machine, 1);
        s.spawn(|| {
            srcu.synchronize_srcu(&cpu(&machine, 2));
            assert_eq!(left.read_acquire(), 1);
        });
        until_asleep(&machine, 2);
        until(|| machine.settled());
        let cpu = cpu(&machine, 0);
        drop(srcu.read_lock(&cpu));
        go.set_release(1);
        wake_up_all(&cpu, &go);
    });
    assert_eq!(machine.warnings(), []);
}

#[test]
fn an_srcu_reader_never_sees_what_was_freed() {
    let machine = Machine::new(3);
    let srcu = Srcu::new();
    let objects: [AtomicU32; 2] = Default::default();
    let (current, done) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|s| {
        for task in 1..3 {
            let (machine, srcu, objects, current, done) =
                (&machine, &srcu, &objects, &current, &done);
            s.spawn(move || {
                let cpu = cpu(machine, task);
                while done.read() == 0 {
                    let _srcu = srcu.read_lock(&cpu);
                    let object = &objects[current.read_acquire() as usize];
                    (0..20).for_each(|_| assert_eq!(object.read(), 0));
                }
            });
        }
        let cpu = cpu(&machine, 0);
        for _ in 0..2_000 {
            let old = current.read();
            objects[1 - old as usize].set(0);
            current.set_release(1 - old);
            srcu.synchronize_srcu(&cpu);
            objects[old as usize].set(1);
        }
        done.set(1);
    });
}

#[test]
fn a_bit_spin_lock_has_one_holder() {
    let (word, counted) = (AtomicU32::new(0), AtomicU32::new(0));
    in_parallel(|cpu| {
        for _ in 0..ROUNDS {
            bit_spin_lock(cpu, &word, &BIT);
            // Not an RMW: two holders would lose a count.
            counted.set(counted.read() + 1);
            bit_spin_unlock(cpu, &word);
        }
    });
    assert_eq!((u64::from(counted.read()), word.read()), (ROUNDS * u64::from(TASKS), 0));
}

#[test]
fn who_spins_for_a_bit_spin_lock_is_told_and_ends_with_the_machine() {
    let machine = Machine::new(2);
    let word = AtomicU32::new(0);
    let holder = cpu(&machine, 0);
    bit_spin_lock(&holder, &word, &BIT);
    std::thread::scope(|s| {
        let spinner =
            s.spawn(|| catch_abandon(|| bit_spin_lock(&cpu(&machine, 1), &word, &BIT)).is_err());
        until(|| !machine.waiters().is_empty());
        let waiter = &machine.waiters()[0];
        assert_eq!((waiter.task, waiter.class), (TaskId(1), BIT.waits));
        assert_eq!(waiter.owner, Some(TaskId(0)));
        machine.poison(Poison::Requested("enough".to_owned()));
        assert!(spinner.join().unwrap());
    });
    bit_spin_unlock(&holder, &word);
    assert_eq!(machine.warnings(), []);
}

#[test]
fn a_bit_spin_lock_forbids_sleep_and_only_its_owner_gives_it_back() {
    let machine = Machine::new(2);
    let (holder, other, word) = (cpu(&machine, 0), cpu(&machine, 1), AtomicU32::new(0));
    bit_spin_lock(&holder, &word, &BIT);
    let _ = wait_event(&holder, &word, Sleep::Interruptible, WAITING, || true);
    bit_spin_unlock(&other, &word);
    assert_ne!(word.read(), 0);
    let codes: Vec<u16> = machine.warnings().iter().map(|record| record.warn.code).collect();
    assert_eq!(codes, [code::SLEEP_WHILE_ATOMIC, code::UNLOCK_OF_UNLOCKED]);
    bit_spin_unlock(&holder, &word);
}

/// Has tasks come one after the other to a semaphore that task 0 holds for writing, `w` or `r` each; lets go;
/// and says in which order they were inside.
fn served(arrivals: &str) -> String {
    let machine = Machine::new(arrivals.len() + 1);
    let sem = RwSem::new(Counter::zeroed());
    let order = std::sync::Mutex::new(String::new());
    let holder = cpu(&machine, 0);
    std::thread::scope(|s| {
        let held = sem.write(&holder);
        for (who, task) in arrivals.chars().zip(1..) {
            let (machine, sem, order) = (&machine, &sem, &order);
            s.spawn(move || {
                let cpu = cpu(machine, task);
                let note = || order.lock().unwrap().push_str(&format!("{who}{task} "));
                match who {
                    'w' => {
                        let _held = sem.write(&cpu);
                        note();
                    }
                    _ => {
                        let _held = sem.read(&cpu);
                        note();
                    }
                }
            });
            until_asleep(machine, task);
        }
        drop(held);
    });
    assert!(!sem.is_locked());
    assert_eq!(machine.warnings(), []);
    order.into_inner().unwrap()
}

#[test]
fn writers_in_line_go_in_in_the_order_of_arrival() {
    assert_eq!(served("www"), "w1 w2 w3 ");
}

#[test]
fn a_reader_in_line_goes_before_a_later_writer_and_after_an_earlier_one() {
    assert_eq!(served("rw"), "r1 w2 ");
    assert_eq!(served("wr"), "w1 r2 ");
    assert_eq!(served("wrw"), "w1 r2 w3 ");
}

#[test]
fn readers_in_line_go_in_together_with_the_first_of_them() {
    let order = served("rwr");
    assert!(order.ends_with("w2 "), "{order}");
    let order = served("wrwr");
    assert!(order.starts_with("w1 ") && order.ends_with("w3 "), "{order}");
}

#[test]
fn lockers_of_a_bit_go_in_the_order_of_arrival_and_one_at_a_time() {
    let machine = Machine::new(4);
    let word = AtomicU32::new(0);
    let order = std::sync::Mutex::new(Vec::new());
    let holder = cpu(&machine, 0);
    std::thread::scope(|s| {
        bit_lock(&holder, &word, 3, &BIT);
        for task in 1..4 {
            let (machine, word, order) = (&machine, &word, &order);
            s.spawn(move || {
                let cpu = cpu(machine, task);
                bit_lock(&cpu, word, 3, &BIT);
                order.lock().unwrap().push(task);
                bit_unlock(&cpu, word, 3);
            });
            until_asleep(machine, task);
        }
        bit_unlock(&holder, &word, 3);
    });
    assert_eq!(order.into_inner().unwrap(), [1, 2, 3]);
}
