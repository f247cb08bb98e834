//! What a search came to, and the search itself.

use pgmap_sched::{
    Control, Doubt, Explorer, Judgement, Limit, Outcome, Plan, Progress, SampleStats, Schedule,
    Stats,
};

use crate::beyond::Drawn;
use crate::finding::Finding;
use crate::lab::Lab;
use crate::scenario::{Scenario, ScenarioError};

/// A failed execution that can be run again.
#[derive(Clone, Debug)]
pub struct Found {
    pub finding: Finding,
    pub schedule: Schedule,
    /// Preemptions it needs; none if the search had no bound.
    pub preemptions: Option<u32>,
    /// Where it came from, if it was drawn at random.
    pub drawn: Option<Drawn>,
}

/// What a search came to. All of them hold for the scenario's memory and sizes. Where that memory has store
/// buffers or TLBs load ahead, each store that waits and each such load counts as a preemption.
///
/// `sample` tells of executions that were drawn at random, beyond the bounds or in their place. `waiting`
/// counts those, drawn or not, that end with everybody waiting for what the program holds on purpose.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// This is broken.
    Found { found: Box<Found>, stats: Vec<Stats>, sample: Option<SampleStats> },
    /// Nothing is, in any schedule of the program with at most so many preemptions.
    Exhausted { bound: Option<u32>, stats: Vec<Stats>, waiting: u64, sample: Option<SampleStats> },
    /// Nothing was found before the budget was spent.
    NotFound { why: Limit, stats: Vec<Stats>, waiting: u64, sample: Option<SampleStats> },
    /// The search proves nothing, and says why.
    Inconclusive { why: Doubt, stats: Vec<Stats> },
}

impl Verdict {
    /// The numbers of each bound begun.
    #[must_use]
    pub fn stats(&self) -> &[Stats] {
        match self {
            Self::Found { stats, .. }
            | Self::Exhausted { stats, .. }
            | Self::NotFound { stats, .. }
            | Self::Inconclusive { stats, .. } => stats,
        }
    }

    /// The numbers of what was drawn at random, if anything was.
    #[must_use]
    pub fn sample(&self) -> Option<&SampleStats> {
        match self {
            Self::Found { sample, .. }
            | Self::Exhausted { sample, .. }
            | Self::NotFound { sample, .. } => sample.as_ref(),
            Self::Inconclusive { .. } => None,
        }
    }

    /// The verdict on bounds, with what was drawn before it fell, and how many of that were waiting.
    pub(crate) fn after(mut self, drawn: Option<SampleStats>, waiting_beyond: u64) -> Self {
        match &mut self {
            Self::Found { sample, .. } => *sample = drawn,
            Self::Exhausted { sample, waiting, .. } | Self::NotFound { sample, waiting, .. } => {
                *sample = drawn;
                *waiting += waiting_beyond;
            }
            Self::Inconclusive { .. } => {}
        }
        self
    }
}

/// Searches the schedules of a scenario, bound after bound.
///
/// # Errors
/// Why there is nothing to explore.
pub fn explore(
    scenario: &Scenario,
    plan: &Plan,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Verdict, ScenarioError> {
    let lab = Lab::new(scenario)?;
    let mut finding = None;
    let mut waiting = 0;
    let mut judge = |failure: &_, _: &Schedule| {
        finding = Finding::of(scenario, &lab, failure);
        if finding.is_some() {
            return Judgement::Stop;
        }
        waiting += 1;
        Judgement::Continue
    };
    let outcome = Explorer::new().search(&mut &lab, plan, &mut judge, progress);
    Ok(match (outcome, finding) {
        (Outcome::Found { schedule, bound, stats, .. }, Some(finding)) => {
            let found = Box::new(Found { finding, schedule, preemptions: bound, drawn: None });
            Verdict::Found { found, stats, sample: None }
        }
        (Outcome::Found { stats, .. }, None) => {
            // The judge stops only at a finding.
            Verdict::Inconclusive { why: Doubt::Unsteady { step: 0 }, stats }
        }
        (Outcome::Exhausted { stats }, _) => {
            Verdict::Exhausted { bound: plan.bound, stats, waiting, sample: None }
        }
        (Outcome::Stopped { limit, stats }, _) => {
            Verdict::NotFound { why: limit, stats, waiting, sample: None }
        }
        (Outcome::Inconclusive { why, stats }, _) => Verdict::Inconclusive { why, stats },
    })
}
