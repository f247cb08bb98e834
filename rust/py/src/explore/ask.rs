//! What is to be explored: a program, an era with some rules changed, sizes, and a budget.

use std::time::Duration;

use pgmap_explore::Scenario;
use pgmap_program::{Geometry, Memory, MemoryError, Program, TlbRefill};
use pgmap_sched::Plan;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::config::{self, invalid, seconds, value};
use crate::{raise, sizes};

/// More preemptions than an execution of a small program has steps.
const PREEMPTIONS_MAX: u32 = 64;

/// How much a search may be.
pub(super) struct Budget {
    pub(super) plan: Plan,
    pub(super) time: Option<Duration>,
}

impl Budget {
    pub(super) fn read(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<Self> {
        let bound: Option<u32> = value(py, config, "preemptions")?;
        if let Some(most) = bound.filter(|bound| *bound > PREEMPTIONS_MAX) {
            let what =
                format!("preemptions is {most}; it must be 0 to {PREEMPTIONS_MAX}, or no bound");
            return Err(invalid(py, what));
        }
        let schedules: Option<u64> = value(py, config, "schedules")?;
        if schedules == Some(0) {
            return Err(invalid(py, "schedules is 0; at least one has to be run"));
        }
        let time = value::<Option<f64>>(py, config, "seconds")?;
        Ok(Self {
            plan: Plan { bound, schedules_max: schedules.unwrap_or(u64::MAX), ..Plan::default() },
            time: time.map(|time| seconds(py, "seconds", time)).transpose()?,
        })
    }
}

/// The scenario, valid.
pub(super) fn scenario(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<Scenario> {
    let text: String = value(py, config, "program")?;
    let program = Program::parse(&text).map_err(|wrong| raise::parse_error(py, &wrong))?;
    let era = config::era(py, &value::<String>(py, config, "era")?)?;
    let rules = config::rules(py, era, &value::<Vec<_>>(py, config, "breaks")?)?;
    let geometry = geometry(py, config, Scenario::cosy(&program))?;
    let (memory, tlb) = (memory(py, config)?, tlb(py, config)?);
    let scenario = Scenario { program, era, rules, geometry, memory, tlb };
    scenario.validate().map_err(|wrong| raise::scenario_error(py, &wrong))?;
    Ok(scenario)
}

/// Which memory the CPUs see.
pub(super) fn memory(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<Memory> {
    let name: String = value(py, config, "memory")?;
    name.parse().map_err(|wrong: MemoryError| invalid(py, wrong.to_string()))
}

/// When TLBs are filled.
pub(super) fn tlb(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<TlbRefill> {
    let speculative: bool = value(py, config, "speculative_tlb")?;
    Ok(if speculative { TlbRefill::Speculative } else { TlbRefill::OnAccess })
}

/// The sizes that were asked for; the others fit the program.
fn geometry(py: Python<'_>, config: &Bound<'_, PyDict>, cosy: Geometry) -> PyResult<Geometry> {
    let mut geometry = cosy;
    for (name, value) in value::<Bound<'_, PyDict>>(py, config, "geometry")? {
        let name = name.cast::<PyString>().map_err(|_| invalid(py, "a size is called by a str"))?;
        let name = name.to_string_lossy();
        if !sizes::set(&mut geometry, &name, &value)? {
            let known: Vec<_> = sizes::named(&geometry).iter().map(|(name, _)| *name).collect();
            let what = format!("no size is called \"{name}\"; sizes are: {}", known.join(", "));
            return Err(invalid(py, what));
        }
    }
    Ok(geometry)
}
