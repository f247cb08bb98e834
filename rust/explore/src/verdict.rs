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

/// What a search has seen, whatever it came to: what every verdict carries.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The numbers of each bound begun.
    pub stats: Vec<Stats>,
    /// Executions that were drawn at random, beyond the bounds or in their place; none if none were.
    pub sample: Option<SampleStats>,
    /// Executions, drawn or not, that end with everybody waiting for what the program holds on purpose.
    pub waiting: u64,
}

impl Seen {
    /// What another search of the same scenario has seen, too.
    pub(crate) fn absorb(&mut self, other: Self) {
        let Self { stats, sample, waiting } = other;
        self.stats.extend(stats);
        match (&mut self.sample, sample) {
            (Some(mine), Some(theirs)) => mine.merge(&theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
        self.waiting += waiting;
    }

    /// Executions that were drawn at random.
    #[must_use]
    pub fn drawn(&self) -> u64 {
        self.sample.as_ref().map_or(0, |sample| sample.executions)
    }

    /// Executions within bounds.
    #[must_use]
    pub fn schedules(&self) -> u64 {
        self.stats.iter().map(|stats| stats.schedules).sum()
    }
}

/// What a search came to. All of them hold for the scenario's memory and sizes. Where that memory has store
/// buffers or TLBs load ahead, each store that waits and each such load counts as a preemption.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// This is broken.
    Found { found: Box<Found>, seen: Seen },
    /// Nothing is, in any schedule of the program with at most so many preemptions.
    Exhausted { bound: Option<u32>, seen: Seen },
    /// Nothing was found before the budget was spent.
    NotFound { why: Limit, seen: Seen },
    /// The search proves nothing, and says why.
    Inconclusive { why: Doubt, seen: Seen },
}

impl Verdict {
    /// What the search has seen.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        match self {
            Self::Found { seen, .. }
            | Self::Exhausted { seen, .. }
            | Self::NotFound { seen, .. }
            | Self::Inconclusive { seen, .. } => seen,
        }
    }

    /// The verdict, with what was seen before it fell.
    pub(crate) fn after(mut self, earlier: Seen) -> Self {
        match &mut self {
            Self::Found { seen, .. }
            | Self::Exhausted { seen, .. }
            | Self::NotFound { seen, .. }
            | Self::Inconclusive { seen, .. } => {
                let later = core::mem::replace(seen, earlier);
                seen.absorb(later);
            }
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
    let seen = |stats| Seen { stats, sample: None, waiting };
    Ok(match (outcome, finding) {
        (Outcome::Found { schedule, bound, stats, .. }, Some(finding)) => {
            let found = Box::new(Found { finding, schedule, preemptions: bound, drawn: None });
            Verdict::Found { found, seen: seen(stats) }
        }
        (Outcome::Found { stats, .. }, None) => {
            // The judge stops only at a finding.
            Verdict::Inconclusive { why: Doubt::Unsteady { step: 0 }, seen: seen(stats) }
        }
        (Outcome::Exhausted { stats }, _) => {
            Verdict::Exhausted { bound: plan.bound, seen: seen(stats) }
        }
        (Outcome::Stopped { limit, stats }, _) => {
            Verdict::NotFound { why: limit, seen: seen(stats) }
        }
        (Outcome::Inconclusive { why, stats }, _) => {
            Verdict::Inconclusive { why, seen: seen(stats) }
        }
    })
}
