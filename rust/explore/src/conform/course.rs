//! What a replay of a recording gave, step by step.

use pgmap_program::op::WorkerId;
use pgmap_program::recording::Expect;

/// What the model did in one step.
#[derive(Clone, Debug, Default)]
pub struct ModelStep {
    /// In the recording's words. `ret` is absent until the step returns.
    pub did: Expect,
    /// The byte that it looked at, where that is not what it returns.
    pub byte: Option<u8>,
    /// Whether somebody has come to the place that was asked about.
    pub held: Option<bool>,
    /// The earlier step its worker still was in, so that this one was never begun.
    pub busy_in: Option<u32>,
    /// Of a wait: who was waited for, in vain.
    pub still_blocked: Vec<WorkerId>,
    /// Who waits after it, and for what, for reports.
    pub asleep: Vec<String>,
    /// The model itself failed here: a panic, or a replay without an end.
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
