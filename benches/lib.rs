//! Nothing: a package needs a target besides its benches. See `core.rs` and the README.
#![forbid(unsafe_code)]
