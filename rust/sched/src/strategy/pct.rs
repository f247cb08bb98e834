//! PCT, probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010).
//!
//! Tasks get distinct random priorities, and always the highest of those that can run goes on. Of the
//! k steps of an execution, d-1 are drawn beforehand; whoever is about to take one of them falls to a
//! priority below all the initial ones. A bug that needs d orderings of steps, among n tasks, is met
//! with a chance of at least 1 / (n k^(d-1)): the tests hold the scheduler to that.
//!
//! Strict priorities starve. A task that retries for ever, whether by [`relax`](crate::relax) or not, would
//! keep a lower one that it waits for from running. The promise is about executions of k steps, so beyond
//! twice that many the walk is a random one, which is fair.

use super::{Crossroads, DEEPEST, Profile, Walk, draw};
use crate::splitmix::SplitMix64;
use crate::step::{MOST_TASKS, Task};

/// The bit that tells initial priorities from those after a change.
const INITIAL: u64 = 1 << 63;

pub(crate) struct Pct {
    priorities: [u64; MOST_TASKS],
    /// The steps before which a priority changes, counted from 1.
    changes: [u32; DEEPEST as usize],
    /// Steps so far.
    taken: u32,
    horizon: u32,
}

impl Pct {
    pub(crate) fn new(depth: u8, profile: &Profile, random: &mut SplitMix64) -> Self {
        let steps = profile.longest().max(1);
        let priorities = core::array::from_fn(|_| random.next_u64() | INITIAL);
        let mut changes = [0; DEEPEST as usize];
        for change in changes.iter_mut().take(usize::from(depth.saturating_sub(1))) {
            *change = 1 + random.below(steps);
        }
        Pct { priorities, changes, taken: 0, horizon: steps.saturating_mul(2) }
    }

    fn highest(&self, at: &Crossroads<'_>) -> Task {
        let priority = |task: &Task| self.priorities[usize::from(task.0)];
        at.tasks().max_by_key(priority).unwrap_or(Task(0))
    }
}

impl Walk for Pct {
    fn next(&mut self, at: &Crossroads<'_>, random: &mut SplitMix64) -> Task {
        self.taken = self.taken.saturating_add(1);
        if self.taken > self.horizon {
            return draw(at.runnable(), random, |_| 1);
        }
        for (low, change) in (0..).zip(self.changes) {
            if change == self.taken {
                let fallen = self.highest(at);
                self.priorities[usize::from(fallen.0)] = low;
            }
        }
        self.highest(at)
    }
}

#[cfg(test)]
impl Pct {
    /// What goes wrong when priorities are those of the tasks' numbers.
    pub(crate) fn without_luck(self) -> Self {
        Pct { priorities: core::array::from_fn(|at| INITIAL | (MOST_TASKS - at) as u64), ..self }
    }
}
