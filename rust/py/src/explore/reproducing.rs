//! `reproduce_start(config)`: what a stress run saw, looked for here (`_core_explore.ReproduceReport`).

use pgmap_explore::hunt::Tried;
use pgmap_explore::{Ends, Reproduction, Sighting, reproduce};
use pgmap_program::Invariant;
use pgmap_sched::Plan;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;

use super::ask::Budget;
use super::found::{FoundReport, reveal};
use super::{Ended, ExploreRun};
use crate::config::{self, invalid, value};
use crate::glance::Glance;
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
    let first = Glance::reproduced(&Tried::default(), 0.0);
    let work =
        move |watch: &Watch| go(&sighting, watch).map(|report| Ended::Reproduced(Box::new(report)));
    Ok(ExploreRun { job: Job::start(time, Some(first), work)? })
}

fn named(py: Python<'_>, name: &str) -> PyResult<Invariant> {
    let known = |invariant: &Invariant| invariant.to_string() == name;
    let found = Invariant::ALL.iter().copied().find(known);
    found.ok_or_else(|| invalid(py, format!("no invariant is called \"{name}\"")))
}

/// What the explorer made of what was seen.
#[derive(Debug, Serialize)]
pub(super) struct ReproduceReport {
    programs: u64,
    schedules: u64,
    seconds: f64,
    exact: bool,
    found: Option<FoundReport>,
    complete: bool,
}

fn go(sighting: &Sighting, watch: &Watch) -> Result<ReproduceReport, Failed> {
    let glance = |tried: &Tried| Glance::reproduced(tried, watch.seconds());
    let seen = reproduce(sighting, &mut |tried| watch.tell(glance(tried)));
    let (Reproduction::Found { tried, .. } | Reproduction::NotFound { tried }) = &seen;
    let last = glance(tried);
    let mut report = ReproduceReport {
        programs: tried.programs,
        schedules: tried.schedules,
        seconds: watch.seconds(),
        exact: false,
        found: None,
        complete: watch.halt() != Some(Halt::Asked),
    };
    if let Reproduction::Found { scenario, found, exact, .. } = seen {
        let how = Some(Plan::default().steps_max);
        report.exact = exact;
        report.found = Some(reveal(&scenario, *found, Ends::Blamed, how, &last, watch)?);
    }
    Ok(report)
}
