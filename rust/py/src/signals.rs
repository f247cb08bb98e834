//! What a call of Python's looks for while it sleeps in a world: signals, and whether anybody is left.
//!
//! While it sleeps on Python's main thread it looks for signals at least every 100 ms (the machine asks
//! every 50); an exception of a signal handler ends the sleep if a signal may end it, and otherwise ends
//! the world. A handler runs in the middle of a call, which may hold locks of the world, so it may not
//! call into a world itself.
//!
//! A sleep ends at the deadline, or as soon as nobody is left who could wake the sleeper. That is decided
//! by two looks at what is, never by a clock: the machine is at rest, so that only another call can change
//! it, and nobody can make one. Of the second we are sure if no other Python thread exists when the
//! interpreter is asked: a call in progress has a thread, and a sleeping one starts none. That a thread
//! never used this world before means nothing, for it may be about to.
//!
//! A fork takes the memory of a world along, not the threads inside it: a hook that runs in the child
//! starts a new *generation*, and the worlds of older ones refuse every call there.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};

use pgmap_prim::{Machine, Poison, Poll, Signal, Waiter};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyCFunction, PyDict, PyTuple};

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

pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

thread_local! {
    /// Whether this thread is running signal handlers inside a call.
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is running signal handlers inside a call.
pub(crate) fn in_handler() -> bool {
    IN_HANDLER.get()
}

/// What becomes of a call that sleeps while the machine is at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// It ends, unless there is a Python thread that could wake it.
    Auto,
    /// It ends, whatever threads there are.
    Raise,
    /// It sleeps until its deadline.
    Wait,
}

impl Stuck {
    pub(crate) const ALL: &'static [Self] = &[Self::Auto, Self::Raise, Self::Wait];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Raise => "raise",
            Self::Wait => "wait",
        }
    }
}

/// How often a sleep is asked again after a signal that should have ended it, before we conclude that
/// no signal ends it.
const PATIENCE: u32 = 3;

/// Why a sleep was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Deadline,
    Forsaken,
}

/// A sleep that was given up although a signal could have ended it.
#[derive(Debug)]
pub(crate) struct Expired {
    pub(crate) why: Why,
    pub(crate) waiters: Vec<Waiter>,
}

/// Looks for Python's signals, and for Python's other threads, from inside a sleep.
pub(crate) struct Signals<'m> {
    machine: &'m Machine,
    stuck: Stuck,
    pub(crate) why: Cell<Why>,
    pub(crate) expired: RefCell<Option<Expired>>,
    pub(crate) caught: RefCell<Option<PyErr>>,
    asked_since: Cell<u32>,
    /// Python runs handlers on its main thread only; elsewhere there is nothing to look for.
    elsewhere: Cell<Option<bool>>,
}

impl<'m> Signals<'m> {
    pub(crate) fn new(machine: &'m Machine, stuck: Stuck) -> Self {
        Self {
            machine,
            stuck,
            why: Cell::new(Why::Deadline),
            expired: RefCell::new(None),
            caught: RefCell::new(None),
            asked_since: Cell::new(0),
            elsewhere: Cell::new(None),
        }
    }

    /// Runs handlers of signals that came.
    fn look(&self, py: Python<'_>) -> PyResult<()> {
        self.ask(|| {
            self.is_elsewhere(py)
                .and_then(|elsewhere| if elsewhere { Ok(()) } else { py.check_signals() })
        })
    }

    /// Asks the interpreter something. Any Python code may run then, hence the flag around it.
    fn ask<R>(&self, question: impl FnOnce() -> R) -> R {
        let before = generation();
        IN_HANDLER.set(true);
        let answer = question();
        IN_HANDLER.set(false);
        if generation() != before {
            self.machine.poison(Poison::Forked);
        }
        answer
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

    /// Whether this thread is all of Python's. If the interpreter does not say, it is not.
    fn is_alone(&self) -> bool {
        let others = |py: Python<'_>| {
            let frames = py.import("sys")?.call_method0("_current_frames")?;
            let this = py.import("threading")?.call_method0("get_ident")?;
            Ok::<_, PyErr>(frames.len()? - usize::from(frames.contains(this)?))
        };
        match Python::try_attach(|py| self.ask(|| others(py))) {
            Some(Ok(others)) => others == 0,
            Some(Err(caught)) => {
                *self.caught.borrow_mut() = Some(caught);
                false
            }
            None => false,
        }
    }
}

impl Poll for Signals<'_> {
    fn forsaken(&self) -> bool {
        let nobody = match self.stuck {
            // What a handler raised is about to end the sleep.
            _ if self.caught.borrow().is_some() => false,
            Stuck::Wait => false,
            Stuck::Auto => self.machine.all_passive_twice() && self.is_alone(),
            Stuck::Raise => self.machine.all_passive_twice(),
        };
        if nobody {
            self.why.set(Why::Forsaken);
        }
        nobody
    }

    fn expired(&self, waiters: Vec<Waiter>) {
        *self.expired.borrow_mut() = Some(Expired { why: self.why.get(), waiters });
    }

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
