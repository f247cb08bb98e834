//! Outside a run: operations are direct, and a wait that would have to wait gives the machine up.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{Pair, WAITING, cpu};
use pgmap_prim_explored::{
    Interrupted, Lease, Machine, NoCpu, PlainData, Poison, RwSem, Sleep, SpinLock, Stopped, TaskId,
    catch_abandon, code, wait_event,
};

#[test]
fn a_wait_that_nobody_can_end_gives_the_machine_up() {
    let (spin, sem) = (SpinLock::new(Pair::zeroed()), RwSem::new(Pair::zeroed()));
    for kind in 0..2 {
        let machine = Machine::new(1);
        let stopped = catch_abandon(|| {
            let cpu = cpu(&machine, 0);
            match kind {
                0 => drop((spin.lock(&cpu), spin.lock(&cpu))),
                _ => drop((sem.write(&cpu), sem.write(&cpu))),
            }
        });
        let Err(Stopped::Poisoned(Poison::Hang { waiters, .. })) = stopped else { panic!() };
        assert_eq!((waiters[0].class.name, waiters[0].owner), ("pair", Some(TaskId(0))));
        assert_eq!(machine.warnings()[0].warn.code, code::LOCK_RECURSION);
        assert!(!spin.is_locked() && !sem.is_locked());
    }
}

#[test]
fn a_machine_that_was_given_up_lives_again_in_the_next_execution() {
    let machine = Machine::new(1);
    let wait = || {
        let cpu = cpu(&machine, 0);
        wait_event(&cpu, &0, Sleep::Uninterruptible, WAITING, || false)
    };
    assert!(catch_abandon(wait).is_err());
    assert!(machine.poisoned().is_some());
    machine.reset();
    assert!(machine.poisoned().is_none());
    let slept = catch_abandon(|| {
        let cpu = cpu(&machine, 0);
        wait_event(&cpu, &0, Sleep::Uninterruptible, WAITING, || true)
    });
    assert_eq!(slept.unwrap(), Ok(()));
}

#[test]
fn an_interruptible_sleep_with_a_deadline_is_interrupted_at_once() {
    let machine = Machine::new(1);
    let deadline = Some(Duration::from_secs(60));
    let cpu = machine.lease(Lease { task: TaskId(0), deadline, poll: None }).unwrap();
    let slept = wait_event(&cpu, &0, Sleep::Interruptible, WAITING, || false);
    assert_eq!(slept, Err(Interrupted));
    let stopped = catch_abandon(|| wait_event(&cpu, &0, Sleep::Uninterruptible, WAITING, || false));
    assert!(matches!(stopped, Err(Stopped::Poisoned(Poison::Hang { .. }))));
}

#[test]
fn a_slot_is_leased_once() {
    let machine = Machine::new(2);
    let first = cpu(&machine, 1);
    let second = cpu(&machine, 1);
    assert_eq!((first.id().0, second.id().0), (1, 0));
    assert_eq!(machine.lease(Lease::of(TaskId(2))).err(), Some(NoCpu));
    drop(first);
    assert_eq!(cpu(&machine, 0).id().0, 1);
}
