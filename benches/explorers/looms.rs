//! The models on loom, over its atomics.
//!
//! As for shuttle, the first thread does a share of the work itself. No subscriber is installed and no
//! location is captured, so loom logs nothing. Loom also explores which store a load reads from, and
//! leaves out executions that differ in nothing: its executions are other ones, so only their rate is
//! compared and not how many there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64 as Counter, Ordering::Relaxed};

use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use loom::thread;

use crate::Inc;
use crate::rounds::Work;

#[expect(clippy::duplicate_mod, reason = "each time over other atomics")]
#[path = "models.rs"]
mod models;

pub(crate) use models::{get_put, two_tasks};

/// Executions of the whole tree of the get/put/free model, with at most so many preemptions.
pub(crate) fn tree(bound: Option<usize>) -> u64 {
    check(bound, usize::MAX - 1, || get_put(Inc::NotZero))
}

/// Runs that many executions, from the start again whenever the tree is exhausted. The points are
/// `atomics` for each: loom does not tell how many decisions it made.
pub(crate) fn run(
    bound: Option<usize>,
    executions: u64,
    atomics: usize,
    model: impl Fn() + Copy + Send + Sync + 'static,
) -> Work {
    let mut done = 0;
    while done < executions {
        let left = usize::try_from(executions - done).unwrap_or(usize::MAX - 1);
        done += check(bound, left, model);
    }
    Work { executions: done, points: done * atomics as u64 }
}

/// At most so many executions; how many there were.
fn check(bound: Option<usize>, most: usize, model: impl Fn() + Send + Sync + 'static) -> u64 {
    let done = Arc::new(Counter::new(0));
    let count = Arc::clone(&done);
    builder(bound, most).check(move || {
        count.fetch_add(1, Relaxed);
        model();
    });
    done.load(Relaxed)
}

/// At most so many preemptions, and executions.
pub(crate) fn builder(bound: Option<usize>, most: usize) -> Builder {
    let mut builder = Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = 100_000;
    builder.max_duration = None;
    builder.checkpoint_file = None;
    (builder.location, builder.log) = (false, false);
    // The limit is looked at when execution `checkpoint_interval` is about to begin.
    builder.checkpoint_interval = most + 1;
    builder.max_permutations = Some(1);
    builder
}
