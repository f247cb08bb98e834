//! What the tests share: leases that must succeed, and waiting without sleeping.
#![allow(dead_code)]

use std::time::Duration;

use pgmap_prim::{Cpu, Lease, Machine, SlotState, TaskId, TaskState, WaitClass, Waiting};

pub(crate) static EVENT: WaitClass = WaitClass::event("event");
pub(crate) const WAITING: Waiting = Waiting { class: &EVENT, object: 0x2a, owner: 0 };

/// Long enough never to matter, short enough that a hang fails the test instead of hanging it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn cpu(machine: &Machine, task: u32) -> Cpu<'_> {
    lease(machine, task, PATIENCE)
}

pub(crate) fn lease(machine: &Machine, task: u32, deadline: Duration) -> Cpu<'_> {
    let lease = Lease { task: TaskId(task), deadline: Some(deadline), poll: None };
    machine.lease(lease).expect("a free CPU")
}

pub(crate) fn until(mut cond: impl FnMut() -> bool) {
    while !cond() {
        std::thread::yield_now();
    }
}

pub(crate) fn until_asleep(machine: &Machine, task: u32) {
    until(|| matches!(machine.task_state(TaskId(task)), TaskState::Asleep(_)));
}

pub(crate) fn states(machine: &Machine) -> Vec<SlotState> {
    machine.scan().into_iter().map(|(state, _)| state).collect()
}
