//! `run_once(config)`: a program under one schedule (`_core_explore.RunReport`).

use pgmap_explore::once::{End, Once};
use pgmap_explore::{Finding, Outcomes, Scenario, Unfinished, once as run, warnings};
use pgmap_sched::Plan;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;

use super::ask;
use super::search::doubt;
use crate::first_found::Setting;
use crate::job::{Failed, Job, Watch};

/// Runs a program once and says what each step came to.
#[pyfunction]
pub(crate) fn run_once<'py>(
    py: Python<'py>,
    config: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let scenario = ask::scenario(py, config)?;
    let work = move |watch: &Watch| once(&scenario, watch);
    Job::start(None, None, work)?.finish(py)
}

/// A program that has run once.
#[derive(Debug, Serialize)]
struct RunReport {
    program: String,
    setting: Setting,
    set_up: Vec<SetUpStep>,
    steps: Vec<RunStep>,
    ended: &'static str,
    finding: Option<Finding>,
    waits: Vec<String>,
    why: Option<String>,
    warnings: Vec<String>,
}

/// A step of the set-up.
#[derive(Debug, Serialize)]
struct SetUpStep {
    line: u32,
    text: String,
    outcome: String,
}

/// A step after it.
#[derive(Debug, Serialize)]
struct RunStep {
    line: u32,
    step: String,
    label: Option<String>,
    text: String,
    outcome: String,
    failed: bool,
}

/// None if it was stopped: nobody waits for it any more.
fn once(scenario: &Scenario, watch: &Watch) -> Result<Option<RunReport>, Failed> {
    let Once { set_up, steps, end } = match run(scenario, &mut || watch.control()) {
        Ok(once) => once,
        Err(Unfinished::Scenario(wrong)) => return Err(wrong.into()),
        Err(Unfinished::Stopped) => return Ok(None),
    };
    let program = &scenario.program;
    let before = set_up.iter().filter_map(|(n, outcome)| {
        let step = program.steps.get(*n as usize)?;
        let text = program.step_text(step).to_string();
        Some(SetUpStep { line: step.line, text, outcome: outcome.to_string() })
    });
    let line = |n: u32| program.steps.get(n as usize).map_or(0, |step| step.line);
    let after = steps.into_iter().map(|row| {
        let outcome = row.outcome();
        RunStep {
            line: line(row.n),
            step: row.place,
            label: row.label,
            text: row.text,
            outcome: outcome.to_string(),
            failed: outcome.failed(),
        }
    });
    let (ended, finding, waits, why) = match end {
        End::Through => ("through", None, Vec::new(), None),
        End::Found(finding) => {
            let waits = finding.waits.clone();
            ("found", Some(*finding), waits, None)
        }
        End::Waits(waits) => ("waits", None, waits, None),
        End::Unclear(why) => {
            let why = doubt(&why, 1, 1, Plan::default().steps_max);
            ("unclear", None, Vec::new(), Some(why))
        }
    };
    Ok(Some(RunReport {
        program: program.to_string(),
        setting: Setting::of(scenario),
        set_up: before.collect(),
        steps: after.collect(),
        ended,
        finding,
        waits,
        why,
        // One schedule says nothing about who meets whom, or what always fails.
        warnings: warnings(scenario, &Outcomes::together()),
    }))
}
