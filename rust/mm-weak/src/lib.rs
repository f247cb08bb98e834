//! The lower rooms of the protocol on weak memory: the sources of `pgmap-mm`, bound to the face of `prim`
//! that loom explores.
//!
//! Mounted are the rooms in which the orderings live: everything up to a pagemap. What stands above them
//! has locks, page tables and files, more steps than loom can go through; where a model needs a
//! page-table entry, it is a word in the model. The models are in `tests`.
#![no_std]
#![forbid(unsafe_code)]
// What only the rooms above use.
#![allow(dead_code)]

extern crate alloc;

pub mod lock_order;
pub mod page;
pub mod pagemap;
pub mod percpu_ref;
pub mod refcount;
pub mod region;
pub mod tally;
pub mod warn;
