//! `catalogue()`: the programs known for wrong rules, the rules that x86 does not show, and those that nothing
//! can show yet.

use std::path::PathBuf;

use pgmap_explore::catalogue::{CATALOGUE, Catalogue};
use pyo3::prelude::*;
use serde_json::Value;

use crate::json::to_python;
use crate::raise::{self, Class};

/// Every race that can be shown, with its program; those that x86 does not tell from what is right, with a program
/// that executes them and the models that show them; and those that cannot, with the reason. `races` is a folder
/// of more.
#[pyfunction]
#[pyo3(signature = (races=None))]
pub(crate) fn catalogue(py: Python<'_>, races: Option<PathBuf>) -> PyResult<Bound<'_, PyAny>> {
    let more = races.map(|folder| py.detach(|| Catalogue::with(&folder))).transpose();
    let more = more.map_err(|wrong| raise::error(py, Class::RaceError, wrong.to_string()))?;
    let told = serde_json::to_value(more.as_ref().unwrap_or(&CATALOGUE));
    let mut told =
        told.map_err(|error| raise::error(py, Class::InternalError, error.to_string()))?;
    for entry in told.as_object_mut().into_iter().flat_map(|lists| lists.values_mut()) {
        entry.as_array_mut().into_iter().flatten().for_each(first_rule);
    }
    to_python(py, &told)
}

/// The first of an entry's wrong rules by itself, for who looks for one; empty if the era itself is wrong.
fn first_rule(entry: &mut Value) {
    let first = entry["wrong"].get(0).cloned().unwrap_or_default();
    for (key, at) in [("rule", 0), ("value", 1)] {
        entry[key] = first.get(at).cloned().unwrap_or_else(|| "".into());
    }
}
