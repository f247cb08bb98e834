//! Waiting for read-side sections: grace periods, the page-table IPI, TLB shoot-down
//! (`kernel/rcu`, `tlb_remove_table_sync_one`, `flush_tlb_*`).
//!
//! Two steps. The first finds who is inside; the second is enabled once each of those sections has ended,
//! and is not taken if there was none. Both write the kind's object, of which sections are readers
//! (`section.rs`). A grace period may thus last as long as the scheduler likes, and a section that begins after
//! the first step is not waited for. That [`Crossed`] is true only if the first step found somebody between
//! its first and last step is the one visible difference to a real machine.
//!
//! Where there are store buffers, each of these is also a full barrier on every CPU, somewhere between its
//! beginning and its end: a grace period because every CPU passes through the scheduler or a barrier of RCU's, an
//! IPI because the answer is a store behind all earlier ones. So what a task has stored when the wait begins, or, if
//! it was found inside, when its section has been waited for, must have drained before the wait ends; which is a
//! third step, taken only if something is in flight.

use core::panic::Location;

use pgmap_sched::{self as sched, Effect, Looks, Step, Verb};

use crate::{
    Cpu, Machine, WaitClass, Warn, code,
    drained::{self, Until},
    edits::left_out,
    section::{self, Kind, Waiters},
    slot::Slot,
    step::{self, Site},
    store_buffer::{self, InFlight},
    verb,
};

/// Whether somebody had to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossed(pub bool);

/// Waits until every RCU section and every IRQ-off section that had begun has ended.
#[track_caller]
pub fn synchronize_rcu(cpu: &Cpu<'_>) -> Crossed {
    wait(cpu, "synchronize_rcu", verb::SYNCHRONIZE_RCU, &section::GRACE_PERIOD, Location::caller())
}

/// An IPI to everybody: waits for IRQ-off sections only.
#[track_caller]
pub fn sync_irq(cpu: &Cpu<'_>) -> Crossed {
    wait(cpu, "sync_irq", verb::SYNC_IRQ, &section::IPI, Location::caller())
}

/// A TLB shoot-down: waits until every access that had begun has ended.
#[track_caller]
pub fn sync_access(cpu: &Cpu<'_>) -> Crossed {
    wait(cpu, "sync_access", verb::FLUSH_TLB, &section::SHOOT_DOWN, Location::caller())
}

/// A section that was found inside: it has ended when its marker has moved.
#[derive(Clone, Copy)]
struct Inside {
    slot: usize,
    kind: Kind,
    marker: u64,
    runner: Option<sched::Task>,
}

/// Each of the engine's tasks in each kind of section that one waiter waits for.
const MOST: usize = sched::MOST_TASKS * 3;
const NOBODY: Inside = Inside { slot: 0, kind: Kind::Rcu, marker: 0, runner: None };

fn wait(cpu: &Cpu<'_>, op: &'static str, verb: Verb, whom: &Waiters, site: Site) -> Crossed {
    if left_out(op, site) {
        return Crossed(false);
    }
    let step = Step { verb, object: whom.object, effect: Effect::Write, site };
    if step::in_task() {
        store_buffer::drain_own(site);
        step::point(verb, Effect::Write, whom.object, site);
        store_buffer::settles();
    }
    // On the task's own stack: an abandoned task must own nothing else.
    let (mut found, mut inside) = ([NOBODY; MOST], 0);
    let slots = cpu.machine.slots.iter().enumerate();
    for (slot, kind, marker) in slots.flat_map(|(id, slot)| sections(id, slot, whom.kinds)) {
        if slot == cpu.id().0 {
            let value = marker.cast_signed();
            cpu.warn(Warn { code: code::WAIT_INSIDE_SECTION, object: slot as u64, value });
        } else if inside < MOST {
            let runner = cpu.machine.runner(slot as u32 + 1);
            found[inside] = Inside { slot, kind, marker, runner };
            inside += 1;
        }
    }
    let found = &found[..inside];
    let mut stores = InFlight::now();
    if !found.is_empty() {
        let first = || found.iter().find(|it| it.lasts(cpu.machine));
        let until = Until {
            class: WaitClass::sections(verb::verb_name(verb)),
            object: found[0].slot as u64,
            owner: &|| first().map_or(0, |it| it.slot as u32 + 1),
            ready: &|| first().is_none(),
            // Each section that ends reads it.
            looks: Looks::AtItsObject,
        };
        drained::point_when(cpu, step, &until);
        found.iter().filter_map(|it| it.runner).for_each(|task| stores.note(task));
    }
    if step::in_task() && !stores.landed() {
        step::wait_for(step, WaitClass::event("stores in flight"), Looks::Anywhere, &|| {
            stores.landed()
        });
    }
    Crossed(!found.is_empty())
}

impl Inside {
    fn lasts(self, machine: &Machine) -> bool {
        machine.slots[self.slot].sections[self.kind as usize].get() == self.marker
    }
}

/// The sections of these kinds that a slot is inside.
fn sections(
    id: usize,
    slot: &Slot,
    kinds: &'static [Kind],
) -> impl Iterator<Item = (usize, Kind, u64)> {
    let runner = slot.runner.get().checked_sub(1).map(|task| sched::Task(task as u8));
    let inside = move |&kind: &Kind| {
        let marker = slot.sections[kind as usize].get();
        let arrived = runner.is_none_or(|task| section::has_arrived(task, kind));
        (!marker.is_multiple_of(2) && arrived).then_some((id, kind, marker))
    };
    kinds.iter().filter_map(inside)
}
