//! Reports as Python objects. A report is one struct, its fields are the keys (`_core_*.py`), and this is the only way
//! out: a struct becomes a dict, a list a list, a tuple a tuple.

use pyo3::prelude::*;
use serde::{Serialize, Serializer};

/// The same in Python.
pub(crate) fn to_python<'py>(
    py: Python<'py>,
    told: &impl Serialize,
) -> PyResult<Bound<'py, PyAny>> {
    Ok(pythonize::pythonize(py, told)?)
}

/// Pairs as a dict, in their order.
pub(crate) fn by_name<V: Serialize, S: Serializer>(
    pairs: &[(&'static str, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}
