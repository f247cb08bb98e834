//! A model on loom.
//!
//! Each object has an atomic of loom's, and a point is a read-modify-write of it: loom sees which steps
//! depend on each other, and leaves out executions that differ in nothing. That a step only reads is
//! not told: a load of loom's would try older values, which mean nothing to the protocol's own memory. A task that
//! cannot take its step parks, and is unparked by whoever makes the condition hold, so that nobody spins;
//! once unparked it accesses the object again, because now it may be somebody else's.
//!
//! Loom wants its atomics made before its threads, and the same ones in every execution. So a first execution
//! learns which objects there are; those that are first met later share one atomic, which makes them
//! depend on each other and loses nothing. The main thread does no task, since the size of its stack is
//! loom's.

use core::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64 as Counter, Ordering::Relaxed};

use loom::model::Builder;
use loom::sync::atomic::{AtomicU32, Ordering::AcqRel};
use loom::thread::{self, Thread};

use crate::execution::{EXECUTION, Execution, Host};
use crate::model::Model;
use crate::step::{Object, Task};

const STACK_SIZE: usize = 256 << 10;

#[derive(Default)]
struct Objects {
    /// Place of each object among the atomics.
    places: RefCell<HashMap<Object, usize>>,
    /// Objects that were learned.
    learned: Cell<usize>,
    /// Of this execution; the last one is for those that were not.
    atomics: RefCell<Vec<Arc<AtomicU32>>>,
    threads: RefCell<Vec<Thread>>,
    points: Cell<u64>,
}

thread_local! {
    static OBJECTS: Objects = Objects::default();
}

/// Runs the model under loom, for as long as the builder says; executions, and points.
///
/// # Panics
///
/// When an execution fails, or the model has more tasks than loom has threads.
pub fn explore(model: impl Model + 'static, builder: &Builder) -> (u64, u64) {
    EXECUTION.with(|execution| execution.set_model(model));
    OBJECTS.with(|objects| {
        objects.places.take();
        objects.learned.set(0);
    });
    let mut once = Builder::new();
    (once.checkpoint_interval, once.max_permutations) = (2, Some(1));
    once.max_branches = builder.max_branches;
    once.check(run_once);
    OBJECTS.with(|objects| {
        objects.learned.set(objects.places.borrow().len());
        objects.points.set(0);
    });
    let done = Arc::new(Counter::new(0));
    let count = Arc::clone(&done);
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        run_once();
    });
    (done.load(Relaxed), OBJECTS.with(|objects| objects.points.get()))
}

fn run_once() {
    OBJECTS.with(|objects| {
        let atomics = (0..=objects.learned.get()).map(|_| Arc::new(AtomicU32::new(0)));
        objects.atomics.replace(atomics.collect());
    });
    let tasks = EXECUTION.with(|execution| execution.begin(Host::Loom));
    let all: Vec<_> = (0..tasks as u8)
        .map(|task| {
            let thread =
                thread::Builder::new().stack_size(STACK_SIZE).spawn(move || run_task(Task(task)));
            thread.expect("a thread of loom's")
        })
        .collect();
    OBJECTS.with(|objects| {
        objects.threads.replace(all.iter().map(|task| task.thread().clone()).collect());
    });
    all.into_iter().for_each(|task| task.join().expect("a task that returned"));
    EXECUTION.with(|execution| execution.end());
}

fn run_task(me: Task) {
    EXECUTION.with(|execution| {
        execution.run_task(me);
        wake(execution);
    });
}

/// A point on this object, of a task that stands at its step.
pub(crate) fn pass(execution: &Execution, me: Task, object: Object) {
    wake(execution);
    let atomic = OBJECTS.with(|objects| {
        objects.points.set(objects.points.get() + 1);
        objects.atomic(object)
    });
    loop {
        atomic.fetch_add(1, AcqRel);
        if execution.enabled(me) {
            return;
        }
        thread::park();
    }
}

/// A turn of a busy-wait.
pub(crate) fn relax(execution: &Execution) {
    wake(execution);
    thread::yield_now();
}

/// The step before this took place: whoever waits for what it did can go on.
fn wake(execution: &Execution) {
    for task in execution.others().filter(|&task| execution.waits(task) && execution.enabled(task))
    {
        OBJECTS.with(|objects| objects.threads.borrow()[usize::from(task.0)].unpark());
    }
}

impl Objects {
    fn atomic(&self, object: Object) -> Arc<AtomicU32> {
        let mut places = self.places.borrow_mut();
        let next = places.len();
        let place = *places.entry(object).or_insert(next);
        Arc::clone(&self.atomics.borrow()[place.min(self.learned.get())])
    }
}
