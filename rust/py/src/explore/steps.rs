//! `protocol_steps()` and `steps_met(config)`: what can be left out, and of what a program would notice it.

use pgmap_explore::{protocol, steps_met as met};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;

use super::ask::{self, Budget};
use crate::job::{Failed, Job};
use crate::told::to_python;

/// A step of the protocol.
#[derive(Serialize)]
struct StepFact {
    name: &'static str,
    kind: &'static str,
    function: &'static str,
    primitive: &'static str,
    place: String,
}

/// All of them, and how many calls of primitives they are.
#[derive(Serialize)]
struct Steps {
    steps: Vec<StepFact>,
    calls: usize,
}

/// Every step of the protocol that can be left out, in the order of the sources.
#[pyfunction]
pub(crate) fn protocol_steps(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let fact = |step: &protocol::Step| StepFact {
        name: step.name,
        kind: step.kind,
        function: step.function,
        primitive: step.edit.op,
        place: format!("{}:{}", step.edit.file.replace("mm-explored/src/", ""), step.edit.line),
    };
    let steps = protocol::steps().iter().map(fact).collect();
    to_python(py, &Steps { steps, calls: protocol::calls() })
}

/// The steps that a search of a program takes.
#[pyfunction]
pub(crate) fn steps_met<'py>(
    py: Python<'py>,
    config: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let scenario = ask::scenario(py, config)?;
    let Budget { plan, time, .. } = Budget::read(py, config)?;
    let job = Job::start(time, None, move |_| {
        let (steps, _) = met(&scenario, &plan).map_err(Failed::from)?;
        Ok(steps.iter().map(|step| step.name).collect::<Vec<_>>())
    })?;
    job.finish(py)
}
