//! A promise of a scheme, searched: every order of its steps within a bound on preemptions, and of what its stores do on
//! the way to memory, where they wait as on x86.

use std::sync::Arc;

use prim::{Arena, Cpu, Entered, Lease, Machine, NoMemory, Snapshot, TaskId, store_buffer};
use sched::{Control, Defect, Explorer, Failure, Judgement, Model, Outcome, Plan, Task};

use crate::promise::{MOST_TASKS, Play, Promise, play};
use crate::scheme::Scheme;

/// Address space for one object of any scheme.
const ROOM: usize = 1 << 16;

/// What stands between a task and the others' memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Nothing.
    Sequential,
    /// A store buffer, as on x86: a task's own loads pass its stores.
    Buffered,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every order within the bound kept the promise.
    Kept {
        /// Executions in all.
        schedules: u64,
    },
    /// Some order broke it.
    Broken {
        /// The fewest preemptions of one.
        preemptions: u32,
        /// What was seen.
        why: String,
        /// Executions until then.
        schedules: u64,
    },
    /// Neither.
    Unclear(String),
}

/// The memory of a program, its machine and where it begins.
struct Explored {
    program: Box<dyn Play>,
    machine: Arc<Machine>,
    arena: Arena,
    start: Snapshot,
    memory: Memory,
    _entered: Entered,
}

fn lease(machine: &Machine, task: usize) -> Cpu<'_> {
    let leased = machine.lease(Lease::of(TaskId(task as u32)));
    leased.unwrap_or_else(|none| panic!("task {task}: {none}"))
}

impl Explored {
    fn new(
        memory: Memory,
        made: impl FnOnce(&Arena) -> Result<Box<dyn Play>, NoMemory>,
    ) -> Result<Self, NoMemory> {
        let machine = Machine::new(MOST_TASKS);
        let arena = Arena::new(ROOM)?;
        let entered = arena.enter();
        let mut program = made(&arena)?;
        program.begin(&lease(&machine, 0));
        let start = arena.snapshot();
        if memory == Memory::Buffered {
            machine.buffer_stores(program.tasks());
        }
        Ok(Self { program, machine, arena, start, memory, _entered: entered })
    }
}

impl Model for Explored {
    fn tasks(&self) -> usize {
        self.program.tasks() + self.daemons()
    }

    fn puts_off(&self) -> bool {
        self.daemons() > 0
    }

    fn daemons(&self) -> usize {
        match self.memory {
            Memory::Sequential => 0,
            Memory::Buffered => self.program.tasks(),
        }
    }

    fn reset(&mut self) {
        self.arena.restore(&self.start);
        self.machine.reset();
        self.program.begin_again();
    }

    fn run(&self, task: Task) {
        let task = usize::from(task.0);
        if let Some(drained) = task.checked_sub(self.program.tasks()) {
            return store_buffer::drain(Task(drained as u8));
        }
        self.program.run(&lease(&self.machine, task), task);
    }

    fn finish(&self) -> Result<(), Defect> {
        self.program.finish(&lease(&self.machine, 0));
        Ok(())
    }
}

/// Whether a scheme keeps a promise in every order with at most so many preemptions.
#[must_use]
pub fn keeps<S: Scheme, P: Promise>(promise: P, preemptions: u32) -> Verdict {
    keeps_on::<S, P>(Memory::Sequential, promise, preemptions)
}

/// The same on such memory.
#[must_use]
pub fn keeps_on<S: Scheme, P: Promise>(memory: Memory, promise: P, preemptions: u32) -> Verdict {
    match Explored::new(memory, |arena| play::<S, P>(promise, arena)) {
        Ok(mut model) => search(&mut model, preemptions),
        Err(none) => Verdict::Unclear(none.to_string()),
    }
}

fn search(model: &mut Explored, preemptions: u32) -> Verdict {
    let plan = Plan { bound: Some(preemptions), cache_bytes: 16 << 20, ..Plan::default() };
    let outcome =
        Explorer::new().search(model, &plan, &mut |_, _| Judgement::Stop, &mut |_| Control::Go);
    let schedules = outcome.stats().iter().map(|bound| bound.schedules).sum();
    match outcome {
        Outcome::Exhausted { .. } => Verdict::Kept { schedules },
        Outcome::Found { failure, bound, .. } => {
            let preemptions = bound.unwrap_or(preemptions);
            Verdict::Broken { preemptions, why: told(&failure), schedules }
        }
        Outcome::Stopped { limit, .. } => Verdict::Unclear(format!("stopped: {limit:?}")),
        Outcome::Inconclusive { why, .. } => Verdict::Unclear(format!("{why:?}")),
    }
}

/// A failure in a few words: an assertion's own, if it has some.
fn told(failure: &Failure) -> String {
    match failure {
        Failure::Panic { message, .. } => {
            let text = message.split(": ").nth(1).unwrap_or(message);
            text.lines()
                .next()
                .unwrap_or_default()
                .split(" (")
                .next()
                .unwrap_or_default()
                .to_owned()
        }
        Failure::Defect { .. } => "a warning".to_owned(),
        Failure::Deadlock { .. } => "everybody waits".to_owned(),
        Failure::Livelock { .. } => "somebody spins for ever".to_owned(),
    }
}
