//! `catalogue()`: the programs known for wrong rules, the rules that x86 does not show, and those that nothing
//! can show yet.

use pgmap_explore::catalogue::{CATALOGUE, Known, NOT_ON_X86, NOT_SHOWN, NotOnX86};
use pyo3::prelude::*;
use serde_json::json;

use crate::json::to_python;

/// Every wrong rule that can be shown, with its program; those that x86 does not tell from the right ones,
/// with a program that executes them and the models that show them; and those that cannot, with the reason.
#[pyfunction]
pub(crate) fn catalogue(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let known = |known: &Known| {
        json!({
            "rule": known.rule, "value": known.value, "invariant": known.invariant,
            "preemptions": known.preemptions, "needs": known.needs, "note": known.note, "program": known.program,
        })
    };
    let weak = |weak: &NotOnX86| {
        json!({
            "rule": weak.rule, "value": weak.value, "invariant": weak.invariant, "note": weak.note,
            "program": weak.program(), "models": weak.models,
        })
    };
    let not = |(rule, value, why): &(&str, &str, &str)| json!({ "rule": rule, "value": value, "why": why });
    let known: Vec<_> = CATALOGUE.iter().map(known).collect();
    let not_on_x86: Vec<_> = NOT_ON_X86.iter().map(weak).collect();
    let not_shown: Vec<_> = NOT_SHOWN.iter().map(not).collect();
    to_python(py, &json!({ "known": known, "not_on_x86": not_on_x86, "not_shown": not_shown }))
}
