//! Barriers, and the busy-wait's turn.
//!
//! Where memory is sequentially consistent a barrier orders nothing that is not in order already and is no step.
//! With store buffers a full barrier waits until the task's own is empty; the others order nothing on x86.

use core::panic::Location;

use crate::{Cpu, edits::left_out, step, store_buffer};

/// Full barrier.
#[inline]
#[track_caller]
pub fn smp_mb() {
    let site = Location::caller();
    if !left_out("smp_mb", site) {
        store_buffer::drain_own(site);
    }
}

/// In order with every [`heavy_barrier`]. Both are full barriers here, which is what the pair amounts to; that two light
/// ones order nothing is not seen.
#[inline]
#[track_caller]
pub fn light_barrier(_cpu: &Cpu<'_>) {
    smp_mb();
}

/// In order with every [`light_barrier`].
#[inline]
#[track_caller]
pub fn heavy_barrier(_cpu: &Cpu<'_>) {
    smp_mb();
}

/// Orders earlier loads before later loads.
#[inline]
#[track_caller]
pub fn smp_rmb() {
    // Nothing to leave out, but a step of the protocol.
    let _ = left_out("smp_rmb", Location::caller());
}

/// Orders earlier stores before later stores.
#[inline]
#[track_caller]
pub fn smp_wmb() {
    // Nothing to leave out, but a step of the protocol.
    let _ = left_out("smp_wmb", Location::caller());
}

/// Turns the relaxed RMW just before it into a full barrier, which a locked instruction is already.
#[inline]
#[track_caller]
pub fn smp_mb_after_atomic() {
    // Nothing to leave out, but a step of the protocol.
    let _ = left_out("smp_mb_after_atomic", Location::caller());
}

/// One turn of a busy-wait that another task must end.
#[track_caller]
pub fn cpu_relax() {
    if step::in_task() {
        step::relax(Location::caller());
    }
}
