//! The schemes under the controlled scheduler: the sources of `pgmap-schemes`, bound to the explored face of
//! `prim`.
//!
//! | room | what it is |
//! |---|---|
//! | [`scheme`], [`kinds`], [`promise`] | links into `pgmap-schemes` |
//! | [`search`] | whether a scheme keeps a promise in every order within a bound |
//! | [`counting`], [`lines`] | what a get and a put ask of the machine, counted instead of timed |
//! | [`mistakes`] | schemes with a planted mistake, each of which some order must show |
//! | [`verdicts`] | what all that says of an argument on the kernel's list |
#![forbid(unsafe_code)]
// What only threads ask for.
#![allow(dead_code)]

pub mod counting;
pub mod kinds;
pub mod lines;
pub mod mistakes;
pub mod promise;
pub mod scheme;
pub mod search;
pub mod verdicts;
