//! Steps before which the task's own stores drain: locked instructions, and waits. Not those of hardware, whose
//! locked accesses go past what a CPU has stored.

use pgmap_sched::{Effect, Looks, Step, Task, Verb, Wait};

use crate::{
    Cpu, WaitClass, hardware, object,
    step::{self, Site, in_task, point},
    store_buffer, wait_class,
};

/// A scheduling point of a locked instruction on the word at this address, in a task.
#[inline]
pub(crate) fn locked(verb: Verb, address: usize, site: Site) {
    if in_task() {
        drain(site);
        point(verb, Effect::Write, object::word(address), site);
        store_buffer::settles();
    }
}

#[inline]
fn drain(site: Site) {
    if !hardware::is_busy() {
        store_buffer::drain_own(site);
    }
}

/// What a task waits for before a step.
pub(crate) struct Until<'a> {
    pub(crate) class: WaitClass,
    pub(crate) object: u64,
    /// Signature of who can end the wait, asked while it lasts; 0 if nobody knows.
    pub(crate) owner: &'a dyn Fn() -> u32,
    pub(crate) ready: &'a dyn Fn() -> bool,
    /// What it looks at besides the object of the step.
    pub(crate) looks: Looks,
}

/// A step that is not enabled until its condition holds. Outside a run nobody else can make it hold: the
/// machine is then given up, and this returns only to a thread that unwinds already.
pub(crate) fn point_when(cpu: &Cpu<'_>, then: Step, until: &Until<'_>) {
    if in_task() {
        drain(then.site);
        let owner: &dyn Fn() -> Option<Task> = &|| cpu.machine().runner((until.owner)());
        let (class, object, looks) = (wait_class::number(until.class), until.object, until.looks);
        let wait = Wait { class, object, owner, looks };
        step::wait(then, wait, until.ready);
        store_buffer::settles();
    } else if !(until.ready)() {
        cpu.hang(until.class, until.object, (until.owner)());
    }
}
