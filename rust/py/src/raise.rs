//! From error values to the classes of `pgmap.errors`, which is where they are phrased and pickled.

use pgmap_explore::ScenarioError;
use pgmap_mm::world::Failure;
use pgmap_program::{Died, Errno, ParseError};
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

macro_rules! classes {
    ($($name:ident)+) => {
        /// A class of `pgmap.errors`. That each of them is one is tested from there.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Class {
            $($name,)+
        }

        impl Class {
            fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

classes! {
    PgmapError
    Busy InvalidArgument OutOfRange
    BusError SegmentationFault
    DeadlineExceeded HangDetected WorldPoisoned WorldClosed
    ProgramError UnsupportedProgram ScenarioError TokenError RecordingError RuleError EraError
    RaceError
    ReplayImpossible InternalError
}

/// What `pgmap.errors.<class>(*args)` returns, ready to raise.
pub(crate) fn build<'py>(py: Python<'py>, class: Class, args: impl PyCallArgs<'py>) -> PyErr {
    call(py, class.name(), args)
}

/// The exception for what the emulated kernel answered; the class is chosen by errno in `pgmap.errors`.
fn kernel_error(py: Python<'_>, errno: Errno, message: String) -> PyErr {
    call(py, "kernel_error", (errno.raw(), message))
}

fn call<'py>(py: Python<'py>, name: &str, args: impl PyCallArgs<'py>) -> PyErr {
    let module =
        ERRORS.get_or_try_init(py, || PyModule::import(py, "pgmap.errors").map(Bound::unbind));
    let made = module.and_then(|module| module.bind(py).getattr(name)?.call1(args));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The exception of one sentence.
pub(crate) fn error(py: Python<'_>, class: Class, message: impl Into<String>) -> PyErr {
    build(py, class, (message.into(),))
}

/// What the emulated kernel answered, or the signal that ended the access.
pub(crate) fn failure(py: Python<'_>, failure: Failure, what: &str) -> PyErr {
    match failure {
        Failure::Errno(errno) => {
            let message = format!("{what}: {}", errno.describe());
            kernel_error(py, errno, message)
        }
        Failure::Died(Died::Sigbus) => {
            error(py, Class::BusError, format!("{what}: SIGBUS, no page can be provided there"))
        }
        Failure::Died(Died::Sigsegv) => error(
            py,
            Class::SegmentationFault,
            format!("{what}: SIGSEGV, not mapped for this access"),
        ),
    }
}

/// No file has this name.
pub(crate) fn no_file(py: Python<'_>, name: &str) -> PyErr {
    failure(py, Errno::ENOENT.into(), &format!("file {name}"))
}

/// A program that cannot be read.
pub(crate) fn parse_error(py: Python<'_>, wrong: &ParseError) -> PyErr {
    let reason = format!("column {}: {}, in \"{}\"", wrong.column, wrong.what, wrong.text);
    build(py, Class::ProgramError, (wrong.line, reason))
}

/// A program that cannot be explored, in general or with these rules and sizes.
pub(crate) fn scenario_error(py: Python<'_>, wrong: &ScenarioError) -> PyErr {
    match wrong {
        ScenarioError::Unsupported { line, what } => {
            build(py, Class::UnsupportedProgram, (*line, what.as_str()))
        }
        ScenarioError::SetUp { line, step, why } if *line > 0 => {
            build(py, Class::ProgramError, (*line, format!("{step}: {why} in the set-up")))
        }
        ScenarioError::NoMemory => kernel_error(py, Errno::ENOMEM, wrong.to_string()),
        _ => error(py, Class::ScenarioError, wrong.to_string()),
    }
}
