//! Does the model do what a recorded kernel did?
//!
//! A recording says what was asked of a kernel, step by step, and what every watched page looked like
//! after each step. It is replayed on a fresh machine of the real sizes under the rules of the kernel's
//! own faithful era: one task of the scheduler for each recorded worker, one step at a time.
//!
//! ```text
//!   for every step:
//!     time passes
//!     the worker is told what to do       unless it still is in an earlier step
//!     the device finishes what the recording says it finished here
//!     look at the pages
//!   each when nobody can go on any more; then compare, word by word
//! ```
//!
//! So an execution is conducted (`pgmap_sched::conduct`), and a recording in which somebody held tasks at chosen
//! instructions is a schedule like any other: the task of the model stays at the step that happens there (`holds`).
//!
//! "Blocked" is a state, never a matter of time: a step is blocked if its worker waits, or goes round in circles that
//! change nothing, while nobody else can go on, so that nothing would ever wake it but a later step. The one thing taken
//! from the recording besides the questions is when the slow device was done, which is the device's to decide, and the
//! `share` word a block carried over from an earlier life. In which order a driver's free pages lay when the recording
//! began is not written down: of a mirror device every order is tried, and one under which all is equal will do.
//!
//! | file | holds |
//! |---|---|
//! | `stage` | the machine, and the workers as tasks |
//! | `replay` | the conductor: steps in, what the model did out |
//! | `holds` | what the kernel was held at, as steps of the model |
//! | `course` | what a replay gave, step by step |
//! | `pages` | the words of the watched pages, by the frame each had at the start |
//! | `compare` | two accounts of a step as pairs of words |
//! | `report` | the first difference, as it is told |

mod compare;
mod course;
mod holds;
mod pages;
mod replay;
mod report;
mod stage;

use pgmap_prim::NoMemory;
use pgmap_program::{Era, Recording, Rules};

pub use compare::Word;
pub use course::{ModelStep, Ran};
pub use report::{Difference, PageRow};

/// How a recording is replayed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whose rules; none: the faithful era of the recording's kernel.
    pub era: Option<Era>,
    /// Other rules than the era's, to see what a wrong one changes.
    pub rules: Option<Rules>,
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
    /// Invariants the model saw broken, whether or not that made a difference.
    pub complaints: Vec<String>,
    /// The first step at which kernel and model part.
    pub difference: Option<Difference>,
}

impl Conformance {
    /// Whether every word of every step is the same. Having compared nothing is not equality.
    #[must_use]
    pub fn equal(&self) -> bool {
        self.unsupported.is_empty() && self.difference.is_none() && self.compared > 0
    }

    fn unsupported(era: Option<Era>, steps: usize, why: Vec<String>) -> Self {
        Self {
            era,
            nearest: false,
            unsupported: why,
            steps,
            compared: 0,
            complaints: Vec::new(),
            difference: None,
        }
    }
}

/// Replays a recording, and compares every step.
///
/// # Errors
/// [`NoMemory`] when no machine can be built.
pub fn conform(recording: &Recording, options: &Options) -> Result<Conformance, NoMemory> {
    let steps = recording.steps().len();
    let era = options.era.or_else(|| recording.era());
    let mut why = match options.era {
        Some(_) => recording.unsupported_steps(),
        None => recording.unsupported(),
    };
    why.extend(holds::unknown(recording));
    let Some(known) = era.filter(|_| why.is_empty()) else {
        return Ok(Conformance::unsupported(era, steps, why));
    };
    let rules = options.rules.unwrap_or_else(|| recording.rules(known));
    let nearest = options.era.is_none() && !known.describes(&recording.kernel);
    let mut told = None;
    for handed_out in pages::orders(recording) {
        let ran = match replay::replay(recording, rules, &handed_out)? {
            Ok(ran) => ran,
            Err(reason) => return Ok(Conformance::unsupported(era, steps, vec![reason])),
        };
        let (compared, difference) = report::first_difference(recording, &ran);
        let (unsupported, complaints) = (Vec::new(), ran.complaints);
        let one =
            Conformance { era, nearest, unsupported, steps, compared, complaints, difference };
        if one.difference.is_none() {
            return Ok(one);
        }
        told.get_or_insert(one);
    }
    Ok(told.unwrap_or_else(|| Conformance::unsupported(era, steps, Vec::new())))
}
