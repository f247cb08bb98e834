//! A few tasks over two words, and everything that they can report.

use std::cell::Cell;
use std::collections::BTreeSet;

use crate::common::Stage;
use pgmap_prim_explored::{
    AtomicU32, AtomicUsize, Cpu, Guarded, LockClass, SpinLock, Table, plain,
};
use pgmap_sched::{
    Control, Defect, Explorer, Failure, Judgement, Model, Outcome, Plan, Schedule, Task,
};

plain! {
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Nothing;
}

impl Guarded for Nothing {
    const CLASS: LockClass = LockClass::new("nothing", 1);
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Memory {
    Sc,
    Tso,
}

/// What the tasks share, and what they report.
pub(crate) struct Shared {
    pub(crate) words: Table<AtomicU32>,
    pub(crate) cells: Table<AtomicUsize>,
    pub(crate) lock: Table<SpinLock<Nothing>>,
    /// Not in the arena.
    pub(crate) outside: AtomicU32,
    results: [Cell<u32>; 4],
}

impl Shared {
    pub(crate) fn x(&self) -> &AtomicU32 {
        &self.words[0]
    }

    pub(crate) fn y(&self) -> &AtomicU32 {
        &self.words[1]
    }

    pub(crate) fn report(&self, at: usize, value: u32) {
        self.results[at].set(value);
    }
}

pub(crate) type Body<'a> = &'a dyn Fn(&Shared, &Cpu<'_>);

pub(crate) struct Litmus<'a> {
    pub(crate) stage: Stage,
    shared: Shared,
    bodies: &'a [Body<'a>],
    pub(crate) seen: Cell<BTreeSet<Vec<u32>>>,
}

impl<'a> Litmus<'a> {
    pub(crate) fn new(memory: Memory, bodies: &'a [Body<'a>]) -> Self {
        let (mut stage, shared) = Stage::new(bodies.len(), |arena| Shared {
            words: arena.table("words", 4).expect("room"),
            cells: arena.table("cells", 2).expect("room"),
            lock: arena.table("lock", 1).expect("room"),
            outside: AtomicU32::new(0),
            results: Default::default(),
        });
        if memory == Memory::Tso {
            stage.buffer_stores();
        }
        Self { stage, shared, bodies, seen: Cell::default() }
    }

    pub(crate) fn search(
        &mut self,
        bound: Option<u32>,
        cache_bytes: usize,
    ) -> (Outcome, Vec<Failure>) {
        let mut failures = Vec::new();
        let mut judge = |failure: &Failure, _: &Schedule| {
            failures.push(failure.clone());
            Judgement::Continue
        };
        let plan = Plan { bound, cache_bytes, steps_max: 1_000, ..Plan::default() };
        let outcome = Explorer::new().search(self, &plan, &mut judge, &mut |_| Control::Go);
        assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
        (outcome, failures)
    }
}

impl Model for Litmus<'_> {
    fn tasks(&self) -> usize {
        self.stage.tasks()
    }

    fn daemons(&self) -> usize {
        self.stage.daemons()
    }

    fn puts_off(&self) -> bool {
        self.stage.daemons() > 0
    }

    fn reset(&mut self) {
        self.stage.reset();
        self.shared.outside = AtomicU32::new(0);
        self.shared.results.iter().for_each(|result| result.set(0));
    }

    fn run(&self, task: Task) {
        self.stage.run(task, |me, cpu| self.bodies[me](&self.shared, cpu));
    }

    fn finish(&self) -> Result<(), Defect> {
        let words = [self.shared.x(), self.shared.y()].map(AtomicU32::read);
        let all = self.shared.results.iter().map(Cell::get).chain(words);
        let mut seen = self.seen.take();
        seen.insert(all.collect());
        self.seen.set(seen);
        Ok(())
    }
}

/// Everything that can be reported: four results, then what is left in x and y.
pub(crate) fn results(
    memory: Memory,
    bound: Option<u32>,
    bodies: &[Body<'_>],
) -> BTreeSet<Vec<u32>> {
    let mut pruned = Litmus::new(memory, bodies);
    let (_, failures) = pruned.search(bound, 1 << 20);
    assert!(failures.is_empty(), "{failures:?}");
    pruned.seen.into_inner()
}

/// Whether such a result can come about under a memory, within a bound.
pub(crate) fn can(
    memory: Memory,
    bound: Option<u32>,
    bodies: &[Body<'_>],
    is: impl Fn(&[u32]) -> bool,
) -> bool {
    let all = results(memory, bound, bodies);
    assert!(!all.is_empty());
    all.iter().any(|result| is(result))
}

/// Executions within a bound, each once.
pub(crate) fn executions(memory: Memory, bound: Option<u32>, bodies: &[Body<'_>]) -> u64 {
    let mut litmus = Litmus::new(memory, bodies);
    litmus.search(bound, 0).0.stats().last().expect("a bound").schedules
}

fn store_x_load_y(shared: &Shared, _: &Cpu<'_>) {
    shared.x().set(1);
    shared.report(0, shared.y().read());
}

fn store_y_load_x(shared: &Shared, _: &Cpu<'_>) {
    shared.y().set(1);
    shared.report(1, shared.x().read());
}

pub(crate) const SB: [Body<'static>; 2] = [&store_x_load_y, &store_y_load_x];

pub(crate) fn both_miss(result: &[u32]) -> bool {
    result[..2] == [0, 0]
}
