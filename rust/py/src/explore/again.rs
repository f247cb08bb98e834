//! `replay(token)`: an execution again, under its own rules or others (`_core_explore.Replayed`).

use pgmap_explore::report::{Told, steps};
use pgmap_explore::{Found, Outcome, Scenario, Token, TokenError, Unfinished, replay as run_again};
use pgmap_program::{Era, Rules};
use pyo3::prelude::*;
use serde::Serialize;

use super::found::{FoundReport, attributed, tell};
use crate::first_found::Setting;
use crate::job::{Failed, Job, Watch};
use crate::raise::Class;
use crate::told::to_python;
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
    let job = Job::start(None, None, move |watch| again(&token, other, steps, watch))?;
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

/// What a token stands for.
#[derive(Serialize)]
struct Revealed {
    program: String,
    setting: Setting,
    events: u32,
    switches: usize,
}

/// What a token stands for, without running it.
#[pyfunction]
pub(crate) fn reveal<'py>(py: Python<'py>, token: &str) -> PyResult<Bound<'py, PyAny>> {
    let Token { scenario, schedule } = read(py, token)?;
    let revealed = Revealed {
        program: scenario.program.to_string(),
        setting: Setting::of(&scenario),
        events: schedule.events(),
        switches: schedule.departures().len(),
    };
    to_python(py, &revealed)
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

/// What a replay came to.
#[derive(Debug, Serialize)]
struct Replayed {
    outcome: &'static str,
    step: Option<u32>,
    why: Option<String>,
    own_rules: bool,
    left_at: Option<u32>,
    program: String,
    setting: Setting,
    events: u32,
    found: Option<FoundReport>,
    steps: Option<Vec<Told>>,
}

fn again(
    token: &Token,
    other: Option<(Era, Rules)>,
    every_step: bool,
    watch: &Watch,
) -> Result<Replayed, Failed> {
    let mut control = || watch.control();
    let (era, rules) = other.unwrap_or((token.scenario.era, token.scenario.rules));
    let scenario = Scenario { era, rules, ..token.scenario.clone() };
    let stopped = || Replayed {
        outcome: "stopped",
        step: None,
        why: Some("somebody stopped it".to_owned()),
        own_rules: (era, rules) == (token.scenario.era, token.scenario.rules),
        left_at: None,
        program: scenario.program.to_string(),
        setting: Setting::of(&scenario),
        events: token.schedule.events(),
        found: None,
        steps: None,
    };
    let replayed = match run_again(token, other, &mut control) {
        Ok(replayed) => replayed,
        Err(Unfinished::Stopped) => return Ok(stopped()),
        Err(Unfinished::Scenario(wrong)) => return Err(wrong.into()),
    };
    let left_at = replayed.diverged.map(|left| left.step);
    let (outcome, step, why, finding) = match replayed.outcome {
        Outcome::Reproduced(_) => ("reproduced", None, None, replayed.finding),
        Outcome::NotReproduced => ("not-reproduced", None, None, replayed.finding),
        Outcome::Cannot { step, why } => ("cannot", Some(step), Some(why), None),
    };
    let found = finding.map(|finding| Found {
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
    let found = found.map(|found| tell(&scenario, &found, watch)).transpose()?;
    let steps = every_step.then(|| steps(&scenario, &token.schedule, &mut control)).transpose();
    let steps = match steps {
        Ok(steps) => steps,
        // What the end says stands without them.
        Err(Unfinished::Stopped) => None,
        Err(Unfinished::Scenario(wrong)) => return Err(wrong.into()),
    };
    Ok(Replayed { outcome, step, why, left_at, found, steps, ..stopped() })
}
