//! The way of a `World`'s method into the machine and back: names become numbers, a worker is taken for as long as its
//! call lasts, and what the call failed with becomes an exception that says in the language what was called.

use pgmap_mm::page::Pfn;
use pgmap_mm::vm::GupKind;
use pgmap_mm::world::{Failure, Party, PinTicket, Return, World as Emulated};
use pgmap_native::threaded::Patience;
use pgmap_prim::Cpu;
use pgmap_program::op::{
    self, DriverIdx, FileRef, FileState, Layout, MIRROR, Op, SLOW_BLOCK, WorkerId,
};
use pgmap_program::{DriverSpec, Errno, FileSpec, Program as Parsed};
use pyo3::prelude::*;

use crate::convert::{FileArg, Frame, Worker};
use crate::names::Resolved;
use crate::raise::Class;
use crate::world::World;
use crate::{raise, results};

/// A file as an operation names it; a name stays resolved while this lives.
pub(crate) struct File<'a> {
    pub(crate) at: FileRef,
    _name: Option<Resolved<'a>>,
}

impl World {
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

    /// The world's names as the files and drivers of a program, which then speaks of those of this world.
    pub(crate) fn language(&self) -> Parsed {
        let spec = |name| FileSpec {
            name,
            pages: 1,
            state: FileState::Written,
            layout: Layout::Contiguous,
        };
        let files = self.names.list().into_iter().map(spec).collect();
        let drivers = self.drivers().clone();
        Parsed { files, drivers, mounts: vec!["/mnt".to_owned()], ..Parsed::default() }
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
        let child = op.child().filter(|child| *child != worker);
        let _child = child.map(|child| self.entry.take(py, child, task)).transpose()?;
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
        self.numbered(py, worker, op, |world, cpu, ticket| {
            world.pin_numbered(cpu, worker.0, ticket, kind, &wanted)
        })
    }

    /// What takes a reference under the worker's next number, as a `Pinned`.
    pub(crate) fn numbered<'py>(
        &self,
        py: Python<'py>,
        worker: Worker,
        op: &Op,
        take: impl FnOnce(&Emulated, &Cpu<'_>, PinTicket) -> Return + Send,
    ) -> PyResult<Bound<'py, PyAny>> {
        let worker = worker.0;
        let (number, taken) = self.call(py, worker, op, |world, cpu| {
            let ticket = world.next_pin(cpu, worker)?;
            Ok((ticket.pin(), take(world, cpu, ticket)?))
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
        self.attempt(py, worker, op, |world, cpu| world.execute(cpu, worker, op))
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
        if [SLOW_BLOCK, MIRROR].contains(&file) {
            return Err(refuse(Errno::EEXIST.into()));
        }
        let name = self.names.intern(file, is_free).ok_or_else(|| refuse(Errno::ENOSPC.into()))?;
        let index = name.index;
        self.look(py, |world, cpu| world.create_file(cpu, index, pages, state, layout))?
            .map(drop)
            .map_err(refuse)
    }

    /// Loads a driver under the next number.
    pub(crate) fn driver(&self, py: Python<'_>, spec: &DriverSpec) -> PyResult<()> {
        let loaded = self.look(py, |world, cpu| {
            // Whoever looks at the drivers meanwhile waits here, and needs nothing that we wait for.
            let mut drivers = self.drivers();
            if drivers.iter().any(|known| known.name == spec.name) {
                return Err(Errno::EEXIST);
            }
            let number = DriverIdx(u8::try_from(drivers.len()).unwrap_or(u8::MAX));
            world.load_driver(cpu, number, spec)?;
            drivers.push(spec.clone());
            Ok(())
        })?;
        loaded.map_err(|errno: Errno| {
            let what = format!("driver {} {}", spec.name, spec.pages);
            raise::failure(py, errno.into(), &what)
        })
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
