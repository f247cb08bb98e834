//! Plain data that every room of pgmap shares, compiled once: error numbers, rules, eras,
//! geometry, invariants, the operations of a program, its text form, and recordings of real kernels.
//!
//! Nothing here moves: no atomics, no locks, no protocol. Bad input ends in this crate, with a line
//! and a reason; what leaves it has been validated and is only read from then on.
//!
//! | module | one idea |
//! |---|---|
//! | [`errno`] | kernel error numbers and deaths by signal |
//! | [`rules`] | each decision on which kernels and proposals differ, written once |
//! | [`era`] | a named preset of rules, with the races it is known to have |
//! | [`geometry`] | the sizes of a world |
//! | [`memory`] | what memory and TLBs may do unasked |
//! | [`invariant`] | what must hold, by number |
//! | [`op`] | what one worker can do in one step |
//! | [`driver`] | a driver of a program's own, as data |
//! | [`program`] | set-up plus steps |
//! | [`expect`] | what must come of the steps |
//! | [`parse`] | text to program, and every complaint about it |
//! | [`recording`] | what a real kernel did, step by step |
#![forbid(unsafe_code)]

mod by_name;
mod display;
pub mod driver;
pub mod era;
pub mod errno;
pub mod expect;
pub mod geometry;
pub mod invariant;
pub mod memory;
mod nearest;
pub mod op;
pub mod parse;
pub mod program;
pub mod recording;
pub mod rules;
mod same;

pub use driver::DriverSpec;
pub use era::{Era, EraError, KnownRace};
pub use errno::{Died, Errno};
pub use expect::{Condition, Demand, Expectation, Outcome};
pub use geometry::{Geometry, GeometryError};
pub use invariant::Invariant;
pub use memory::{Memory, MemoryError, TlbRefill};
pub use op::Op;
pub use parse::ParseError;
pub use program::{FileSpec, Issue, Program, Step};
pub use recording::{Recording, RecordingError};
pub use rules::{How, RULES, RuleError, RuleInfo, Rules, Switch};
