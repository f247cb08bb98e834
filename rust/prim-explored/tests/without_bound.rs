//! The search without a bound runs one execution of each class, and classes are told apart by what steps
//! touch. Here every operation of this face is drawn into random programs, and what they can come to is
//! compared with what they come to in every order, with and without store buffers.
#![forbid(unsafe_code)]

mod common;

use std::cell::Cell;
use std::collections::BTreeSet;

use common::{Count, Stage};
use pgmap_prim_explored::{
    AtomicU32, AtomicUsize, Cpu, Sleep, SpinLock, SplitMix64, Table, TaskId, WaitClass, Waiting,
    may_speculate, smp_mb, sync_irq, synchronize_rcu, wait_event, wake_up_all, wake_up_var,
};
use pgmap_sched::{
    Control, Defect, Explorer, Failure, Judgement, Limit, Model, Outcome, Plan, Schedule, Task,
};

static GO: WaitClass = WaitClass::event("go");
const GOING: Waiting = Waiting { class: &GO, object: 0, owner: 0 };

/// What memory and machine may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Sc,
    Tso,
    /// One order, and hardware does things unasked.
    Ahead,
}

struct Shared {
    words: Table<AtomicU32>,
    cells: Table<AtomicUsize>,
    lock: Table<SpinLock<Count>>,
    results: [Cell<u32>; 4],
}

type Body<'a> = &'a dyn Fn(&Shared, &Cpu<'_>) -> u32;

struct Program<'a> {
    stage: Stage,
    shared: Shared,
    bodies: &'a [Body<'a>],
    seen: Cell<BTreeSet<Vec<u32>>>,
}

impl<'a> Program<'a> {
    fn new(kind: Kind, bodies: &'a [Body<'a>]) -> Self {
        let (mut stage, shared) = Stage::new(bodies.len(), |arena| Shared {
            words: arena.table("words", 4).expect("room"),
            cells: arena.table("cells", 4).expect("room"),
            lock: arena.table("lock", 1).expect("room"),
            results: Default::default(),
        });
        match kind {
            Kind::Sc => {}
            Kind::Tso => stage.buffer_stores(),
            Kind::Ahead => stage.machine.speculate(),
        }
        Self { stage, shared, bodies, seen: Cell::default() }
    }
}

impl Model for Program<'_> {
    fn tasks(&self) -> usize {
        self.stage.tasks()
    }

    fn daemons(&self) -> usize {
        self.stage.daemons()
    }

    fn reset(&mut self) {
        self.stage.reset();
        self.shared.results.iter().for_each(|result| result.set(0));
    }

    fn run(&self, task: Task) {
        self.stage.run(task, |me, cpu| {
            self.shared.results[me].set(self.bodies[me](&self.shared, cpu));
        });
    }

    fn finish(&self) -> Result<(), Defect> {
        let words = self.shared.words.iter().map(AtomicU32::read);
        let cells = self.shared.cells.iter().map(|cell| cell.read() as u32);
        let results = self.shared.results.iter().map(Cell::get);
        let mut seen = self.seen.take();
        seen.insert(results.chain(words).chain(cells).collect());
        self.seen.set(seen);
        Ok(())
    }
}

/// What a program can come to.
#[derive(PartialEq, Eq, Debug)]
struct Shown {
    results: BTreeSet<Vec<u32>>,
    failures: BTreeSet<String>,
}

/// In every order, or in one of each class. None: there are too many.
fn search(kind: Kind, bodies: &[Body<'_>], cache_bytes: usize) -> Option<(Shown, u64)> {
    let mut program = Program::new(kind, bodies);
    let mut failures = BTreeSet::new();
    let mut judge = |failure: &Failure, _: &Schedule| {
        failures.insert(format!("{failure:?}"));
        Judgement::Continue
    };
    let plan = Plan { bound: None, cache_bytes, steps_max: 1_000, schedules_max: 3_000 };
    let outcome = Explorer::new().search(&mut program, &plan, &mut judge, &mut |_| Control::Go);
    if matches!(outcome, Outcome::Stopped { limit: Limit::Schedules, .. }) {
        return None;
    }
    assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
    let executions = outcome.stats().last().map_or(0, |now| now.schedules + now.pruned);
    Some((Shown { results: program.seen.take(), failures }, executions))
}

/// One operation; `n` makes stores differ.
fn operation(shared: &Shared, cpu: &Cpu<'_>, dice: u64, n: u32) -> u32 {
    let pick = |of: u64| (dice >> 16) % of;
    let word = &shared.words[pick(3) as usize];
    let other = &shared.words[(pick(3) + 1 + (dice >> 24) % 2) as usize % 3];
    match dice % 35 {
        0..=4 => word.set(n),
        5..=8 => return word.read(),
        32..=33 => return word.peek() * 5 + other.peek(),
        34 => return shared.lock[0].peek(|count| count.value + 1).unwrap_or(0),
        9 => return word.xchg(n),
        10 => return word.cmpxchg(0, n).err().unwrap_or(0),
        11 => return word.add_unless(n, 0).into(),
        12 => smp_mb(),
        13..=15 => {
            let first = pick(2) as usize;
            shared.words.zero(first..first + 2);
        }
        16 => cpu.percpu_add(&shared.cells[cpu.id().0], n as usize),
        17 => return shared.cells[pick(2) as usize].read() as u32,
        18..=19 => {
            let mut count = shared.lock[0].lock(cpu);
            count.value = count.value * 3 + n;
            return word.read() + 100 * count.value;
        }
        20 => {
            let Some(mut count) = shared.lock[0].try_lock(cpu) else { return 1 };
            count.value += n;
            other.set(n);
        }
        21..=22 => {
            let section = cpu.rcu_read_lock();
            let seen = word.read();
            other.set(n);
            drop(section);
            return seen;
        }
        23 => {
            let section = cpu.local_irq_save();
            let seen = word.read() * 7 + other.read();
            drop(section);
            return seen;
        }
        24..=25 => return synchronize_rcu(cpu).0.into(),
        26 => return sync_irq(cpu).0.into(),
        27 => {
            let sleep = [Sleep::Interruptible, Sleep::Uninterruptible][pick(2) as usize];
            let event = || word.read() != 0;
            return wait_event(cpu, word, sleep, GOING, event).is_err().into();
        }
        28 => {
            word.set(n);
            wake_up_all(cpu, word);
        }
        29 => {
            word.set(n);
            wake_up_var(cpu, word);
        }
        30 => {
            cpu.machine().signal(TaskId(pick(3) as u32));
            return cpu.signal_pending().into();
        }
        _ => may_speculate(|| {
            if word.read() == 0 {
                other.set(n);
            }
        }),
    }
    0
}

fn compare(kind: Kind, lengths: &[usize], seeds: core::ops::Range<u64>) -> (u64, u64, u64) {
    let (mut compared, mut all, mut few) = (0, 0, 0);
    for seed in seeds {
        let mut dice = SplitMix64::new(seed);
        let drawn: Vec<Vec<u64>> =
            lengths.iter().map(|&n| (0..n).map(|_| dice.next_u64()).collect()).collect();
        let task = |me: usize| {
            let drawn = &drawn[me];
            move |shared: &Shared, cpu: &Cpu<'_>| {
                let numbered = (5 * me as u32 + 1..).zip(drawn);
                numbered.fold(0, |seen: u32, (n, &dice)| {
                    seen.wrapping_mul(31).wrapping_add(operation(shared, cpu, dice, n))
                })
            }
        };
        let tasks: Vec<_> = (0..lengths.len()).map(task).collect();
        let bodies: Vec<Body<'_>> = tasks.iter().map(|task| task as Body<'_>).collect();
        let Some((whole, executions)) = search(kind, &bodies, 0) else { continue };
        let Some((some, classes)) = search(kind, &bodies, 1 << 20) else {
            panic!("program {seed}: more classes than executions");
        };
        let told: Vec<Vec<u64>> =
            drawn.iter().map(|task| task.iter().map(|dice| dice % 35).collect()).collect();
        assert_eq!(some, whole, "program {seed} {kind:?} {told:?}");
        compared += 1;
        all += executions;
        few += classes;
    }
    (compared, all, few)
}

#[test]
fn no_result_is_lost_where_memory_has_one_order() {
    for lengths in [&[3, 3][..], &[2, 2, 1]] {
        let (compared, all, few) = compare(Kind::Sc, lengths, 0..600);
        assert!(compared > 550 && few * 5 < all, "{compared}: {few} of {all}");
    }
}

#[test]
fn no_result_is_lost_where_hardware_does_things_unasked() {
    // The 799th is one in which a sleeper wakes to do something else.
    let (compared, all, few) = compare(Kind::Ahead, &[2, 2, 1], 0..800);
    assert!(compared > 700 && few * 5 < all, "{compared}: {few} of {all}");
}

#[test]
fn no_result_is_lost_with_store_buffers() {
    for lengths in [&[3, 2][..], &[2, 1, 1]] {
        let (compared, all, few) = compare(Kind::Tso, lengths, 0..300);
        assert!(compared > 250 && few * 3 < all, "{compared}: {few} of {all}");
    }
}

/// The tasks come to so many ends, whichever way they are searched.
#[track_caller]
fn ends<const N: usize>(kind: Kind, bodies: [Body<'_>; N], expected: usize) {
    for cache_bytes in [0, 1 << 20] {
        let (shown, _) = search(kind, &bodies, cache_bytes).expect("a small program");
        assert_eq!((shown.results.len(), shown.failures.len()), (expected, 0), "{shown:?}");
    }
}

#[test]
fn what_leaves_no_trace_is_touched_all_the_same() {
    let first = |shared: &Shared| shared.words[2].read();
    let writer: Body<'_> = &|shared, _| shared.words[0].xchg(5);
    // A wipe that found nothing would have wiped what comes after it.
    let wiper: Body<'_> = &|shared, _| {
        shared.words.zero(0..2);
        0
    };
    ends(Kind::Sc, [wiper, writer], 2);
    // A look at a word, and at what a lock guards.
    let looker: Body<'_> = &|shared, _| first(shared) + shared.words[0].peek();
    ends(Kind::Sc, [looker, writer], 2);
    let holder: Body<'_> = &|shared, cpu| {
        shared.lock[0].lock(cpu).value = 7;
        0
    };
    let lock_looker: Body<'_> =
        &|shared, _| first(shared) + shared.lock[0].peek(|count| count.value).unwrap_or(3);
    ends(Kind::Sc, [lock_looker, holder], 3);
    // A signal for who is not there yet, or no longer.
    let signals: Body<'_> = &|shared, cpu| {
        first(shared);
        cpu.machine().signal(TaskId(1));
        0
    };
    let signalled: Body<'_> = &|_, cpu| cpu.signal_pending().into();
    ends(Kind::Sc, [signals, signalled], 2);
}

#[test]
fn who_finds_stores_in_flight_touches_their_buffers() {
    // A grace period that finds none does not wait for one that is made later.
    let stores: Body<'_> = &|shared, _| {
        shared.words[2].read();
        shared.words[0].set(1);
        shared.words[1].read()
    };
    let waits: Body<'_> = &|shared, cpu| {
        synchronize_rcu(cpu);
        shared.words[1].xchg(1);
        shared.words[0].read()
    };
    ends(Kind::Tso, [stores, waits], 4);
    ends(Kind::Sc, [stores, waits], 3);
    // And a look sees a store that waits.
    let looker: Body<'_> = &|shared, _| {
        let now = shared.words[0].read();
        2 * shared.words[0].peek() + now
    };
    ends(Kind::Tso, [looker, stores], 3);
}

#[test]
fn a_sleeper_that_is_woken_touches_the_signal_that_could_have_come() {
    let wakes: Body<'_> = &|shared, cpu| {
        shared.words[0].set(1);
        wake_up_var(cpu, &shared.words[0]);
        shared.words[2].read()
    };
    let sleeps: Body<'_> = &|shared, cpu| {
        let go = || shared.words[0].read() == 1;
        wait_event(cpu, &shared.words[0], Sleep::Interruptible, GOING, go).is_err().into()
    };
    let signals: Body<'_> = &|_, cpu| {
        cpu.machine().signal(TaskId(1));
        cpu.signal_pending().into()
    };
    ends(Kind::Sc, [wakes, sleeps, signals], 2);
}
