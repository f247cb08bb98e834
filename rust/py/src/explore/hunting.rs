//! `hunt_start(config)`: programs nobody wrote, shortest first (`_core_explore.HuntReport`).

use std::num::NonZeroU64;

use pgmap_explore::hunt::{Caught, Hunt, Tried, Wanted, hunt};
use pgmap_explore::{Ends, Met, Scenario};
use pgmap_program::Program;
use pgmap_program::op::Hunted;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;

use super::ask::{self, Budget};
use super::found::{FoundReport, reveal};
use super::search::cut_short;
use super::{Ended, ExploreRun};
use crate::config::{self, invalid, value};
use crate::glance::Glance;
use crate::job::{Failed, Halt, Job, Watch};
use crate::sizes;

/// Longest programs that anybody could wait for.
const OPS_MAX: usize = 12;

/// Starts a hunt.
#[pyfunction]
pub(crate) fn hunt_start(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<ExploreRun> {
    let era = config::era(py, &value::<String>(py, config, "era")?)?;
    let rules = config::rules(py, era, &value::<Vec<_>>(py, config, "breaks")?)?;
    let Budget { plan, time, threads } = Budget::read(py, config)?;
    let ops_max: usize = value(py, config, "ops")?;
    if ops_max == 0 || ops_max > OPS_MAX {
        return Err(invalid(py, format!("ops is {ops_max}; it must be 1 to {OPS_MAX}")));
    }
    let (wanted, ends) = (Wanted::Anything, ask::ends(py, config, Ends::Blamed)?);
    let (memory, tlb) = (ask::memory(py, config)?, ask::tlb(py, config)?);
    let words = words(py, config)?;
    let programs_max: Option<NonZeroU64> = value(py, config, "programs")?;
    let seed: u64 = value(py, config, "seed")?;
    let asked: Bound<'_, PyAny> = value(py, config, "geometry")?;
    // What does not even fit the smallest program fits none.
    sizes::geometry(Scenario::smallest_geometry(&Program::default()), &asked)?;
    let sizes = sizes::changes(&asked)?;
    let without = ask::without(py, config)?;
    let hunt = Hunt {
        words,
        seed,
        era,
        rules,
        memory,
        tlb,
        without,
        ops_max,
        programs_max,
        sizes,
        plan,
        threads,
        wanted,
        ends,
    };
    let small: bool = value(py, config, "shrink")?;
    let first = Glance::hunted(&Tried::default(), 0.0);
    let work =
        move |watch: &Watch| go(&hunt, small, watch).map(|report| Ended::Hunted(Box::new(report)));
    Ok(ExploreRun { job: Job::start(time, Some(first), work)? })
}

/// The vocabulary; no words stand for all there are.
fn words(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<Vec<Hunted>> {
    let asked: Vec<String> = value(py, config, "words")?;
    if asked.is_empty() {
        return Ok(Hunted::all());
    }
    let mut words: Vec<Hunted> = Vec::new();
    for word in asked {
        let known =
            Hunted::all().into_iter().find(|known| known.word == word).ok_or_else(|| {
                let all: Vec<_> = Hunted::all().iter().map(|known| known.word).collect();
                invalid(py, format!("no word is \"{word}\"; words are: {}", all.join(", ")))
            })?;
        if !words.contains(&known) {
            words.push(known);
        }
    }
    Ok(words)
}

/// What a hunt came to.
#[derive(Debug, Serialize)]
pub(super) struct HuntReport {
    verdict: &'static str,
    why: Option<String>,
    words: Vec<&'static str>,
    known: Vec<Met>,
    ops: usize,
    programs: u64,
    drawn: u64,
    senseless: u64,
    schedules: u64,
    shortest: bool,
    seconds: f64,
    too_long: u64,
    max_steps: u32,
    found: Option<FoundReport>,
    complete: bool,
}

fn go(wanted: &Hunt, small: bool, watch: &Watch) -> Result<HuntReport, Failed> {
    let caught = hunt(wanted, &mut |tried| watch.tell(Glance::hunted(tried, watch.seconds())));
    let (Caught::Found { tried, known, .. }
    | Caught::Nothing { tried, known }
    | Caught::Spent { tried, known }
    | Caught::Stopped { tried, known }) = &caught;
    let halt = watch.halt().map(|halt| match halt {
        Halt::Time => "time".to_owned(),
        Halt::Asked => "asked".to_owned(),
    });
    let last = Glance::hunted(tried, watch.seconds());
    let steps_max = wanted.plan.steps_max;
    let (verdict, why) = match (&caught, halt) {
        (Caught::Found { .. }, halt) => ("found", halt),
        _ if tried.cut > 0 => {
            ("inconclusive", Some(cut_short(tried.cut, tried.schedules, steps_max)))
        }
        (Caught::Spent { .. }, _) => ("not-found", Some("programs".to_owned())),
        (_, None) => ("exhausted", None),
        (_, halt) => ("not-found", halt),
    };
    let mut report = HuntReport {
        verdict,
        why,
        words: wanted.words.iter().map(|word| word.word).collect(),
        known: known.clone(),
        ops: tried.ops,
        programs: tried.programs,
        drawn: tried.drawn,
        senseless: tried.senseless,
        schedules: tried.schedules,
        shortest: matches!(caught, Caught::Found { drawn: false, .. }),
        seconds: watch.seconds(),
        too_long: tried.cut,
        max_steps: steps_max,
        found: None,
        complete: false,
    };
    if let Caught::Found { scenario, found, .. } = caught {
        let how = small.then_some(steps_max);
        report.found = Some(reveal(&scenario, *found, wanted.ends, how, &last, watch)?);
    }
    report.complete = watch.halt() != Some(Halt::Asked);
    Ok(report)
}
