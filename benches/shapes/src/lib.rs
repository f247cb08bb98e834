//! Shapes: small concurrent programs with one mistake each, to measure searches with.
//!
//! The names and most of the mistakes are those that the field has measured itself with since SCTBench
//! (Thomson, Donaldson and Betts, PPoPP 2014 and TOPC 2016): the classical pthread examples, work-stealing
//! queues of CHESS, lost wake-ups of Inspect, and a few of the textbook. The programs are written anew, each
//! over the smallest state in which its mistake shows, so executions to the first failure here say nothing
//! about figures published elsewhere; they compare strategies, and schedulers, with each other.
//!
//! A shape is written once, against a [`Face`]: words, locks, condition variables. [`Stage`] is the face over
//! `pgmap_sched`; the benches have another over shuttle's own types. Every shape also has a right
//! [`Form`], the same program without the mistake, and a test that nothing is found in it: what a search
//! finds in the wrong form is the mistake and not the oracle.
//!
//! Shapes of the field with more than [`MOST_TASKS`](pgmap_sched::MOST_TASKS) tasks are here with as many as
//! fit (`reorder_16` for `reorder_20`, `twostage_16` for `twostage_100`, `fsbench_8` for 27 threads). Those
//! that fail in every schedule or on their input alone tell nothing of a scheduler and are left out.
#![forbid(unsafe_code)]

pub mod face;
pub mod shapes;
pub mod stage;

pub use face::{Cond, Face, Lock, Word};
pub use shapes::{Form, Shape, all, find};
pub use stage::Stage;
