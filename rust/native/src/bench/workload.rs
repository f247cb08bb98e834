//! What a row is made of: two loops that can be run for so many iterations, and the limit on their
//! quotient.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::threaded::ThreadedWorldError;

/// Which side of the limit is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Sense {
    /// A cost.
    #[serde(rename = "at most")]
    AtMost,
    /// A gain.
    #[serde(rename = "at least")]
    AtLeast,
}

/// Processors on which limits were set, as [`Host`](crate::bench::Host) names them.
pub(super) const EPYC: &str = "AMD EPYC (family 25 model 17)";
/// The other one.
pub(super) const XEON: &str = "Intel(R) Xeon(R) Processor (family 6 model 207)";

/// A limit on a ratio, for each processor on which one was set. What an instruction costs next to another one
/// is a property of the processor, so what was measured on one says nothing about another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Where the ratio has to be.
    pub sense: Sense,
    /// Processor, ratio.
    pub set_on: &'static [(&'static str, f64)],
}

impl Limit {
    /// Costs at most so many times the floor.
    #[must_use]
    pub const fn at_most(set_on: &'static [(&'static str, f64)]) -> Self {
        Self { sense: Sense::AtMost, set_on }
    }

    /// Gains at least so many times what the floor gains.
    #[must_use]
    pub const fn at_least(set_on: &'static [(&'static str, f64)]) -> Self {
        Self { sense: Sense::AtLeast, set_on }
    }

    /// The ratio on this processor, if one was set.
    #[must_use]
    pub fn on(self, processor: &str) -> Option<f64> {
        self.set_on.iter().find(|(name, _)| *name == processor).map(|(_, ratio)| *ratio)
    }
}

/// The thing measured, or what it is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Ours.
    Subject,
    /// The least it can cost.
    Floor,
}

/// Two loops.
pub trait Workload: Send {
    /// Runs one side for `iterations` and returns its figure: nanoseconds an iteration for a cost, a
    /// factor for a gain.
    fn measure(&mut self, side: Side, iterations: u64) -> f64;

    /// How long that would take, roughly: what iterations are chosen by.
    fn nanos_per_iteration(&mut self, side: Side) -> f64 {
        self.measure(side, 64);
        self.measure(side, 512)
    }
}

/// A row before it is measured.
#[derive(Clone)]
pub struct Row {
    /// What is measured.
    pub name: Cow<'static, str>,
    /// What it is measured against, in words: rows of the same words have the same floor.
    pub floor: Cow<'static, str>,
    /// Unit of the figures behind the ratio.
    pub unit: &'static str,
    /// Where the ratio has to be.
    pub limit: Limit,
    /// Makes the workload, with all its memory touched.
    pub build: fn() -> Result<Box<dyn Workload>, BuildError>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("name", &self.name).field("limit", &self.limit).finish()
    }
}

/// Why a workload could not be set up.
#[derive(Debug)]
pub struct BuildError(pub String);

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BuildError {}

impl From<ThreadedWorldError> for BuildError {
    fn from(error: ThreadedWorldError) -> Self {
        Self(error.to_string())
    }
}

impl From<pgmap_prim::NoMemory> for BuildError {
    fn from(error: pgmap_prim::NoMemory) -> Self {
        Self(error.to_string())
    }
}

/// Turns what is not an error value into one.
pub(super) fn setup<T, E: std::fmt::Debug>(
    what: &str,
    result: Result<T, E>,
) -> Result<T, BuildError> {
    result.map_err(|error| BuildError(format!("{what}: {error:?}")))
}

/// Nanoseconds an iteration of `work` took.
pub(super) fn nanos_each(iterations: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    per_iteration(start.elapsed(), iterations)
}

pub(super) fn per_iteration(elapsed: Duration, iterations: u64) -> f64 {
    elapsed.as_nanos() as f64 / iterations.max(1) as f64
}
