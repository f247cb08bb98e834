//! What the lower rooms promise on weak memory, and what becomes of it when one ordering is too weak.
//!
//! Each model is a few tasks over the protocol's own functions, searched twice: under the sound rules every
//! execution must keep its promise, under the one wrong rule some execution must break it. The wrong rules
//! are those that x86 does not tell from the right ones: `pgmap-explore`'s catalogue lists them with the
//! names of these models, and a test here holds the two lists against each other.
//!
//! Models of two tasks have no bound on preemptions, those of three say their own.

mod catalogue;
mod fixture;
mod folio_publish;
mod folio_put;
mod gup_grab;
mod percpu_put;
mod shown;
mod unfreeze;
