//! Waiting for read-side sections (`kernel/rcu`).
//!
//! A reader stores its marker, fences, and looks; a waiter changes something, fences, and looks at the
//! markers. Two fences are in one order: if the reader's comes first, the waiter sees the marker and waits
//! until it is 0, acquiring what the section released; if the waiter's comes first, the section sees the
//! change. A marker found 0 in between belongs to no section that must be waited for.

use crate::{Cpu, Warn, code, smp_mb};

/// Whether somebody had to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossed(pub bool);

/// Waits until every RCU section that had begun has ended.
pub fn synchronize_rcu(cpu: &Cpu<'_>) -> Crossed {
    let me = cpu.id().0;
    if cpu.is_inside() {
        cpu.warn(Warn { code: code::WAIT_INSIDE_SECTION, object: me as u64, value: 1 });
    }
    smp_mb();
    let mut crossed = false;
    let others = cpu.machine().slots.iter().enumerate().filter(|(id, _)| *id != me);
    for (_, slot) in others {
        while slot.inside.read_acquire() != 0 {
            crossed = true;
            loom::thread::yield_now();
        }
    }
    smp_mb();
    Crossed(crossed)
}

/// In order with every [`heavy_barrier`]. Both are full barriers here, which is what the pair amounts to; that two light
/// ones order nothing is not seen.
pub fn light_barrier(_cpu: &Cpu<'_>) {
    smp_mb();
}

/// In order with every [`light_barrier`].
pub fn heavy_barrier(_cpu: &Cpu<'_>) {
    smp_mb();
}
