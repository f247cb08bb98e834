//! What is to be explored: a program, an era with some rules changed, sizes, and a budget.

use std::num::NonZeroUsize;
use std::time::Duration;

use pgmap_explore::{Ends, RandomSearch, Scenario, Search, UnknownStep, Without, processors};
use pgmap_program::{Memory, MemoryError, Program, TlbRefill};
use pgmap_sched::{Plan, Strategy};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::config::{self, invalid, seconds, value};
use crate::{raise, sizes};

/// More preemptions than an execution of a small program has steps.
const PREEMPTIONS_MAX: u32 = 64;

/// Executions that are drawn after the bounds, and instead of them, if no budget says otherwise.
const AFTER_BOUNDS: u64 = 1_000;
const ALONE: u64 = 10_000;
/// The strategy that stays within bounds.
const BOUNDS: &str = "bounds";

/// How much a search may be.
pub(super) struct Budget {
    pub(super) plan: Plan,
    pub(super) time: Option<Duration>,
    pub(super) threads: NonZeroUsize,
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
        let steps_max = value::<Option<u32>>(py, config, "max_steps")?;
        if steps_max == Some(0) {
            return Err(invalid(py, "max_steps is 0; an execution has at least one point"));
        }
        let usual = Plan::default();
        Ok(Self {
            plan: Plan {
                bound,
                schedules_max: schedules.unwrap_or(u64::MAX),
                steps_max: steps_max.unwrap_or(usual.steps_max),
                ..usual
            },
            time: Self::time(py, config)?,
            threads: threads(py, config)?,
        })
    }

    /// How long it may take.
    pub(super) fn time(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<Option<Duration>> {
        let time = value::<Option<f64>>(py, config, "seconds")?;
        time.map(|time| seconds(py, "seconds", time)).transpose()
    }
}

/// OS threads; none said are as many as there are processors.
fn threads(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<NonZeroUsize> {
    match value::<Option<u64>>(py, config, "threads")? {
        None => Ok(processors()),
        Some(asked) => config::threads(py, asked).map(NonZeroUsize::from),
    }
}

/// A search as it was asked for.
pub(super) struct Wanted {
    pub(super) search: Search,
    /// The word for how it goes about.
    pub(super) strategy: String,
    pub(super) seed: u64,
    pub(super) budget: Budget,
}

impl Wanted {
    pub(super) fn read(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<Self> {
        let budget = Budget::read(py, config)?;
        let strategy: String = value(py, config, "strategy")?;
        let seed: u64 = value(py, config, "seed")?;
        let drawn = match strategy.as_str() {
            BOUNDS => None,
            word => Some(word.parse::<Strategy>().map_err(|wrong| {
                let what = format!("{wrong}; and {BOUNDS}, which draws nothing");
                invalid(py, what)
            })?),
        };
        let bounded = drawn.is_none_or(|strategy| strategy == Strategy::Portfolio);
        let Budget { plan, time, threads } = budget;
        let ends = ends(py, config, Ends::News)?;
        let free = plan.schedules_max == u64::MAX && time.is_none();
        let random = drawn.map(|strategy| {
            let executions = match (free, bounded) {
                (false, _) => u64::MAX,
                (true, true) => AFTER_BOUNDS,
                (true, false) => ALONE,
            };
            RandomSearch { strategy, seed, executions, steps_max: plan.steps_max, threads }
        });
        let search = Search {
            bounds: bounded.then_some(plan),
            random,
            schedules_max: plan.schedules_max,
            threads,
            ends,
        };
        Ok(Self { search, strategy, seed, budget })
    }
}

/// What ends a search: `news`, or any failure if known races are findings, too.
pub(super) fn ends(py: Python<'_>, config: &Bound<'_, PyDict>, news: Ends) -> PyResult<Ends> {
    Ok(if value(py, config, "known")? { Ends::Any } else { news })
}

/// The scenario, valid.
pub(super) fn scenario(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<Scenario> {
    let text: String = value(py, config, "program")?;
    let program = Program::parse(&text).map_err(|wrong| raise::parse_error(py, &wrong))?;
    let era = config::era(py, &value::<String>(py, config, "era")?)?;
    let rules = config::rules(py, era, &value::<Vec<_>>(py, config, "breaks")?)?;
    // What was not asked for fits the program.
    let geometry =
        sizes::geometry(Scenario::smallest_geometry(&program), &value(py, config, "geometry")?)?;
    let (memory, tlb) = (memory(py, config)?, tlb(py, config)?);
    let without = without(py, config)?;
    let scenario = Scenario { program, era, rules, geometry, memory, tlb, without };
    scenario.validate().map_err(|wrong| raise::scenario_error(py, &wrong))?;
    Ok(scenario)
}

/// Which steps of the protocol are left out.
pub(super) fn without(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<Vec<Without>> {
    let names: Vec<String> = value(py, config, "without")?;
    let named = |name: &String| {
        Without::named(name).map_err(|wrong: UnknownStep| invalid(py, wrong.to_string()))
    };
    names.iter().map(named).collect()
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
