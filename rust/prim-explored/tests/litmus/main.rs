//! Litmus tests: which results two to four tasks can come to, under sequential consistency and under x86-TSO.
//!
//! Names and verdicts are those of the x86-TSO papers (Owens, Sarkar, Sewell 2009; Alglave et al.).
#![forbid(unsafe_code)]

mod buffers;
#[path = "../common/mod.rs"]
mod common;
mod fixture;
mod orders;
