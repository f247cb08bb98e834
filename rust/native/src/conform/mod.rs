//! Does the model do what a recorded kernel did?
//!
//! A recording says what was asked of a kernel, step by step, and what every watched page looked like
//! after each step. It is replayed on a fresh machine of the real sizes under the rules of the kernel's
//! own faithful era: one OS thread for each recorded worker, one step at a time.
//!
//! ```text
//!   for every step:
//!     time passes                         World::advance_clock
//!     the worker is told what to do       unless it still is in an earlier step
//!     settle                              until every worker is idle or asleep on a queue
//!     the device finishes what the recording says it finished here;  settle
//!     look at the pages
//!   then compare, word by word
//! ```
//!
//! "Blocked" is a state, never a matter of time: a step is blocked if its worker is asleep while nobody
//! runs, so that nothing would ever wake it but a later step. The one thing taken from the recording
//! besides the questions is when the slow device was done, which is the device's to decide, and the
//! `share` word a block carried over from an earlier life.
//!
//! | file | holds |
//! |---|---|
//! | `workers` | the worker threads, and waiting until they are settled |
//! | `replay` | the conductor: steps in, what the model did out |
//! | `course` | that: what a replay gave, step by step |
//! | `pages` | the words of the watched pages, by the frame each had at the start |
//! | `compare` | two accounts of a step as pairs of words |
//! | `report` | the first difference, as it is told |

mod compare;
mod course;
mod pages;
mod replay;
mod report;
mod workers;

use std::time::Duration;

use pgmap_program::{Era, Recording, Rules};

use crate::threaded::ThreadedWorldError;

pub use compare::Word;
pub use course::{ModelStep, Ran};
pub use report::{Difference, PageRow};

/// How a recording is replayed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose rules; none: the faithful era of the recording's kernel.
    pub era: Option<Era>,
    /// Other rules than the era's, to see what a wrong one changes.
    pub rules: Option<Rules>,
    /// How long a worker may neither finish nor sleep before that is reported as a failure of the
    /// model. It decides nothing else.
    pub deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { era: None, rules: None, deadline: Duration::from_secs(60) }
    }
}

/// How a recording compares.
#[derive(Clone, Debug)]
pub struct Conformance {
    /// Whose rules it was replayed under; none when no era describes the kernel.
    pub era: Option<Era>,
    /// Why it could not be replayed; empty if it was.
    pub unsupported: Vec<String>,
    /// Whether no era describes the kernel, and none was asked for: it is the newest before it.
    pub nearest: bool,
    /// Steps of the recording.
    pub steps: usize,
    /// Words compared, up to and including the first step that differs.
    pub compared: usize,
    /// Whether a second replay went as the first.
    pub deterministic: bool,
    /// Invariants the model saw broken, whether or not that made a difference.
    pub complaints: Vec<String>,
    /// The first step at which kernel and model part.
    pub difference: Option<Difference>,
}

impl Conformance {
    /// Whether every word of every step is the same. Having compared nothing is not equality.
    #[must_use]
    pub fn equal(&self) -> bool {
        self.unsupported.is_empty()
            && self.difference.is_none()
            && self.deterministic
            && self.compared > 0
    }

    fn unsupported(era: Option<Era>, steps: usize, why: Vec<String>) -> Self {
        Self {
            era,
            nearest: false,
            unsupported: why,
            steps,
            compared: 0,
            deterministic: true,
            complaints: Vec::new(),
            difference: None,
        }
    }
}

/// Replays a recording, twice, and compares every step.
///
/// # Errors
/// [`ThreadedWorldError`] when no machine can be built.
pub fn conform(
    recording: &Recording,
    options: &Options,
) -> Result<Conformance, ThreadedWorldError> {
    let steps = recording.steps().len();
    let era = options.era.or_else(|| recording.era());
    let mut why = match options.era {
        Some(_) => recording.unsupported_steps(),
        None => recording.unsupported(),
    };
    let Some(known) = era.filter(|_| why.is_empty()) else {
        return Ok(Conformance::unsupported(era, steps, why));
    };
    let rules = options.rules.unwrap_or_else(|| known.rules());
    let replay = || replay::replay(recording, rules, options.deadline);
    let ran = match replay()? {
        Ok(ran) => ran,
        Err(reason) => {
            why.push(reason);
            return Ok(Conformance::unsupported(era, steps, why));
        }
    };
    let again = replay()?.unwrap_or_default();
    let deterministic = again.same_course(&ran);
    let (compared, difference) = report::first_difference(recording, &ran);
    let difference = difference.or_else(|| report::first_divergence(recording, &ran, &again));
    let (unsupported, complaints) = (Vec::new(), ran.complaints);
    let nearest = options.era.is_none() && !known.describes(&recording.kernel);
    Ok(Conformance {
        era,
        nearest,
        unsupported,
        steps,
        compared,
        deterministic,
        complaints,
        difference,
    })
}
