//! Engines on OS threads: real atomics, real races.
//!
//! | module | question |
//! |---|---|
//! | [`threaded`] | a world with its machine and memory, and a safe way in |
//! | [`stress`] | does it survive real threads? |
//! | [`mod@bench`] | what does it cost, against a floor measured in the same round? |
#![forbid(unsafe_code)]

pub mod bench;
pub mod stress;
pub mod threaded;
