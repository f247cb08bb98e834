//! How a task sleeps and how it is woken, as steps.
//!
//! | step | effect on the queue's key |
//! |---|---|
//! | `prepare_to_wait`: queue, forget older wake-ups | write |
//! | the condition's own steps | |
//! | `schedule`: enabled once woken, or signalled if the sleep allows | read |
//! | `finish_wait`: leave the queue | write; read if a wake-up had taken us out |
//! | `wake_up` | write; read if it woke nobody |
//!
//! A sleeper does not test its condition by itself, so a protocol that forgets a wake-up, or wakes before
//! the waiter has queued, hangs here as natively, and the engine says so.
//!
//! Outside a run nobody can wake: a sleep that would begin is interrupted if it may be and the lease has a
//! deadline (which counts as passed), else the machine is given up.

use core::panic::Location;

use pgmap_sched::{self as sched, Effect, Step, Verb};

use crate::{
    Cpu, Interrupted, Sleep, Waiting,
    drained::{self, Until},
    edits::left_out,
    queue::{HowMany, Key, Turn},
    step::{self, Site},
    store_buffer, verb,
};

/// Wakes those who are queued on `key`.
#[track_caller]
pub(crate) fn wake(cpu: &Cpu<'_>, key: Key, how_many: HowMany) {
    let site = Location::caller();
    if left_out("wake_up", site) {
        return;
    }
    if store_buffer::holds_own() {
        // `waitqueue_active`, a load: only with somebody there is the queue's lock taken, which drains. Whoever
        // stored without a barrier what the sleeper waits for may come too early here.
        step::point(verb::WAKE_UP, Effect::Read, key.object(), site);
        if !cpu.machine.queues.any(key) {
            sched::value(0, 0);
            return;
        }
    }
    announce(verb::WAKE_UP, key, site);
    let woken = cpu.machine.queues.wake(&cpu.machine.slots, key, how_many);
    turned_out(woken > 0);
    sched::value(woken, 0);
}

fn announce(verb: Verb, key: Key, site: Site) {
    if step::in_task() {
        store_buffer::drain_own(site);
        step::point(verb, Effect::Write, key.object(), site);
    }
}

/// A step on a queue that changed nothing was a read.
fn turned_out(changed: bool) {
    if !changed && step::in_task() {
        sched::settle(Effect::Read);
    }
}

/// Queues, tests, sleeps, until the condition holds.
#[track_caller]
pub(crate) fn wait_until(
    cpu: &Cpu<'_>,
    key: Key,
    turn: Turn,
    sleep: Sleep,
    waiting: Waiting,
    mut cond: impl FnMut() -> bool,
) -> Result<(), Interrupted> {
    let site = Location::caller();
    if left_out("wait_event", site) {
        return Ok(());
    }
    let queued = Queued::new(cpu, key, site);
    loop {
        queued.enqueue(turn);
        if cond() {
            queued.finish();
            return Ok(());
        }
        if go_to_sleep(cpu, key, sleep, waiting, site).is_err() {
            queued.finish();
            if cond() {
                return Ok(());
            }
            if turn == Turn::Exclusive && cpu.slot.woken.get() != 0 {
                wake(cpu, key, HowMany::One);
            }
            return Err(Interrupted);
        }
    }
}

fn go_to_sleep(
    cpu: &Cpu<'_>,
    key: Key,
    sleep: Sleep,
    waiting: Waiting,
    site: Site,
) -> Result<(), Interrupted> {
    let woken = || cpu.slot.woken.get() != 0;
    let interruptible = sleep == Sleep::Interruptible;
    let ready = || woken() || interruptible && cpu.slot.signalled.get() != 0;
    if !step::in_task() && !ready() && interruptible && cpu.interrupted_outside() {
        return Err(Interrupted);
    }
    let step = Step { verb: verb::SCHEDULE, object: key.object(), effect: Effect::Read, site };
    let until = Until {
        class: *waiting.class,
        object: waiting.object,
        owner: &|| waiting.owner,
        ready: &ready,
        looks: cpu.looks_of_sleep(sleep),
    };
    drained::point_when(cpu, step, &until);
    if interruptible {
        cpu.touch_signal();
    }
    if woken() {
        return Ok(());
    }
    cpu.note_signal(site);
    Err(Interrupted)
}

/// A place in a queue. Given up without a step when a panic unwinds.
struct Queued<'a> {
    cpu: &'a Cpu<'a>,
    key: Key,
    site: Site,
}

impl<'a> Queued<'a> {
    fn new(cpu: &'a Cpu<'a>, key: Key, site: Site) -> Self {
        cpu.waiting.set(cpu.waiting.get() + 1);
        Self { cpu, key, site }
    }

    fn enqueue(&self, turn: Turn) {
        announce(verb::PREPARE_TO_WAIT, self.key, self.site);
        let cpu = self.cpu;
        cpu.machine.queues.enqueue(self.key, cpu.slot, cpu.id().0, turn);
    }

    fn finish(&self) {
        announce(verb::FINISH_WAIT, self.key, self.site);
        turned_out(self.cpu.machine.queues.dequeue(self.key, self.cpu.id().0));
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.cpu.machine.queues.dequeue(self.key, self.cpu.id().0);
        self.cpu.waiting.set(self.cpu.waiting.get() - 1);
    }
}
