//! `explore_start(config)`: a search, then shrinking, then the report (`_core_explore.ExploreReport`).

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use pgmap_explore::outcomes::Row;
use pgmap_explore::{
    Met, Outlook, Scenario, Unproven, Verdict, WrongOrder, search, strangers, warnings,
};
use pgmap_sched::{Doubt, Limit, SampleStats, Stats};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;

use super::ask::{self, Wanted};
use super::found::{FoundReport, reveal};
use super::{Ended, ExploreRun};
use crate::config::value;
use crate::first_found::{Setting, show_seed};
use crate::glance::{Glance, Phase};
use crate::job::{Failed, Halt, Job, Watch};

/// Starts a search.
#[pyfunction]
pub(crate) fn explore_start(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<ExploreRun> {
    let scenario = ask::scenario(py, config)?;
    let wanted = Wanted::read(py, config)?;
    let small: bool = value(py, config, "shrink")?;
    let (phase, bound) = match wanted.search.bounds {
        Some(plan) => (Phase::Search, plan.bound.map(|_| 0)),
        None => (Phase::Sample, None),
    };
    let begin = Glance::search(phase, bound, &scenario);
    let time = wanted.budget.time;
    let work = move |watch: &Watch| {
        work(&scenario, &wanted, small, begin, watch)
            .map(|report| Ended::Explored(Box::new(report)))
    };
    Ok(ExploreRun { job: Job::start(time, Some(begin), work)? })
}

/// What a search came to.
#[derive(Debug, Serialize)]
pub(super) struct ExploreReport {
    #[serde(flatten)]
    outcome: Judged,
    waiting: u64,
    known: Vec<Met>,
    again: u64,
    outcomes: Vec<StepOutcomes>,
    warnings: Vec<String>,
    strangers: Vec<String>,
    unseen: Vec<String>,
    lock_orders: Vec<WrongOrder>,
    too_long: u64,
    max_steps: u32,
    program: String,
    setting: Setting,
    bounds: Vec<BoundNumbers>,
    strategy: String,
    seed: String,
    threads: NonZeroUsize,
    coverage: Option<SampleNumbers>,
    asked: Asked,
    search_seconds: f64,
    remaining: Option<f64>,
    found: Option<FoundReport>,
    complete: bool,
}

/// The verdict, the bound that is exhausted, if one is, and why it is not another.
#[derive(Debug, Serialize)]
struct Judged {
    verdict: &'static str,
    bound: Option<u32>,
    why: Option<String>,
}

/// The budget, as far as there was one.
#[derive(Debug, Serialize)]
struct Asked {
    preemptions: Option<u32>,
    schedules: Option<u64>,
}

/// What a step came to, and in how many executions.
#[derive(Debug, Serialize)]
struct StepOutcomes {
    step: String,
    label: Option<String>,
    text: String,
    results: BTreeMap<String, u64>,
}

impl StepOutcomes {
    fn of(row: Row) -> Self {
        let results = row.results.results.iter();
        let results = results.map(|(it, times)| (it.to_string(), *times)).collect();
        Self { step: row.place, label: row.label, text: row.text, results }
    }
}

/// The numbers of a bound.
#[derive(Debug, Serialize)]
struct BoundNumbers {
    bound: Option<u32>,
    schedules: u64,
    pruned: u64,
    failures: u64,
    too_long: u64,
    points: u64,
    repeated: u64,
    cut: u64,
    longest: u32,
    states: u64,
    refused: u64,
}

impl BoundNumbers {
    fn of(stats: &Stats) -> Self {
        let &Stats {
            bound,
            schedules,
            pruned,
            failures,
            too_long,
            points,
            repeated,
            cut,
            longest,
            states,
            refused,
        } = stats;
        Self {
            bound,
            schedules,
            pruned,
            failures,
            too_long,
            points,
            repeated,
            cut,
            longest,
            states,
            refused,
        }
    }
}

/// What was drawn at random, and how much of the program's behaviour it showed.
#[derive(Debug, Serialize)]
struct SampleNumbers {
    executions: u64,
    failures: u64,
    too_long: u64,
    points: u64,
    longest: u32,
    classes: u64,
    singletons: u64,
    unseen: f64,
    exact: bool,
}

impl SampleNumbers {
    fn of(stats: &SampleStats) -> Self {
        let SampleStats { executions, failures, too_long, points, longest, coverage } = stats;
        Self {
            executions: *executions,
            failures: *failures,
            too_long: *too_long,
            points: *points,
            longest: *longest,
            classes: coverage.classes(),
            singletons: coverage.singletons(),
            unseen: coverage.unseen(),
            exact: coverage.is_exact(),
        }
    }
}

fn work(
    scenario: &Scenario,
    wanted: &Wanted,
    small: bool,
    begin: Glance,
    watch: &Watch,
) -> Result<ExploreReport, Failed> {
    let (mut last, mut outlook) = (begin, Outlook::default());
    let verdict = search(scenario, &wanted.search, &mut |look| {
        let seconds = watch.seconds();
        outlook.look(look, seconds);
        last = begin.looked(look, &outlook, seconds);
        watch.tell(last)
    })?;
    let search_seconds = watch.seconds();
    let steps_max = wanted.budget.plan.steps_max;
    let outcome = outcome(scenario, &verdict, steps_max, watch);
    let seen = verdict.seen();
    let (outcomes, sample) = (&seen.outcomes, seen.sample.as_ref());
    let asked = Asked {
        preemptions: wanted.search.bounds.and_then(|plan| plan.bound),
        schedules: Some(wanted.search.schedules_max).filter(|most| *most != u64::MAX),
    };
    let mut report = ExploreReport {
        outcome,
        waiting: seen.waiting,
        known: seen.known.clone(),
        again: seen.again,
        outcomes: outcomes.rows(scenario).into_iter().map(StepOutcomes::of).collect(),
        warnings: warnings(scenario, outcomes),
        strangers: strangers(scenario, outcomes).iter().map(ToString::to_string).collect(),
        unseen: outcomes.unseen(&scenario.program),
        lock_orders: seen.lock_orders.clone(),
        too_long: seen.cut(),
        max_steps: steps_max,
        program: scenario.program.to_string(),
        setting: Setting::of(scenario),
        bounds: seen.stats.iter().map(BoundNumbers::of).collect(),
        strategy: wanted.strategy.clone(),
        seed: show_seed(wanted.seed),
        threads: wanted.budget.threads,
        coverage: sample.map(SampleNumbers::of),
        asked,
        search_seconds,
        remaining: remaining(&verdict, &outlook),
        found: None,
        complete: false,
    };
    if let Verdict::Found { found, .. } = verdict {
        let (of, ends) = (found.scenario(scenario), wanted.search.ends);
        let how = small.then_some(steps_max);
        report.found = Some(reveal(&of, *found, ends, how, &last, watch)?);
    }
    report.complete = watch.halt() != Some(Halt::Asked);
    Ok(report)
}

/// The verdict's word, the bound that is exhausted, if one is, and why it is not another. What breaks is broken
/// whatever was not seen; but a search in which nobody met, or in which what should sometimes hold has not, is no praise.
fn outcome(scenario: &Scenario, verdict: &Verdict, steps_max: u32, watch: &Watch) -> Judged {
    let seen = verdict.seen();
    let apart = !strangers(scenario, &seen.outcomes).is_empty();
    let unseen = seen.outcomes.unseen(&scenario.program);
    let (word, why) = match verdict {
        Verdict::Exhausted { .. } | Verdict::NotFound { .. } if apart => {
            let why = warnings(scenario, &seen.outcomes).into_iter().next();
            ("inconclusive", why)
        }
        Verdict::Exhausted { .. } if !unseen.is_empty() => ("unseen", Some(unseen.join("; "))),
        Verdict::NotFound { .. } if !unseen.is_empty() => {
            ("inconclusive", Some(format!("not seen yet: {}", unseen.join("; "))))
        }
        Verdict::Found { .. } => ("found", None),
        Verdict::Exhausted { .. } => ("exhausted", None),
        Verdict::NotFound { why, .. } => {
            let why = match (why, watch.halt()) {
                (Limit::Schedules, _) => "schedules",
                (Limit::Asked, Some(Halt::Time)) => "time",
                (Limit::Asked, _) => "asked",
            };
            ("not-found", Some(why.to_owned()))
        }
        Verdict::Inconclusive { why, seen } => {
            let of = seen.schedules() + seen.drawn();
            ("inconclusive", Some(unproven(why, seen.cut(), of, steps_max)))
        }
    };
    let bound = match verdict {
        Verdict::Exhausted { bound, .. } => *bound,
        Verdict::Found { .. } | Verdict::NotFound { .. } | Verdict::Inconclusive { .. } => None,
    };
    Judged { verdict: word, bound, why }
}

/// By estimate, how many seconds more would exhaust the bound at which a search ended early.
fn remaining(verdict: &Verdict, outlook: &Outlook) -> Option<f64> {
    match verdict {
        Verdict::NotFound { seen, .. } => outlook.remaining(seen.stats.last()?.bound),
        Verdict::Found { .. } | Verdict::Exhausted { .. } | Verdict::Inconclusive { .. } => None,
    }
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
