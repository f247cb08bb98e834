//! What a replay of a recording gave, step by step.

use pgmap_program::op::WorkerId;
use pgmap_program::recording::Expect;

/// What the model did in one step.
#[derive(Clone, Debug, Default)]
pub struct ModelStep {
    /// In the recording's words. `ret` is absent until the step returns.
    pub did: Expect,
    /// The earlier step its worker still was in, so that this one was never begun.
    pub busy_in: Option<u32>,
    /// Of a wait: who was waited for, in vain.
    pub still_blocked: Vec<WorkerId>,
    /// Who sleeps after it, and where, for reports.
    pub asleep: Vec<String>,
    /// The model itself failed here: a panic, or a worker that ran wild.
    pub failure: Option<String>,
}

/// A whole replay.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// One for each step of the recording; fewer only after a failure.
    pub steps: Vec<ModelStep>,
    /// Invariants the model saw broken meanwhile.
    pub complaints: Vec<String>,
}

impl ModelStep {
    /// Whether two replays of one step went the same way.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        (&self.did, self.busy_in, &self.still_blocked)
            == (&other.did, other.busy_in, &other.still_blocked)
    }
}

impl Ran {
    /// Whether two replays of one recording went the same way.
    #[must_use]
    pub fn same_course(&self, other: &Self) -> bool {
        self.steps.len() == other.steps.len()
            && self.steps.iter().zip(&other.steps).all(|(one, two)| one.same_as(two))
    }
}
