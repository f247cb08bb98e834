//! Running a model: every interleaving and every store that each load may read from.
//!
//! Loom ends a failed search by unwinding; here the end is a value, and nothing reaches stderr: the failure
//! of a wrong ordering is what a test asked for.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Once};

use loom::thread;

use crate::{Cpu, Lease, Machine, TaskId};

/// A few tasks on one machine. Everything shared belongs to the state, which each execution makes anew.
pub trait Model: Send + Sync + 'static {
    /// What the tasks share.
    type State: Send + Sync + 'static;

    /// How many there are, each on the CPU of its number: at most four.
    const TASKS: u32;

    /// The state before any of them runs.
    fn start(&self, cpu: &Cpu<'_>) -> Self::State;

    /// What the task of that number does. A broken promise is a panic.
    fn run(&self, state: &Self::State, cpu: &Cpu<'_>, task: u32);

    /// What must hold when all have ended.
    fn finish(&self, state: &Self::State, cpu: &Cpu<'_>);
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every execution within the bound kept every promise.
    Held { executions: u64 },
    /// One did not, and why.
    Broke { executions: u64, why: String },
}

/// Longest execution, in branches: beyond it somebody waits for what never comes.
const LONGEST: usize = 20_000;

/// Explores a model; with at most so many preemptions, or all.
///
/// # Panics
/// Never: what panics inside is the verdict.
pub fn explore<M: Model>(model: M, preemptions: Option<usize>) -> Verdict {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = LONGEST;
    (builder.max_duration, builder.max_permutations) = (None, None);
    (builder.location, builder.log, builder.checkpoint_file) = (false, false, None);
    let count = Arc::new(AtomicU64::new(0));
    let (model, counted) = (Arc::new(model), Arc::clone(&count));
    let search = move || {
        builder.check(move || {
            counted.fetch_add(1, Relaxed);
            execute(&model);
        });
    };
    let ended = quietly(|| catch_unwind(AssertUnwindSafe(search)));
    let executions = count.load(Relaxed);
    match ended {
        Ok(()) => Verdict::Held { executions },
        Err(payload) => {
            let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            let why = text.unwrap_or_else(|| "a panic without a message".to_owned());
            Verdict::Broke { executions, why }
        }
    }
}

/// One execution. The first task runs where the set-up ran.
fn execute<M: Model>(model: &Arc<M>) {
    let machine = Machine::new(M::TASKS as usize);
    let state = {
        let cpu = lease(&machine, 0);
        Arc::new(model.start(&cpu))
    };
    let others: Vec<_> = (1..M::TASKS)
        .map(|task| {
            let (model, machine) = (Arc::clone(model), Arc::clone(&machine));
            let state = Arc::clone(&state);
            thread::spawn(move || model.run(&state, &lease(&machine, task), task))
        })
        .collect();
    model.run(&state, &lease(&machine, 0), 0);
    for other in others {
        assert!(other.join().is_ok(), "a task panicked");
    }
    model.finish(&state, &lease(&machine, 0));
    let warnings = machine.warnings();
    assert!(warnings.is_empty(), "warnings: {warnings:?}");
}

fn lease(machine: &Machine, task: u32) -> Cpu<'_> {
    machine.lease(Lease::of(TaskId(task))).unwrap_or_else(|none| panic!("task {task}: {none}"))
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body` with this thread's panics unreported. The tasks of a model all run on this thread.
fn quietly<R>(body: impl FnOnce() -> R) -> R {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = body();
    QUIET.set(false);
    result
}
