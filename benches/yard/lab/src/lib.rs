//! A program's world as a model, as `pgmap-explore` makes it, over shuttle and loom.
//!
//! Nothing here is new: the sources are links to those of `rust/explore`.
#![forbid(unsafe_code)]

pub mod catalogue;
pub mod lab;
pub mod scenario;

pub use lab::Lab;
pub use scenario::{Scenario, ScenarioError};
