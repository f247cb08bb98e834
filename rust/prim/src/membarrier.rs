//! The asymmetric fence: readers pay a compiler barrier, the rare waiter pays a system call that
//! makes every running thread of the process execute a full barrier.
//!
//! Where the kernel does not offer it (other systems, old kernels, sandboxes) both sides fall back
//! to a full fence; [`AsymmetricFence::light`] then costs what it would have cost anyway.

use core::sync::atomic::{Ordering::SeqCst, compiler_fence};

use crate::{Cpu, smp_mb};

/// Which fence a machine uses; decided once, when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AsymmetricFence {
    Membarrier,
    Symmetric,
}

impl AsymmetricFence {
    /// Registers the process; idempotent.
    pub(crate) fn choose() -> Self {
        if sys::register() { Self::Membarrier } else { Self::Symmetric }
    }

    /// Reader side: between the marker store and the loads of the section.
    #[inline(always)]
    pub(crate) fn light(self) {
        match self {
            Self::Membarrier => compiler_fence(SeqCst),
            Self::Symmetric => symmetric(),
        }
    }

    /// Waiting side: between the publication (or removal) and the scan of the markers.
    pub(crate) fn heavy(self) {
        smp_mb();
        if self == Self::Membarrier && !sys::barrier() {
            // A child of fork is a new process to the kernel: register it and ask again.
            let served = sys::register() && sys::barrier();
            assert!(served, "membarrier refused after it had been granted");
        }
    }
}

/// Half of a full barrier for those who pass it often: in order with every [`heavy_barrier`], and with nothing else.
#[inline(always)]
pub fn light_barrier(cpu: &Cpu<'_>) {
    cpu.fence.light();
}

/// The other half, for whoever passes it seldom: a full barrier here, and one on every CPU between its beginning and
/// its end (`membarrier`, `MEMBARRIER_CMD_PRIVATE_EXPEDITED`).
pub fn heavy_barrier(cpu: &Cpu<'_>) {
    cpu.fence.heavy();
}

/// Out of line, so that the usual path falls through.
#[cold]
#[inline(never)]
fn symmetric() {
    smp_mb();
}

#[cfg(target_os = "linux")]
mod sys {
    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: membarrier takes a command and flags and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    pub(super) fn register() -> bool {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    pub(super) fn barrier() -> bool {
        membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn barrier() -> bool {
        false
    }
}
