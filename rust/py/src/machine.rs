//! Calls on the machine as a whole, programs, and what can be seen of it.

use pgmap_mm::tally;
use pgmap_mm::vm::Pte;
use pgmap_mm::world::Failure;
use pgmap_prim::Tally;
use pgmap_program::op::Op;
use pgmap_program::{Died, Errno, Program as Parsed};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::convert::{FileName, Frame, Map, Page, Worker};
use crate::program::Program;
use crate::raise::Class;
use crate::world::World;
use crate::{raise, results};

#[pymethods]
impl World {
    /// Loads a driver, whose name steps then use: `execute("w0 drv_alloc mine")`. `driver` is a
    /// `Driver` or its line of a program.
    fn load_driver(&self, py: Python<'_>, driver: &Bound<'_, PyAny>) -> PyResult<()> {
        let text = driver.str()?.to_string_lossy().into_owned();
        let read = Parsed::parse(&text).map_err(|wrong| raise::parse_error(py, &wrong))?;
        match (&read.drivers[..], read.files.len() + read.steps.len()) {
            ([driver], 0) => self.driver(py, driver),
            _ => Err(PyTypeError::new_err("driver must be a Driver or the line of one")),
        }
    }

    /// All I/O in flight completes.
    fn complete_io(&self, py: Python<'_>) -> PyResult<()> {
        self.look(py, |world, cpu| world.complete_io(cpu))
    }

    /// Virtual time passes one tick; I/O that is due completes. Returns the time.
    fn tick(&self, py: Python<'_>) -> PyResult<u32> {
        self.look(py, |world, cpu| {
            world.advance_clock(cpu);
            world.now()
        })
    }

    /// Executes one step, as text or out of a program. Returns what the call returns.
    fn execute(&self, py: Python<'_>, step: &Bound<'_, PyAny>) -> PyResult<i64> {
        let text = match step.cast::<PyString>() {
            Ok(text) => text.to_string_lossy().into_owned(),
            Err(_) => match step.getattr("text").and_then(|text| text.extract::<String>()) {
                Ok(text) => text,
                Err(_) => {
                    let found = step.get_type().name()?;
                    let why = format!("step must be a str or a Step of a program, not {found}");
                    return Err(PyTypeError::new_err(why));
                }
            },
        };
        self.try_step(py, &text)?.map_err(|failure| raise::failure(py, failure, &text))
    }

    /// Runs a program's steps one after the other, waiting for each. Files are created and drivers
    /// loaded first; a worker without `spawn` or `fork` is started by its first step. An errno or a fatal signal is an outcome,
    /// not an exception.
    fn run<'py>(
        &self,
        py: Python<'py>,
        program: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let Ok(program) = program.cast::<Program>() else {
            let found = program.get_type().name()?;
            return Err(PyTypeError::new_err(format!("program must be a Program, not {found}")));
        };
        let program = &program.get().parsed;
        for file in &program.files {
            self.create_file(py, &file.name, file.pages, Some(file.state), file.layout)?;
        }
        program.drivers.iter().try_for_each(|driver| self.driver(py, driver))?;
        let mut outcomes = Vec::new();
        for step in &program.steps {
            let text = program.step_text(step).to_string();
            outcomes.push(self.outcome(py, step.who, &step.op, &text)?);
        }
        PyTuple::new(py, outcomes)
    }

    /// The page a file has at an index, or `None` for a hole.
    fn page<'py>(
        &self,
        py: Python<'py>,
        file: FileName,
        index: Page,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let name = self.resolve(py, &file.0)?;
        let most = self.geometry.file_pages_max;
        if index.0 >= most {
            let why = format!("page is {}; a file of this world has at most {most} pages", index.0);
            return Err(raise::error(py, Class::OutOfRange, why));
        }
        let found = self.look(py, |world, cpu| {
            let inode = world.name_lookup(cpu, name.index)?;
            Ok(world.dax.extent(inode, index.0).block())
        })?;
        let missing = |errno: Errno| raise::failure(py, errno.into(), &format!("file {}", file.0));
        found.map_err(missing)?.map(|pfn| self.state_of(py, pfn)).transpose()
    }

    /// The page that a worker's page table maps at a page of a mapping, a device's too, or `None` where it maps none.
    fn mapped<'py>(
        &self,
        py: Python<'py>,
        worker: Worker,
        map: Map,
        page: Page,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.look(py, |world, cpu| world.entry_of(cpu, worker.0, map.0, page.0))?;
        let missing = |errno: Errno| raise::failure(py, errno.into(), &format!("map {}", map.0));
        match found.map_err(missing)? {
            Pte::None | Pte::Migration(_) => Ok(None),
            Pte::Page(leaf) => self.state_of(py, leaf.pfn()).map(Some),
            Pte::DevicePrivate(entry) | Pte::Exclusive(entry) => {
                self.state_of(py, entry.pfn()).map(Some)
            }
        }
    }

    /// The page of a frame.
    fn frame<'py>(&self, py: Python<'py>, pfn: Frame) -> PyResult<Bound<'py, PyAny>> {
        let pfn = self.pfn(py, pfn)?;
        self.state_of(py, pfn)
    }

    /// Size of a file in pages.
    fn size(&self, py: Python<'_>, file: FileName) -> PyResult<u32> {
        let name = self.resolve(py, &file.0)?;
        let size = self.look(py, |world, cpu| {
            world.name_lookup(cpu, name.index).map(|inode| world.dax.inode(inode).size())
        })?;
        size.map_err(|errno| raise::failure(py, errno.into(), &format!("file {}", file.0)))
    }

    /// The blocks of a file, by page; holes are left out.
    fn extents<'py>(&self, py: Python<'py>, file: FileName) -> PyResult<Bound<'py, PyTuple>> {
        let name = self.resolve(py, &file.0)?;
        let found = self.look(py, |world, cpu| {
            let inode = world.name_lookup(cpu, name.index)?;
            let blocks = (0..world.dax.inode(inode).size()).filter_map(|index| {
                let extent = world.dax.extent(inode, index);
                Some((index, extent.block()?.0, extent.written().is_some()))
            });
            Ok(blocks.collect::<Vec<_>>())
        })?;
        let blocks = found.map_err(|errno: Errno| {
            raise::failure(py, errno.into(), &format!("file {}", file.0))
        })?;
        results::tuple(py, blocks, |block| results::build(py, "Extent", block))
    }

    /// Everything known to hold a reference on the folio around a frame.
    fn holders<'py>(&self, py: Python<'py>, pfn: Frame) -> PyResult<Bound<'py, PyTuple>> {
        let pfn = self.pfn(py, pfn)?;
        let holders = self.look(py, |world, cpu| world.holders(cpu, pfn))?;
        results::tuple(py, &holders, |holder| results::holder(py, holder))
    }

    /// Broken invariants, oldest first.
    fn violations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let records = self.entry.threaded(py)?.machine().warnings();
        let seen = self.look(py, |world, cpu| {
            records.iter().map(|record| world.violation(cpu, record)).collect::<Vec<_>>()
        })?;
        results::tuple(py, seen, |violation| {
            results::violation(py, self.era, &self.rules, violation)
        })
    }

    /// What does not balance on a machine at rest, without workers and references; empty if all does.
    /// Unmounts the file system when nothing is wrong.
    fn quiescence<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.look(py, |world, cpu| world.quiescence(cpu))?)
    }

    /// How often each slow path was taken.
    fn tallies<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let threaded = self.entry.threaded(py)?;
        let all = PyDict::new(py);
        let count = |tally: Tally| threaded.machine().tally(tally);
        tally::ALL.iter().try_for_each(|(tally, name)| all.set_item(*name, count(*tally)))?;
        Ok(all)
    }
}

impl World {
    /// One step of a program, as an outcome.
    fn outcome<'py>(
        &self,
        py: Python<'py>,
        who: Option<pgmap_program::op::WorkerId>,
        op: &Op,
        text: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(worker) = who
            && !matches!(op, Op::Spawn)
            && self.look(py, |world, _| world.proc_of(worker).is_err())?
        {
            self.op(py, Worker(worker), Op::Spawn)?;
        }
        let (returned, failed) = match self.try_step(py, text)? {
            Ok(returned) => (Some(returned), None),
            Err(Failure::Errno(errno)) => (None, Some(errno.name())),
            Err(Failure::Died(Died::Sigbus)) => (None, Some("SIGBUS")),
            Err(Failure::Died(Died::Sigsegv)) => (None, Some("SIGSEGV")),
        };
        results::build(py, "Outcome", (text, returned, failed))
    }
}
