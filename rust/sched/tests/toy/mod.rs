//! Small programs to schedule: a few memory words, the operations on them, and a model made of
//! closures. Each operation is one point. Bodies own no heap memory across a point.
#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    reason = "each test file uses its own part"
)]

pub mod buffered;
pub mod random;
pub mod wide;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::Location;

use pgmap_sched::{
    Control, Defect, Effect, Explorer, Failure, Judgement, Looks, Model, Object, Outcome, Plan,
    Schedule, Step, Task, Verb, Wait, WaitClass, current, point, point_when, record, relax, settle,
    value,
};

pub const WORDS: usize = 8;
pub const READ: Verb = Verb(1);
pub const WRITE: Verb = Verb(2);
pub const ADD: Verb = Verb(3);
pub const CAS: Verb = Verb(4);
pub const LOCK: Verb = Verb(5);
pub const UNLOCK: Verb = Verb(6);
pub const AWAIT: Verb = Verb(7);
pub const MARK: Verb = Verb(8);

/// Shared words, and one private result per task.
#[derive(Default)]
pub struct Memory {
    words: [Cell<u64>; WORDS],
    results: [Cell<u64>; 16],
}

#[track_caller]
fn step(verb: Verb, object: usize, effect: Effect) -> Step {
    Step { verb, object: Object(object as u64), effect, site: Location::caller() }
}

impl Memory {
    #[track_caller]
    pub fn load(&self, at: usize) -> u64 {
        point(step(READ, at, Effect::Read));
        let found = self.words[at].get();
        value(found, found);
        found
    }

    #[track_caller]
    pub fn store(&self, at: usize, new: u64) {
        point(step(WRITE, at, Effect::Write));
        value(self.words[at].replace(new), new);
    }

    #[track_caller]
    pub fn add(&self, at: usize, by: u64) -> u64 {
        point(step(ADD, at, Effect::Write));
        let old = self.words[at].get();
        self.words[at].set(old.wrapping_add(by));
        value(old, old.wrapping_add(by));
        old
    }

    #[track_caller]
    pub fn cas(&self, at: usize, old: u64, new: u64) -> bool {
        point(step(CAS, at, Effect::Write));
        let found = self.words[at].get();
        if found != old {
            settle(Effect::Read);
            value(found, found);
            return false;
        }
        self.words[at].set(new);
        value(found, new);
        true
    }

    #[track_caller]
    pub fn lock(&self, at: usize) {
        let owner = || self.words[at].get().checked_sub(1).map(|id| Task(id as u8));
        let wait = Wait {
            class: WaitClass::named("lock"),
            object: at as u64,
            owner: &owner,
            looks: Looks::AtItsObject,
        };
        point_when(step(LOCK, at, Effect::Write), wait, &|| self.words[at].get() == 0);
        let me = current().map_or(0, |task| u64::from(task.0));
        self.words[at].set(me + 1);
    }

    #[track_caller]
    pub fn unlock(&self, at: usize) {
        point(step(UNLOCK, at, Effect::Write));
        self.words[at].set(0);
    }

    /// Sleeps until the word has the value.
    #[track_caller]
    pub fn sleep_until(&self, at: usize, wanted: u64) {
        let wait = Wait::unowned(WaitClass::named("event"), at as u64, Looks::AtItsObject);
        point_when(step(AWAIT, at, Effect::Read), wait, &|| self.words[at].get() == wanted);
    }

    /// Spins until the word has the value.
    #[track_caller]
    pub fn spin_until(&self, at: usize, wanted: u64) {
        while self.load(at) != wanted {
            relax(Location::caller());
        }
    }

    #[track_caller]
    pub fn mark(&self, at: usize) {
        record(step(MARK, at, Effect::Read));
    }

    /// A word as it is, without a point: for checks.
    pub fn peek(&self, at: usize) -> u64 {
        self.words[at].get()
    }

    /// What a task gives back.
    pub fn result(&self, value: u64) {
        if let Some(task) = current() {
            self.results[usize::from(task.0)].set(value);
        }
    }

    pub fn result_of(&self, task: usize) -> u64 {
        self.results[task].get()
    }
}

type Body = Box<dyn Fn(&Memory)>;
type Check = Box<dyn Fn(&Memory) -> Result<(), Defect>>;

/// A model made of closures.
pub struct Toy {
    pub memory: Memory,
    bodies: Vec<Body>,
    check: Check,
    /// Words and results of every execution that came to its end.
    pub finals: RefCell<BTreeSet<Vec<u64>>>,
}

impl Toy {
    pub fn new() -> Self {
        Toy {
            memory: Memory::default(),
            bodies: Vec::new(),
            check: Box::new(|_| Ok(())),
            finals: RefCell::default(),
        }
    }

    pub fn task(mut self, body: impl Fn(&Memory) + 'static) -> Self {
        self.bodies.push(Box::new(body));
        self
    }

    pub fn check(mut self, check: impl Fn(&Memory) -> Result<(), Defect> + 'static) -> Self {
        self.check = Box::new(check);
        self
    }
}

impl Model for Toy {
    fn tasks(&self) -> usize {
        self.bodies.len()
    }

    fn reset(&mut self) {
        self.memory = Memory::default();
    }

    fn state(&self) -> Option<Vec<u64>> {
        Some(self.memory.words.iter().map(Cell::get).collect())
    }

    fn run(&self, task: Task) {
        self.bodies[usize::from(task.0)](&self.memory);
    }

    fn finish(&self) -> Result<(), Defect> {
        let all = self.memory.words.iter().chain(&self.memory.results).map(Cell::get);
        self.finals.borrow_mut().insert(all.collect());
        (self.check)(&self.memory)
    }
}

/// A plan that cuts nothing: every execution counts.
pub fn brute(bound: Option<u32>) -> Plan {
    Plan { bound, cache_bytes: 0, steps_max: 10_000, ..Plan::default() }
}

pub fn cached(bound: Option<u32>) -> Plan {
    Plan { bound, cache_bytes: 1 << 24, steps_max: 10_000, ..Plan::default() }
}

/// One execution of each class.
pub fn by_class() -> Plan {
    cached(None)
}

/// Searches and stops at the first failure.
pub fn search<M: Model>(model: &mut M, plan: &Plan) -> Outcome {
    Explorer::new().search(model, plan, &mut |_, _| Judgement::Stop, &mut |_| Control::Go)
}

/// Searches everything, whatever fails.
pub fn search_all<M: Model>(model: &mut M, plan: &Plan) -> (Outcome, Vec<(Failure, Schedule)>) {
    let mut failures = Vec::new();
    let outcome = Explorer::new().search(
        model,
        plan,
        &mut |failure, schedule| {
            failures.push((failure.clone(), schedule.clone()));
            Judgement::Continue
        },
        &mut |_| Control::Go,
    );
    (outcome, failures)
}

/// The failure that a search must find, and its schedule.
pub fn found(model: &mut Toy, plan: &Plan) -> (Failure, Schedule) {
    match search(model, plan) {
        Outcome::Found { failure, schedule, .. } => (failure, schedule),
        other => panic!("nothing found: {other:?}"),
    }
}

/// A lost update: two tasks add one by load and store.
pub fn lost_update() -> Toy {
    let body = |memory: &Memory| {
        let old = memory.load(0);
        memory.store(0, old + 1);
    };
    Toy::new().task(body).task(body).check(|memory| match memory.peek(0) {
        2 => Ok(()),
        other => Err(Defect { code: 7, object: 0, value: other as i64 }),
    })
}
