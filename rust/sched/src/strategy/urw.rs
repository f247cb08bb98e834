//! URW, the uniform random walk: a task is as likely to go on as it has steps left.
//!
//! Of all interleavings of tasks with a, b, c, … steps left, the share that begins with a given task is its
//! part of the sum; drawing by those shares makes every interleaving as likely as any other. (The walk
//! without a selection in Zhao, Wolff, Mathur, Roychoudhury, ASPLOS 2025.) How many steps a task has is
//! taken from the profile; one that has more than expected counts as having one left.

use super::{Crossroads, Profile, Walk, draw};
use crate::splitmix::SplitMix64;
use crate::step::{MOST_TASKS, Task};

pub(super) struct Urw {
    left: [u32; MOST_TASKS],
}

impl Urw {
    pub(super) fn new(profile: &Profile) -> Self {
        Urw { left: profile.steps() }
    }
}

impl Walk for Urw {
    fn next(&mut self, at: &Crossroads<'_>, random: &mut SplitMix64) -> Task {
        let next = draw(at.runnable(), random, |task| self.left[usize::from(task.0)].max(1));
        let left = &mut self.left[usize::from(next.0)];
        *left = left.saturating_sub(1);
        next
    }
}
