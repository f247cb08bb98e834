//! Barriers, and the busy-wait's turn.
//!
//! Memory is sequentially consistent under this scheduler, so a barrier orders nothing that is not in order
//! already and is no step.

use core::panic::Location;

use crate::step;

/// Full barrier. Store buffers are not modelled: no step.
#[inline]
pub fn smp_mb() {
    barrier();
}

/// Orders earlier loads before later loads.
#[inline]
pub fn smp_rmb() {
    barrier();
}

/// Orders earlier stores before later stores.
#[inline]
pub fn smp_wmb() {
    barrier();
}

/// Turns the relaxed RMW just before it into a full barrier.
#[inline]
pub fn smp_mb_after_atomic() {
    barrier();
}

/// Where a model of store buffers will have its say.
#[inline]
fn barrier() {}

/// One turn of a busy-wait that another task must end.
#[track_caller]
pub fn cpu_relax() {
    if step::in_task() {
        step::relax(Location::caller());
    }
}
