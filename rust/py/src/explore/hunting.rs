//! `hunt_start(config)`: programs nobody wrote, shortest first (`_core_api.HuntReport`).

use pgmap_explore::synth::{Caught, Hunt, Tried, Wanted, hunt};
use pgmap_explore::{Ends, Scenario};
use pgmap_program::Program;
use pgmap_program::op::Hunted;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};

use super::ExploreRun;
use super::ask::{self, Budget};
use super::search::{cut_short, known, reveal};
use crate::config::{self, invalid, value};
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
    let asked: Bound<'_, PyAny> = value(py, config, "geometry")?;
    // What does not even fit the smallest program fits none.
    sizes::geometry(Scenario::smallest_geometry(&Program::default()), &asked)?;
    let sizes = sizes::changes(&asked)?;
    let hunt = Hunt { words, era, rules, memory, tlb, ops_max, sizes, plan, threads, wanted, ends };
    let small: bool = value(py, config, "shrink")?;
    let first = glance(&Tried::default(), 0.0);
    let work = move |watch: &Watch| go(&hunt, small, watch);
    Ok(ExploreRun { job: Job::start(time, first, work)? })
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

fn glance(tried: &Tried, seconds: f64) -> Value {
    json!({
        "phase": "hunt", "seconds": seconds, "ops": tried.ops, "programs": tried.programs, "drawn": tried.drawn,
        "senseless": tried.senseless, "schedules": tried.schedules, "tried": 0, "kept": 0, "tasks": 0,
        "steps": 0,
    })
}

fn go(wanted: &Hunt, small: bool, watch: &Watch) -> Result<Value, Failed> {
    let caught = hunt(wanted, &mut |tried| watch.tell(glance(tried, watch.seconds())));
    let (Caught::Found { tried, known: met, .. }
    | Caught::Nothing { tried, known: met }
    | Caught::Stopped { tried, known: met }) = &caught;
    let mut why = match watch.halt() {
        None => Value::Null,
        Some(Halt::Time) => "time".into(),
        Some(Halt::Asked) => "asked".into(),
    };
    let last = glance(tried, watch.seconds());
    let steps_max = wanted.plan.steps_max;
    let verdict = match (&caught, &why) {
        (Caught::Found { .. }, _) => "found",
        _ if tried.cut > 0 => {
            why = cut_short(tried.cut, tried.schedules, steps_max).into();
            "inconclusive"
        }
        (_, Value::Null) => "exhausted",
        _ => "not-found",
    };
    let words: Vec<_> = wanted.words.iter().map(|word| word.word).collect();
    let mut told = json!({
        "verdict": verdict, "why": why, "words": words, "known": known(met), "ops": tried.ops,
        "programs": tried.programs, "drawn": tried.drawn, "senseless": tried.senseless,
        "schedules": tried.schedules, "shortest": matches!(caught, Caught::Found { drawn: false, .. }),
        "seconds": watch.seconds(), "too_long": tried.cut, "max_steps": steps_max, "found": null,
    });
    if let Caught::Found { scenario, found, .. } = caught {
        let how = small.then_some(steps_max);
        told["found"] = reveal(&scenario, *found, wanted.ends, how, &last, watch)?;
    }
    told["complete"] = (watch.halt() != Some(Halt::Asked)).into();
    Ok(told)
}
