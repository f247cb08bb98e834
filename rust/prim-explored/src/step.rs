//! How an operation of this face becomes a step of the engine: the only file that takes steps that may be decided on.
//!
//! Every step first lets the task's read-side sections arrive (`section.rs`). Outside a run, and while a
//! task unwinds (its guards let go, and nobody may run in between), operations are direct.

use pgmap_sched::{self as sched, Effect, Object, Step, Task, Verb, Wait};

use crate::{
    Cpu, WaitClass, in_use, object,
    section::{self, Pace},
    store_buffer, wait_class,
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

/// A scheduling point of a locked instruction on the word at this address, in a task.
#[inline]
pub(crate) fn locked(verb: Verb, address: usize, site: Site) {
    if in_task() {
        store_buffer::drain_own(site);
        point(verb, Effect::Write, object::word(address), site);
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
    if sched::touches_count()
        && let Some(at) = in_use::offset(address)
    {
        touch(object::offset(at), effect);
    }
}

/// What a task waits for before a step.
pub(crate) struct Until<'a> {
    pub(crate) class: WaitClass,
    pub(crate) object: u64,
    /// Signature of who can end the wait, asked while it lasts; 0 if nobody knows.
    pub(crate) owner: &'a dyn Fn() -> u32,
    pub(crate) ready: &'a dyn Fn() -> bool,
}

/// A step that is not enabled until its condition holds. Outside a run nobody else can make it hold: the
/// machine is then given up, and this returns only to a thread that unwinds already.
pub(crate) fn point_when(cpu: &Cpu<'_>, step: Step, until: &Until<'_>) {
    if in_task() {
        store_buffer::drain_own(step.site);
        let _ = section::advance();
        let owner: &dyn Fn() -> Option<Task> = &|| cpu.machine().runner((until.owner)());
        let wait = Wait { class: wait_class::number(until.class), object: until.object, owner };
        sched::point_when(step, wait, until.ready);
    } else if !(until.ready)() {
        cpu.hang(until.class, until.object, (until.owner)());
    }
}

/// A step about store buffers that is not enabled until its condition holds.
pub(crate) fn wait_for(step: Step, class: WaitClass, ready: &dyn Fn() -> bool) {
    let _ = section::advance();
    sched::point_when(step, Wait::unowned(wait_class::number(class), step.object.0), ready);
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
