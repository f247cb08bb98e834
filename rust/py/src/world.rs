//! `pgmap.World`: a live machine.
//!
//! Methods have the kernel's names. Those that are operations of the language are in `calls`; here and in `files`
//! and `machine` are those that answer more than an operation does, or are none. What can go wrong in a call is
//! `entry`'s business.

use std::time::Duration;

use pgmap_mm::page::{Oracle, Pfn};
use pgmap_mm::vm::GupKind;
use pgmap_mm::world::{Failure, Party, World as Emulated};
use pgmap_native::threaded::{Patience, ThreadedWorld};
use pgmap_prim::{Cpu, catch_abandon};
use pgmap_program::op::{self, FileRef, FileState, Layout, Op, SLOW_BLOCK, WorkerId};
use pgmap_program::{Era, Errno, FileSpec, Geometry, Program as Parsed, Rules};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::convert::{Deadline, Fd, FileArg, Frame, StuckWord, Worker};
use crate::entry::{Entry, State};
use crate::names::{Names, Resolved};
use crate::raise::Class;
use crate::signals::Stuck;
use crate::{raise, results, sizes};

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
    pub(crate) era: Era,
    pub(crate) rules: Rules,
    pub(crate) geometry: Geometry,
    pub(crate) seconds: f64,
    checks: bool,
}

/// A file as an operation names it; a name stays resolved while this lives.
pub(crate) struct File<'a> {
    pub(crate) at: FileRef,
    _name: Option<Resolved<'a>>,
}

impl World {
    /// The rules that are not the era's.
    fn changed(&self) -> Vec<(&'static str, &'static str)> {
        self.rules.differences(&self.era.rules())
    }

    /// A name that was given a number, if it was.
    pub(crate) fn find(&self, py: Python<'_>, name: &str) -> PyResult<Option<Resolved<'_>>> {
        self.entry.threaded(py)?;
        Ok(self.names.find(name))
    }

    pub(crate) fn resolve(&self, py: Python<'_>, name: &str) -> PyResult<Resolved<'_>> {
        self.find(py, name)?.ok_or_else(|| raise::no_file(py, name))
    }

    pub(crate) fn file(&self, py: Python<'_>, file: FileArg) -> PyResult<File<'_>> {
        match file {
            FileArg::Fd(fd) => Ok(File { at: FileRef::Fd(fd), _name: None }),
            FileArg::Name(name) => {
                let name = self.resolve(py, &name)?;
                Ok(File { at: FileRef::File(name.index), _name: Some(name) })
            }
        }
    }

    /// The world's names as the files of a program, which then speaks of this world's files.
    pub(crate) fn language(&self) -> Parsed {
        let spec = |name| FileSpec {
            name,
            pages: 1,
            state: FileState::Written,
            layout: Layout::Contiguous,
        };
        let files = self.names.list().into_iter().map(spec).collect();
        Parsed { files, mounts: vec!["/mnt".to_owned()], ..Parsed::default() }
    }

    /// Executes an operation.
    pub(crate) fn op(&self, py: Python<'_>, worker: Worker, op: impl Into<Op>) -> PyResult<i64> {
        let (worker, op) = (worker.0, op.into());
        self.call(py, worker, &op, |world, cpu| world.execute(cpu, worker, &op))
    }

    /// Calls into the machine for a worker; `op` says in the language what the call is.
    pub(crate) fn call<R: Send>(
        &self,
        py: Python<'_>,
        worker: WorkerId,
        op: &Op,
        call: impl FnOnce(&Emulated, &Cpu<'_>) -> Result<R, Failure> + Send,
    ) -> PyResult<R> {
        self.attempt(py, worker, op, call)?.map_err(|failure| {
            let text = self.language().op_text(op).to_string();
            raise::failure(py, failure, &format!("{worker} {text}"))
        })
    }

    /// As `call`, with the failure as a result.
    fn attempt<R: Send>(
        &self,
        py: Python<'_>,
        worker: WorkerId,
        op: &Op,
        call: impl FnOnce(&Emulated, &Cpu<'_>) -> Result<R, Failure> + Send,
    ) -> PyResult<Result<R, Failure>> {
        self.entry.threaded(py)?;
        let task = Party::task(worker, op.call_number());
        let _worker = self.entry.take(py, worker, task)?;
        let _child = match op {
            Op::Fork(op::Fork { child }) if *child != worker => {
                Some(self.entry.take(py, *child, task)?)
            }
            _ => None,
        };
        self.entry.execute(py, task, call)
    }

    /// Calls into the machine for nobody in particular.
    pub(crate) fn machine(&self, py: Python<'_>, op: &Op) -> PyResult<()> {
        let task = u32::from(op.call_number()) << 8;
        let done =
            self.entry.execute(py, task, |world, cpu| world.execute(cpu, WorkerId(0), op))?;
        done.map(drop).map_err(|failure| raise::failure(py, failure, &op.to_string()))
    }

    /// Looks into the machine.
    pub(crate) fn look<R: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&Emulated, &Cpu<'_>) -> R + Send,
    ) -> PyResult<R> {
        self.entry.enter(py, 0, call)
    }

    pub(crate) fn state_of<'py>(&self, py: Python<'py>, pfn: Pfn) -> PyResult<Bound<'py, PyAny>> {
        let (seen, data) = self.look(py, |world, _| {
            (world.observe(pfn), world.dax.vm.pagemaps.memmap.contents(pfn).read())
        })?;
        results::page_state(py, pfn, &seen, data)
    }

    /// Takes references that get the worker's next number; `op` says in the language what the call is.
    pub(crate) fn gup<'py>(
        &self,
        py: Python<'py>,
        worker: Worker,
        op: &Op,
        kind: GupKind,
        wanted: op::Pin,
    ) -> PyResult<Bound<'py, PyAny>> {
        let worker = worker.0;
        let (number, taken) = self.call(py, worker, op, |world, cpu| {
            let ticket = world.next_pin(cpu, worker)?;
            let taken = world.pin_numbered(cpu, worker, ticket, kind, &wanted)?;
            Ok((ticket.pin(), taken))
        })?;
        results::build(py, "Pinned", (number, taken))
    }

    /// Executes one step of the language; an errno or a death is a result here.
    pub(crate) fn try_step(&self, py: Python<'_>, text: &str) -> PyResult<Result<i64, Failure>> {
        self.entry.threaded(py)?;
        let _names = self.names.hold();
        let step =
            self.language().parse_step(text).map_err(|wrong| raise::parse_error(py, &wrong))?;
        let op = &step.op;
        let Some(worker) = step.who else {
            let task = u32::from(op.call_number()) << 8;
            return self.entry.execute(py, task, |world, cpu| world.execute(cpu, WorkerId(0), op));
        };
        self.attempt(py, worker, op, |world, cpu| match op {
            Op::Pwrite(write) => world.pwrite_each(cpu, worker, write, |_| 1),
            _ => world.execute(cpu, worker, op),
        })
    }

    /// Puts a new file into the directory.
    pub(crate) fn create_file(
        &self,
        py: Python<'_>,
        file: &str,
        pages: u32,
        state: Option<FileState>,
        layout: Layout,
    ) -> PyResult<()> {
        let threaded = self.entry.threaded(py)?;
        let is_free = |index| {
            let found = threaded
                .enter(0, Patience::default(), |cpu| threaded.world().name_lookup(cpu, index));
            matches!(found, Ok(Err(_)))
        };
        let refuse = |failure| raise::failure(py, failure, &format!("file {file} {pages}"));
        if file == SLOW_BLOCK {
            return Err(refuse(Errno::EEXIST.into()));
        }
        let name = self.names.intern(file, is_free).ok_or_else(|| refuse(Errno::ENOSPC.into()))?;
        let index = name.index;
        self.look(py, |world, cpu| world.create_file(cpu, index, pages, state, layout))?
            .map(drop)
            .map_err(refuse)
    }

    /// A frame of this world.
    pub(crate) fn pfn(&self, py: Python<'_>, frame: Frame) -> PyResult<Pfn> {
        let frames = self.entry.threaded(py)?.world().dax.vm.pagemaps.memmap.frames();
        if frame.0 < frames {
            return Ok(Pfn(frame.0));
        }
        let why = format!("pfn is {}; this world has frames 0 to {}", frame.0, frames - 1);
        Err(raise::error(py, Class::OutOfRange, why))
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
        let threaded =
            py.detach(|| catch_abandon(|| ThreadedWorld::with_oracle(&geometry, rules, oracle)));
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
            era,
            rules,
            geometry,
            seconds,
            checks,
        })
    }

    // -- the world itself --

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

    // -- processes --

    /// Starts another worker as a thread of this one's process.
    fn clone(&self, py: Python<'_>, worker: Worker, child: Worker) -> PyResult<()> {
        let (of, child) = (worker.0, child.0);
        let op = op::Fork { child };
        self.call(py, of, &op.into(), |world, _| world.clone_thread(of, child)).map(drop)
    }

    /// Sends a worker inside a call a signal: an interruptible sleep ends with `Interrupted`. Returns
    /// whether the worker was inside a call.
    fn interrupt(&self, py: Python<'_>, worker: Worker) -> PyResult<bool> {
        self.entry.interrupt(py, worker.0)
    }

    /// What a worker sleeps for, or `None` if it does not sleep.
    fn asleep(&self, py: Python<'_>, worker: Worker) -> PyResult<Option<&'static str>> {
        self.entry.asleep(py, worker.0)
    }

    /// Whether no call is running: each thread inside sleeps, and nothing but another call or a signal
    /// will change that.
    fn settled(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.entry.threaded(py)?.machine().settled())
    }

    /// Everybody who sleeps in a call.
    fn waiters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let waiters = self.entry.threaded(py)?.machine().waiters();
        results::tuple(py, &waiters, |waiter| results::waiter(py, waiter))
    }
}
