//! The way into a world's machine from a Python thread.
//!
//! Every call detaches from the interpreter, leases a CPU and may sleep. While it sleeps on Python's
//! main thread it looks for signals at least every 100 ms (the machine asks every 50); an exception of
//! a signal handler ends the sleep if a signal may end it, and otherwise ends the world. A handler runs
//! in the middle of a call, which may hold locks of the world, so it may not call into a world itself.
//!
//! A fork takes the memory of a world along, not the threads inside it: a hook that runs in the child
//! starts a new *generation*, and the worlds of older ones refuse every call there.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use pgmap_mm::page::Pfn;
use pgmap_mm::world::{Party, World as Emulated};
use pgmap_native::lab::{Lab, Patience};
use pgmap_prim::{Cpu, Machine, Poison, Poll, Signal, Stopped, TaskId, TaskState, Waiter};
use pgmap_program::op::{WORKERS_MAX, WorkerId};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyCFunction, PyDict, PyTuple};

use crate::raise;

/// Generation of this process among its forefathers. Relaxed: the hook runs before any other thread
/// of the child exists.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Has Python tell us in a forked child, before anything else runs there.
pub(crate) fn watch_forks(py: Python<'_>) -> PyResult<()> {
    let in_child = |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    };
    let hook = PyCFunction::new_closure(py, None, None, in_child)?;
    let hooks = [("after_in_child", hook)].into_py_dict(py)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&hooks)).map(drop)
}

fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

thread_local! {
    /// Whether this thread is running signal handlers inside a call.
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
}

/// A world's machine, and who is inside it.
#[derive(Debug)]
pub(crate) struct Entry {
    lab: Lab,
    /// A closed world keeps its memory until Python forgets it, so that a call needs no reference.
    closed: AtomicBool,
    generation: u64,
    pub(crate) deadline: Duration,
    /// By worker: the task it is inside the machine as, or 0. A worker is a thread of the emulated
    /// machine and does one thing at a time.
    inside: [AtomicU32; WORKERS_MAX as usize],
}

/// A worker taken for the length of a call.
#[derive(Debug)]
pub(crate) struct Taken<'a>(&'a AtomicU32);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // Release: pairs with the acquire of the thread that takes the worker next.
        self.0.store(0, Ordering::Release);
    }
}

impl Entry {
    pub(crate) fn new(lab: Lab, deadline: Duration) -> Self {
        Self {
            lab,
            closed: AtomicBool::new(false),
            generation: generation(),
            deadline,
            inside: [const { AtomicU32::new(0) }; WORKERS_MAX as usize],
        }
    }

    /// The machine, if it can still be used.
    pub(crate) fn lab(&self, py: Python<'_>) -> PyResult<&Lab> {
        if self.generation != generation() {
            let why = "this world belongs to the process that forked this one; make a new one here";
            return Err(raise::error(py, "WorldPoisoned", why));
        }
        if IN_HANDLER.get() {
            let why =
                "a signal handler that runs inside a call on a world may not call into a world";
            return Err(raise::error(py, "PgmapError", why));
        }
        if self.closed.load(Ordering::Relaxed) {
            return Err(closed(py));
        }
        match self.lab.machine().poisoned() {
            Some(poison) => Err(self.dead(py, &poison)),
            None => Ok(&self.lab),
        }
    }

    /// Whether the world was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.generation == generation() && self.closed.load(Ordering::Relaxed)
    }

    /// Ends the world: calls in progress end with an exception, later ones are refused. May be repeated.
    pub(crate) fn close(&self) {
        if self.generation == generation() && !self.closed.swap(true, Ordering::Relaxed) {
            self.lab.machine().poison(Poison::Requested("it was closed".to_owned()));
        }
    }

    /// Takes a worker for a call.
    pub(crate) fn take(&self, py: Python<'_>, worker: WorkerId, task: u32) -> PyResult<Taken<'_>> {
        let slot = &self.inside[worker.index()];
        // Acquire: pairs with the release of whoever gave the worker back.
        match slot.compare_exchange(0, task.max(1), Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(Taken(slot)),
            Err(other) => {
                let doing = Party::of(other);
                let why = format!("{worker} is busy: another thread is inside its call ({doing})");
                Err(raise::error(py, "Busy", why))
            }
        }
    }

    /// What a worker sleeps for, if it does.
    pub(crate) fn asleep(
        &self,
        py: Python<'_>,
        worker: WorkerId,
    ) -> PyResult<Option<&'static str>> {
        let lab = self.lab(py)?;
        let task = self.inside[worker.index()].load(Ordering::Relaxed);
        Ok(match lab.machine().task_state(TaskId(task)) {
            TaskState::Asleep(waiting) if task != 0 => Some(waiting.class.name),
            _ => None,
        })
    }

    /// Sends a worker that is inside a call a signal. Whether it was inside one.
    pub(crate) fn interrupt(&self, py: Python<'_>, worker: WorkerId) -> PyResult<bool> {
        let lab = self.lab(py)?;
        let task = self.inside[worker.index()].load(Ordering::Relaxed);
        if task != 0 {
            lab.machine().signal(TaskId(task));
        }
        Ok(task != 0)
    }

    /// Runs `call` on a CPU of the machine as `task`, detached from the interpreter.
    pub(crate) fn enter<R: Send>(
        &self,
        py: Python<'_>,
        task: u32,
        call: impl FnOnce(&Emulated, &Cpu<'_>) -> R + Send,
    ) -> PyResult<R> {
        let lab = self.lab(py)?;
        let (outcome, caught) = py.detach(|| {
            let poll = Signals::new(lab.machine());
            let patience = Patience { deadline: Some(self.deadline), poll: Some(&poll) };
            let outcome = lab.enter_if_free(task, patience, |cpu| call(lab.world(), cpu));
            (outcome, poll.caught.into_inner())
        });
        match (outcome, caught) {
            (Ok(Ok(done)), None) => Ok(done),
            (Ok(Ok(_)), Some(caught)) => Err(caught),
            (Ok(Err(_)), _) => {
                let cpus = lab.machine().cpus();
                let why = format!("every CPU of the world is in use (cpus={cpus})");
                Err(raise::error(py, "Busy", why))
            }
            (Err(stopped), None) => Err(self.stopped(py, lab, task, stopped)),
            (Err(stopped), Some(caught)) => {
                caught.set_cause(py, Some(self.stopped(py, lab, task, stopped)));
                Err(caught)
            }
        }
    }

    fn stopped(&self, py: Python<'_>, lab: &Lab, task: u32, stopped: Stopped) -> PyErr {
        match stopped {
            Stopped::Poisoned(Poison::Hang { task: who, waiters }) if who.0 == task => {
                let seconds = self.deadline.as_secs_f64();
                let who = Party::of(task);
                let message = format!(
                    "{who} slept for {seconds} s in a wait that no signal ends; the world is poisoned"
                );
                let holders = py.detach(|| holders(lab, &waiters));
                let waiters: Vec<String> = waiters.iter().map(describe).collect();
                raise::build(py, "HangDetected", (message, waiters, holders))
            }
            Stopped::Poisoned(poison) => self.dead(py, &poison),
            Stopped::Panic(message) => {
                let message = format!("pgmap itself failed: {message}");
                lab.machine().poison(Poison::Requested(message.clone()));
                raise::error(py, "InternalError", message)
            }
        }
    }

    fn dead(&self, py: Python<'_>, poison: &Poison) -> PyErr {
        if self.closed.load(Ordering::Relaxed) {
            return closed(py);
        }
        let why = match poison {
            Poison::Hang { task, waiters } => {
                let waiters: Vec<String> = waiters.iter().map(describe).collect();
                format!("{} hung ({})", Party::of(task.0), waiters.join("; "))
            }
            other => other.to_string(),
        };
        raise::error(py, "WorldPoisoned", format!("this world is poisoned: {why}"))
    }
}

fn closed(py: Python<'_>) -> PyErr {
    raise::error(py, "WorldClosed", "this world is closed")
}

/// The kind of wait whose object is a frame.
const FOR_A_PAGE: &str = "page to become idle";

/// The frame somebody waits for.
pub(crate) fn awaited(waiter: &Waiter) -> Option<Pfn> {
    (waiter.class == FOR_A_PAGE).then(|| u32::try_from(waiter.object).ok().map(Pfn)).flatten()
}

/// "w0 close waits for page to become idle, pfn 18, since 2.0 s".
fn describe(waiter: &Waiter) -> String {
    let who = Party::of(waiter.task.0);
    let what = match awaited(waiter) {
        Some(pfn) => format!("pfn {}", pfn.0),
        None => format!("{:#x}", waiter.object),
    };
    let owner =
        waiter.owner.map_or_else(String::new, |task| format!(", held by {}", Party::of(task.0)));
    let seconds = waiter.for_.as_secs_f64();
    format!("{who} waits for {}, {what}{owner}, for {seconds:.1} s", waiter.class)
}

/// Who holds the pages that are waited for, as far as a dead machine still tells.
fn holders(lab: &Lab, waiters: &[Waiter]) -> Vec<String> {
    let patience = Patience { deadline: Some(Duration::from_millis(100)), poll: None };
    let mut frames: Vec<u32> = waiters.iter().filter_map(awaited).map(|pfn| pfn.0).collect();
    frames.sort_unstable();
    frames.dedup();
    let found = lab.enter(0, patience, |cpu| {
        let of = |pfn: u32| {
            let holders = lab.world().holders(cpu, Pfn(pfn)).into_iter();
            holders
                .map(move |holder| format!("pfn {pfn}: {}, {} page(s)", holder.who, holder.pages))
        };
        frames.iter().flat_map(|pfn| of(*pfn)).collect()
    });
    found.unwrap_or_default()
}

/// How often a sleep is asked again after a signal that should have ended it, before we conclude that
/// no signal ends it.
const PATIENCE: u32 = 3;

/// Looks for Python's signals from inside a sleep.
struct Signals<'m> {
    machine: &'m Machine,
    caught: RefCell<Option<PyErr>>,
    asked_since: Cell<u32>,
    /// Python runs handlers on its main thread only; elsewhere there is nothing to look for.
    elsewhere: Cell<Option<bool>>,
}

impl<'m> Signals<'m> {
    fn new(machine: &'m Machine) -> Self {
        Self {
            machine,
            caught: RefCell::new(None),
            asked_since: Cell::new(0),
            elsewhere: Cell::new(None),
        }
    }

    /// Runs handlers of signals that came. Any Python code may, hence the flag around all of it.
    fn look(&self, py: Python<'_>) -> PyResult<()> {
        let before = generation();
        IN_HANDLER.set(true);
        let looked = self
            .is_elsewhere(py)
            .and_then(|elsewhere| if elsewhere { Ok(()) } else { py.check_signals() });
        IN_HANDLER.set(false);
        if generation() != before {
            self.machine.poison(Poison::Forked);
        }
        looked
    }

    fn is_elsewhere(&self, py: Python<'_>) -> PyResult<bool> {
        if let Some(known) = self.elsewhere.get() {
            return Ok(known);
        }
        let threading = py.import("threading")?;
        let main = threading.call_method0("main_thread")?.getattr("ident")?;
        let here = threading.call_method0("get_ident")?;
        let elsewhere = !main.eq(here)?;
        self.elsewhere.set(Some(elsewhere));
        Ok(elsewhere)
    }
}

impl Poll for Signals<'_> {
    fn poll(&self) -> Signal {
        if self.caught.borrow().is_some() {
            self.asked_since.set(self.asked_since.get() + 1);
            if self.asked_since.get() == PATIENCE {
                let why = "a signal handler raised in the middle of a wait that no signal ends";
                self.machine.poison(Poison::Requested(why.to_owned()));
            }
            return Signal::Interrupt;
        }
        if self.elsewhere.get() == Some(true) {
            return Signal::None;
        }
        match Python::try_attach(|py| self.look(py)) {
            Some(Err(caught)) => {
                *self.caught.borrow_mut() = Some(caught);
                Signal::Interrupt
            }
            _ => Signal::None,
        }
    }
}
