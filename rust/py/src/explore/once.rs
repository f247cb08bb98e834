//! `run_once(config)`: a program under one schedule (`_core_api.RunReport`).

use pgmap_explore::once::{End, Once};
use pgmap_explore::{Outcomes, Unfinished, once as run, warnings};
use pgmap_sched::Plan;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};

use super::ask;
use super::search::{doubt, setting};
use crate::job::{Job, Watch};

/// Runs a program once and says what each step came to.
#[pyfunction]
pub(crate) fn run_once<'py>(
    py: Python<'py>,
    config: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let scenario = ask::scenario(py, config)?;
    let work = move |watch: &Watch| {
        let Once { set_up, steps, end } = match run(&scenario, &mut || watch.control()) {
            Ok(once) => once,
            Err(Unfinished::Scenario(wrong)) => return Err(wrong.into()),
            // Nobody waits for it any more.
            Err(Unfinished::Stopped) => return Ok(Value::Null),
        };
        let program = &scenario.program;
        let before = set_up.iter().filter_map(|(n, outcome)| {
            let step = program.steps.get(*n as usize)?;
            let text = program.step_text(step).to_string();
            Some(json!({ "line": step.line, "text": text, "outcome": outcome.to_string() }))
        });
        let line = |n: u32| program.steps.get(n as usize).map_or(0, |step| step.line);
        let after = steps.iter().map(|row| {
            json!({
                "line": line(row.n), "step": row.place, "label": row.label, "text": row.text,
                "outcome": row.outcome().to_string(), "failed": row.outcome().failed(),
            })
        });
        let (ended, finding, waits, why) = match &end {
            End::Through => ("through", Value::Null, Vec::new(), Value::Null),
            End::Found(finding) => ("found", json!(finding), finding.waits.clone(), Value::Null),
            End::Waits(waits) => ("waits", Value::Null, waits.clone(), Value::Null),
            End::Unclear(why) => (
                "unclear",
                Value::Null,
                Vec::new(),
                doubt(why, 1, 1, Plan::default().steps_max).into(),
            ),
        };
        // One schedule says nothing about who meets whom, or what always fails.
        let about = Outcomes::together();
        Ok(json!({
            "program": program.to_string(), "setting": setting(&scenario),
            "set_up": before.collect::<Vec<_>>(), "steps": after.collect::<Vec<_>>(),
            "ended": ended, "finding": finding, "waits": waits, "why": why,
            "warnings": warnings(&scenario, &about),
        }))
    };
    Job::start(None, Value::Null, work)?.finish(py)
}
