//! `replay(token)`: an execution again, under its own rules or others (`_core_api.Replayed`).

use pgmap_explore::report::steps;
use pgmap_explore::{Found, Outcome, Scenario, Token, TokenError, Unfinished, replay as run_again};
use pgmap_program::{Era, Rules};
use pyo3::prelude::*;
use serde_json::{Value, json};

use super::search::{attributed, setting, tell};
use crate::job::{Failed, Job, Watch};
use crate::raise::Class;
use crate::{config, raise};

/// A token that can be run.
fn read(py: Python<'_>, token: &str) -> PyResult<Token> {
    token.parse().map_err(|wrong: TokenError| {
        let class = match wrong {
            TokenError::NotAToken
            | TokenError::Letter(_)
            | TokenError::Short
            | TokenError::Checksum => Class::TokenError,
            // A token indeed, but not for this version.
            _ => Class::ReplayImpossible,
        };
        raise::error(py, class, wrong.to_string())
    })
}

/// Runs a token's execution twice. `era` and `breaks` put other rules in place of the token's own:
/// an era's, or the token's own with some changed. `stopped` is asked now and then whether to end it.
#[pyfunction]
#[pyo3(signature = (token, era=None, breaks=Vec::new(), steps=false, stopped=None),
    text_signature = "(token, era=None, breaks=(), steps=False, stopped=None)")]
pub(crate) fn replay<'py>(
    py: Python<'py>,
    token: &str,
    era: Option<&str>,
    breaks: Vec<(String, String)>,
    steps: bool,
    stopped: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let token = read(py, token)?;
    let other = other_rules(py, &token, era, &breaks)?;
    let job = Job::start(None, Value::Null, move |watch| again(&token, other, steps, watch))?;
    if let Some(stopped) = stopped {
        while !job.waits_a_slice(py)? {
            if stopped.call0()?.is_truthy()? {
                job.stop();
                break;
            }
        }
    }
    job.finish(py)
}

/// What a token stands for, without running it.
#[pyfunction]
pub(crate) fn reveal<'py>(py: Python<'py>, token: &str) -> PyResult<Bound<'py, PyAny>> {
    let Token { scenario, schedule } = read(py, token)?;
    let mut told = json!({
        "program": scenario.program.to_string(),
        "events": schedule.events(),
        "switches": schedule.departures().len(),
    });
    told["setting"] = setting(&scenario);
    crate::json::to_python(py, &told)
}

fn other_rules(
    py: Python<'_>,
    token: &Token,
    era: Option<&str>,
    breaks: &[(String, String)],
) -> PyResult<Option<(Era, Rules)>> {
    let (era, mut rules) = match era {
        Some(name) => {
            let era = config::era(py, name)?;
            (era, era.rules())
        }
        None if breaks.is_empty() => return Ok(None),
        None => (token.scenario.era, token.scenario.rules),
    };
    for (rule, wanted) in breaks {
        let set = rules.set(rule, wanted);
        set.map_err(|wrong| raise::error(py, Class::RuleError, wrong.to_string()))?;
    }
    Ok(Some((era, rules)))
}

fn again(
    token: &Token,
    other: Option<(Era, Rules)>,
    every_step: bool,
    watch: &Watch,
) -> Result<Value, Failed> {
    let mut control = || watch.control();
    let (era, rules) = other.unwrap_or((token.scenario.era, token.scenario.rules));
    let scenario = Scenario { era, rules, ..token.scenario.clone() };
    let own_rules = (era, rules) == (token.scenario.era, token.scenario.rules);
    let facts = |mut told: Value| {
        told["own_rules"] = own_rules.into();
        told["program"] = scenario.program.to_string().into();
        told["setting"] = setting(&scenario);
        told["events"] = token.schedule.events().into();
        told
    };
    let stopped = || {
        facts(json!({
            "outcome": "stopped", "step": null, "why": "somebody stopped it", "left_at": null,
            "found": null, "steps": null,
        }))
    };
    let replayed = match run_again(token, other, &mut control) {
        Ok(replayed) => replayed,
        Err(Unfinished::Stopped) => return Ok(stopped()),
        Err(Unfinished::Scenario(wrong)) => return Err(wrong.into()),
    };
    let (outcome, step, why) = match &replayed.outcome {
        Outcome::Reproduced(_) => ("reproduced", Value::Null, Value::Null),
        Outcome::NotReproduced => ("not-reproduced", Value::Null, Value::Null),
        Outcome::Cannot { step, why } => ("cannot", (*step).into(), why.as_str().into()),
    };
    let found = replayed.finding.filter(|_| outcome != "cannot").map(|finding| Found {
        finding,
        schedule: token.schedule.clone(),
        preemptions: None,
        drawn: None,
        mends: Vec::new(),
    });
    let found = match found.map(|found| attributed(&scenario, &found, watch)).transpose() {
        Ok(found) => found,
        // Whether it is news decides what the command says.
        Err(Unfinished::Stopped) => return Ok(stopped()),
        Err(Unfinished::Scenario(wrong)) => return Err(wrong.into()),
    };
    let mut told = facts(json!({ "outcome": outcome, "step": step, "why": why }));
    told["left_at"] = replayed.diverged.map(|left| left.step).into();
    told["found"] = found.map(|found| tell(&scenario, &found, watch)).transpose()?.into();
    told["steps"] = Value::Null;
    if every_step {
        match steps(&scenario, &token.schedule, &mut control) {
            Ok(all) => told["steps"] = json!(all),
            // What the end says stands without them.
            Err(Unfinished::Stopped) => {}
            Err(Unfinished::Scenario(wrong)) => return Err(wrong.into()),
        }
    }
    Ok(told)
}
