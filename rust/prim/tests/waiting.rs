//! Sleeping and waking; signals, deadlines, poison; a machine seen from outside.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod common;

use std::cell::RefCell;
use std::time::Duration;

use common::{EVENT, WAITING, cpu, lease, states, until, until_asleep};
use pgmap_prim::{
    Answer, AtomicI32, AtomicU32, CpuId, Interrupted, Lease, Machine, Poison, Poll, Signal, Sleep,
    SlotState, Stopped, TaskId, TaskState, Waiter, Warn, catch_abandon, code, synchronize_rcu,
    wait_event, wait_event_exclusive, wait_var_event, wake_up_all, wake_up_one, wake_up_var,
};

const SHORT: Duration = Duration::from_millis(1);

#[test]
fn a_true_condition_does_not_sleep() {
    let machine = Machine::new(1);
    let cpu = cpu(&machine, 0);
    let before = machine.scan();
    assert_eq!(wait_event(&cpu, &0, Sleep::Uninterruptible, WAITING, || true), Ok(()));
    assert_eq!(machine.scan(), before);
}

#[test]
fn a_warning_names_who_runs_beside_and_nobody_who_sleeps_or_has_gone() {
    let machine = Machine::new(4);
    let word = AtomicU32::new(0);
    std::thread::scope(|s| {
        s.spawn(|| {
            let cpu = cpu(&machine, 2);
            let end = || word.read_acquire() == 1;
            wait_var_event(&cpu, &word, Sleep::Uninterruptible, WAITING, end).unwrap();
        });
        until_asleep(&machine, 2);
        drop(cpu(&machine, 3));
        let (noticed, beside) = (cpu(&machine, 0), cpu(&machine, 1));
        noticed.warn(Warn { code: 1, object: 0, value: 0 });
        drop(beside);
        noticed.warn(Warn { code: 1, object: 0, value: 0 });
        let named: Vec<Vec<TaskId>> =
            machine.warnings().into_iter().map(|record| record.beside).collect();
        assert_eq!(named, [vec![TaskId(1)], vec![]]);
        word.set_release(1);
        wake_up_var(&noticed, &word);
    });
}

#[test]
fn no_wake_up_is_lost_between_two_tasks_that_take_turns() {
    const ROUNDS: u32 = 20_000;
    let machine = Machine::new(2);
    let turn = AtomicU32::new(0);
    let play = |me: u32| {
        let cpu = cpu(&machine, me);
        for round in 0..ROUNDS {
            let mine = 2 * round + me;
            let waited = match round % 2 {
                0 => wait_var_event(&cpu, &turn, Sleep::Uninterruptible, WAITING, || {
                    turn.read_acquire() == mine
                }),
                _ => wait_event(&cpu, &turn, Sleep::Interruptible, WAITING, || {
                    turn.read_acquire() == mine
                }),
            };
            assert_eq!(waited, Ok(()));
            if me == 0 {
                turn.inc_return();
                wake_up_var(&cpu, &turn);
            } else {
                turn.set_release(mine + 1);
                wake_up_all(&cpu, &turn);
            }
        }
    };
    std::thread::scope(|s| {
        s.spawn(|| play(0));
        s.spawn(|| play(1));
    });
    assert_eq!((turn.read(), states(&machine)), (2 * ROUNDS, vec![SlotState::Idle; 2]));
}

#[test]
fn tokens_handed_out_one_by_one_reach_every_exclusive_waiter() {
    const TOKENS: i32 = 6_000;
    let machine = Machine::new(4);
    let tokens = AtomicI32::new(0);
    std::thread::scope(|s| {
        for task in 1..4 {
            let (machine, tokens) = (&machine, &tokens);
            s.spawn(move || {
                let cpu = cpu(machine, task);
                for _ in 0..TOKENS / 3 {
                    let take = || tokens.add_unless(-1, 0);
                    wait_event_exclusive(&cpu, tokens, Sleep::Uninterruptible, WAITING, take)
                        .unwrap();
                }
            });
        }
        let cpu = cpu(&machine, 0);
        for _ in 0..TOKENS {
            tokens.inc();
            wake_up_one(&cpu, &tokens);
        }
    });
    assert_eq!(tokens.read(), 0);
}

#[test]
fn wake_up_one_wakes_all_shared_waiters_and_the_oldest_exclusive_one() {
    let machine = Machine::new(5);
    let go = AtomicU32::new(0);
    let left: [AtomicU32; 5] = Default::default();
    std::thread::scope(|s| {
        for task in 1..5 {
            let (machine, go, left) = (&machine, &go, &left);
            s.spawn(move || {
                let cpu = cpu(machine, task);
                let wait = |cond: &dyn Fn() -> bool| match task {
                    1 | 2 => wait_event_exclusive(&cpu, go, Sleep::Uninterruptible, WAITING, cond),
                    _ => wait_event(&cpu, go, Sleep::Uninterruptible, WAITING, cond),
                };
                wait(&|| go.read_acquire() == 1).unwrap();
                left[task as usize].set_release(1);
            });
            until_asleep(machine, task);
        }
        let cpu = cpu(&machine, 0);
        go.set_release(1);
        wake_up_one(&cpu, &go);
        until(|| [1, 3, 4].iter().all(|&task: &usize| left[task].read_acquire() == 1));
        assert_eq!(states(&machine)[2], SlotState::Asleep, "the younger exclusive waiter");
        wake_up_one(&cpu, &go);
    });
    assert_eq!(left[2].read(), 1);
}

#[test]
fn a_forgotten_wake_up_hangs_until_the_deadline() {
    let machine = Machine::new(1);
    let tested = AtomicU32::new(0);
    let stopped = catch_abandon(|| {
        let cpu = lease(&machine, 7, Duration::from_millis(120));
        // True from the third look on, but nobody says so: two looks are all it gets.
        wait_event(&cpu, &tested, Sleep::Uninterruptible, WAITING, || tested.inc_return() > 2)
    });
    let Err(Stopped::Poisoned(Poison::Hang { task, waiters })) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!((task, tested.read()), (TaskId(7), 2));
    let [waiter] = waiters.as_slice() else { panic!("{waiters:?}") };
    assert_eq!((waiter.task, waiter.class.name, waiter.object), (TaskId(7), "event", 0x2a));
    assert_eq!(states(&machine), [SlotState::Idle], "the lease was given back");
    assert!(machine.poisoned().unwrap().to_string().contains("task 7 on cpu 0 waits for event"));
}

#[test]
fn the_deadline_of_an_interruptible_wait_interrupts() {
    let machine = Machine::new(1);
    let cpu = lease(&machine, 0, SHORT);
    let waited = wait_event(&cpu, &0, Sleep::Interruptible, WAITING, || false);
    assert_eq!((waited, machine.poisoned()), (Err(Interrupted), None));
}

#[test]
fn a_signal_ends_an_interruptible_sleep_but_no_other() {
    let machine = Machine::new(3);
    let go = AtomicU32::new(0);
    std::thread::scope(|s| {
        let waiter = |task, sleep| {
            let (machine, go) = (&machine, &go);
            move || {
                let cpu = cpu(machine, task);
                let waited = wait_event(&cpu, go, sleep, WAITING, || go.read_acquire() == 1);
                (waited, cpu.signal_pending())
            }
        };
        let interruptible = s.spawn(waiter(0, Sleep::Interruptible));
        let stubborn = s.spawn(waiter(1, Sleep::Uninterruptible));
        until_asleep(&machine, 0);
        until_asleep(&machine, 1);
        machine.signal(TaskId(0));
        machine.signal(TaskId(1));
        assert_eq!(interruptible.join().unwrap(), (Err(Interrupted), true));
        assert_eq!(states(&machine)[1], SlotState::Asleep);
        let cpu = cpu(&machine, 2);
        go.set_release(1);
        wake_up_all(&cpu, &go);
        assert_eq!(stubborn.join().unwrap(), (Ok(()), true));
    });
}

#[test]
fn a_signal_before_the_sleep_counts_and_ends_with_the_lease() {
    let machine = Machine::new(1);
    {
        let cpu = cpu(&machine, 3);
        machine.signal(TaskId(4));
        assert!(!cpu.signal_pending());
        machine.signal(TaskId(3));
        let never = || false;
        assert_eq!(wait_event(&cpu, &0, Sleep::Interruptible, WAITING, never), Err(Interrupted));
        assert_eq!(wait_event(&cpu, &0, Sleep::Interruptible, WAITING, || true), Ok(()));
    }
    assert!(!cpu(&machine, 3).signal_pending());
}

#[test]
fn a_poll_interrupts_the_sleeper_that_runs_it() {
    struct Bell(AtomicU32);
    impl Poll for Bell {
        fn poll(&self) -> Signal {
            if self.0.inc_return() < 2 { Signal::None } else { Signal::Interrupt }
        }
    }
    let machine = Machine::new(1);
    let bell = Bell(AtomicU32::new(0));
    let terms = Lease { task: TaskId(0), deadline: None, poll: Some(&bell) };
    let cpu = machine.lease(terms).unwrap();
    assert_eq!(wait_event(&cpu, &0, Sleep::Interruptible, WAITING, || false), Err(Interrupted));
    assert_eq!(bell.0.read(), 2);
}

/// Wakes one exclusive waiter in the very poll that brings the sleeper a signal, once the other sleeps.
struct WokenAndSignalled<'m> {
    machine: &'m Machine,
    key: &'m AtomicU32,
    other: TaskId,
}

impl Poll for WokenAndSignalled<'_> {
    fn poll(&self) -> Signal {
        if !matches!(self.machine.task_state(self.other), TaskState::Asleep(_)) {
            return Signal::None;
        }
        self.key.set_release(1);
        wake_up_one(&cpu(self.machine, 9), self.key);
        Signal::Interrupt
    }
}

#[test]
fn an_exclusive_waiter_that_a_signal_takes_away_passes_its_wake_up_on() {
    let machine = Machine::new(3);
    let go = AtomicU32::new(0);
    let poll = WokenAndSignalled { machine: &machine, key: &go, other: TaskId(1) };
    std::thread::scope(|s| {
        let other = s.spawn(|| {
            until_asleep(&machine, 0);
            let cpu = cpu(&machine, 1);
            let told = || go.read_acquire() == 1;
            wait_event_exclusive(&cpu, &go, Sleep::Uninterruptible, WAITING, told)
        });
        let terms = Lease { task: TaskId(0), deadline: None, poll: Some(&poll) };
        let cpu = machine.lease(terms).unwrap();
        // Older in the queue, so the one wake-up is its own; and it has no use for it.
        let waited = wait_event_exclusive(&cpu, &go, Sleep::Interruptible, WAITING, || false);
        assert_eq!(waited, Err(Interrupted));
        assert_eq!(other.join().unwrap(), Ok(()), "nobody else wakes the younger one");
    });
}

/// Knows that nobody is left when the machine is at rest, and keeps what it is told.
struct Watch<'m> {
    machine: &'m Machine,
    told: RefCell<Vec<Waiter>>,
}

impl<'m> Watch<'m> {
    fn on(machine: &'m Machine) -> Self {
        Self { machine, told: RefCell::default() }
    }
}

impl Poll for Watch<'_> {
    fn poll(&self) -> Signal {
        Signal::None
    }

    fn forsaken(&self) -> bool {
        self.machine.all_passive_twice()
    }

    fn expired(&self, waiters: Vec<Waiter>) {
        self.told.borrow_mut().extend(waiters);
    }
}

#[test]
fn a_sleep_that_nobody_is_left_to_end_ends_without_a_deadline() {
    let machine = Machine::new(2);
    let watch = Watch::on(&machine);
    let terms = Lease { task: TaskId(7), deadline: None, poll: Some(&watch) };
    {
        let cpu = machine.lease(terms).unwrap();
        assert_eq!(wait_event(&cpu, &0, Sleep::Interruptible, WAITING, || false), Err(Interrupted));
        assert!(!cpu.signal_pending(), "that was no signal");
        assert!(machine.poisoned().is_none());
    }
    let told = watch.told.take();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].task, told[0].class.name, told[0].object), (TaskId(7), EVENT.name, 0x2a));

    let hang = catch_abandon(|| {
        let cpu = machine.lease(terms).unwrap();
        wait_event(&cpu, &0, Sleep::Uninterruptible, WAITING, || false)
    });
    let Err(Stopped::Poisoned(Poison::Hang { task, .. })) = hang else { panic!("{hang:?}") };
    assert_eq!((task, watch.told.take()), (TaskId(7), vec![]));
}

#[test]
fn a_sleep_that_somebody_is_left_to_end_goes_on() {
    let machine = Machine::new(2);
    let (go, slept) = (AtomicU32::new(0), AtomicU32::new(0));
    // Not at rest until it has woken the sleeper.
    let waker = cpu(&machine, 0);
    std::thread::scope(|s| {
        s.spawn(|| {
            let watch = Watch::on(&machine);
            let terms = Lease { task: TaskId(1), deadline: None, poll: Some(&watch) };
            let cpu = machine.lease(terms).unwrap();
            let cond = || go.read_acquire() == 1;
            wait_event(&cpu, &go, Sleep::Interruptible, WAITING, cond).unwrap();
            assert_eq!(watch.told.take(), []);
            slept.inc();
        });
        until_asleep(&machine, 1);
        go.set_release(1);
        wake_up_all(&waker, &go);
    });
    assert_eq!(slept.read(), 1);
}

#[test]
fn only_a_deadline_is_told_as_one() {
    let machine = Machine::new(1);
    let watch = Watch::on(&machine);
    let awake = AtomicU32::new(0);
    struct Late<'a>(Watch<'a>);
    impl Poll for Late<'_> {
        fn poll(&self) -> Signal {
            self.0.poll()
        }
        fn expired(&self, waiters: Vec<Waiter>) {
            self.0.expired(waiters);
        }
    }
    let late = Late(watch);
    let terms = Lease { task: TaskId(3), deadline: Some(SHORT), poll: Some(&late) };
    let cpu = machine.lease(terms).unwrap();
    let never = || false;
    assert_eq!(wait_event(&cpu, &awake, Sleep::Interruptible, WAITING, never), Err(Interrupted));
    assert_eq!(late.0.told.take().len(), 1);
    machine.signal(TaskId(3));
    assert_eq!(wait_event(&cpu, &awake, Sleep::Interruptible, WAITING, never), Err(Interrupted));
    assert_eq!(late.0.told.take(), []);
}

#[test]
fn poison_frees_every_sleeper_and_every_later_wait() {
    let machine = Machine::new(4);
    let poison = Poison::Requested("enough".into());
    std::thread::scope(|s| {
        let sleepers = [0, 1].map(|task| {
            let machine = &machine;
            let sleep = [Sleep::Interruptible, Sleep::Uninterruptible][task as usize];
            s.spawn(move || {
                let cpu = machine.lease(Lease::of(TaskId(task))).unwrap();
                catch_abandon(|| wait_event(&cpu, machine, sleep, WAITING, || false))
            })
        });
        let relaxing = s.spawn(|| {
            let cpu = machine.lease(Lease::of(TaskId(2))).unwrap();
            catch_abandon(|| {
                loop {
                    cpu.relax();
                }
            })
        });
        until_asleep(&machine, 0);
        until_asleep(&machine, 1);
        assert_eq!(machine.waiters().len(), 2);
        machine.poison(poison.clone());
        machine.poison(Poison::Forked);
        for sleeper in sleepers {
            assert_eq!(sleeper.join().unwrap(), Err(Stopped::Poisoned(poison.clone())));
        }
        let relaxed: Result<(), _> = relaxing.join().unwrap();
        assert_eq!(relaxed, Err(Stopped::Poisoned(poison.clone())));
    });
    let cpu = cpu(&machine, 0);
    let later = catch_abandon(|| wait_event(&cpu, &0, Sleep::Interruptible, WAITING, || false));
    assert_eq!(later, Err(Stopped::Poisoned(poison)));
}

#[test]
fn a_grace_period_that_never_ends_is_a_hang_with_its_culprit() {
    let machine = Machine::new(2);
    let reader = cpu(&machine, 1);
    let _rcu = reader.rcu_read_lock();
    let stopped = catch_abandon(|| synchronize_rcu(&lease(&machine, 0, SHORT)));
    let Err(Stopped::Poisoned(Poison::Hang { waiters, .. })) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!((waiters[0].class.name, waiters[0].owner), ("synchronize_rcu", Some(TaskId(1))));
}

#[test]
fn a_busy_wait_past_its_deadline_is_a_hang() {
    let machine = Machine::new(1);
    let cpu = lease(&machine, 0, SHORT);
    let stopped: Result<(), _> = catch_abandon(|| {
        loop {
            cpu.relax();
        }
    });
    let Err(Stopped::Poisoned(Poison::Hang { waiters, .. })) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!(waiters[0].class.name, "cpu_relax");
}

#[test]
fn a_panic_is_told_apart_from_an_abandoned_operation() {
    let stopped: Result<(), _> =
        catch_abandon(|| std::panic::resume_unwind(Box::new(String::from("bug"))));
    assert_eq!(stopped, Err(Stopped::Panic("bug".into())));
    assert_eq!(catch_abandon(|| 3), Ok(3));
}

#[test]
fn sleeping_in_a_section_or_in_a_condition_is_warned_about() {
    let machine = Machine::new(1);
    let cpu = cpu(&machine, 0);
    let ready = || wait_event(&cpu, &1, Sleep::Uninterruptible, WAITING, || true).is_ok();
    {
        let _rcu = cpu.rcu_read_lock();
        assert!(ready());
    }
    assert_eq!(machine.warnings()[0].warn.code, code::SLEEP_WHILE_ATOMIC);
    machine.clear_warnings();
    let looks = AtomicU32::new(0);
    let cond = || looks.inc_return() > 1 && ready();
    wait_event(&cpu, &0, Sleep::Uninterruptible, WAITING, cond).unwrap();
    assert_eq!(machine.warnings()[0].warn.code, code::NESTED_SLEEP);
}

#[test]
fn a_machine_is_settled_when_all_sleep_and_stays_so_over_poll_slices() {
    struct Count<'a>(&'a AtomicU32);
    impl Poll for Count<'_> {
        fn poll(&self) -> Signal {
            self.0.inc();
            Signal::None
        }
    }
    let machine = Machine::new(3);
    let (go, polls) = (AtomicU32::new(0), AtomicU32::new(0));
    assert!(machine.settled());
    std::thread::scope(|s| {
        s.spawn(|| {
            let poll = Count(&polls);
            let terms = Lease { task: TaskId(1), deadline: None, poll: Some(&poll) };
            let cpu = machine.lease(terms).unwrap();
            let cond = || go.read_acquire() == 1;
            wait_event(&cpu, &go, Sleep::Interruptible, WAITING, cond).unwrap();
        });
        until_asleep(&machine, 1);
        let before = machine.scan();
        until(|| polls.read() > 1);
        assert!(machine.settled());
        assert_eq!(machine.scan(), before);
        let TaskState::Asleep(waiting) = machine.task_state(TaskId(1)) else { panic!() };
        assert_eq!((waiting.class, waiting.object), (&EVENT, 0x2a));

        let cpu = cpu(&machine, 0);
        assert!(!machine.settled(), "we are running");
        assert!(matches!(machine.task_state(TaskId(0)), TaskState::Running));
        go.set_release(1);
        wake_up_all(&cpu, &go);
        assert_ne!(machine.scan()[1], before[1], "running before the wake-up returned");
    });
    assert!(machine.settled());
    assert!(matches!(machine.task_state(TaskId(1)), TaskState::Idle));
}

#[test]
fn a_sleeper_that_is_asked_tests_once_and_sleeps_on_or_ends_its_wait() {
    let machine = Machine::new(2);
    let (word, tests) = (AtomicU32::new(0), AtomicU32::new(0));
    assert_eq!(machine.ask(CpuId(0)), Answer::Awake, "nobody there");
    assert_eq!(machine.ask(CpuId(9)), Answer::Awake, "no such CPU");
    std::thread::scope(|s| {
        s.spawn(|| {
            let cpu = cpu(&machine, 0);
            let cond = || {
                tests.inc();
                word.read_acquire() == 1
            };
            wait_event(&cpu, &word, Sleep::Uninterruptible, WAITING, cond).unwrap();
        });
        until_asleep(&machine, 0);
        let tested = tests.read();
        assert_eq!(machine.ask(CpuId(0)), Answer::DoesNotHold);
        assert!(machine.settled(), "it sleeps when the answer is here");
        assert_eq!(tests.read(), tested + 1);
        word.set_release(1);
        assert!(machine.settled(), "nobody woke it");
        assert_eq!(machine.ask(CpuId(0)), Answer::Holds);
    });
    assert_eq!(machine.ask(CpuId(0)), Answer::Awake, "the wait is over");
}

#[test]
fn a_sleeper_that_was_asked_can_still_be_woken() {
    const ROUNDS: u32 = 2_000;
    let machine = Machine::new(2);
    let word = AtomicU32::new(0);
    std::thread::scope(|s| {
        s.spawn(|| {
            let cpu = cpu(&machine, 0);
            for round in 1..=ROUNDS {
                let cond = || word.read_acquire() >= round;
                wait_event(&cpu, &word, Sleep::Uninterruptible, WAITING, cond).unwrap();
            }
        });
        s.spawn(|| {
            while word.read() < ROUNDS {
                let _ = machine.ask(CpuId(0));
            }
        });
        let cpu = cpu(&machine, 1);
        for _ in 0..ROUNDS {
            word.inc_return();
            wake_up_var(&cpu, &word);
        }
    });
    assert_eq!(states(&machine), [SlotState::Idle; 2]);
}

#[test]
fn whoever_was_woken_waits_no_more_although_it_has_not_noticed() {
    let machine = Machine::new(2);
    let word = AtomicU32::new(0);
    let (tell, told) = std::sync::mpsc::channel();
    let (resume, resumed) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|s| {
        let (machine, word) = (&machine, &word);
        s.spawn(move || {
            let cpu = cpu(machine, 0);
            let cond = || {
                let holds = word.read_acquire() == 1;
                if holds {
                    tell.send(()).unwrap();
                    resumed.recv().unwrap();
                }
                holds
            };
            wait_event(&cpu, word, Sleep::Uninterruptible, WAITING, cond).unwrap();
        });
        until_asleep(machine, 0);
        assert_eq!(machine.waiters().len(), 1);
        word.inc_return();
        wake_up_var(&cpu(machine, 1), word);
        told.recv().unwrap();
        assert_eq!(machine.waiters(), []);
        resume.send(()).unwrap();
    });
}
