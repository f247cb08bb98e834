//! Naps hit registered threads, and only those, only while they are registered.
#![cfg(target_os = "linux")]

mod common;

use common::cpu;
use pgmap_prim::{AtomicU32, Machine, Perturber};

#[test]
fn a_registered_thread_naps_until_its_registration_goes() {
    let perturber = Perturber::new(1, 20_000);
    let registration = perturber.register_current();
    while perturber.naps() < 50 {
        std::hint::spin_loop();
    }
    drop(registration);
    let naps = perturber.naps();
    // Long enough for dozens of naps, had any been left over.
    let work: u64 = (0..20_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
    std::hint::black_box(work);
    assert_eq!(perturber.naps(), naps);
}

#[test]
fn a_thread_that_nobody_registered_never_naps() {
    let perturber = Perturber::new(1, 1_000_000);
    let work: u64 = (0..20_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
    std::hint::black_box(work);
    assert_eq!(perturber.naps(), 0);
}

#[test]
fn work_gets_done_at_any_rate() {
    let perturber = Perturber::new(9, u32::MAX);
    let _registration = perturber.register_current();
    let mut sum = 0_u64;
    for n in 0..1_000_000 {
        sum = std::hint::black_box(sum + n);
    }
    assert_eq!(sum, 499_999_500_000);
}

#[test]
fn registrations_come_and_go_without_a_stray_signal() {
    let perturber = Perturber::new(3, 1_000_000);
    for _ in 0..2_000 {
        drop(perturber.register_current());
    }
}

/// Sleeping and waking go on under naps.
#[test]
fn waiting_survives_perturbation() {
    let machine = Machine::new(2);
    let perturber = Perturber::new(7, 5_000);
    let turn = AtomicU32::new(0);
    let play = |me: u32| {
        let _registration = perturber.register_current();
        let cpu = cpu(&machine, me);
        for round in 0..500 {
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
    assert_eq!(turn.read(), 1_000);
}
