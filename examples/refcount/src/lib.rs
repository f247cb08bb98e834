//! A reference-count scheme of one's own. `scheme.rs` is all there is to write; here it is compiled for each engine.
//!
//! `cargo test -p pgmap-example-refcount` runs it on threads, under the explorer and under loom;
//! `cargo run --release -p pgmap-example-refcount` measures it against one locked addition each way.
#![forbid(unsafe_code)]
#![expect(clippy::duplicate_mod, reason = "one source for each engine")]

pub mod explored;
pub mod native;
pub mod weak;
