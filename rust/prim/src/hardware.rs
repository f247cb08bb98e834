//! What a device or the MMU does to memory, as opposed to a CPU's instructions.
//!
//! On real threads nothing here does anything of its own: the hardware below us is real, and what the protocol's
//! emulated hardware writes is written like everything else. The explored face keeps it out of store buffers, and
//! may load a translation when no instruction asked for one.

/// What hardware does inside `act` goes past the store buffers.
#[inline(always)]
pub fn by_hardware<R>(act: impl FnOnce() -> R) -> R {
    act()
}

/// Hardware may do this here, unasked, as one event. On real threads it never does.
#[inline(always)]
pub fn may_speculate(_act: impl FnOnce()) {}
