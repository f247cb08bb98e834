//! `reproduce_start(config)`: what a stress run saw, looked for here (`_core_api.ReproduceReport`).

use pgmap_explore::synth::Tried;
use pgmap_explore::{Ends, Reproduction, Sighting, reproduce};
use pgmap_program::Invariant;
use pgmap_sched::Plan;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};

use super::ExploreRun;
use super::ask::Budget;
use super::search::reveal;
use crate::config::{self, invalid, value};
use crate::job::{Failed, Halt, Job, Watch};

/// Starts looking.
#[pyfunction]
pub(crate) fn reproduce_start(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<ExploreRun> {
    let era = config::era(py, &value::<String>(py, config, "era")?)?;
    let rules = config::rules(py, era, &value::<Vec<_>>(py, config, "breaks")?)?;
    let invariant: Option<String> = value(py, config, "invariant")?;
    let invariant = invariant.map(|name| named(py, &name)).transpose()?;
    let operations: Vec<String> = value(py, config, "operations")?;
    let time = Budget::time(py, config)?;
    let sighting = Sighting { invariant, operations, era, rules };
    let first = glance(&Tried::default(), 0.0);
    let work = move |watch: &Watch| go(&sighting, watch);
    Ok(ExploreRun { job: Job::start(time, first, work)? })
}

fn named(py: Python<'_>, name: &str) -> PyResult<Invariant> {
    let known = |invariant: &Invariant| invariant.to_string() == name;
    let found = Invariant::ALL.iter().copied().find(known);
    found.ok_or_else(|| invalid(py, format!("no invariant is called \"{name}\"")))
}

fn glance(tried: &Tried, seconds: f64) -> Value {
    json!({
        "phase": "reproduce", "seconds": seconds, "ops": tried.ops, "programs": tried.programs,
        "schedules": tried.schedules, "tried": 0, "kept": 0, "tasks": 0, "steps": 0,
    })
}

fn go(sighting: &Sighting, watch: &Watch) -> Result<Value, Failed> {
    let seen = reproduce(sighting, &mut |tried| watch.tell(glance(tried, watch.seconds())));
    let (Reproduction::Found { tried, .. } | Reproduction::NotFound { tried }) = &seen;
    let last = glance(tried, watch.seconds());
    let mut told = json!({
        "programs": tried.programs, "schedules": tried.schedules, "seconds": watch.seconds(),
        "exact": false, "found": Value::Null, "complete": watch.halt() != Some(Halt::Asked),
    });
    if let Reproduction::Found { scenario, found, exact, .. } = seen {
        told["exact"] = exact.into();
        let how = Some(Plan::default().steps_max);
        told["found"] = reveal(&scenario, *found, Ends::Blamed, how, &last, watch)?;
    }
    Ok(told)
}
