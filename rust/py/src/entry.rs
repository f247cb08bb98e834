//! The way into a world's machine from a Python thread.
//!
//! Every call detaches from the interpreter, leases a CPU and may sleep; what it looks for then is
//! `signals`' business, and what is told of a wait that did not end is `waits`'.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use pgmap_mm::world::{Failure, Party, World as Emulated};
use pgmap_native::threaded::{Patience, ThreadedWorld};
use pgmap_prim::{Cpu, Poison, Stopped, TaskId, TaskState};
use pgmap_program::Errno;
use pgmap_program::op::{WORKERS_MAX, WorkerId};
use pyo3::prelude::*;

use crate::raise::{self, Class};
use crate::signals::{Expired, Signals, Stuck, Why, generation, in_handler};
use crate::waits::{describe, holders};

/// How far a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Closed,
    Poisoned,
}

/// A world's machine, and who is inside it.
#[derive(Debug)]
pub(crate) struct Entry {
    threaded: ThreadedWorld,
    /// A closed world keeps its memory until Python forgets it, so that a call needs no reference.
    closed: AtomicBool,
    generation: u64,
    deadline: Duration,
    pub(crate) stuck: Stuck,
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
    pub(crate) fn new(threaded: ThreadedWorld, deadline: Duration, stuck: Stuck) -> Self {
        Self {
            threaded,
            closed: AtomicBool::new(false),
            generation: generation(),
            deadline,
            stuck,
            inside: [const { AtomicU32::new(0) }; WORKERS_MAX as usize],
        }
    }

    /// The machine, if it can still be used.
    pub(crate) fn threaded(&self, py: Python<'_>) -> PyResult<&ThreadedWorld> {
        if self.generation != generation() {
            let why = "this world belongs to the process that forked this one; make a new one here";
            return Err(raise::error(py, Class::WorldPoisoned, why));
        }
        if in_handler() {
            let why =
                "a signal handler that runs inside a call on a world may not call into a world";
            return Err(raise::error(py, Class::PgmapError, why));
        }
        if self.closed.load(Ordering::Relaxed) {
            return Err(closed(py));
        }
        match self.threaded.machine().poisoned() {
            Some(poison) => Err(self.dead(py, &poison)),
            None => Ok(&self.threaded),
        }
    }

    /// Whether the world was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.generation == generation() && self.closed.load(Ordering::Relaxed)
    }

    /// How far the world is; in a forked child, where it belongs to the parent, it cannot be used.
    pub(crate) fn state(&self) -> State {
        if self.is_closed() {
            State::Closed
        } else if self.generation != generation() || self.threaded.machine().poisoned().is_some() {
            State::Poisoned
        } else {
            State::Open
        }
    }

    /// Ends the world: calls in progress end with an exception, later ones are refused. May be repeated.
    pub(crate) fn close(&self) {
        if self.generation == generation() && !self.closed.swap(true, Ordering::Relaxed) {
            self.threaded.machine().poison(Poison::Requested("it was closed".to_owned()));
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
                Err(raise::error(py, Class::Busy, why))
            }
        }
    }

    /// What a worker sleeps for, if it does.
    pub(crate) fn asleep(
        &self,
        py: Python<'_>,
        worker: WorkerId,
    ) -> PyResult<Option<&'static str>> {
        let threaded = self.threaded(py)?;
        let task = self.inside[worker.index()].load(Ordering::Relaxed);
        Ok(match threaded.machine().task_state(TaskId(task)) {
            TaskState::Asleep(waiting) if task != 0 => Some(waiting.class.name),
            _ => None,
        })
    }

    /// Sends a worker that is inside a call a signal. Whether it was inside one.
    pub(crate) fn interrupt(&self, py: Python<'_>, worker: WorkerId) -> PyResult<bool> {
        let threaded = self.threaded(py)?;
        let task = self.inside[worker.index()].load(Ordering::Relaxed);
        if task != 0 {
            threaded.machine().signal(TaskId(task));
        }
        Ok(task != 0)
    }

    /// Runs an operation on a CPU of the machine as `task`, detached from the interpreter. One that a
    /// signal could have ended and the deadline did is an exception, not an EINTR.
    pub(crate) fn execute<R: Send>(
        &self,
        py: Python<'_>,
        task: u32,
        call: impl FnOnce(&Emulated, &Cpu<'_>) -> Result<R, Failure> + Send,
    ) -> PyResult<Result<R, Failure>> {
        match self.run(py, task, call)? {
            (Err(Failure::Errno(Errno::EINTR)), Some(expired)) => {
                Err(self.expired(py, task, &expired))
            }
            (done, _) => Ok(done),
        }
    }

    /// As `execute`, for looks into the machine.
    pub(crate) fn enter<R: Send>(
        &self,
        py: Python<'_>,
        task: u32,
        call: impl FnOnce(&Emulated, &Cpu<'_>) -> R + Send,
    ) -> PyResult<R> {
        self.run(py, task, call).map(|(done, _)| done)
    }

    fn run<R: Send>(
        &self,
        py: Python<'_>,
        task: u32,
        call: impl FnOnce(&Emulated, &Cpu<'_>) -> R + Send,
    ) -> PyResult<(R, Option<Expired>)> {
        let threaded = self.threaded(py)?;
        let (outcome, caught, expired, why) = py.detach(|| {
            let poll = Signals::new(threaded.machine(), self.stuck);
            let patience = Patience { deadline: Some(self.deadline), poll: Some(&poll) };
            let outcome = threaded.enter_if_free(task, patience, |cpu| call(threaded.world(), cpu));
            (outcome, poll.caught.into_inner(), poll.expired.into_inner(), poll.why.get())
        });
        match (outcome, caught) {
            (Ok(Ok(done)), None) => Ok((done, expired)),
            (Ok(Ok(_)), Some(caught)) => Err(caught),
            (Ok(Err(_)), _) => {
                let cpus = threaded.machine().cpus();
                let why = format!("every CPU of the world is in use (cpus={cpus})");
                Err(raise::error(py, Class::Busy, why))
            }
            (Err(stopped), None) => Err(self.stopped(py, threaded, task, stopped, why)),
            (Err(stopped), Some(caught)) => {
                caught.set_cause(py, Some(self.stopped(py, threaded, task, stopped, why)));
                Err(caught)
            }
        }
    }

    /// "w0 ftruncate sleeps and nobody is left to wake it".
    fn why(&self, task: u32, why: Why) -> String {
        let (who, seconds) = (Party::of(task), self.deadline.as_secs_f64());
        match why {
            Why::Deadline => format!("{who} slept until its deadline of {seconds} s"),
            Why::Forsaken => format!("{who} sleeps and nobody is left to wake it"),
        }
    }

    /// A wait that was given up although a signal could have ended it; the world is in order.
    fn expired(&self, py: Python<'_>, task: u32, expired: &Expired) -> PyErr {
        let holders = py.detach(|| holders(&self.threaded, self.deadline, &expired.waiters));
        let waiters: Vec<String> = expired.waiters.iter().map(describe).collect();
        raise::build(py, Class::DeadlineExceeded, (self.why(task, expired.why), waiters, holders))
    }

    fn stopped(
        &self,
        py: Python<'_>,
        threaded: &ThreadedWorld,
        task: u32,
        stopped: Stopped,
        why: Why,
    ) -> PyErr {
        match stopped {
            Stopped::Poisoned(Poison::Hang { task: who, waiters }) if who.0 == task => {
                let why = self.why(task, why);
                let message =
                    format!("{why}, in a wait that no signal ends; the world is poisoned");
                let holders = py.detach(|| holders(threaded, self.deadline, &waiters));
                let waiters: Vec<String> = waiters.iter().map(describe).collect();
                raise::build(py, Class::HangDetected, (message, waiters, holders))
            }
            Stopped::Poisoned(poison) => self.dead(py, &poison),
            Stopped::Panic(message) => {
                let message = format!("pgmap itself failed: {message}");
                threaded.machine().poison(Poison::Requested(message.clone()));
                raise::error(py, Class::InternalError, message)
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
        raise::error(py, Class::WorldPoisoned, format!("this world is poisoned: {why}"))
    }
}

fn closed(py: Python<'_>) -> PyErr {
    raise::error(py, Class::WorldClosed, "this world is closed")
}
