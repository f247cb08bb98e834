//! `catalogue()`: the programs known for wrong rules, and the rules that none can show yet.

use pgmap_explore::catalogue::{CATALOGUE, Known, NOT_SHOWN};
use pyo3::prelude::*;
use serde_json::json;

use crate::json::to_python;

/// Every wrong rule that can be shown, with its program; and those that cannot, with the reason.
#[pyfunction]
pub(crate) fn catalogue(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let known = |known: &Known| {
        json!({
            "rule": known.rule, "value": known.value, "invariant": known.invariant,
            "preemptions": known.preemptions, "needs": known.needs, "note": known.note, "program": known.program,
        })
    };
    let not = |(rule, value, why): &(&str, &str, &str)| json!({ "rule": rule, "value": value, "why": why });
    let known: Vec<_> = CATALOGUE.iter().map(known).collect();
    let not_shown: Vec<_> = NOT_SHOWN.iter().map(not).collect();
    to_python(py, &json!({ "known": known, "not_shown": not_shown }))
}
