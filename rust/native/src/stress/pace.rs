//! How far a worker is, and what its present action has cost: how a call is known that goes round in circles.
//!
//! Such a call never sleeps, so the state of the machine says nothing about it, and nothing but the explorer
//! can tell it from one that is merely long. What is measured is the CPU time that one action has used. A
//! worker that starves uses none.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pgmap_prim::Effort;

/// One worker's.
#[derive(Debug, Default)]
pub(super) struct Pace {
    clock: OnceLock<Effort>,
    /// Actions begun.
    begun: AtomicU64,
}

impl Pace {
    /// By the worker, on its thread, before its first action.
    pub(super) fn start(&self) {
        self.clock.get_or_init(Effort::of_this_thread);
    }

    /// By the worker, before each action.
    pub(super) fn begin(&self) {
        // Relaxed: only the worker writes, and who reads an old number looks again.
        self.begun.store(self.begun.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

/// What the monitor remembers of a worker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Costs {
    action: u64,
    /// CPU time used when the action was first seen.
    before: Duration,
}

impl Costs {
    /// CPU time the worker's present action has used, at least.
    pub(super) fn of_present_action(&mut self, pace: &Pace) -> Duration {
        let used = pace.clock.get().and_then(Effort::used).unwrap_or_default();
        let action = pace.begun.load(Ordering::Relaxed);
        if self.action != action {
            *self = Self { action, before: used };
        }
        used.saturating_sub(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_one_action_costs_adds_up() {
        let (pace, mut costs) = (Pace::default(), Costs::default());
        let burn =
            |costs: &mut Costs, enough: Duration| while costs.of_present_action(&pace) < enough {};
        assert_eq!(costs.of_present_action(&pace), Duration::ZERO, "nothing began");
        pace.start();
        pace.begin();
        burn(&mut costs, Duration::from_millis(3));
        pace.begin();
        assert_eq!(costs.of_present_action(&pace), Duration::ZERO, "the next one is new");
        burn(&mut costs, Duration::from_millis(1));
    }
}
