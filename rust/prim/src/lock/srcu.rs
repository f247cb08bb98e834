//! Sleepable RCU (`kernel/rcu/srcutree.c`): readers may sleep, each domain has its own readers.
//!
//! Two counters of readers inside. A reader enters the one that `turn` names; a grace period flips
//! `turn`, waits for the old side to drain, and does so once more for the other side.
//!
//! Why that is a grace period: a reader's entry is a full RMW on its counter, so it either is visible
//! to the updater's look at that counter, which then waits, or comes after that look, and the reader
//! sees what the updater changed before. Each counter is seen to be zero once after the beginning, so
//! every earlier reader has left. Flipping is only for progress: after a flip new readers go to the
//! other side, and a side drains however many come. (A reader that read `turn` just before the flip and
//! enters late delays the drain, once.)
//!
//! An updater sleeps, and the reader that empties a side wakes it: unlike an RCU section, an SRCU
//! section may last as long as its reader sleeps.

use core::panic::Location;

use crate::{
    AtomicU32, Cpu, Guarded, LockClass, RwSem, Sleep, WaitClass, Waiting,
    edits::left_out,
    smp_mb,
    wait::{wait_var_event, wake_up_var},
};

static GRACE_PERIOD: WaitClass = WaitClass::sections("synchronize_srcu");

crate::plain! {
    /// Held by whoever runs a grace period; one at a time.
    #[derive(Clone, Copy, Debug)]
    struct Updater;
}

impl Guarded for Updater {
    const CLASS: LockClass = LockClass::innermost("srcu_gp_mutex");
}

crate::zeroed! {
    /// Readers on one side, on a cache line of its own.
    #[derive(Debug)]
    #[repr(align(64))]
    struct Side {
        readers: AtomicU32,
    }
}

crate::zeroed! {
    /// One domain. See the module's introduction.
    #[derive(Debug)]
    pub struct Srcu {
        sides: [Side; 2],
        turn: AtomicU32,
        updater: RwSem<Updater>,
    }
}

impl Default for Srcu {
    fn default() -> Self {
        Self::new()
    }
}

impl Srcu {
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sides: [const { Side { readers: AtomicU32::new(0) } }; 2],
            turn: AtomicU32::new(0),
            updater: RwSem::new(Updater),
        }
    }

    fn side(&self, turn: u32) -> &Side {
        &self.sides[turn as usize % 2]
    }

    /// Begins a read-side section.
    #[inline]
    #[track_caller]
    pub fn read_lock<'a>(&'a self, cpu: &'a Cpu<'_>) -> SrcuGuard<'a> {
        let left_out = left_out("read_lock", Location::caller());
        SrcuGuard { side: (!left_out).then(|| self.enter()), cpu }
    }

    #[doc(alias = "srcu_read_lock")]
    fn enter(&self) -> &Side {
        let side = self.side(self.turn.read());
        // The full RMW pairs with the updater's barrier before it looks.
        side.readers.inc_return();
        side
    }

    /// Waits for all sections that have begun. A caller inside one waits for itself.
    #[inline]
    #[track_caller]
    pub fn synchronize_srcu(&self, cpu: &Cpu<'_>) {
        if !left_out("synchronize_srcu", Location::caller()) {
            self.grace_period(cpu);
        }
    }

    #[doc(alias = "synchronize_srcu")]
    fn grace_period(&self, cpu: &Cpu<'_>) {
        let _one_at_a_time = self.updater.write(cpu);
        for _ in 0..2 {
            // Full RMW: between the caller's change and the look, pairs with the reader's entry.
            let old = self.side(self.turn.inc_return().wrapping_sub(1));
            let waiting = Waiting {
                class: &GRACE_PERIOD,
                object: core::ptr::from_ref(self).addr() as u64,
                owner: 0,
            };
            // Acquire pairs with the readers' full RMW on the way out. The only interruption is an
            // unwinding out of a dead machine.
            let drained = || old.readers.read_acquire() == 0;
            let _ = wait_var_event(cpu, old, Sleep::Uninterruptible, waiting, drained);
        }
        smp_mb();
    }
}

/// Inside an SRCU section.
#[must_use = "the section ends when the guard is dropped"]
#[derive(Debug)]
pub struct SrcuGuard<'a> {
    /// None: the section is left out.
    side: Option<&'a Side>,
    cpu: &'a Cpu<'a>,
}

impl Drop for SrcuGuard<'_> {
    #[doc(alias = "srcu_read_unlock")]
    fn drop(&mut self) {
        if let Some(side) = self.side
            && side.readers.dec_and_test()
        {
            wake_up_var(self.cpu, side);
        }
    }
}
