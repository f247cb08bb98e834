//! What a task calls, with the contracts of `pgmap-sched`'s module of this name.

use core::panic::Location;

use crate::execution::{EXECUTION, Execution, Host};
use crate::failure::Defect;
use crate::step::{Effect, Object, Step, Task, Touches, Wait};
use crate::{looms, shuttles};

/// The bit that tells an address from the caller's own numbers.
const ADDRESS: u64 = 1 << 63;

/// Whether this thread is inside a task of an execution.
#[inline]
#[must_use]
pub fn running() -> bool {
    EXECUTION.with(|execution| execution.host() != Host::Nobody)
}

/// The task that calls; `None` outside a run.
#[inline]
#[must_use]
pub fn current() -> Option<Task> {
    EXECUTION.with(|execution| (execution.host() != Host::Nobody).then(|| execution.now()))
}

/// A scheduling point: returns when the step may run. Does nothing outside a run.
#[inline]
pub fn point(step: Step) {
    pass(step, Execution::ready);
}

/// A scheduling point of a step that cannot run until `ready()`. Does nothing outside a run.
#[inline]
pub fn point_when(step: Step, _: Wait<'_>, ready: &dyn Fn() -> bool) {
    pass(step, |execution, me| execution.wait(me, ready));
}

#[inline]
fn pass(step: Step, announce: impl FnOnce(&Execution, Task)) {
    EXECUTION.with(|execution| {
        let (host, me) = (execution.host(), execution.now());
        match host {
            Host::Nobody => return,
            Host::Shuttle => {
                announce(execution, me);
                shuttles::switch();
            }
            Host::Loom => {
                announce(execution, me);
                looms::pass(execution, me, step.object);
            }
        }
        execution.launch(me, step.effect);
    });
}

/// One turn of a busy-wait. With shuttle the task goes on after somebody else's next write; loom has its
/// own idea of busy-waits.
pub fn relax(_: &'static Location<'static>) {
    EXECUTION.with(|execution| {
        let (host, me) = (execution.host(), execution.now());
        match host {
            Host::Nobody => return,
            Host::Shuttle => {
                execution.relax(me);
                shuttles::switch();
            }
            Host::Loom => looms::relax(execution),
        }
        execution.launch(me, Effect::Read);
    });
}

/// An event that takes its place in a history.
#[inline]
pub fn record(_: Step) {}

/// The step that just ran turned out to have this effect.
#[inline]
pub fn settle(effect: Effect) {
    EXECUTION.with(|execution| {
        if execution.host() != Host::Nobody {
            execution.settle(effect);
        }
    });
}

/// What the step that just ran found and left behind, for a log.
#[inline]
pub fn value(_: u64, _: u64) {}

/// A remark in a log.
#[inline]
pub fn note(_: u32, _: u64, _: u64) {}

/// A choice that costs. Machines here do nothing out of the ordinary, so there is nothing to pay for.
#[inline]
#[must_use]
pub fn choose_paid(_: u32) -> u32 {
    0
}

/// As [`choose_paid`].
#[inline]
#[must_use]
pub fn put_off(_: Touches<'_>) -> bool {
    false
}

/// Nothing was put off.
#[inline]
pub fn goes_past(_: bool) {}

/// As above.
#[inline]
pub fn settles() {}

/// What a waiting task will do, for a history.
#[inline]
pub fn foretell(_: Task, _: Step) {}

/// What a step did besides, for a search by classes: nobody asks.
#[inline]
pub fn touch(_: Object, _: Effect) {}

/// As [`touch`], for several: nobody asks.
#[inline]
pub fn touch_all(_: u32, _: &[Object]) {}

/// Whether anybody asks what is [`touch`]ed.
#[inline]
#[must_use]
pub fn touches_count() -> bool {
    false
}

/// Ends the execution with a defect.
///
/// # Panics
///
/// Always: that is how shuttle and loom are told.
pub fn fail(defect: Defect) -> ! {
    panic!("found: {defect:?}");
}

/// An identity for an object that has no better one: its address, since nothing is kept.
#[inline]
#[must_use]
pub fn intern(address: usize) -> Object {
    Object(ADDRESS | address as u64)
}

/// Whether an execution repeats one before it: nobody knows here.
#[inline]
#[must_use]
pub fn repeats() -> bool {
    false
}
