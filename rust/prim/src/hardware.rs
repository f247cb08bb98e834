//! What a device or the MMU does to memory, as opposed to a CPU's instructions.
//!
//! On real threads nothing here does anything of its own: the hardware below us is real, and what the protocol's
//! emulated hardware writes is written like everything else. The explored face keeps it out of store buffers, and
//! may load a translation when no instruction asked for one.

/// What follows is done by hardware and goes past the store buffers, as long as this lives.
#[must_use = "it lasts until this is dropped"]
#[derive(Debug)]
pub struct ByHardware(());

/// Hardware takes over from here.
#[inline(always)]
pub const fn by_hardware() -> ByHardware {
    ByHardware(())
}

/// Hardware may do this here, unasked, as one event. On real threads it never does.
#[inline(always)]
pub fn may_speculate(_act: impl FnOnce()) {}
