//! Reference-count schemes behind one trait: what each can do, what it promises, what it costs.
//!
//! The kernel has half a dozen ways to count references and argues about the next one; so do runtimes and
//! languages. Here each is one file over `prim`, so that the same source runs on threads (this package), under
//! the explorer (`pgmap-schemes-explored`) and under loom (`pgmap-schemes-weak`).
//!
//! | room | what it is |
//! |---|---|
//! | [`scheme`] | the trait, and what a scheme says it can do |
//! | [`kinds`] | the schemes |
//! | [`promise`] | what every scheme that can do a thing must keep, as small programs |
//! | [`threads`] | those programs on real threads; killing over and over |
#![forbid(unsafe_code)]

pub mod kinds;
pub mod promise;
pub mod scheme;
pub mod threads;
