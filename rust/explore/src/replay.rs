//! A token's execution again, and what to make of it.
//!
//! Under the token's own rules nothing may differ from the schedule: where the execution leaves it, the
//! machine is no longer the one that the token was made with, and the replay says at which step and
//! decides nothing. Under other rules a difference is what one asks for, so the end decides: the same
//! failure, or not.
//!
//! Every replay runs twice. Two executions of one schedule that differ are steered by something besides
//! it, and then nothing that the explorer says about this scenario can be trusted.

use pgmap_program::{Era, Rules};
use pgmap_sched::{Control, Divergence, Doubt, Ended, Event, Explorer, Schedule, Sight, Trace};

use crate::explored::ExploredWorld;
use crate::finding::Finding;
use crate::found::Found;
use crate::scenario::{Role, Scenario, ScenarioError, Unfinished};
use crate::token::Token;

/// What a replay came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It fails as it did. Under the token's own rules any failure is: the execution is the same.
    Reproduced(Finding),
    /// It does not; under other rules it may still fail in another way, see [`Replay::finding`].
    NotReproduced,
    /// The replay decides nothing.
    Cannot {
        /// The event at which it showed.
        step: u32,
        /// One sentence, which names the step too.
        why: String,
    },
}

/// What a replay showed.
#[derive(Clone, Debug)]
pub struct Replay {
    pub outcome: Outcome,
    /// Empty only if two executions differed.
    pub trace: Vec<Event>,
    /// What the execution ended in, whatever is made of it.
    pub finding: Option<Finding>,
    /// Where the execution left the schedule.
    pub diverged: Option<Divergence>,
}

/// Runs a token's execution, under other rules if wanted.
///
/// # Errors
/// Why the scenario, under those rules, cannot be set up, or that `control` said stop.
pub fn replay(
    token: &Token,
    as_rules: Option<(Era, Rules)>,
    control: &mut dyn FnMut() -> Control,
) -> Result<Replay, Unfinished> {
    let Token { scenario, schedule } = token;
    let run = Run::of(scenario, schedule, control)?;
    let own = run.under_its_own_rules();
    let (era, rules) = as_rules.unwrap_or((scenario.era, scenario.rules));
    if (era, rules) == (scenario.era, scenario.rules) {
        return Ok(own);
    }
    // What there is to reproduce is what happens under the token's own rules.
    let before = match &own.outcome {
        Outcome::Cannot { .. } => return Ok(own),
        Outcome::Reproduced(finding) => Some(finding),
        Outcome::NotReproduced => None,
    };
    let other = Scenario { era, rules, ..scenario.clone() };
    Ok(Run::of(&other, schedule, control)?.under_other_rules(before))
}

/// What one execution of a schedule ends in, and whether it left it on the way. One that was found is followed to
/// its end whoever is in a hurry: it is lost, or told as something that it is not, if nobody knows what it is.
pub(crate) fn ending(
    scenario: &Scenario,
    schedule: &Schedule,
) -> Result<(Option<Finding>, bool), ScenarioError> {
    let mut go = || Control::Go;
    let explored = match ExploredWorld::new(scenario, &mut go) {
        Ok(explored) => explored,
        Err(Unfinished::Scenario(wrong)) => return Err(wrong),
        Err(Unfinished::Stopped) => return Ok((None, true)),
    };
    let replayed = Explorer::new().replay(&mut &explored, schedule, Trace::Skip, &mut go);
    let (finding, through) = match replayed.end {
        Ended::Passed => (None, true),
        Ended::Failed(failure) => (Finding::of(scenario, &explored, &failure), true),
        Ended::Stopped | Ended::Unclear(_) => (None, false),
    };
    Ok((finding, !through || replayed.diverged.is_some()))
}

/// One schedule, run.
struct Run {
    roles: Vec<Role>,
    finding: Option<Finding>,
    trace: Vec<Event>,
    diverged: Option<Divergence>,
    doubt: Option<Doubt>,
    /// Two executions differed.
    unsteady: Option<Divergence>,
}

impl Run {
    fn of(
        scenario: &Scenario,
        schedule: &Schedule,
        control: &mut dyn FnMut() -> Control,
    ) -> Result<Self, Unfinished> {
        let explored = ExploredWorld::new(scenario, control)?;
        let mut run = Self {
            roles: scenario.roles(),
            finding: None,
            trace: Vec::new(),
            diverged: None,
            doubt: None,
            unsteady: None,
        };
        match Explorer::new().twice(&mut &explored, schedule, control) {
            Err(differs) => run.unsteady = Some(differs),
            Ok(replayed) => {
                (run.trace, run.diverged) = (replayed.trace, replayed.diverged);
                match replayed.end {
                    Ended::Passed => {}
                    Ended::Stopped => return Err(Unfinished::Stopped),
                    Ended::Failed(failure) => {
                        run.finding = Finding::of(scenario, &explored, &failure);
                    }
                    Ended::Unclear(doubt) => run.doubt = Some(doubt),
                }
            }
        }
        Ok(run)
    }

    fn under_its_own_rules(self) -> Replay {
        let outcome = match (self.cannot(), &self.diverged, &self.finding) {
            (_, Some(divergence), _) if self.unsteady.is_none() => self.left(divergence),
            (Some(cannot), _, _) => cannot,
            (None, _, Some(finding)) => Outcome::Reproduced(finding.clone()),
            (None, _, None) => Outcome::NotReproduced,
        };
        self.ends_as(outcome)
    }

    fn under_other_rules(self, before: Option<&Finding>) -> Replay {
        let outcome = match (self.cannot(), before, &self.finding) {
            (Some(cannot), _, _) => cannot,
            (None, Some(before), Some(now)) if now.is_same(before) => {
                Outcome::Reproduced(now.clone())
            }
            (None, _, _) => Outcome::NotReproduced,
        };
        self.ends_as(outcome)
    }

    fn ends_as(self, outcome: Outcome) -> Replay {
        let Self { finding, trace, diverged, .. } = self;
        Replay { outcome, trace, finding, diverged }
    }

    /// Why the end decides nothing, if it does not.
    fn cannot(&self) -> Option<Outcome> {
        if let Some(Divergence { step, .. }) = self.unsteady {
            let why = format!(
                "two runs of the same schedule differ at step {step}: something besides it steers them"
            );
            return Some(Outcome::Cannot { step, why });
        }
        let last = self.trace.last().map_or(0, |event| event.index);
        let (step, why) = match self.doubt.as_ref()? {
            Doubt::TooLong => {
                (last, format!("at step {last} there is no end in sight: the schedule was shorter"))
            }
            Doubt::Unsteady { step } => {
                (*step, format!("the execution cannot be followed past step {step}"))
            }
            Doubt::NoStacks(error) => (0, format!("no stacks for the tasks at step 0: {error}")),
        };
        Some(Outcome::Cannot { step, why })
    }

    fn left(&self, divergence: &Divergence) -> Outcome {
        let Divergence { step, expected, found } = *divergence;
        let (expected, found) = (self.sight(expected), self.sight(found));
        let why = format!(
            "the execution left its schedule at step {step} or shortly before: expected {expected}, found {found}"
        );
        Outcome::Cannot { step, why }
    }

    /// Something that a schedule says or an execution shows, in words.
    fn sight(&self, sight: Sight) -> String {
        match sight {
            Sight::Hash(hash) => format!("the history {hash:016x}"),
            Sight::Task(task) => format!("{} to go on", self.name(task.0.into())),
            Sight::Runnable(0) => "nobody able to".to_owned(),
            Sight::Runnable(mask) => {
                let able = (0..16).filter(|task| mask & (1 << task) != 0);
                let able: Vec<String> = able.map(|task| self.name(task)).collect();
                format!("only {} able to", able.join(", "))
            }
            Sight::Choice(value) => format!("a choice of {value}"),
            Sight::ChoiceOf(of) => format!("a choice among {of}"),
            Sight::End(events) => format!("the end after {events} steps"),
            Sight::Event(digest) => format!("the event {digest:016x}"),
        }
    }

    fn name(&self, task: usize) -> String {
        match self.roles.get(task) {
            Some(role) => role.who().in_a_sentence(),
            None => format!("task {task}"),
        }
    }
}

/// What a schedule ends in under a scenario's rules, if that is the same failure.
pub(crate) fn fails_alike(
    scenario: &Scenario,
    finding: &Finding,
    schedule: &Schedule,
) -> Option<Finding> {
    let (now, _) = ending(scenario, schedule).ok()?;
    now.filter(|now| now.is_same(finding))
}

/// Whether a schedule is followed to the same failure under these rules, so that a token may name them.
pub(crate) fn is_followed(
    scenario: &Scenario,
    finding: &Finding,
    schedule: &Schedule,
) -> Result<bool, ScenarioError> {
    let (now, diverged) = ending(scenario, schedule)?;
    Ok(!diverged && now.is_some_and(|now| now.is_same(finding)))
}

/// A failure under the rules that were asked for, if the same schedule fails likewise there.
pub(crate) fn if_asked(found: Found, asked: &Scenario) -> Found {
    match is_followed(asked, &found.finding, &found.schedule) {
        Ok(true) => Found { mends: Vec::new(), ..found },
        Ok(false) | Err(_) => found,
    }
}
