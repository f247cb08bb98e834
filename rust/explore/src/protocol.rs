//! The steps of the protocol by name, so that one can be left out: what breaks without it?
//!
//! A step is a call of a primitive in the protocol that has an effect. It goes by what is called, what it is called
//! on, and the kernel's name of the function: `lock-i_pages@dax_unlock_entry`; of several that would be called alike
//! the later ones are numbered, `#2`. The table is made of the sources (`build/steps.rs`).

use std::fmt;

use pgmap_prim::Edit;
use pgmap_prim::edits::Call;
use thiserror::Error;

include!(concat!(env!("OUT_DIR"), "/steps.rs"));

/// A step of the protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// `STEP@FUNCTION`.
    pub name: &'static str,
    pub function: &'static str,
    /// What sort of step: a lock, a store, a wake-up.
    pub kind: &'static str,
    /// How it is left out.
    pub edit: Edit,
}

/// A step that is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Without(&'static Step);

/// There is no step of this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no step is called {name:?}; {there_are}")]
pub struct UnknownStep {
    name: String,
    there_are: String,
}

/// Every step, in the order of the sources.
#[must_use]
pub fn steps() -> &'static [Step] {
    STEPS
}

/// How many calls of primitives these are: a helper's one call is a step of each of its callers.
#[must_use]
pub const fn calls() -> usize {
    CALLS
}

/// The step that a noted call is.
#[must_use]
pub fn step_of(call: &Call) -> Option<&'static Step> {
    STEPS.iter().find(|step| is_of(&step.edit, call))
}

/// Whether a place is that of the step of this name.
#[must_use]
pub fn is_at(name: &str, site: &std::panic::Location<'_>) -> bool {
    let here = |edit: &Edit| (edit.line, edit.column) == (site.line(), site.column());
    let named = STEPS.iter().find(|step| step.name == name).map(|step| step.edit);
    named.is_some_and(|edit| here(&edit) && site.file().replace('\\', "/").ends_with(edit.file))
}

/// Whether a noted call is none on purpose: what only watches the protocol, and what is part of a step.
#[must_use]
pub fn is_no_step(call: &Call) -> bool {
    NO_STEPS.iter().any(|edit| is_of(edit, call)) || !site_is_ours(call)
}

fn is_of(edit: &Edit, &(site, op): &Call) -> bool {
    let here = (edit.line, edit.column, edit.op) == (site.line(), site.column(), op);
    here && site.file().replace('\\', "/").ends_with(edit.file)
}

/// Primitives call primitives, too.
fn site_is_ours(&(site, _): &Call) -> bool {
    site.file().replace('\\', "/").contains("mm-explored/")
}

/// Names told of at once where one is unknown.
const NEAREST: usize = 8;

impl Without {
    /// # Errors
    /// There is no such step; the nearest are told.
    pub fn named(name: &str) -> Result<Self, UnknownStep> {
        STEPS.iter().find(|step| step.name == name).map(Self).ok_or_else(|| {
            let (_, function) = name.split_once('@').unwrap_or(("", name));
            let there = STEPS.iter().filter(|step| step.function == function);
            let there: Vec<&str> = there.map(|step| step.name).collect();
            let there_are = match there.is_empty() {
                false => format!("{function} has {}", there.join(", ")),
                true => format!("the nearest are {}", nearest(name).join(", ")),
            };
            UnknownStep { name: name.to_owned(), there_are }
        })
    }

    #[must_use]
    pub const fn step(self) -> &'static Step {
        self.0
    }
}

impl fmt::Display for Without {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl fmt::Debug for Without {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The names that share most with this one, the best first.
fn nearest(name: &str) -> Vec<&'static str> {
    let pairs = |text: &str| -> Vec<[u8; 2]> {
        text.as_bytes().windows(2).map(|it| [it[0], it[1]]).collect()
    };
    let mine = pairs(name);
    let shared = |step: &Step| {
        let theirs = pairs(step.name);
        let both = mine.iter().filter(|pair| theirs.contains(pair)).count();
        // In thousandths of all pairs.
        2000 * both / (mine.len() + theirs.len()).max(1)
    };
    let mut all: Vec<&Step> = STEPS.iter().collect();
    all.sort_by_key(|step| std::cmp::Reverse(shared(step)));
    all.iter().take(NEAREST).map(|step| step.name).collect()
}
