//! `pgmap.World`: a live machine.
//!
//! Here it is made and says what it is. Methods have the kernel's names. Those that are operations of the language are
//! in `calls`; in `files`, `machine` and `processes` are those that answer more than an operation does, or are none. How
//! each gets into the machine and back is in `calling`; what can go wrong on the way is `entry`'s business.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pgmap_mm::page::Oracle;
use pgmap_native::threaded::ThreadedWorld;
use pgmap_prim::catch_abandon;
use pgmap_program::op;
use pgmap_program::{DriverSpec, Era, Geometry, Rules};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::convert::{Deadline, Fd, StuckWord, Worker};
use crate::entry::{Entry, State};
use crate::names::Names;
use crate::raise::Class;
use crate::signals::Stuck;
use crate::{raise, sizes};

/// A machine with processes, files and a DAX device, for any number of threads.
///
/// `rules` changes rules of `era`, `geometry` sizes of the machine, both by name. `checks=False` leaves
/// out the search for misuse of pages.
///
/// A call may sleep for `deadline` seconds. If a signal could have ended the sleep, the call then fails
/// with `DeadlineExceeded` and the world goes on; if not, `HangDetected` poisons it. Both say who waits
/// for what and who holds it.
///
/// `stuck` says what becomes of a call that only another call could wake while every call on this world
/// sleeps. "auto": it ends at once, as at the deadline, if no other Python thread exists that could make
/// one; where there are other threads, whatever they do, it waits for them until the deadline. "raise":
/// it ends at once although there are other threads, none of which is going to use this world. "wait": it
/// waits until the deadline, for a thread that is not Python's yet.
#[pyclass(frozen, weakref, module = "pgmap", name = "World")]
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) entry: Entry,
    pub(crate) names: Names,
    /// Those that were loaded, by number.
    drivers: Mutex<Vec<DriverSpec>>,
    pub(crate) era: Era,
    pub(crate) rules: Rules,
    pub(crate) geometry: Geometry,
    pub(crate) seconds: f64,
    checks: bool,
}

impl World {
    /// The drivers that were loaded.
    pub(crate) fn drivers(&self) -> MutexGuard<'_, Vec<DriverSpec>> {
        self.drivers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules that are not the era's.
    fn changed(&self) -> Vec<(&'static str, &'static str)> {
        self.rules.differences(&self.era.rules())
    }
}

#[pymethods]
impl World {
    #[new]
    #[pyo3(signature = (*, era="v6.15-sound", rules=None, geometry=None, deadline=Deadline(10.0),
        stuck=StuckWord(Stuck::Auto), checks=true), text_signature = "(*, era='v6.15-sound', rules=None, \
        geometry=None, deadline=10.0, stuck='auto', checks=True)")]
    fn new(
        py: Python<'_>,
        era: &str,
        rules: Option<&Bound<'_, PyAny>>,
        geometry: Option<&Bound<'_, PyAny>>,
        deadline: Deadline,
        stuck: StuckWord,
        checks: bool,
    ) -> PyResult<Self> {
        let era: Era =
            era.parse().map_err(|wrong| raise::error(py, Class::EraError, format!("{wrong}")))?;
        let rules = sizes::rules(py, era, rules)?;
        let geometry =
            geometry.map_or(Ok(sizes::USUAL), |asked| sizes::geometry(sizes::USUAL, asked))?;
        let oracle = if checks { Oracle::On } else { Oracle::Off };
        let threaded = py.detach(|| {
            catch_abandon(|| ThreadedWorld::with_spare(&geometry, rules, oracle, sizes::SPARE))
        });
        let threaded = match threaded {
            Ok(Ok(threaded)) => threaded,
            Ok(Err(refused)) => return Err(PyValueError::new_err(refused.to_string())),
            Err(stopped) => {
                return Err(raise::error(py, Class::InternalError, stopped.to_string()));
            }
        };
        let seconds = deadline.0;
        Ok(Self {
            entry: Entry::new(threaded, Duration::from_secs_f64(seconds), stuck.0),
            names: Names::default(),
            drivers: Mutex::default(),
            era,
            rules,
            geometry,
            seconds,
            checks,
        })
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exc))]
    fn __exit__(&self, _exc: &Bound<'_, PyTuple>) {
        self.entry.close();
    }

    /// Without arguments, ends the world and gives its memory back: calls in progress end with
    /// `WorldClosed`. With a worker and a descriptor, closes that; the last use of an unlinked file waits
    /// for its pages.
    #[pyo3(signature = (worker=None, fd=None))]
    fn close(&self, py: Python<'_>, worker: Option<Worker>, fd: Option<Fd>) -> PyResult<()> {
        match (worker, fd) {
            (None, None) => {
                self.entry.close();
                Ok(())
            }
            (Some(worker), Some(fd)) => self.op(py, worker, op::Close { fd: fd.0 }).map(drop),
            _ => Err(PyTypeError::new_err(
                "close() ends the world, close(worker, fd) closes a descriptor: give both or neither",
            )),
        }
    }

    /// Whether the world was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.entry.is_closed()
    }

    /// The era.
    #[getter]
    fn era(&self) -> &'static str {
        self.era.name()
    }

    /// Every rule with its value.
    #[getter]
    fn rules<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        self.rules.values().into_iter().try_for_each(|(name, value)| all.set_item(name, value))?;
        Ok(all)
    }

    /// Every size by name.
    #[getter]
    fn geometry<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        self.geometry.sizes().into_iter().try_for_each(|(name, size)| all.set_item(name, size))?;
        Ok(all)
    }

    /// Seconds a call may wait.
    #[getter]
    fn deadline(&self) -> f64 {
        self.seconds
    }

    /// Whether the world looks for misuse of pages.
    #[getter]
    fn checks(&self) -> bool {
        self.checks
    }

    /// What becomes of a call that nobody can wake.
    #[getter]
    fn stuck(&self) -> &'static str {
        self.entry.stuck.word()
    }

    /// As it is made, with the sizes that differ from the usual ones; a world that has ended says so.
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut args = vec![format!("era='{}'", self.era)];
        let changed = self.changed();
        if !changed.is_empty() {
            let rules = PyDict::new(py);
            changed.iter().try_for_each(|(name, value)| rules.set_item(name, value))?;
            args.push(format!("rules={}", rules.repr()?));
        }
        let usual = sizes::USUAL.sizes();
        let sizes = PyDict::new(py);
        for (size, usual) in self.geometry.sizes().into_iter().zip(usual) {
            if size != usual {
                sizes.set_item(size.0, size.1)?;
            }
        }
        if !sizes.is_empty() {
            args.push(format!("geometry={}", sizes.repr()?));
        }
        args.push(format!("deadline={:?}", self.seconds));
        if self.entry.stuck != Stuck::Auto {
            args.push(format!("stuck='{}'", self.entry.stuck.word()));
        }
        if !self.checks {
            args.push("checks=False".to_owned());
        }
        let made = format!("World({})", args.join(", "));
        Ok(match self.entry.state() {
            State::Open => made,
            State::Closed => format!("<closed {made}>"),
            State::Poisoned => format!("<poisoned {made}>"),
        })
    }

    /// A world is one machine: there is no second one like it, and none in another process.
    fn __reduce_ex__(&self, _protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a World is a live machine: it cannot be copied or pickled; \
             make another with the same arguments, which its repr shows",
        ))
    }

    /// Does nothing, all the way down and back: what any call costs.
    fn nop(&self, py: Python<'_>) -> PyResult<()> {
        self.look(py, |_, _| ())
    }
}
