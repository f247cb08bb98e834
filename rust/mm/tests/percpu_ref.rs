//! `lib/percpu-refcount.c`, all of it.

mod common;

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use common::*;
use pgmap_mm::percpu_ref::{Confirm, Init, PercpuRefs, Put, RefId, Switched};
use pgmap_mm::warn::Complaint;
use prim::{Arena, Cpu, Machine};

const CPUS: usize = 6;

struct Refs {
    refs: PercpuRefs,
    machine: std::sync::Arc<Machine>,
    arena: Arena,
}

impl Refs {
    fn new() -> Self {
        let arena = Arena::new(1 << 20).expect("address space");
        let refs = PercpuRefs::new(&arena, CPUS, 4).expect("memory");
        Self { refs, machine: Machine::new(CPUS), arena }
    }

    fn cpu(&self, task: u32) -> Cpu<'_> {
        cpu(&self.machine, task)
    }

    fn run(&self, cpu: &Cpu<'_>) -> Vec<Switched> {
        let mut all = Vec::new();
        self.refs.run_switches(cpu, |switched| all.push(switched));
        all
    }

    fn complaints(&self) -> Vec<Complaint> {
        complaints(&self.machine)
    }
}

/// A test of a reference that was made so: nobody may complain of what it does.
fn with_ref(how: Init, test: impl FnOnce(&Refs, &Cpu<'_>, RefId)) {
    let all = Refs::new();
    let cpu = all.cpu(0);
    let id = all.refs.init(&cpu, how).expect("memory");
    test(&all, &cpu, id);
    assert_eq!(all.complaints(), []);
}

#[test]
fn a_percpu_ref_counts_on_any_cpu_and_never_sees_zero() {
    let all = Refs::new();
    let (first, second) = (all.cpu(0), all.cpu(1));
    let id = all.refs.init(&first, Init::Percpu).expect("memory");
    assert_eq!(all.refs.ledger(id), 1);
    all.refs.get_many(&first, id, 5);
    assert_eq!(all.refs.put_many(&second, id, 6), Put::Alive, "nobody looks for zero in this mode");
    assert_eq!(all.refs.ledger(id), 0);
    assert!(!all.refs.is_zero(&first, id), "and nobody may ask");
    all.refs.get_many(&second, id, 1);
    assert!(all.refs.tryget_many(&first, id, 2) && all.refs.tryget_live(&second, id));
    assert_eq!(all.refs.ledger(id), 4);
    assert_eq!(all.complaints(), []);
}

#[test]
fn an_atomic_ref_sees_its_zero_at_the_put() {
    with_ref(Init::Atomic, |all, cpu, id| {
        assert!(all.refs.tryget_live(cpu, id));
        assert_eq!(all.refs.put_many(cpu, id, 1), Put::Alive);
        assert_eq!(all.refs.kill_and_confirm(cpu, id, Confirm::NONE), Put::Zero);
        assert!(all.refs.is_zero(cpu, id));
        assert!(!all.refs.tryget_many(cpu, id, 1), "zero is the end");
        assert_eq!(all.run(cpu), [], "there was no switch to wait for");
    });
}

#[test]
fn a_killed_ref_refuses_tryget_live_and_still_grants_tryget_until_zero() {
    with_ref(Init::Percpu, |all, cpu, id| {
        all.refs.get_many(cpu, id, 1);
        assert!(!all.refs.is_dying(id));
        assert_eq!(all.refs.kill_and_confirm(cpu, id, Confirm::NONE), Put::Alive);
        assert!(all.refs.is_dying(id));
        for _ in 0..2 {
            assert!(!all.refs.tryget_live(cpu, id));
            assert!(all.refs.tryget_many(cpu, id, 1));
            assert_eq!(all.refs.put_many(cpu, id, 1), Put::Alive);
            assert_eq!(all.run(cpu), []);
        }
        assert_eq!(all.refs.put_many(cpu, id, 1), Put::Zero);
        assert!(!all.refs.tryget_many(cpu, id, 1));
    });
}

#[test]
fn the_confirmation_comes_after_the_grace_period_and_before_the_release() {
    with_ref(Init::Percpu, |all, cpu, id| {
        assert_eq!(all.refs.kill_and_confirm(cpu, id, Confirm(7)), Put::Alive);
        assert_eq!(all.refs.pending_switches(), 1);
        assert_eq!(all.run(cpu), [Switched::Confirmed(id, Confirm(7)), Switched::Released(id)]);
        assert_eq!(all.refs.pending_switches(), 0);
    });
}

#[test]
fn the_last_put_before_the_grace_period_releases_nothing_the_switch_does() {
    with_ref(Init::Percpu, |all, cpu, id| {
        all.refs.get_many(cpu, id, 1);
        assert_eq!(all.refs.kill_and_confirm(cpu, id, Confirm::NONE), Put::Alive);
        assert_eq!(all.refs.put_many(cpu, id, 1), Put::Alive, "the bias holds it up");
        assert_eq!(all.run(cpu), [Switched::Released(id)]);
    });
}

#[test]
fn a_kill_with_racing_gets_and_puts_releases_exactly_once_and_last() {
    const THREADS: u32 = 4;
    let all = Refs::new();
    for _ in 0..100 {
        let id = all.refs.init(&all.cpu(0), Init::Percpu).expect("memory");
        let (released, puts_left) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let start = Barrier::new(THREADS as usize + 1);
        let put = |cpu: &Cpu<'_>, n: usize| {
            puts_left.fetch_sub(n, Relaxed);
            let zero = all.refs.put_many(cpu, id, n) == Put::Zero;
            if zero {
                assert_eq!(puts_left.load(Relaxed), 0, "released before the last put");
                released.fetch_add(1, Relaxed);
            }
        };
        puts_left.store(THREADS as usize, Relaxed);
        all.refs.get_many(&all.cpu(0), id, THREADS as usize);
        std::thread::scope(|threads| {
            for task in 1..=THREADS {
                let (all, start, puts_left, put) = (&all, &start, &puts_left, &put);
                threads.spawn(move || {
                    start.wait();
                    for turn in 0..20 {
                        // A lease for each, so that gets and puts land on different CPUs.
                        let cpu = all.cpu(task + turn);
                        puts_left.fetch_add(2, Relaxed);
                        let got = match turn % 2 {
                            0 => all.refs.tryget_many(&cpu, id, 2),
                            _ => {
                                all.refs.tryget_live(&cpu, id) && {
                                    all.refs.get_many(&cpu, id, 1);
                                    true
                                }
                            }
                        };
                        if got {
                            put(&cpu, 1);
                            put(&cpu, 1);
                        } else {
                            puts_left.fetch_sub(2, Relaxed);
                        }
                    }
                    put(&all.cpu(task), 1);
                });
            }
            let cpu = all.cpu(0);
            start.wait();
            assert_eq!(all.refs.kill_and_confirm(&cpu, id, Confirm::NONE), Put::Alive);
            all.refs.run_switches(&cpu, |switched| {
                assert_eq!(switched, Switched::Released(id));
                assert_eq!(puts_left.load(Relaxed), 0, "released before the last put");
                released.fetch_add(1, Relaxed);
            });
        });
        assert_eq!(released.load(Relaxed), 1);
        let cpu = all.cpu(0);
        assert!(all.refs.is_zero(&cpu, id) && !all.refs.tryget_many(&cpu, id, 1));
        all.refs.exit(&cpu, id);
        assert_eq!(all.refs.live(), 0);
    }
    assert_eq!(all.complaints(), []);
}

#[test]
fn after_the_confirmation_nobody_is_let_in_as_live() {
    let all = Refs::new();
    for _ in 0..50 {
        let id = all.refs.init(&all.cpu(0), Init::Percpu).expect("memory");
        let confirmed = AtomicUsize::new(0);
        let start = Barrier::new(3);
        std::thread::scope(|threads| {
            for task in 1..=2 {
                let (all, start, confirmed) = (&all, &start, &confirmed);
                threads.spawn(move || {
                    let cpu = all.cpu(task);
                    start.wait();
                    loop {
                        let over = confirmed.load(Relaxed) == 1;
                        let got = all.refs.tryget_live(&cpu, id);
                        assert!(!(got && over), "let in after the confirmation");
                        if got {
                            let _ = all.refs.put_many(&cpu, id, 1);
                        }
                        if over {
                            break;
                        }
                    }
                });
            }
            let cpu = all.cpu(0);
            start.wait();
            let _ = all.refs.kill_and_confirm(&cpu, id, Confirm(1));
            all.refs.run_switches(&cpu, |switched| {
                if switched == Switched::Confirmed(id, Confirm(1)) {
                    confirmed.store(1, Relaxed);
                }
            });
        });
        all.refs.exit(&all.cpu(0), id);
    }
}

#[test]
fn reinit_brings_a_dead_ref_back_to_percpu_mode() {
    with_ref(Init::PercpuReinit, |all, cpu, id| {
        for _ in 0..3 {
            all.refs.get_many(cpu, id, 3);
            let _ = all.refs.kill_and_confirm(cpu, id, Confirm::NONE);
            assert_eq!(all.run(cpu), []);
            assert_eq!(all.refs.put_many(cpu, id, 3), Put::Zero);
            all.refs.reinit(cpu, id);
            assert!(!all.refs.is_dying(id) && all.refs.tryget_live(cpu, id));
            assert_eq!(all.refs.put_many(cpu, id, 1), Put::Alive);
            assert_eq!(all.refs.ledger(id), 1);
        }
    });
}

#[test]
fn resurrect_needs_no_zero_and_keeps_the_references_that_are_out() {
    with_ref(Init::PercpuReinit, |all, cpu, id| {
        all.refs.get_many(cpu, id, 2);
        let _ = all.refs.kill_and_confirm(cpu, id, Confirm::NONE);
        assert_eq!(all.run(cpu), []);
        all.refs.resurrect(cpu, id);
        assert_eq!(all.refs.ledger(id), 3);
        assert!(all.refs.tryget_live(cpu, id));
        assert_eq!(all.refs.put_many(cpu, id, 3), Put::Alive);
    });
}

#[test]
fn a_dead_born_ref_comes_to_life_by_reinit() {
    with_ref(Init::Dead, |all, cpu, id| {
        assert!(all.refs.is_dying(id) && all.refs.is_zero(cpu, id));
        assert!(!all.refs.tryget_live(cpu, id) && !all.refs.tryget_many(cpu, id, 1));
        all.refs.reinit(cpu, id);
        assert!(all.refs.tryget_live(cpu, id));
        assert_eq!(all.refs.ledger(id), 2);
    });
}

#[test]
fn switching_there_and_back_loses_no_reference() {
    let all = Refs::new();
    let (first, second) = (all.cpu(0), all.cpu(1));
    let id = all.refs.init(&first, Init::PercpuReinit).expect("memory");
    for round in 0..3 {
        all.refs.get_many(&first, id, 2);
        all.refs.switch_to_atomic(&first, id, Confirm(3));
        assert_eq!(all.refs.put_many(&second, id, 1), Put::Alive);
        assert_eq!(all.run(&first), [Switched::Confirmed(id, Confirm(3))]);
        assert_eq!(all.refs.ledger(id), 2 + round);
        assert!(all.refs.tryget_live(&first, id), "atomic is not dead");
        assert_eq!(all.refs.put_many(&first, id, 1), Put::Alive);
        all.refs.switch_to_percpu(&first, id);
        assert_eq!(all.refs.ledger(id), 2 + round);
    }
    assert_eq!(all.complaints(), []);
}

#[test]
fn a_confirmation_is_given_even_when_the_ref_is_atomic_already() {
    with_ref(Init::Atomic, |all, cpu, id| {
        all.refs.switch_to_atomic(cpu, id, Confirm(9));
        assert_eq!(all.run(cpu), [Switched::Confirmed(id, Confirm(9))]);
        assert_eq!(all.refs.ledger(id), 1);
    });
}

#[test]
fn a_switch_waits_for_the_one_before_it_until_somebody_ends_that_ones_grace_period() {
    let all = Refs::new();
    let id = all.refs.init(&all.cpu(0), Init::PercpuReinit).expect("memory");
    all.refs.switch_to_atomic(&all.cpu(0), id, Confirm(1));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let cpu = all.cpu(1);
            assert_eq!(all.refs.kill_and_confirm(&cpu, id, Confirm(2)), Put::Alive);
        });
        until_waits_for(&all.machine, 1, "percpu_ref_switch_waitq");
        assert!(all.refs.is_dying(id), "dead at once, whatever is in progress");
        assert_eq!(all.run(&all.cpu(0)), [Switched::Confirmed(id, Confirm(1))]);
    });
    let both = [Switched::Confirmed(id, Confirm(2)), Switched::Released(id)];
    assert_eq!(all.run(&all.cpu(0)), both);
    assert_eq!(all.complaints(), []);
}

#[test]
fn an_unbalanced_put_is_told_at_the_switch() {
    let all = Refs::new();
    let cpu = all.cpu(0);
    let id = all.refs.init(&cpu, Init::Percpu).expect("memory");
    let _ = all.refs.put_many(&cpu, id, 2);
    let _ = all.refs.kill_and_confirm(&cpu, id, Confirm::NONE);
    all.run(&cpu);
    assert_eq!(all.complaints(), [Complaint::PercpuUnbalanced]);
}

#[test]
fn misuse_is_told() {
    let misused = |how: Init, misuse: &dyn Fn(&Refs, &Cpu<'_>, RefId)| {
        let all = Refs::new();
        let cpu = all.cpu(0);
        let id = all.refs.init(&cpu, how).expect("memory");
        misuse(&all, &cpu, id);
        assert_eq!(all.complaints().first(), Some(&Complaint::PercpuMisuse));
    };
    misused(Init::Atomic, &|all, cpu, id| {
        all.refs.get_many(cpu, id, 2);
        let _ = all.refs.kill_and_confirm(cpu, id, Confirm::NONE);
        let _ = all.refs.kill_and_confirm(cpu, id, Confirm::NONE);
    });
    misused(Init::PercpuReinit, &|all, cpu, id| all.refs.resurrect(cpu, id));
    misused(Init::PercpuReinit, &|all, cpu, id| {
        all.refs.get_many(cpu, id, 1);
        let _ = all.refs.kill_and_confirm(cpu, id, Confirm::NONE);
        all.run(cpu);
        all.refs.reinit(cpu, id);
    });
    misused(Init::Percpu, &|all, cpu, id| {
        all.refs.switch_to_atomic(cpu, id, Confirm::NONE);
        all.refs.exit(cpu, id);
    });
    misused(Init::Percpu, &|all, cpu, id| {
        all.refs.get_many(cpu, id, 1);
        let _ = all.refs.kill_and_confirm(cpu, id, Confirm::NONE);
        all.run(cpu);
        all.refs.resurrect(cpu, id);
    });
}

#[test]
fn an_init_that_fails_half_way_leaves_nothing_behind() {
    let all = Refs::new();
    let cpu = all.cpu(0);
    for nth in 0..2 {
        all.arena.faults().fail_after(nth);
        assert!(all.refs.init(&cpu, Init::Percpu).is_err(), "allocation {nth}");
    }
    assert_eq!(all.refs.live(), 0);
    let ids: Vec<_> =
        (0..4).map(|_| all.refs.init(&cpu, Init::Percpu).expect("all there is")).collect();
    assert!(all.refs.init(&cpu, Init::Percpu).is_err());
    ids.into_iter().for_each(|id| all.refs.exit(&cpu, id));
    assert_eq!(all.refs.live(), 0);
    assert_eq!(all.complaints(), []);
}
