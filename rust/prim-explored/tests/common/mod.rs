//! A model out of closures, searched to its end, and what such models guard and wait for.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::sync::Arc;

use pgmap_prim_explored::{
    Arena, AtomicU32, Cpu, Entered, Guarded, Lease, LockClass, Machine, Snapshot, Table, TaskId,
    WaitClass, Waiting, plain, store_buffer,
};
use pgmap_sched::{
    Control, Defect, Explorer, Failure, Judgement, Model, Outcome, Plan, Replayed, Schedule, Task,
    Trace,
};

plain! {
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Pair { pub(crate) a: u64, pub(crate) b: u64, }
}
impl Guarded for Pair {
    const CLASS: LockClass = LockClass::new("pair", 6);
}

plain! {
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Count {
        pub(crate) value: u32,
    }
}
impl Guarded for Count {
    const CLASS: LockClass = LockClass::new("count", 1);
}

static EVENT: WaitClass = WaitClass::event("event");
pub(crate) const WAITING: Waiting = Waiting { class: &EVENT, object: 0x2a, owner: 0 };

/// A table of four words.
pub(crate) fn table() -> (Arena, Table<AtomicU32>) {
    let arena = Arena::new(1 << 16).expect("room");
    let table = arena.table("table", 4).expect("room");
    (arena, table)
}

pub(crate) fn cpu(machine: &Machine, task: u32) -> Cpu<'_> {
    machine.lease(Lease::of(TaskId(task))).expect("a free CPU")
}

/// What one task does.
pub(crate) type Body<'a, S> = &'a dyn Fn(&S, &Cpu<'_>);

pub(crate) struct Closures<'a, S> {
    pub(crate) machine: Arc<Machine>,
    state: S,
    start: &'a dyn Fn() -> S,
    tasks: &'a [Body<'a, S>],
}

impl<S> Model for Closures<'_, S> {
    fn tasks(&self) -> usize {
        self.tasks.len()
    }

    fn reset(&mut self) {
        self.machine.reset();
        self.state = (self.start)();
    }

    fn run(&self, task: Task) {
        let cpu = cpu(&self.machine, task.0.into());
        self.tasks[usize::from(task.0)](&self.state, &cpu);
    }

    fn finish(&self) -> Result<(), Defect> {
        Ok(())
    }
}

impl<'a, S> Closures<'a, S> {
    pub(crate) fn new(start: &'a dyn Fn() -> S, tasks: &'a [Body<'a, S>]) -> Self {
        Self { machine: Machine::new(tasks.len()), state: start(), start, tasks }
    }

    /// Searches bounds 0 to 2; what was found, each kind of failure once.
    pub(crate) fn search(&mut self) -> (Outcome, BTreeSet<String>) {
        let mut found = BTreeSet::new();
        let mut judge = |failure: &Failure, _: &Schedule| {
            found.insert(told(failure));
            Judgement::Continue
        };
        let plan = Plan { cache_bytes: 1 << 20, steps_max: 2_000, ..Plan::default() };
        let outcome = Explorer::new().search(self, &plan, &mut judge, &mut |_| Control::Go);
        assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
        (outcome, found)
    }

    /// The first execution, with everything that happens in it.
    pub(crate) fn trace(&mut self) -> Replayed {
        Explorer::new().replay(self, &Schedule::default(), Trace::Keep, &mut || Control::Go)
    }

    /// Executions of each bound.
    pub(crate) fn schedules(&mut self) -> Vec<u64> {
        self.search().0.stats().iter().map(|bound| bound.schedules).collect()
    }
}

fn told(failure: &Failure) -> String {
    match failure {
        Failure::Defect { defect, .. } => format!("defect {:#x}", defect.code),
        Failure::Deadlock { cycle: Some(tasks), .. } => format!("cycle of {}", tasks.len()),
        Failure::Deadlock { waits, .. } => {
            let all: Vec<_> = waits.iter().map(|wait| (wait.task.0, wait.class.name)).collect();
            format!("deadlock {all:?}")
        }
        Failure::Livelock { .. } => "livelock".to_owned(),
        Failure::Panic { message, .. } => {
            message.lines().next().unwrap_or_default().split(" (").next().unwrap_or_default().into()
        }
    }
}

/// A machine, with store buffers or without, and an arena that is put back before every execution.
pub(crate) struct Stage {
    pub(crate) machine: Arc<Machine>,
    arena: Arena,
    start: Snapshot,
    tasks: usize,
    daemons: usize,
    _entered: Entered,
}

impl Stage {
    /// For so many tasks, which share what is carved here.
    pub(crate) fn new<S>(tasks: usize, shared: impl FnOnce(&Arena) -> S) -> (Self, S) {
        let arena = Arena::new(1 << 16).expect("address space");
        let entered = arena.enter();
        let shared = shared(&arena);
        let (machine, start) = (Machine::new(tasks), arena.snapshot());
        (Self { machine, arena, start, tasks, daemons: 0, _entered: entered }, shared)
    }

    /// Each task has a store buffer, which a daemon empties.
    pub(crate) fn buffer_stores(&mut self) {
        self.machine.buffer_stores(self.tasks);
        self.daemons = self.tasks;
    }

    pub(crate) fn tasks(&self) -> usize {
        self.tasks + self.daemons
    }

    pub(crate) fn daemons(&self) -> usize {
        self.daemons
    }

    pub(crate) fn reset(&mut self) {
        self.arena.restore(&self.start);
        self.machine.reset();
    }

    /// What a task does, unless it is a daemon.
    pub(crate) fn run(&self, task: Task, body: impl FnOnce(usize, &Cpu<'_>)) {
        match usize::from(task.0).checked_sub(self.tasks) {
            Some(owner) => store_buffer::drain(Task(owner as u8)),
            None => body(task.0.into(), &cpu(&self.machine, task.0.into())),
        }
    }
}
