//! `facts()`: what the short names in outputs stand for, as plain data (`_core_api.Facts`); and whether a name
//! of a rule is one.

use pgmap_program::op::{Kind, OPERATIONS, Operation, Returns};
use pgmap_program::parse::lacking;
use pgmap_program::{Era, Errno, Invariant, RULES, RuleInfo};
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::config;
use crate::json::to_python;

/// Refuses an era or rules that do not exist, in the words of whoever knows which do.
#[pyfunction]
pub(crate) fn check_rules(
    py: Python<'_>,
    era: &str,
    breaks: Vec<(String, String)>,
) -> PyResult<()> {
    config::rules(py, config::era(py, era)?, &breaks).map(drop)
}

/// Every invariant, rule, era with its known races, operation and error number that an output can name.
#[pyfunction]
pub(crate) fn facts(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let invariants: Vec<Value> = Invariant::ALL
        .iter()
        .map(|it| json!({ "id": it.id(), "sentence": it.sentence() }))
        .collect();
    let eras: Vec<Value> = Era::ALL
        .iter()
        .map(|era| {
            json!({
                "name": era.name(), "summary": era.summary(), "facts": era.k(), "known": era.known(),
                "base": era.base(), "kernels": era.kernels(), "sound": era.sound(),
            })
        })
        .collect();
    let rules: Vec<Value> = RULES.iter().map(rule).collect();
    let operations: Vec<Value> = OPERATIONS.iter().map(operation).collect();
    let kinds: Vec<Value> = Kind::all()
        .iter()
        .map(|it| json!({ "name": it.name(), "meaning": it.meaning() }))
        .collect();
    let returns: Vec<Value> =
        Returns::all().iter().map(|it| json!({ "name": it, "meaning": it.meaning() })).collect();
    let lacking: Vec<Value> =
        lacking().map(|(name, what)| json!({ "name": name, "what": what })).collect();
    let errnos: Vec<Value> = Errno::ALL
        .iter()
        .map(|it| json!({ "name": it.name(), "number": *it as i32, "meaning": it.describe() }))
        .collect();
    to_python(
        py,
        &json!({
            "invariants": invariants, "eras": eras, "rules": rules, "operations": operations,
            "kinds": kinds, "returns": returns, "lacking": lacking, "errnos": errnos,
        }),
    )
}

/// A row of the table of operations.
fn operation(it: &Operation) -> Value {
    let arguments: Vec<Value> = it
        .arguments
        .iter()
        .map(|arg| {
            json!({
                "name": arg.name, "usage": arg.usage, "kind": arg.kind.name(), "role": arg.kind.role(),
                "optional": arg.is_optional(), "bounds": arg.kind.bounds(), "words": arg.kind.words(),
            })
        })
        .collect();
    let hunted: Vec<Value> = it
        .hunted
        .iter()
        .map(|hunted| json!({ "word": hunted.word, "text": hunted.text }))
        .collect();
    json!({
        "words": it.said.iter().map(|said| said.word).collect::<Vec<_>>(),
        "by": it.by, "sentence": it.sentence, "usage": it.usage, "arguments": arguments,
        "returns": it.returns, "errnos": it.errnos.iter().map(|it| it.name()).collect::<Vec<_>>(),
        "deaths": it.deaths.iter().map(|it| it.name()).collect::<Vec<_>>(), "hunted": hunted,
    })
}

fn rule(rule: &RuleInfo) -> Value {
    let eras = Era::ALL.map(|era| (era.name().to_owned(), era.value_of(rule).into()));
    json!({
        "name": rule.name, "summary": rule.summary, "facts": rule.k, "values": rule.values, "base": rule.base,
        "eras": Value::Object(eras.into_iter().collect()),
    })
}
