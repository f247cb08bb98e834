//! Executions to the first failure on shuttle: the shapes over its own types, under its own schedulers.
//!
//! Shuttle runs the first task, which spawns the others. So that tasks begin together, as ours do, all of them first
//! meet at a barrier; spawns, the barrier and joins are scheduling points too. A claim that does not hold raises a flag, and the scheduler, which
//! is ours around theirs, then says that it is over; shuttle itself panics when nobody can go on or, where
//! tasks spin for ever, when an execution has become too long.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool as Flag, AtomicU64 as Counter};

use pgmap_shapes::face::{CONDS, LOCKS, WORDS};
use pgmap_shapes::{Cond, Face, Form, Lock, Shape, Word};
use shuttle::scheduler::{
    PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId, UrwRandomScheduler,
};
use shuttle::sync::atomic::{AtomicI64, Ordering::SeqCst};
use shuttle::sync::{Barrier, Condvar, LockResult, Mutex, MutexGuard, PoisonError};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner, hint, thread};

use crate::LIMIT;
use crate::table::{First, Row, SHUTTLE};

/// Scheduling points of one execution; the longest of a right form has a few hundred.
const STEPS: usize = 20_000;

/// Executions of a right form that must show nothing.
const RIGHT: u64 = 1_000;

/// What a run has come to, for its executions and its scheduler.
#[derive(Default)]
struct Run {
    begun: Counter,
    broken: Flag,
}

/// The state of one execution.
struct World {
    words: [AtomicI64; WORDS],
    locks: [Mutex<()>; LOCKS],
    conds: [Condvar; CONDS],
    start: Barrier,
    run: Arc<Run>,
}

/// The world as one task sees it, with the locks that it holds.
struct Seen<'w> {
    world: &'w World,
    held: RefCell<[Option<MutexGuard<'w, ()>>; LOCKS]>,
}

/// A task that panics leaves its locks poisoned, and the execution is over.
fn taken<'w>(guard: LockResult<MutexGuard<'w, ()>>) -> MutexGuard<'w, ()> {
    guard.unwrap_or_else(PoisonError::into_inner)
}

impl<'w> Seen<'w> {
    fn new(world: &'w World) -> Self {
        Self { world, held: RefCell::default() }
    }

    fn keep(&self, lock: Lock, guard: MutexGuard<'w, ()>) {
        self.held.borrow_mut()[lock.0] = Some(guard);
    }

    fn held(&self, lock: Lock) -> Option<MutexGuard<'w, ()>> {
        self.held.borrow_mut()[lock.0].take()
    }
}

impl Face for Seen<'_> {
    fn load(&self, word: Word) -> i64 {
        self.world.words[word.0].load(SeqCst)
    }

    fn store(&self, word: Word, new: i64) {
        self.world.words[word.0].store(new, SeqCst);
    }

    fn add(&self, word: Word, by: i64) -> i64 {
        self.world.words[word.0].fetch_add(by, SeqCst)
    }

    fn swap(&self, word: Word, new: i64) -> i64 {
        self.world.words[word.0].swap(new, SeqCst)
    }

    fn cas(&self, word: Word, old: i64, new: i64) -> bool {
        self.world.words[word.0].compare_exchange(old, new, SeqCst, SeqCst).is_ok()
    }

    fn lock(&self, lock: Lock) {
        self.keep(lock, taken(self.world.locks[lock.0].lock()));
    }

    fn unlock(&self, lock: Lock) {
        drop(self.held(lock));
    }

    fn wait(&self, cond: Cond, lock: Lock) {
        if let Some(guard) = self.held(lock) {
            self.keep(lock, taken(self.world.conds[cond.0].wait(guard)));
        }
    }

    fn notify_one(&self, cond: Cond) {
        self.world.conds[cond.0].notify_one();
    }

    fn notify_all(&self, cond: Cond) {
        self.world.conds[cond.0].notify_all();
    }

    fn pause(&self) {
        hint::spin_loop();
    }

    fn broken(&self, _: &'static str) -> ! {
        self.world.run.broken.store(true, Relaxed);
        loop {
            // The scheduler does not come back here.
            thread::yield_now();
        }
    }
}

/// One execution.
fn play(run: &Arc<Run>, shape: &'static Shape, form: Form) {
    let word = |n| AtomicI64::new(shape.start.get(n).copied().unwrap_or(0));
    let world = Arc::new(World {
        words: std::array::from_fn(word),
        locks: std::array::from_fn(|_| Mutex::new(())),
        conds: std::array::from_fn(|_| Condvar::new()),
        start: Barrier::new(shape.tasks),
        run: Arc::clone(run),
    });
    let begin = move |world: &World, task| {
        world.start.wait();
        (shape.run)(&Seen::new(world), task, form);
    };
    let others: Vec<_> = (1..shape.tasks)
        .map(|task| {
            let world = Arc::clone(&world);
            thread::spawn(move || begin(&world, task))
        })
        .collect();
    begin(&world, 0);
    others.into_iter().for_each(|other| other.join().expect("a task that returned"));
    if (shape.check)(&|word: Word| world.words[word.0].load(SeqCst)).is_err() {
        run.broken.store(true, Relaxed);
    }
}

/// A scheduler whose executions are counted, up to and with the first that is broken.
struct Counted {
    of: Box<dyn Scheduler>,
    run: Arc<Run>,
}

impl Scheduler for Counted {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.run.broken.load(Relaxed) {
            return None;
        }
        let schedule = self.of.new_execution()?;
        self.run.begun.fetch_add(1, Relaxed);
        Some(schedule)
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yielding: bool,
    ) -> Option<TaskId> {
        if self.run.broken.load(Relaxed) {
            return None;
        }
        self.of.next_task(runnable, current, yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.of.next_u64()
    }
}

/// One run of a scheduler over a shape.
fn run(of: Box<dyn Scheduler>, shape: &'static Shape, form: Form) -> Result<First, String> {
    let mut config = Config::new();
    config.silence_warnings = true;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(STEPS);
    let run = Arc::new(Run::default());
    let theirs = Arc::clone(&run);
    let runner = Runner::new(Counted { of, run: Arc::clone(&run) }, config);
    let stuck =
        match catch_unwind(AssertUnwindSafe(|| runner.run(move || play(&theirs, shape, form)))) {
            Ok(_) => false,
            Err(payload) => {
                let said = payload.downcast_ref::<String>().map_or("", String::as_str);
                if !said.starts_with("deadlock!") && !said.starts_with("exceeded max_steps") {
                    return Err(format!("{}: shuttle panics: {said}", shape.name));
                }
                true
            }
        };
    let found = stuck || run.broken.load(Relaxed);
    Ok(found.then(|| run.begun.load(Relaxed)))
}

fn schedulers(seed: u64, limit: u64) -> [Box<dyn Scheduler>; 3] {
    let limit = limit as usize;
    [
        Box::new(RandomScheduler::new_from_seed(seed, limit)),
        Box::new(PctScheduler::new_from_seed(seed, 3, limit)),
        Box::new(UrwRandomScheduler::new_from_seed(seed, limit)),
    ]
}

/// All its schedulers on one shape.
pub(crate) fn row(shape: &'static Shape, seeds: u64) -> Result<Row, String> {
    for scheduler in schedulers(0, RIGHT) {
        if let Some(first) = run(scheduler, shape, Form::Right)? {
            return Err(format!("{}: shuttle fails the right form, at {first}", shape.name));
        }
    }
    let mut row = Row::default();
    for (which, name) in SHUTTLE.into_iter().enumerate() {
        let runs = (0..seeds).map(|seed| {
            let [random, pct, urw] = schedulers(seed, LIMIT);
            run([random, pct, urw].into_iter().nth(which).expect("three"), shape, Form::Wrong)
        });
        row.push(name, runs.collect::<Result<_, _>>()?);
    }
    Ok(row)
}
