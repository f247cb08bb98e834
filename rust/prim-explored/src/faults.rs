//! Allocation failure on demand (`lib/fault-inject.c`, `failslab`).
//!
//! As natively. While there is a plan, consulting it is a step, since which of two allocations fails
//! depends on their order; and the plan belongs to a [`Snapshot`](crate::Snapshot), since an execution
//! uses it up.

use core::{cell::Cell, fmt, panic::Location};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pgmap_sched::Effect;

use crate::{object, step, verb};

/// The failure plan of one arena.
#[derive(Default)]
pub struct Faults {
    plan: Mutex<Cell<Plan>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Plan {
    #[default]
    Off,
    /// `left` allocations succeed before the next failure; `period` from one failure to the next, 0
    /// for a single failure.
    Armed { left: u64, period: u64 },
}

impl Plan {
    /// Different plans, different words.
    pub(crate) fn words(self) -> [u64; 3] {
        match self {
            Self::Off => [0; 3],
            Self::Armed { left, period } => [1, left, period],
        }
    }
}

impl Faults {
    /// The next `n` allocations succeed, the one after fails, later ones succeed.
    pub fn fail_after(&self, n: u64) {
        self.set_plan(Plan::Armed { left: n, period: 0 });
    }

    /// Every `n`th allocation fails; 0 switches failures off.
    pub fn fail_every(&self, n: u64) {
        match n.checked_sub(1) {
            Some(left) => self.set_plan(Plan::Armed { left, period: n }),
            None => self.off(),
        }
    }

    /// No failures.
    pub fn off(&self) {
        self.set_plan(Plan::Off);
    }

    fn lock(&self) -> MutexGuard<'_, Cell<Plan>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn plan(&self) -> Plan {
        self.lock().get()
    }

    pub(crate) fn set_plan(&self, plan: Plan) {
        self.lock().set(plan);
    }

    /// Must this allocation fail?
    #[track_caller]
    pub(crate) fn strike(&self) -> bool {
        if matches!(self.plan(), Plan::Off) {
            return false;
        }
        if step::in_task() {
            let site = Location::caller();
            step::point(verb::SHOULD_FAIL, Effect::Write, object::faults(), site);
        }
        // Read again: the point let others run.
        let (next, fails) = match self.plan() {
            Plan::Off => (Plan::Off, false),
            Plan::Armed { left, period } => match (left.checked_sub(1), period.checked_sub(1)) {
                (Some(left), _) => (Plan::Armed { left, period }, false),
                (None, Some(left)) => (Plan::Armed { left, period }, true),
                (None, None) => (Plan::Off, true),
            },
        };
        self.set_plan(next);
        fails
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&self.plan()).finish()
    }
}
