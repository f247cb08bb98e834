//! From error values to the classes of `pgmap.errors`, which is where they are phrased and pickled.

use pgmap_explore::ScenarioError;
use pgmap_mm::world::Failure;
use pgmap_program::{Died, ParseError};
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// What `pgmap.errors.<name>(*args)` returns, ready to raise.
pub(crate) fn build<'py>(py: Python<'py>, name: &str, args: impl PyCallArgs<'py>) -> PyErr {
    let module =
        ERRORS.get_or_try_init(py, || PyModule::import(py, "pgmap.errors").map(Bound::unbind));
    let made = module.and_then(|module| module.bind(py).getattr(name)?.call1(args));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The exception of one sentence called `name`.
pub(crate) fn error(py: Python<'_>, name: &str, message: impl Into<String>) -> PyErr {
    build(py, name, (message.into(),))
}

/// What the emulated kernel answered, or the signal that ended the access.
pub(crate) fn failure(py: Python<'_>, failure: Failure, what: &str) -> PyErr {
    match failure {
        Failure::Errno(errno) => {
            let message = format!("{what}: {}", errno.describe());
            build(py, "kernel_error", (errno.raw(), message))
        }
        Failure::Died(Died::Sigbus) => {
            error(py, "BusError", format!("{what}: SIGBUS, no page can be provided there"))
        }
        Failure::Died(Died::Sigsegv) => {
            error(py, "SegmentationFault", format!("{what}: SIGSEGV, not mapped for this access"))
        }
    }
}

/// A program that cannot be read.
pub(crate) fn parse_error(py: Python<'_>, wrong: &ParseError) -> PyErr {
    let reason = format!("column {}: {}, in \"{}\"", wrong.column, wrong.what, wrong.text);
    build(py, "ProgramError", (wrong.line, reason))
}

/// A program that cannot be explored, in general or with these rules and sizes.
pub(crate) fn scenario_error(py: Python<'_>, wrong: &ScenarioError) -> PyErr {
    match wrong {
        ScenarioError::Unsupported { line, what } => {
            build(py, "UnsupportedProgram", (*line, what.as_str()))
        }
        ScenarioError::SetUp { line, step, why } if *line > 0 => {
            build(py, "ProgramError", (*line, format!("{step}: {why} in the set-up")))
        }
        ScenarioError::NoMemory => {
            build(py, "kernel_error", (pgmap_program::Errno::ENOMEM.raw(), wrong.to_string()))
        }
        _ => error(py, "ScenarioError", wrong.to_string()),
    }
}
