//! Every operation leaves enough in the history: pruning by history loses no end of random programs over
//! all of them.
//!
//! Each task keeps what its operations returned, and writes it down at its end; so two executions
//! end alike only if every operation found the same. The ends reached with pruning must be those reached
//! without. An operation that forgets to be a step, or calls a write a read, makes this fail.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use pgmap_prim_explored::{
    Arena, AtomicU32, AtomicUsize, Cpu, DeferredQueue, Entered, Guarded, Lease, LockClass, Machine,
    RwSem, Slab, Sleep, Snapshot, SpinLock, Table, TaskId, WaitClass, Waiting, bit_trylock,
    bit_unlock, plain, sync_access, sync_irq, synchronize_rcu, wait_event_exclusive, wake_up_all,
    wake_up_one, zeroed,
};
use pgmap_sched::{
    Control, Defect, Explorer, Failure, Judgement, Model, Outcome, Plan, Schedule, Task,
};

plain! {
    #[derive(Clone, Copy, Debug)]
    struct Pair { a: u64, b: u64, }
}
impl Guarded for Pair {
    const CLASS: LockClass = LockClass::new("pair", 6);
}
zeroed! {
    #[derive(Debug)]
    struct Shared {
        words: [AtomicU32; 2],
        cells: [AtomicUsize; 2],
        spin: SpinLock<Pair>,
        sem: RwSem<Pair>,
    }
}

static EVENT: WaitClass = WaitClass::event("event");
const WAITING: Waiting = Waiting { class: &EVENT, object: 0, owner: 0 };
const TASKS: usize = 2;
const CODES: u32 = 24;

/// What an operation does, and on which word.
type Op = (u32, usize);

struct World {
    arena: Arena,
    _entered: Entered,
    start: Snapshot,
    machine: Arc<Machine>,
    shared: Table<Shared>,
    wiped: Table<AtomicU32>,
    slab: Slab<AtomicU32>,
    queue: DeferredQueue<u32>,
    /// What each task found.
    found: Table<AtomicU32>,
    program: [Vec<Op>; TASKS],
    ends: RefCell<BTreeSet<u64>>,
}

impl World {
    fn new(program: [Vec<Op>; TASKS]) -> Self {
        let arena = Arena::new(1 << 16).unwrap();
        let entered = arena.enter();
        let shared = arena.table("shared", 1).unwrap();
        let wiped = arena.table("wiped", 2).unwrap();
        let slab = Slab::new(&arena, 2, "two").unwrap();
        let queue = DeferredQueue::new(&arena, 2, "queue").unwrap();
        let found = arena.table("found", TASKS).unwrap();
        let start = arena.snapshot();
        let machine = Machine::new(TASKS);
        let ends = RefCell::default();
        let _entered = entered;
        Self { arena, _entered, start, machine, shared, wiped, slab, queue, found, program, ends }
    }

    /// The operation; what it found.
    fn execute(&self, cpu: &Cpu<'_>, (code, at): Op) -> u32 {
        let Shared { words, cells, spin, sem } = &self.shared[0];
        let (word, other) = (&words[at], &words[1 - at]);
        let flag = |yes: bool| u32::from(yes);
        match code {
            0 => word.read(),
            1 => {
                word.set(other.read() + 1);
                0
            }
            2 => word.add_return(1),
            3 => word.xchg(7),
            4 => word.cmpxchg(0, 3).unwrap_or_else(|found| 100 + found),
            5 => flag(word.add_unless(1, 0)),
            6 => flag(word.test_and_set_bit(4)),
            7 => {
                let mut pair = spin.lock(cpu);
                pair.a = pair.a * 3 + cpu.id().0 as u64 + 1;
                pair.a as u32
            }
            8 => spin.try_lock(cpu).map_or(50, |pair| pair.a as u32),
            9 => sem.read(cpu).b as u32,
            10 => {
                let mut pair = sem.write(cpu);
                word.inc();
                pair.b = pair.b * 3 + cpu.id().0 as u64 + 1;
                pair.b as u32
            }
            11 => sem.try_write(cpu).map_or(50, |pair| pair.b as u32),
            12 => flag(sem.is_locked()) + 2 * flag(spin.is_locked()),
            13 => match bit_trylock(cpu, word, 9) {
                true => {
                    let seen = other.read();
                    bit_unlock(cpu, word, 9);
                    seen
                }
                false => 50,
            },
            14 => {
                let _section = cpu.rcu_read_lock();
                word.read() + 10 * other.read() + 100 * word.read()
            }
            15 => {
                let _section = cpu.local_irq_save();
                word.inc();
                other.read() + 10 * word.read()
            }
            16 => {
                let _section = cpu.access_begin();
                word.read() + 10 * other.read() + 100 * word.read()
            }
            17 => flag(synchronize_rcu(cpu).0),
            18 => flag(sync_irq(cpu).0) + 2 * flag(sync_access(cpu).0),
            19 => {
                cpu.percpu_add(&cells[cpu.id().0], 1);
                cells.iter().map(AtomicUsize::read).sum::<usize>() as u32
            }
            20 => {
                self.wiped[at].set(self.wiped[1 - at].read() + 5);
                self.wiped[at].read()
            }
            21 => {
                self.wiped.zero(0..2);
                0
            }
            22 => self.slab.alloc(cpu).unwrap_or(50),
            _ => {
                let pushed = self.queue.push(cpu, word.read());
                let mut sum = flag(pushed.is_ok());
                self.queue.drain(cpu, |_, item| sum = sum * 5 + item);
                sum
            }
        }
    }
}

impl Model for World {
    fn tasks(&self) -> usize {
        TASKS
    }

    fn reset(&mut self) {
        self.arena.restore(&self.start);
        self.machine.reset();
    }

    fn run(&self, task: Task) {
        let me = usize::from(task.0);
        let cpu = self.machine.lease(Lease::of(TaskId(task.0.into()))).unwrap();
        let found = self.program[me].iter().fold(1u32, |sum, &op| {
            sum.wrapping_mul(0x0100_0193).wrapping_add(self.execute(&cpu, op))
        });
        self.found[me].set(found);
    }

    fn finish(&self) -> Result<(), Defect> {
        self.ends.borrow_mut().insert(self.arena.fingerprint());
        Ok(())
    }
}

/// The ends of a program, its failures among them, and the steps it took to see them all.
fn ends(program: &[Vec<Op>; TASKS], cache_bytes: usize) -> (BTreeSet<u64>, BTreeSet<String>, u64) {
    let mut world = World::new(program.clone());
    let mut failures = BTreeSet::new();
    let mut judge = |failure: &Failure, _: &Schedule| {
        failures.insert(match failure {
            Failure::Deadlock { .. } => "deadlock".to_owned(),
            other => format!("{other:?}"),
        });
        Judgement::Continue
    };
    let plan = Plan { bound: Some(2), cache_bytes, ..Plan::default() };
    let outcome = Explorer::new().search(&mut world, &plan, &mut judge, &mut |_| Control::Go);
    assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
    let steps = outcome.stats().iter().map(|bound| bound.points).sum();
    (world.ends.take(), failures, steps)
}

#[test]
fn pruning_loses_no_end_of_random_programs() {
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = |sides: u32| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        ((dice >> 33) % u64::from(sides)) as u32
    };
    let (mut fewer, mut more, mut most) = (0, 0, 0);
    for round in 0..160 {
        let mut task = |first: u32| {
            let rest = [(); 2].map(|()| (roll(CODES), roll(2) as usize));
            let mut ops = vec![(first, roll(2) as usize)];
            ops.extend(rest);
            ops
        };
        let program = [task(round % CODES), task(round / 3 % CODES)];
        let (pruned, all) = (ends(&program, 1 << 20), ends(&program, 0));
        assert_eq!((&pruned.0, &pruned.1), (&all.0, &all.1), "{program:?}");
        fewer += pruned.2;
        more += all.2;
        most = most.max(all.0.len());
    }
    assert!(fewer < more && most > 10, "{fewer} {more} {most}");
}

/// Sleepers: who is woken, and who is still queued, belongs to the history too.
#[test]
fn pruning_loses_no_end_of_waiters_and_wakers() {
    let take = |tokens: &AtomicU32| {
        let seen = tokens.read();
        seen > 0 && tokens.cmpxchg(seen, seen - 1).is_ok()
    };
    struct Tokens<'a> {
        world: World,
        take: &'a dyn Fn(&AtomicU32) -> bool,
        wake: fn(&Cpu<'_>, &AtomicU32),
    }
    impl Model for Tokens<'_> {
        fn tasks(&self) -> usize {
            3
        }
        fn reset(&mut self) {
            self.world.reset();
        }
        fn run(&self, task: Task) {
            let cpu = self.world.machine.lease(Lease::of(TaskId(task.0.into()))).unwrap();
            let tokens = &self.world.shared[0].words[0];
            if task.0 == 2 {
                for _ in 0..2 {
                    tokens.inc_return();
                    (self.wake)(&cpu, tokens);
                }
            } else {
                let cond = || (self.take)(tokens);
                let deep = Sleep::Uninterruptible;
                wait_event_exclusive(&cpu, tokens, deep, WAITING, cond).unwrap();
                self.world.found[usize::from(task.0)].set(1 + tokens.read());
            }
        }
        fn finish(&self) -> Result<(), Defect> {
            self.world.finish()
        }
    }
    let see = |wake: fn(&Cpu<'_>, &AtomicU32), cache_bytes: usize| {
        let mut world = World::new([vec![], vec![]]);
        world.machine = Machine::new(3);
        let mut model = Tokens { world, take: &take, wake };
        let mut stuck = BTreeSet::new();
        let mut judge = |failure: &Failure, _: &Schedule| {
            let Failure::Deadlock { waits, .. } = failure else { panic!("{failure:?}") };
            stuck.insert(waits.iter().map(|wait| wait.task.0).collect::<Vec<_>>());
            Judgement::Continue
        };
        let plan = Plan { bound: Some(2), cache_bytes, ..Plan::default() };
        let outcome = Explorer::new().search(&mut model, &plan, &mut judge, &mut |_| Control::Go);
        assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
        (model.world.ends.take(), stuck)
    };
    let wakes: [fn(&Cpu<'_>, &AtomicU32); 2] = [wake_up_one, wake_up_all];
    let [one, all] = wakes.map(|wake| {
        let (pruned, whole) = (see(wake, 1 << 20), see(wake, 0));
        assert_eq!(pruned, whole);
        whole
    });
    // A taker that loses the race for a token sleeps although there is another.
    assert!(!one.1.is_empty(), "{one:?}");
    assert!(one.0.len() > 1 && all.0.len() > 1);
}
