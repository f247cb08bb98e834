//! Calls on files. The order of arguments is the program language's.

use pgmap_program::op::{self, FileState, Layout, OpenMode, SLOW_BLOCK, Target};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::convert::{
    Fd, FileArg, FileName, LayoutWord, ModeWord, Page, Pages, Size, StateWord, Word, Worker,
};
use crate::world::World;

#[pymethods]
impl World {
    /// A new file of some pages.
    #[pyo3(signature = (file, pages, state=StateWord(Some(FileState::Written)),
        layout=LayoutWord(Layout::Contiguous)),
        text_signature = "($self, file, pages, state='written', layout='contiguous')")]
    fn create(
        &self,
        py: Python<'_>,
        file: FileName,
        pages: Size,
        state: StateWord,
        layout: LayoutWord,
    ) -> PyResult<()> {
        self.create_file(py, &file.0, pages.0, state.0, layout.0)
    }

    /// Opens a file, or the slow block device `/dev/nullb0`, under a number; what was open there is closed.
    #[pyo3(signature = (worker, fd, file, mode=ModeWord(OpenMode::ReadWrite)),
        text_signature = "($self, worker, fd, file, mode='rw')")]
    fn open(
        &self,
        py: Python<'_>,
        worker: Worker,
        fd: Fd,
        file: FileName,
        mode: ModeWord,
    ) -> PyResult<()> {
        let name = if file.0 == SLOW_BLOCK { None } else { Some(self.resolve(py, &file.0)?) };
        let target = name.as_ref().map_or(Target::SlowBlock, |name| Target::File(name.index));
        self.op(py, worker, op::Open { fd: fd.0, target, mode: mode.0 }).map(drop)
    }

    /// Takes a file's name away.
    fn unlink(&self, py: Python<'_>, worker: Worker, file: FileName) -> PyResult<()> {
        let name = self.resolve(py, &file.0)?;
        self.op(py, worker, op::Unlink { file: name.index }).map(drop)
    }

    /// The data words of some pages; fewer at the end of the file.
    #[pyo3(signature = (worker, file, page, pages=Pages(1)),
        text_signature = "($self, worker, file, page, pages=1)")]
    fn pread<'py>(
        &self,
        py: Python<'py>,
        worker: Worker,
        file: FileArg,
        page: Page,
        pages: Pages,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let (file, worker) = (self.file(py, file)?, worker.0);
        let read = op::Pread { file: file.at, page: page.0, pages: pages.0 };
        let words = self.call(py, worker, &read.into(), |world, cpu| {
            world.proc_of(worker)?;
            let mut words = Vec::new();
            world.pread_each(cpu, worker, &read, |word| words.push(word))?;
            Ok(words)
        })?;
        PyTuple::new(py, words)
    }

    /// Writes one data word to each of some pages. Returns bytes.
    #[pyo3(signature = (worker, file, page, value, pages=Pages(1)),
        text_signature = "($self, worker, file, page, value, pages=1)")]
    fn pwrite(
        &self,
        py: Python<'_>,
        worker: Worker,
        file: FileArg,
        page: Page,
        value: Word,
        pages: Pages,
    ) -> PyResult<i64> {
        let file = self.file(py, file)?;
        let (worker, value) = (worker.0, value.0);
        let write = op::Pwrite { file: file.at, page: page.0, pages: pages.0 };
        self.call(py, worker, &write.into(), |world, cpu| {
            world.pwrite_each(cpu, worker, &write, |_| value)
        })
    }

    /// Writes a file back.
    fn fsync(&self, py: Python<'_>, worker: Worker, file: FileArg) -> PyResult<()> {
        let file = self.file(py, file)?;
        self.op(py, worker, op::Fsync { file: file.at }).map(drop)
    }

    /// Sets a file's size in pages. Waits until no page of the file is referenced.
    fn ftruncate(
        &self,
        py: Python<'_>,
        worker: Worker,
        file: FileArg,
        pages: Size,
    ) -> PyResult<()> {
        let file = self.file(py, file)?;
        self.op(py, worker, op::Ftruncate { file: file.at, pages: pages.0 }).map(drop)
    }

    /// Takes the blocks of some pages away. Waits as `ftruncate` does.
    #[pyo3(signature = (worker, file, page, pages=Pages(1)),
        text_signature = "($self, worker, file, page, pages=1)")]
    fn punch(
        &self,
        py: Python<'_>,
        worker: Worker,
        file: FileArg,
        page: Page,
        pages: Pages,
    ) -> PyResult<()> {
        let file = self.file(py, file)?;
        let op = op::Punch { file: file.at, page: page.0, pages: pages.0 };
        self.op(py, worker, op).map(drop)
    }

    /// Makes some pages read as zero; their blocks stay. Waits as `ftruncate` does.
    #[pyo3(signature = (worker, file, page, pages=Pages(1)),
        text_signature = "($self, worker, file, page, pages=1)")]
    fn zero_range(
        &self,
        py: Python<'_>,
        worker: Worker,
        file: FileArg,
        page: Page,
        pages: Pages,
    ) -> PyResult<()> {
        let file = self.file(py, file)?;
        let op = op::Zerorange { file: file.at, page: page.0, pages: pages.0 };
        self.op(py, worker, op).map(drop)
    }
}
