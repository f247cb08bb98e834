//! Allocation failure on demand (`lib/fault-inject.c`, `failslab`).
//!
//! Off, it costs an allocation one relaxed load. Counts allocations of all of the arena's slabs
//! together; carving a table is set-up and never fails by injection.

use std::sync::{Mutex, PoisonError};

use crate::AtomicU32;

/// The failure plan of one arena.
#[derive(Debug, Default)]
pub struct Faults {
    /// 1 while there is a plan. A plan made while others allocate takes effect "soon".
    armed: AtomicU32,
    plan: Mutex<Plan>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    /// Allocations that succeed before the next failure.
    left: u64,
    /// The distance from one failure to the next, 0 for a single failure.
    period: u64,
}

impl Faults {
    /// The next `n` allocations succeed, the one after fails, later ones succeed.
    pub fn fail_after(&self, n: u64) {
        self.arm(Plan { left: n, period: 0 });
    }

    /// Every `n`th allocation fails; 0 switches failures off.
    pub fn fail_every(&self, n: u64) {
        match n.checked_sub(1) {
            Some(left) => self.arm(Plan { left, period: n }),
            None => self.off(),
        }
    }

    /// No failures.
    pub fn off(&self) {
        self.armed.set(0);
    }

    fn arm(&self, plan: Plan) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
        self.armed.set(1);
    }

    /// Must this allocation fail?
    #[inline(always)]
    pub(crate) fn strike(&self) -> bool {
        self.armed.read() != 0 && self.consult()
    }

    #[cold]
    fn consult(&self) -> bool {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at again under the lock: a single failure happens once.
        if self.armed.read() == 0 {
            return false;
        }
        if let Some(left) = plan.left.checked_sub(1) {
            plan.left = left;
            return false;
        }
        match plan.period.checked_sub(1) {
            Some(left) => plan.left = left,
            None => self.armed.set(0),
        }
        true
    }
}
