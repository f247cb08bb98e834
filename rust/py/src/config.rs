//! Configurations of long runs: dictionaries from the commands, read entry by entry.

use std::num::NonZeroU16;
use std::time::Duration;

use pgmap_program::{Era, EraError, Rules};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::raise::{self, Class};

/// Threads of a run at most, whatever it does: a world has room for so many workers, and a search for no more
/// processors.
const THREADS_MAX: u16 = 64;

pub(crate) fn invalid(py: Python<'_>, what: impl Into<String>) -> PyErr {
    raise::error(py, Class::InvalidArgument, what)
}

/// An entry, or what is wrong with it.
pub(crate) fn value<'py, T>(py: Python<'py>, config: &Bound<'py, PyDict>, name: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    let found = config.get_item(name)?;
    let found = found.ok_or_else(|| invalid(py, format!("the configuration has no {name}")))?;
    found.extract().map_err(|_| invalid(py, format!("{name} is not a value that {name} can have")))
}

pub(crate) fn seconds(py: Python<'_>, what: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| invalid(py, format!("{what} is {value}; it must be a length of time")))
}

/// An era by its name.
pub(crate) fn era(py: Python<'_>, name: &str) -> PyResult<Era> {
    name.parse().map_err(|wrong: EraError| raise::error(py, Class::EraError, wrong.to_string()))
}

/// An era's rules with some of them changed.
pub(crate) fn rules(py: Python<'_>, era: Era, breaks: &[(String, String)]) -> PyResult<Rules> {
    let mut rules = era.rules();
    for (rule, wanted) in breaks {
        rules
            .set(rule, wanted)
            .map_err(|wrong| raise::error(py, Class::RuleError, wrong.to_string()))?;
    }
    rules.possible().map_err(|wrong| raise::error(py, Class::RuleError, wrong.to_string()))?;
    Ok(rules)
}

/// A number of threads that makes sense.
pub(crate) fn threads(py: Python<'_>, asked: u64) -> PyResult<NonZeroU16> {
    u16::try_from(asked)
        .ok()
        .and_then(NonZeroU16::new)
        .filter(|threads| threads.get() <= THREADS_MAX)
        .ok_or_else(|| invalid(py, format!("threads is {asked}; it must be 1 to {THREADS_MAX}")))
}
