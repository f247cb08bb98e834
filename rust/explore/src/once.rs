//! A program, run once: what each of its steps comes to when nobody gets in the way.
//!
//! The schedule is the one that every search begins with: a worker goes on until it has ended or cannot, then comes
//! the next. It says what a program does, not what can happen to it.

use pgmap_program::Outcome;
use pgmap_sched::{Control, Doubt, Explorer, Failure, Judgement, Limit, Plan, Schedule};

use crate::explored::ExploredWorld;
use crate::finding::{Finding, waiting};
use crate::outcomes::{Outcomes, Row};
use crate::scenario::{Scenario, Unfinished};

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every step returned, and the books balance.
    Through,
    /// Something broke.
    Found(Box<Finding>),
    /// Somebody waits for ever for what the program itself holds; who for what.
    Waits(Vec<String>),
    /// It cannot be told.
    Unclear(Doubt),
}

/// A program that has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// What each step of the set-up returned, by its number.
    pub set_up: Vec<(u32, Outcome)>,
    /// What each step after it came to, in one execution.
    pub steps: Vec<Row>,
    pub end: End,
}

impl Row {
    /// Of a single execution.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.results.results.first().map_or(Outcome::NotBegun, |(outcome, _)| *outcome)
    }
}

/// Runs a program once.
///
/// # Errors
/// Why it cannot be run, a step of the set-up that fails for one, or that `control` said stop.
pub fn once(scenario: &Scenario, control: &mut dyn FnMut() -> Control) -> Result<Once, Unfinished> {
    let explored = ExploredWorld::new(scenario, control)?;
    let mut end = None;
    let mut judge = |failure: &Failure, _: &Schedule| {
        end = Some(match (Finding::of(scenario, &explored, failure), failure) {
            (Some(finding), _) => End::Found(Box::new(finding)),
            (None, Failure::Deadlock { waits, .. }) => {
                End::Waits(waiting(scenario, &explored, waits))
            }
            (None, _) => End::Through,
        });
        Judgement::Stop
    };
    let plan = Plan { bound: Some(0), schedules_max: 1, ..Plan::default() };
    let outcome = Explorer::kept(|explorer| {
        explorer.search(&mut &explored, &plan, &mut judge, &mut |_| control())
    });
    if matches!(outcome, pgmap_sched::Outcome::Stopped { limit: Limit::Asked, .. }) {
        return Err(Unfinished::Stopped);
    }
    let end = end.unwrap_or_else(|| doubt(outcome).map_or(End::Through, End::Unclear));
    let mut seen = Outcomes::of(explored.step_results().numbers());
    seen.count(explored.step_results().now(), 0);
    Ok(Once { set_up: explored.set_up().to_vec(), steps: seen.rows(scenario), end })
}

/// Why nothing can be said of an execution without a failure.
fn doubt(outcome: pgmap_sched::Outcome) -> Option<Doubt> {
    match outcome {
        pgmap_sched::Outcome::Inconclusive { why, .. } => Some(why),
        other => other.stats().iter().any(|now| now.too_long > 0).then_some(Doubt::TooLong),
    }
}
