//! Work in a thread of its own, which Python watches: a glance now and then, a wish to stop, the result.
//!
//! The explorer's worlds belong to the thread that made them, so the whole of a search happens in one.
//! Nothing of it touches Python. A panic there is caught and told as a bug in pgmap.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pgmap_explore::ScenarioError;
use pgmap_sched::Control;
use pyo3::prelude::*;
use serde::Serialize;

use crate::first_found::FirstFound;
use crate::glance::Glance;
use crate::raise::{self, Class};
use crate::threads::{self, Tell};
use crate::told::to_python;

/// Longest time without a look at Python's signals.
const SLICE: Duration = Duration::from_millis(20);

/// Why work is to end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// Somebody said so.
    Asked,
    /// Its time is up.
    Time,
}

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Failed {
    Scenario(ScenarioError),
    Panic(String),
}

impl From<ScenarioError> for Failed {
    fn from(wrong: ScenarioError) -> Self {
        Self::Scenario(wrong)
    }
}

/// What the work has said so far.
#[derive(Debug, Default)]
struct Said {
    glance: Option<Glance>,
    /// What was found, as it was first seen.
    found: Option<FirstFound>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    said: Mutex<Said>,
}

impl Shared {
    fn said(&self) -> MutexGuard<'_, Said> {
        lock(&self.said)
    }
}

/// Where the work is.
#[derive(Debug)]
enum Stage<R> {
    UnderWay,
    Done(Result<R, Failed>),
    /// The result has been given.
    Taken,
}

/// The end of work, for whoever waits for it.
#[derive(Debug)]
struct End<R> {
    stage: Mutex<Stage<R>>,
    came: Condvar,
}

impl<R> End<R> {
    fn has_come(&self) -> bool {
        !matches!(*lock(&self.stage), Stage::UnderWay)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Held for a moment, and nothing panics meanwhile.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The work's side.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    started: Instant,
    time: Option<Duration>,
}

impl Watch {
    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Says how far the work is, and hears whether it goes on.
    pub(crate) fn tell(&self, glance: Glance) -> Control {
        self.shared.said().glance = Some(glance);
        self.control()
    }

    /// Says what was found, before anything is made of it.
    pub(crate) fn found(&self, found: FirstFound) {
        self.shared.said().found = Some(found);
    }

    pub(crate) fn control(&self) -> Control {
        if self.halt().is_some() { Control::Stop } else { Control::Go }
    }

    /// Why it does not go on. Once there is a reason there is always one.
    pub(crate) fn halt(&self) -> Option<Halt> {
        // Relaxed: a flag that nothing else hangs on.
        if self.shared.stop.load(Ordering::Relaxed) {
            return Some(Halt::Asked);
        }
        self.time.filter(|time| self.started.elapsed() >= *time).map(|_| Halt::Time)
    }
}

/// Python's side. Work that nobody waits for any more is told to stop.
#[derive(Debug)]
pub(crate) struct Job<R> {
    shared: Arc<Shared>,
    end: Arc<End<R>>,
}

impl<R> Drop for Job<R> {
    fn drop(&mut self) {
        // Relaxed, as in `stop`: nothing else hangs on it.
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl<R: Serialize + Send + 'static> Job<R> {
    /// Starts work that may take so much time.
    pub(crate) fn start<W>(
        time: Option<Duration>,
        glance: Option<Glance>,
        work: W,
    ) -> PyResult<Self>
    where
        W: FnOnce(&Watch) -> Result<R, Failed> + Send + 'static,
    {
        let shared = Arc::new(Shared::default());
        shared.said().glance = glance;
        let end = Arc::new(End { stage: Mutex::new(Stage::UnderWay), came: Condvar::new() });
        let watch = Watch { shared: Arc::clone(&shared), started: Instant::now(), time };
        let theirs = Arc::clone(&end);
        let body = move || {
            let result = catch_unwind(AssertUnwindSafe(|| work(&watch)));
            let result = result.unwrap_or_else(|panic| Err(Failed::Panic(words(&*panic))));
            let tell: Tell = Box::new(move || {
                *lock(&theirs.stage) = Stage::Done(result);
                theirs.came.notify_all();
            });
            tell
        };
        threads::run(body)?;
        Ok(Self { shared, end })
    }

    /// The latest glance, what was found, and whether the work is done.
    pub(crate) fn poll(&self) -> (Option<Glance>, Option<FirstFound>, bool) {
        // First: once it is done it says no more.
        let done = self.end.has_come();
        let said = self.shared.said();
        (said.glance, said.found.clone(), done)
    }

    pub(crate) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// Waits so long at most; whether the work is done.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let busy = |stage: &mut Stage<R>| matches!(stage, Stage::UnderWay);
        let waited = self.end.came.wait_timeout_while(lock(&self.end.stage), time, busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Waits for a moment, then looks at Python's signals; whether the work is done.
    pub(crate) fn waits_a_slice(&self, py: Python<'_>) -> PyResult<bool> {
        let done = py.detach(|| self.wait(SLICE));
        py.check_signals()?;
        Ok(done)
    }

    /// Waits for the end, looking at Python's signals meanwhile. The result is given once.
    pub(crate) fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        while !self.waits_a_slice(py)? {}
        let stage = std::mem::replace(&mut *lock(&self.end.stage), Stage::Taken);
        match stage {
            Stage::Done(Ok(report)) => to_python(py, &report),
            Stage::Done(Err(Failed::Scenario(wrong))) => Err(raise::scenario_error(py, &wrong)),
            Stage::Done(Err(Failed::Panic(what))) => {
                Err(raise::error(py, Class::InternalError, what))
            }
            Stage::UnderWay | Stage::Taken => {
                Err(raise::error(py, Class::InvalidArgument, "the result has been taken already"))
            }
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a panic in the explorer: {}", text.unwrap_or_else(|| "no words".to_owned()))
}
