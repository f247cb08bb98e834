//! The retry storm: a task that goes round in circles without ever calling `relax`.
//!
//! The criterion is about one task that is *alone*: it can run, and every other task has ended
//! or is blocked. Then nothing it reads can change but by its own hand, and nothing chooses between its
//! steps. If the whole state comes back while that lasts, what the task has done since it will do
//! again, for ever: that is a proof, and nothing less is an accusation. How often a step is repeated
//! says nothing: a counted loop over memory that stays the same repeats it as often as it likes, with
//! another number in its counter each time.
//!
//! The whole state is what the model says that tasks share ([`Model::state`](crate::Model::state)), and
//! the task's own: the used part of its stack at the moment of a switch, when its registers lie there too.
//! One [`Moment`] is kept and later ones are compared with it, and after twice as many events a later one
//! is kept in its place (Brent, 1980): so a circle of any length, entered at any time, is noticed before
//! the third of its rounds ends, or after twice as many events as there were before. Comparing is
//! cheap where it fails: only a moment at the same step with the same memory, as far as the steps' values
//! tell, is looked at, its stack first.
//!
//! A free choice, a choice that was paid, or the end of a busy-wait is something that the next round
//! need not repeat: what was kept before it is forgotten.

use crate::hash::mix64;
use crate::step::{Effect, Step};

/// How long a task runs on before the scheduler asks whether it is alone. Only what keeping and
/// comparing cost depends on it, and no verdict.
pub(crate) const STREAK: u32 = 1024;

/// What there is to do with the moment at which a lonely task stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// It may be the one that is kept.
    pub(crate) compare: bool,
    /// It takes the place of the one that is kept.
    pub(crate) keep: bool,
}

/// The whole state, at one moment of one task.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) stack: Vec<u64>,
    pub(crate) shared: Vec<u64>,
}

/// The watch over a task that is alone.
#[derive(Default)]
pub(crate) struct Storm {
    alone: bool,
    look: Look,
    /// Stands for what the steps since the beginning have written.
    memory: u64,
    kept: Option<Kept>,
    round: u32,
    /// When to keep a moment next, and how long the one after that stays.
    due: u32,
    stays: u32,
}

/// Which moment is kept.
#[derive(Clone, Copy)]
struct Kept {
    at: u32,
    key: u64,
}

impl Storm {
    pub(crate) fn alone(&self) -> bool {
        self.alone
    }

    pub(crate) fn begin(&mut self) {
        *self = Storm { alone: true, stays: STREAK, ..Storm::default() };
    }

    pub(crate) fn end(&mut self) {
        self.alone = false;
    }

    /// Takes a step of the lonely task, with the values that were reported of it.
    pub(crate) fn ran(&mut self, step: &Step, values: Option<(u64, u64)>, index: u32) {
        if step.effect == Effect::Write {
            let object = step.object.0;
            self.memory = match values {
                Some((before, after)) => self
                    .memory
                    .wrapping_sub(mix64(object, before))
                    .wrapping_add(mix64(object, after)),
                None => mix64(self.memory, u64::from(index)),
            };
        }
    }

    /// Something happened that the next round need not repeat.
    pub(crate) fn disturbed(&mut self) {
        self.kept = None;
    }

    /// The lonely task stands at a step, after so many events.
    pub(crate) fn stands(&mut self, step: &Step, events: u32) {
        let site = u64::from(step.site.line()) << 32 | u64::from(step.site.column());
        let place = mix64(site ^ u64::from(step.verb.0) << 24, step.object.0);
        let key = mix64(place, self.memory);
        let compare = self.kept.filter(|kept| kept.key == key);
        self.look = Look { compare: compare.is_some(), keep: events >= self.due };
        self.round = compare.map_or(0, |kept| events - kept.at);
        if self.look.keep {
            self.kept = Some(Kept { at: events, key });
            self.due = events.saturating_add(self.stays);
            self.stays = self.stays.saturating_mul(2);
        }
    }

    /// What to do now; once.
    pub(crate) fn look(&mut self) -> Look {
        core::mem::take(&mut self.look)
    }

    /// Events between the moment that is to be compared and this one.
    pub(crate) fn round(&self) -> u32 {
        self.round
    }
}
