//! Calls on files that are no operations, or say more than these: a new file, and reading and writing of words.

use pgmap_program::op::{self, FileState, Layout};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::convert::{FileArg, FileName, LayoutWord, Page, Pages, Size, StateWord, Word, Worker};
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
}
