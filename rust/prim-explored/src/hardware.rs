//! What a device or the MMU does to memory, as opposed to a CPU's instructions.
//!
//! It goes past the store buffers: what it writes never was in one, and its locked accesses empty none. And where the machine was told so
//! ([`Machine::speculate`](crate::Machine::speculate)) the MMU may do things unasked: that is a choice which
//! costs, and what it does is one event, with the step before it.

use core::cell::Cell;

use pgmap_sched as sched;

use crate::{event::in_task, section};

struct Hardware {
    /// Whether anything is done unasked.
    unasked: Cell<bool>,
    /// Whether there are store buffers to go past.
    buffered: Cell<bool>,
    /// Tasks in the middle of what hardware does.
    busy: Cell<u16>,
}

thread_local! {
    static HARDWARE: Hardware =
        const {
            Hardware {
                unasked: Cell::new(false),
                buffered: Cell::new(false),
                busy: Cell::new(0),
            }
        };
}

/// A new execution begins.
pub(crate) fn reset(unasked: bool, buffered: bool) {
    HARDWARE.with(|hardware| {
        hardware.unasked.set(unasked);
        hardware.buffered.set(buffered);
        hardware.busy.set(0);
    });
}

/// Appends what there is of it.
pub(crate) fn write_state(words: &mut Vec<u64>) {
    HARDWARE.with(|hardware| {
        words.extend([u64::from(hardware.unasked.get()), hardware.busy.get().into()]);
    });
}

fn me() -> Option<u16> {
    sched::current().filter(|_| in_task()).map(|task| 1 << task.0)
}

/// Whether the calling task stands for hardware at the moment.
pub(crate) fn is_busy() -> bool {
    me().is_some_and(|me| HARDWARE.with(|hardware| hardware.busy.get() & me != 0))
}

/// What follows is done by hardware and goes past the store buffers, as long as this lives.
#[must_use = "it lasts until this is dropped"]
#[derive(Debug)]
pub struct ByHardware {
    /// The task that stands for hardware only as long as this lives.
    task: Option<u16>,
}

/// Hardware takes over from here.
#[inline]
pub fn by_hardware() -> ByHardware {
    // Without store buffers there is nothing to pass.
    let buffered = HARDWARE.with(|hardware| hardware.buffered.get());
    let task = if buffered { me() } else { None };
    let task = task.filter(|me| HARDWARE.with(|hardware| hardware.busy.get() & me == 0));
    if let Some(me) = task {
        HARDWARE.with(|hardware| hardware.busy.set(hardware.busy.get() | me));
        sched::goes_past(true);
    }
    ByHardware { task }
}

impl Drop for ByHardware {
    #[inline]
    fn drop(&mut self) {
        if let Some(me) = self.task {
            HARDWARE.with(|hardware| hardware.busy.set(hardware.busy.get() & !me));
            sched::goes_past(false);
        }
    }
}

/// Hardware may do this here, unasked, as one event. `act` must not wait.
#[inline]
pub fn may_speculate(act: impl FnOnce()) {
    let unasked = HARDWARE.with(|hardware| hardware.unasked.get());
    if unasked && in_task() && sched::choose_paid(2) != 0 {
        section::at_once(|| {
            let _hardware = by_hardware();
            act();
        });
    }
}
