//! `pgmap.Program`: a validated program, as a value.

use std::hash::{DefaultHasher, Hash, Hasher};

use pgmap_program::{Issue, Program as Parsed};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::{raise, results};

/// A program: files, then steps. `Program.parse(text)` reads one; it never changes afterwards.
#[pyclass(frozen, module = "pgmap", name = "Program")]
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) parsed: Parsed,
    /// The canonical text, which reads back as this program.
    text: String,
}

#[pymethods]
impl Program {
    #[new]
    fn new(py: Python<'_>, text: &str) -> PyResult<Self> {
        let parsed = Parsed::parse(text).map_err(|wrong| raise::parse_error(py, &wrong))?;
        let text = parsed.to_string();
        Ok(Self { parsed, text })
    }

    /// Reads a program; `ProgramError` names the line and what is wrong with it.
    #[staticmethod]
    fn parse(py: Python<'_>, text: &str) -> PyResult<Self> {
        Self::new(py, text)
    }

    /// A program to be built step by step, as `with Program.build() as p:`; see `pgmap.build`.
    #[staticmethod]
    fn build(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        PyModule::import(py, "pgmap.build")?.getattr("Builder")?.call0()
    }

    /// The program in its canonical form.
    #[getter]
    fn text(&self) -> &str {
        &self.text
    }

    /// The files that exist before the first step: name and pages.
    #[getter]
    fn files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.parsed.files.iter().map(|file| (file.name.clone(), file.pages)))
    }

    /// The drivers that it declares: name and pages.
    #[getter]
    fn drivers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.parsed.drivers.iter().map(|it| (it.name.clone(), it.pages)))
    }

    /// The workers that do something, in ascending order.
    #[getter]
    fn workers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.parsed.workers().iter().map(|worker| worker.0))
    }

    /// The steps, in order.
    #[getter]
    fn steps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let steps = self.parsed.steps.iter().map(|step| {
            let who = step.who.map(|worker| worker.0);
            let text = self.parsed.step_text(step).to_string();
            results::build(py, "Step", (text, who, step.issue == Issue::Wait))
        });
        PyTuple::new(py, steps.collect::<PyResult<Vec<_>>>()?)
    }

    fn __len__(&self) -> usize {
        self.parsed.steps.len()
    }

    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Program.parse({})", PyString::new(py, &self.text).repr()?))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().text == self.text)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, pyo3::types::PyType>, (String,)) {
        (slf.get_type(), (slf.get().text.clone(),))
    }
}
