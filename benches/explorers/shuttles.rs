//! The models on shuttle, over its atomics.
//!
//! Shuttle runs the first task, so the task that drops the base reference is that one and the tree is as
//! small as it can be. Everything is `SeqCst`, which is what shuttle models. Its vector clocks are off, as
//! they are by default; a failure is neither printed nor kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Flag, AtomicU64 as Counter, Ordering::Relaxed};
use std::time::Instant;

use shuttle::scheduler::{DfsScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use shuttle::{Config, FailurePersistence, Runner, thread};

use crate::rounds::Work;
use crate::{Inc, SEED};

#[expect(clippy::duplicate_mod, reason = "each time over other atomics")]
#[path = "models.rs"]
mod models;

pub(crate) use models::{get_put, two_tasks};

/// Which of its schedulers.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Dfs,
    Random,
}

/// Executions of the whole tree of the get/put/free model.
pub(crate) fn tree() -> u64 {
    let model = || get_put(Inc::NotZero);
    Runner::new(DfsScheduler::new(None, false), config()).run(model) as u64
}

/// Runs that many executions of a model.
pub(crate) fn run(
    kind: Kind,
    executions: u64,
    model: impl Fn() + Copy + Send + Sync + 'static,
) -> Work {
    repeat(kind, executions, |scheduler| Runner::new(scheduler, config()).run(model))
}

/// Runs that many executions, from the start again whenever the tree is exhausted.
pub(crate) fn repeat(kind: Kind, executions: u64, run: impl Fn(Counted) -> usize) -> Work {
    let points = Arc::new(Counter::new(0));
    let mut work = Work::default();
    while work.executions < executions {
        let left = usize::try_from(executions - work.executions).unwrap_or(usize::MAX);
        let of = match kind {
            Kind::Dfs => Chosen::Dfs(DfsScheduler::new(Some(left), false)),
            Kind::Random => Chosen::Random(RandomScheduler::new_from_seed(SEED, left)),
        };
        work.executions += run(Counted { of, points: Arc::clone(&points) }) as u64;
    }
    work.points = points.load(Relaxed);
    work
}

pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.silence_warnings = true;
    config.failure_persistence = FailurePersistence::None;
    config
}

enum Chosen {
    Dfs(DfsScheduler),
    Random(RandomScheduler),
}

/// A scheduler whose decisions are counted: those are shuttle's scheduling points.
pub(crate) struct Counted {
    of: Chosen,
    points: Arc<Counter>,
}

impl Scheduler for Counted {
    fn new_execution(&mut self) -> Option<Schedule> {
        match &mut self.of {
            Chosen::Dfs(of) => of.new_execution(),
            Chosen::Random(of) => of.new_execution(),
        }
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yielding: bool,
    ) -> Option<TaskId> {
        // One thread at a time: a load and a store are a count.
        self.points.store(self.points.load(Relaxed) + 1, Relaxed);
        match &mut self.of {
            Chosen::Dfs(of) => of.next_task(runnable, current, yielding),
            Chosen::Random(of) => of.next_task(runnable, current, yielding),
        }
    }

    fn next_u64(&mut self) -> u64 {
        match &mut self.of {
            Chosen::Dfs(of) => of.next_u64(),
            Chosen::Random(of) => of.next_u64(),
        }
    }
}

/// A depth-first search that begins no execution after its time.
pub(crate) struct Until {
    of: DfsScheduler,
    end: Instant,
    late: Arc<Flag>,
}

impl Until {
    pub(crate) fn new(end: Instant) -> Self {
        Self { of: DfsScheduler::new(None, false), end, late: Arc::default() }
    }

    /// Says afterwards whether there was more to do.
    pub(crate) fn late(&self) -> Arc<Flag> {
        Arc::clone(&self.late)
    }
}

impl Scheduler for Until {
    fn new_execution(&mut self) -> Option<Schedule> {
        let next = self.of.new_execution()?;
        let late = Instant::now() >= self.end;
        self.late.store(late, Relaxed);
        (!late).then_some(next)
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yielding: bool,
    ) -> Option<TaskId> {
        self.of.next_task(runnable, current, yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.of.next_u64()
    }
}
