//! How an operation of this face becomes a step of the engine: the only file that takes steps that may be decided on.
//!
//! Every step first lets the task's read-side sections arrive (`section.rs`). Outside a run, and while a
//! task unwinds (its guards let go, and nobody may run in between), operations are direct.

use pgmap_sched::{self as sched, Effect, Looks, Object, Step, Task, Verb, Wait};

use crate::{
    WaitClass, in_use, looks, object,
    section::{self, Pace},
    wait_class,
};

pub(crate) use crate::event::{Site, in_task, record};

/// A scheduling point. Caller: [`in_task`].
#[inline]
pub(crate) fn point(verb: Verb, effect: Effect, object: Object, site: Site) {
    match section::advance() {
        Pace::Step => sched::point(Step { verb, object, effect, site }),
        Pace::AtOnce => together(verb, effect, object, site),
    }
}

/// A scheduling point about the word at this address, in a task.
#[inline]
pub(crate) fn on_word(verb: Verb, effect: Effect, address: usize, site: Site) {
    if in_task() {
        point(verb, effect, object::word(address), site);
    }
}

/// A step that happens with the one before it.
#[cold]
#[inline(never)]
fn together(verb: Verb, effect: Effect, object: Object, site: Site) {
    record(verb, effect, object, site);
}

/// The step before did this, too, and it leaves no trace: for the search without a bound.
#[inline]
pub(crate) fn touch(object: Object, effect: Effect) {
    if in_task() {
        sched::touch(object, effect);
    }
}

/// As [`touch`], for the word at an address, if it is in the arena in use.
#[inline]
pub(crate) fn touch_word(address: usize, effect: Effect) {
    if (sched::touches_count() || looks::are_noted())
        && let Some(at) = in_use::offset(address)
    {
        let object = object::offset(at);
        if looks::are_noted() {
            looks::note(object);
        }
        touch(object, effect);
    }
}

/// A step that is not enabled until its condition holds. Caller: [`in_task`].
pub(crate) fn wait(step: Step, wait: Wait<'_>, ready: &dyn Fn() -> bool) {
    let _ = section::advance();
    sched::point_when(step, wait, ready);
}

/// A step about store buffers that is not enabled until its condition holds.
pub(crate) fn wait_for(step: Step, class: WaitClass, looks: Looks, ready: &dyn Fn() -> bool) {
    wait(step, Wait::unowned(wait_class::number(class), step.object.0, looks), ready);
}

/// What a task that waits will do. Caller: [`in_task`].
pub(crate) fn foretell(task: Task, step: Step) {
    sched::foretell(task, step);
}

/// A turn of a busy-wait: the task goes on once somebody wrote what it read. Caller: [`in_task`].
pub(crate) fn relax(site: Site) {
    let _ = section::advance();
    sched::relax(site);
}
