//! The retry storm: a task that goes round in circles without ever calling `relax`.
//!
//! The criterion is about one task that is *alone*: it can run, and every other task has ended
//! or is blocked. Then nothing it reads can change but by its own hand. While that lasts, a step
//! *recurs* when the same site applies the same verb to the same object, finds and leaves the
//! same value, and the memory it has written meanwhile is back to what it was (kept as a sum over
//! the values that the caller reports). A step that recurs [`PATIENCE`] times is a livelock.
//!
//! A write whose values are not reported counts as a change, so it never helps to accuse. A
//! counted loop that passes each step fewer than [`PATIENCE`] times is never accused; a longer one
//! over memory that stays the same is, since what it keeps on its own stack cannot be seen.

use std::collections::HashMap;

use crate::hash::{Folding, mix64};
use crate::step::{Effect, Step};

/// How often a step may recur.
pub(crate) const PATIENCE: u32 = 256;
/// How long a task runs on before the scheduler asks whether it is alone.
pub(crate) const STREAK: u32 = 512;

/// The watch over a task that is alone.
#[derive(Default)]
pub(crate) struct Storm {
    alone: bool,
    memory: u64,
    seen: HashMap<u64, u32, Folding>,
}

impl Storm {
    pub(crate) fn alone(&self) -> bool {
        self.alone
    }

    pub(crate) fn begin(&mut self) {
        self.seen.clear();
        self.memory = 0;
        self.alone = true;
    }

    pub(crate) fn end(&mut self) {
        self.alone = false;
    }

    /// Takes a step of the lonely task; the number of times it has recurred, once that is too
    /// often.
    pub(crate) fn watch(
        &mut self,
        step: &Step,
        values: Option<(u64, u64)>,
        index: u32,
    ) -> Option<u32> {
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
        let site = u64::from(step.site.line()) << 32 | u64::from(step.site.column());
        let place = mix64(site ^ u64::from(step.verb.0) << 24, step.object.0);
        let (before, after) = values.unwrap_or_default();
        let key = mix64(mix64(place, self.memory), mix64(before, after));
        let times = self.seen.entry(key).or_insert(0);
        *times += 1;
        (*times >= PATIENCE).then_some(*times)
    }
}
