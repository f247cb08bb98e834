//! Signals reach registered threads and disturb nothing but time.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

mod common;

use common::{cpu, until};
use pgmap_prim::{AtomicU32, Machine, Perturber, Poison};

/// A real-time signal without a handler ends the process: to have been sent a hundred and live is to
/// have handled them.
#[test]
fn signals_are_sent_to_registered_threads_only() {
    let machine = Machine::new(2);
    let perturber = Perturber::start(machine.clone(), 1, 20_000);
    {
        let _registration = perturber.register_current();
        until(|| perturber.sent() > 100);
    }
    // Sending happens under the registry's lock: after the registration went, nothing more is sent.
    let sent = perturber.sent();
    (0..1_000).for_each(|_| std::thread::yield_now());
    assert_eq!(perturber.sent(), sent);
}

#[test]
fn waiting_survives_perturbation() {
    let machine = Machine::new(2);
    let perturber = Perturber::start(machine.clone(), 7, 5_000);
    let turn = AtomicU32::new(0);
    let play = |me: u32| {
        let _registration = perturber.register_current();
        let cpu = cpu(&machine, me);
        for round in 0..1_000 {
            let mine = 2 * round + me;
            let ready = || turn.read_acquire() == mine;
            let sleep = pgmap_prim::Sleep::Uninterruptible;
            assert!(pgmap_prim::wait_event(&cpu, &turn, sleep, common::WAITING, ready).is_ok());
            turn.inc_return();
            pgmap_prim::wake_up_var(&cpu, &turn);
        }
    };
    std::thread::scope(|s| {
        s.spawn(|| play(0));
        s.spawn(|| play(1));
    });
    assert_eq!(turn.read(), 2_000);
}

#[test]
fn a_poisoned_machine_is_left_in_peace() {
    let machine = Machine::new(1);
    machine.poison(Poison::Requested("over".into()));
    let perturber = Perturber::start(machine, 1, 1_000_000);
    let _registration = perturber.register_current();
    drop(perturber);
}
