//! Engines on OS threads.
#![forbid(unsafe_code)]
