//! Barriers, and the busy-wait's turn.
//!
//! Where memory is sequentially consistent a barrier orders nothing that is not in order already and is no step.
//! With store buffers a full barrier waits until the task's own is empty; the others order nothing on x86.

use core::panic::Location;

use crate::{step, store_buffer};

/// Full barrier.
#[inline]
#[track_caller]
pub fn smp_mb() {
    store_buffer::drain_own(Location::caller());
}

/// Orders earlier loads before later loads.
#[inline]
pub fn smp_rmb() {}

/// Orders earlier stores before later stores.
#[inline]
pub fn smp_wmb() {}

/// Turns the relaxed RMW just before it into a full barrier, which a locked instruction is already.
#[inline]
pub fn smp_mb_after_atomic() {}

/// One turn of a busy-wait that another task must end.
#[track_caller]
pub fn cpu_relax() {
    if step::in_task() {
        step::relax(Location::caller());
    }
}
