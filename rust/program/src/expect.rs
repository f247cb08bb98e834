//! What a program says must come of its steps: `expect`, `never` and `sometimes` over their results.
//!
//! A condition is like the last line of a litmus test: `a = ok and not w1.2 = EBUSY`. It is about how an
//! execution ends, so only what every step has returned by then counts, whatever the order in which they did.
//!
//! | line | what it says |
//! |---|---|
//! | `expect COND` | COND holds at the end of every execution |
//! | `never COND` | no execution ends so |
//! | `sometimes COND` | at least one does |
//!
//! A step is named by its label (`a: w0 pin 0 0`), or by who does it and where it stands among that one's steps
//! after `start`, from 1: `w0.2`, `env.1`. Here a step is known by its [`n`](crate::Step::n), and the names are made
//! when the text is, so a program can be edited without them going astray.

use std::fmt;

use serde::Serialize;

use crate::errno::{Died, Errno};

/// Most expectations of a program: a set of them is one word.
pub const EXPECTATIONS_MAX: usize = 64;

/// Who does steps that have no worker, in the name of such a step.
pub const ENVIRONMENT: &str = "env";

/// How often a condition is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// At the end of every execution.
    Expect,
    /// At the end of none.
    Never,
    /// At the end of one at least.
    Sometimes,
}

impl Demand {
    /// All of them.
    pub const ALL: [Demand; 3] = [Demand::Expect, Demand::Never, Demand::Sometimes];

    /// The word that begins its line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Demand::Expect => "expect",
            Demand::Never => "never",
            Demand::Sometimes => "sometimes",
        }
    }
}

/// What a step has come to when an execution ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Steps before it have not ended.
    NotBegun,
    /// It waits, and the execution has ended with it waiting.
    Waits,
    /// It returned this, or read this data word.
    Value(u64),
    /// It failed.
    Errno(Errno),
    /// Its task died of it.
    Died(Died),
}

impl Outcome {
    /// Whether the step did not do what it was asked for.
    #[must_use]
    pub const fn failed(self) -> bool {
        matches!(self, Outcome::Errno(_) | Outcome::Died(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::NotBegun => f.write_str("not begun"),
            Outcome::Waits => f.write_str("waits"),
            Outcome::Value(value) => value.fmt(f),
            Outcome::Errno(errno) => f.write_str(errno.name()),
            Outcome::Died(died) => f.write_str(died.name()),
        }
    }
}

/// The right side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// It returned something, and no errno.
    Ok,
    /// It has not returned.
    Waits,
    /// Exactly this.
    Value(u64),
    /// This errno.
    Errno(Errno),
    /// This death.
    Died(Died),
}

impl Wanted {
    /// Whether it is this that the step came to.
    #[must_use]
    pub fn is(self, outcome: Outcome) -> bool {
        match (self, outcome) {
            (Wanted::Ok, Outcome::Value(_)) | (Wanted::Waits, Outcome::Waits) => true,
            (Wanted::Value(wanted), Outcome::Value(value)) => wanted == value,
            (Wanted::Errno(wanted), Outcome::Errno(errno)) => wanted == errno,
            (Wanted::Died(wanted), Outcome::Died(died)) => wanted == died,
            _ => false,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Ok => f.write_str("ok"),
            Wanted::Waits => f.write_str("waits"),
            Wanted::Value(value) => value.fmt(f),
            Wanted::Errno(errno) => f.write_str(errno.name()),
            Wanted::Died(died) => f.write_str(died.name()),
        }
    }
}

/// `=` or `!=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `=`
    Is,
    /// `!=`
    IsNot,
}

impl Comparison {
    /// The sign in the text.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Comparison::Is => "=",
            Comparison::IsNot => "!=",
        }
    }
}

/// Something that holds at the end of an execution or does not. Lists have two members at least, and none that is
/// a list of the same kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// `or`
    Any(Vec<Condition>),
    /// `and`
    All(Vec<Condition>),
    /// `not`
    Not(Box<Condition>),
    /// The step with this number has, or has not, this result.
    Step {
        /// Its [`n`](crate::Step::n).
        n: u32,
        /// Which of the two.
        is: Comparison,
        /// The result.
        wanted: Wanted,
    },
}

impl Condition {
    /// Whether it holds when steps have come to this.
    pub fn holds(&self, outcome: &mut impl FnMut(u32) -> Outcome) -> bool {
        match self {
            Condition::Any(list) => list.iter().any(|each| each.holds(outcome)),
            Condition::All(list) => list.iter().all(|each| each.holds(outcome)),
            Condition::Not(other) => !other.holds(outcome),
            Condition::Step { n, is, wanted } => wanted.is(outcome(*n)) == (*is == Comparison::Is),
        }
    }

    /// The steps it names.
    #[must_use]
    pub fn steps(&self) -> Vec<u32> {
        match self {
            Condition::Any(list) | Condition::All(list) => {
                list.iter().flat_map(Condition::steps).collect()
            }
            Condition::Not(other) => other.steps(),
            Condition::Step { n, .. } => vec![*n],
        }
    }
}

/// One line of a program that says what must come of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Expectation {
    /// How often it is to hold.
    pub demand: Demand,
    /// What.
    pub condition: Condition,
}
