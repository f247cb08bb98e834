//! A program's world as a model, as `pgmap-explore` makes it, over shuttle and loom.
//!
//! Nothing here is new: the sources are links to those of `rust/explore`.
#![forbid(unsafe_code)]

#[allow(dead_code, reason = "the explorer asks for more")]
mod audited;
#[allow(dead_code, reason = "the explorer asks for more")]
pub mod explored;
pub mod protocol;
pub mod scenario;
#[allow(dead_code, reason = "the explorer asks for more")]
mod sharing;
#[allow(dead_code, reason = "the explorer asks for more")]
mod step_results;

pub use explored::ExploredWorld;
pub use scenario::{Scenario, ScenarioError, Unfinished};
