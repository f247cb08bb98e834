//! `explore_start(config)`: a search, then shrinking, then the report (`_core_api.ExploreReport`).

use pgmap_explore::outcomes::Row;
use pgmap_explore::{
    Ends, Found, Look, Met, Outcomes, Scenario, ScenarioError, ShrinkBudget, ShrinkProgress,
    Unfinished, Unproven, Verdict, attribute, report, search, shrink, strangers, warnings,
};
use pgmap_sched::{Doubt, Limit, SampleStats, Stats};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};

use super::ExploreRun;
use super::ask::{self, Wanted};
use crate::config::value;
use crate::job::{Failed, Halt, Job, Watch};

/// Starts a search.
#[pyfunction]
pub(crate) fn explore_start(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<ExploreRun> {
    let scenario = ask::scenario(py, config)?;
    let wanted = Wanted::read(py, config)?;
    let small: bool = value(py, config, "shrink")?;
    let (phase, bound) = match wanted.search.bounds {
        Some(plan) => ("search", plan.bound.map(|_| 0)),
        None => ("sample", None),
    };
    let begin = json!({
        "phase": phase, "seconds": 0.0, "bound": bound, "schedules": 0, "pruned": 0,
        "points": 0, "longest": 0, "fraction": 0.0, "classes": 0, "unseen": 1.0, "tried": 0, "kept": 0,
        "tasks": scenario.roles().len(), "steps": steps(&scenario),
    });
    let (first, time) = (begin.clone(), wanted.budget.time);
    let work = move |watch: &Watch| work(&scenario, &wanted, small, &begin, watch);
    Ok(ExploreRun { job: Job::start(time, first, work)? })
}

/// Steps after `start`.
fn steps(scenario: &Scenario) -> usize {
    scenario.roles().iter().map(|role| role.steps.len()).sum()
}

fn work(
    scenario: &Scenario,
    wanted: &Wanted,
    small: bool,
    begin: &Value,
    watch: &Watch,
) -> Result<Value, Failed> {
    let mut last = begin.clone();
    let verdict = search(scenario, &wanted.search, &mut |look| {
        last = glance(begin, look, watch);
        watch.tell(last.clone())
    })?;
    let seconds = watch.seconds();
    let steps_max = wanted.budget.plan.steps_max;
    let mut told = outcome(scenario, &verdict, steps_max, watch);
    let seen = &verdict.seen().outcomes;
    told["outcomes"] = outcomes(scenario, seen);
    told["warnings"] = warnings(scenario, seen).into();
    told["strangers"] = strangers(scenario, seen).iter().map(ToString::to_string).collect();
    told["unseen"] = seen.unseen(&scenario.program).into();
    told["lock_orders"] = json!(verdict.seen().lock_orders);
    told["program"] = scenario.program.to_string().into();
    told["setting"] = setting(scenario);
    told["bounds"] = bounds(&verdict.seen().stats);
    told["strategy"] = wanted.strategy.as_str().into();
    told["seed"] = show_seed(wanted.seed).into();
    told["threads"] = wanted.budget.threads.get().into();
    told["coverage"] = verdict.seen().sample.as_ref().map(coverage).into();
    told["search_seconds"] = seconds.into();
    told["asked"] = json!({
        "preemptions": wanted.search.bounds.and_then(|plan| plan.bound),
        "schedules": Some(wanted.search.schedules_max).filter(|most| *most != u64::MAX),
    });
    told["found"] = Value::Null;
    if let Verdict::Found { found, .. } = verdict {
        let (of, ends) = (found.scenario(scenario), wanted.search.ends);
        let how = small.then_some(steps_max);
        told["found"] = reveal(&of, *found, ends, how, &last, watch)?;
    }
    told["complete"] = (watch.halt() != Some(Halt::Asked)).into();
    Ok(told)
}

fn glance(begin: &Value, look: &Look<'_>, watch: &Watch) -> Value {
    let mut glance = begin.clone();
    glance["seconds"] = watch.seconds().into();
    match look {
        Look::Bounds(progress) => {
            glance["bound"] = progress.bound.into();
            glance["schedules"] = progress.schedules.into();
            glance["pruned"] = progress.pruned.into();
            glance["points"] = progress.points.into();
            glance["longest"] = progress.longest.into();
            glance["fraction"] = progress.fraction.into();
        }
        Look::Drawn(stats) => {
            glance["phase"] = "sample".into();
            glance["bound"] = Value::Null;
            glance["schedules"] = stats.executions.into();
            glance["points"] = stats.points.into();
            glance["longest"] = stats.longest.into();
            glance["classes"] = stats.coverage.classes().into();
            glance["unseen"] = stats.coverage.unseen().into();
        }
    }
    glance
}

/// The one way a seed is written.
fn show_seed(seed: u64) -> String {
    format!("{seed:#018x}")
}

/// What was drawn at random, and how much of the program's behaviour it showed.
fn coverage(stats: &SampleStats) -> Value {
    let coverage = &stats.coverage;
    json!({
        "executions": stats.executions, "failures": stats.failures, "too_long": stats.too_long,
        "points": stats.points, "longest": stats.longest, "classes": coverage.classes(),
        "singletons": coverage.singletons(), "unseen": coverage.unseen(), "exact": coverage.is_exact(),
    })
}

/// What each step came to, and in how many executions.
fn outcomes(scenario: &Scenario, outcomes: &Outcomes) -> Value {
    let row = |row: Row| {
        let results: serde_json::Map<String, Value> = row
            .results
            .results
            .iter()
            .map(|(it, times)| (it.to_string(), (*times).into()))
            .collect();
        json!({ "step": row.place, "label": row.label, "text": row.text, "results": results })
    };
    outcomes.rows(scenario).into_iter().map(row).collect()
}

/// The verdict's word, the bound that is exhausted, if one is, and why it is not another. What breaks is broken
/// whatever was not seen; but a search in which nobody met, or in which what should sometimes hold has not, is no praise.
fn outcome(scenario: &Scenario, verdict: &Verdict, steps_max: u32, watch: &Watch) -> Value {
    let seen = verdict.seen();
    let apart = !strangers(scenario, &seen.outcomes).is_empty();
    let unseen = seen.outcomes.unseen(&scenario.program);
    let (word, why) = match verdict {
        Verdict::Exhausted { .. } | Verdict::NotFound { .. } if apart => {
            let why = warnings(scenario, &seen.outcomes).into_iter().next();
            ("inconclusive", why.into())
        }
        Verdict::Exhausted { .. } if !unseen.is_empty() => ("unseen", unseen.join("; ").into()),
        Verdict::NotFound { .. } if !unseen.is_empty() => {
            ("inconclusive", format!("not seen yet: {}", unseen.join("; ")).into())
        }
        Verdict::Found { .. } => ("found", Value::Null),
        Verdict::Exhausted { .. } => ("exhausted", Value::Null),
        Verdict::NotFound { why, .. } => {
            let why = match (why, watch.halt()) {
                (Limit::Schedules, _) => "schedules",
                (Limit::Asked, Some(Halt::Time)) => "time",
                (Limit::Asked, _) => "asked",
            };
            ("not-found", why.into())
        }
        Verdict::Inconclusive { why, seen } => {
            let of = seen.schedules() + seen.drawn();
            ("inconclusive", unproven(why, seen.cut(), of, steps_max).into())
        }
    };
    let bound = match verdict {
        Verdict::Exhausted { bound, .. } => *bound,
        Verdict::Found { .. } | Verdict::NotFound { .. } | Verdict::Inconclusive { .. } => None,
    };
    json!({
        "verdict": word, "bound": bound, "why": why, "waiting": seen.waiting,
        "known": known(&seen.known), "again": seen.again, "too_long": seen.cut(),
        "max_steps": steps_max,
    })
}

/// Races of the era that were met.
pub(super) fn known(met: &[Met]) -> Value {
    let row = |met: &Met| {
        json!({
            "id": met.id, "title": met.title, "times": met.times,
            "goes_away_with": met.goes_away_with, "token": met.token,
        })
    };
    met.iter().map(row).collect()
}

fn unproven(why: &Unproven, cut: u64, of: u64, steps_max: u32) -> String {
    match why {
        Unproven::Doubt(why) => doubt(why, cut, of, steps_max),
        Unproven::AllWait => {
            "every schedule ends with everybody waiting for what the program never gives back"
                .to_owned()
        }
    }
}

pub(super) fn doubt(why: &Doubt, cut: u64, of: u64, steps_max: u32) -> String {
    match why {
        Doubt::TooLong => cut_short(cut, of, steps_max),
        Doubt::Unsteady { step } => format!(
            "the same choices did not do the same at step {step}: something besides the schedule steers it"
        ),
        Doubt::NoStacks(error) => format!("no memory for the tasks' stacks: {error}"),
    }
}

/// Why executions that were cut leave everything open.
pub(super) fn cut_short(cut: u64, of: u64, steps_max: u32) -> String {
    format!(
        "{cut} of {of} executions were cut short after {steps_max} points, and nobody knows how they end; \
         --max-steps (max_steps) is the limit"
    )
}

/// Everything that an execution depends on besides program and schedule.
pub(super) fn setting(scenario: &Scenario) -> Value {
    let broken = scenario.broken();
    let broken = broken.iter().map(|(rule, value)| format!("{rule}={value}"));
    json!({
        "era": scenario.era,
        "broken": broken.collect::<Vec<_>>(),
        "geometry": scenario.geometry,
        "tasks": scenario.roles().len(),
        "memory": scenario.memory,
        "tlb": scenario.tlb,
    })
}

fn bounds(stats: &[Stats]) -> Value {
    let row = |now: &Stats| {
        json!({
            "bound": now.bound, "schedules": now.schedules, "pruned": now.pruned,
            "failures": now.failures, "too_long": now.too_long, "points": now.points,
            "longest": now.longest, "states": now.states, "refused": now.refused,
        })
    };
    stats.iter().map(row).collect()
}

/// What was found, first of all as it is, then made small if wanted, with its token and its report. Executions
/// of smaller programs have so many points at most.
pub(super) fn reveal(
    scenario: &Scenario,
    found: Found,
    ends: Ends,
    shrunk: Option<u32>,
    last: &Value,
    watch: &Watch,
) -> Result<Value, Failed> {
    watch.found(as_it_is(scenario, &found));
    let mut at = ShrinkProgress::default();
    let (smallest, found, shrunk) = if let Some(steps_max) = shrunk {
        let budget = ShrinkBudget { steps_max, ..ShrinkBudget::default() };
        let (smallest, found) = shrink(scenario, &found, ends, &budget, &mut |progress| {
            at = *progress;
            let mut glance = last.clone();
            glance["phase"] = "shrink".into();
            glance["seconds"] = watch.seconds().into();
            glance["tried"] = progress.tried.into();
            glance["kept"] = progress.kept.into();
            glance["tasks"] = progress.tasks.into();
            glance["steps"] = progress.steps.into();
            watch.tell(glance)
        })?;
        let complete = watch.halt().is_none() && !at.spent;
        let shrunk = json!({
            "tried": at.tried, "kept": at.kept, "complete": complete,
            "from": { "tasks": scenario.roles().len(), "steps": scenario.program.steps.len() },
            "to": { "tasks": smallest.roles().len(), "steps": smallest.program.steps.len() },
        });
        (smallest, found, shrunk)
    } else {
        (scenario.clone(), found, Value::Null)
    };
    // What ended a search for news is news. Who says stop is not told whether it is known.
    let found = match ends {
        Ends::Any => attributed(&smallest, &found, watch).unwrap_or(found),
        Ends::News | Ends::Blamed => found,
    };
    let mut told = tell(&smallest, &found, watch)?;
    told["shrunk"] = shrunk;
    Ok(told)
}

/// With the known race that it is, if it is one.
///
/// # Errors
/// That somebody says stop before this is known.
pub(super) fn attributed(
    scenario: &Scenario,
    found: &Found,
    watch: &Watch,
) -> Result<Found, Unfinished> {
    let known = attribute(scenario, found, &mut || watch.control())?;
    Ok(Found { finding: found.finding.clone().attributed(known), ..found.clone() })
}

/// A failed execution in full; without its story if somebody stops that.
pub(super) fn tell(
    scenario: &Scenario,
    found: &Found,
    watch: &Watch,
) -> Result<Value, ScenarioError> {
    let mut told = as_it_is(scenario, found);
    match report(scenario, found, &mut || watch.control()) {
        Ok(report) => {
            told["report"] = report.json();
            told["text"] = report.to_string().into();
        }
        Err(Unfinished::Scenario(wrong)) => return Err(wrong),
        Err(Unfinished::Stopped) => {
            told["report"] = json!({});
            let title = &found.finding.title;
            told["text"] =
                format!("BUG: {title}\n(ended before it was told: replay the token)\n").into();
        }
    }
    Ok(told)
}

/// A failed execution without its story.
fn as_it_is(scenario: &Scenario, found: &Found) -> Value {
    let drawn = found.drawn.map(|drawn| {
        json!({
            "strategy": drawn.strategy.to_string(), "by": drawn.by().to_string(),
            "seed": show_seed(drawn.seed), "execution": drawn.execution,
        })
    });
    json!({
        "finding": found.finding,
        "mends": found.mends.iter().map(|mend| mend.assignment()).collect::<Vec<_>>(),
        "preemptions": found.preemptions,
        "drawn": drawn,
        "token": found.token(scenario).to_string(),
        "program": scenario.program.to_string(),
        "setting": setting(scenario),
        "events": found.schedule.events(),
        "switches": found.schedule.departures().len(),
    })
}
