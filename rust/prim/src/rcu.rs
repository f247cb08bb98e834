//! Waiting for read-side sections: grace periods, the page-table IPI, TLB shoot-down
//! (`kernel/rcu`, `tlb_remove_table_sync_one`, `flush_tlb_*`).
//!
//! # Why a plain store can mark a section
//! The waiter changes something (P), executes the heavy half of the asymmetric fence, then scans the
//! markers. The heavy half makes every running thread of the process pass a full barrier between its
//! beginning and its end; a thread that is not running passes one when it is switched in. Take a
//! reader and its barrier B. Its section's entry (marker store, then loads) lies
//!
//! * before B: the marker store is visible when the fence returns, and the scan waits for the section;
//! * after B: so do its loads, and they see P.
//!
//! So there is a total order of "marker" against "P", as if both sides had executed `smp_mb`, and the
//! section either is waited for or sees the change. An even or changed marker is read with acquire and
//! pairs with the release store at the section's exit: what the section did happened before what the
//! waiter does next. A changed marker is enough: a section entered later began after P.
//!
//! The three kinds differ only in which markers they look at. RCU looks at three, since interrupts off
//! also hold up a grace period. The marker of leaf sections is not a sequence: a waiter that found it 1
//! waits until it reads 0, which the section it must wait for has then been followed by, or stored itself.

use core::time::Duration;

use crate::{
    Cpu, Warn, code,
    poison::abandon,
    slot::{Marker, Slot},
    smp_mb,
    wait_record::Manner,
    waiting::{WaitClass, Waiting},
};

/// Whether somebody had to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossed(pub bool);

static GRACE_PERIOD: WaitClass = WaitClass::sections("synchronize_rcu");
static IPI: WaitClass = WaitClass::sections("tlb_remove_table_sync_one");
static SHOOT_DOWN: WaitClass = WaitClass::sections("flush_tlb");

/// Busy-waits first, since sections are short; then yields, since on few cores the reader may be
/// preempted; then sleeps a little.
const PAUSES: u32 = 64;
const YIELDS: u32 = 256;
const NAP: Duration = Duration::from_micros(100);

/// Waits until every RCU section and every IRQ-off section that had begun has ended.
pub fn synchronize_rcu(cpu: &Cpu<'_>) -> Crossed {
    cpu.machine.fence.heavy();
    let rcu = scan(cpu, &GRACE_PERIOD, |slot| &slot.rcu);
    let leaf = scan(cpu, &GRACE_PERIOD, |slot| &slot.leaf);
    let irq = scan(cpu, &GRACE_PERIOD, |slot| &slot.irq);
    smp_mb();
    Crossed(rcu.0 || leaf.0 || irq.0)
}

/// An IPI to everybody: waits for IRQ-off sections only.
pub fn sync_irq(cpu: &Cpu<'_>) -> Crossed {
    cpu.machine.fence.heavy();
    let crossed = scan(cpu, &IPI, |slot| &slot.irq);
    smp_mb();
    crossed
}

/// A TLB shoot-down: waits until every access that had begun has ended.
pub fn sync_access(cpu: &Cpu<'_>) -> Crossed {
    cpu.machine.fence.heavy();
    let crossed = scan(cpu, &SHOOT_DOWN, |slot| &slot.access);
    smp_mb();
    crossed
}

fn scan(cpu: &Cpu<'_>, class: &'static WaitClass, marker: impl Fn(&Slot) -> &Marker) -> Crossed {
    let mut crossed = false;
    for (id, slot) in cpu.machine.slots.iter().enumerate() {
        let marker = marker(slot);
        let seen = marker.read_acquire();
        if seen.is_multiple_of(2) {
            continue;
        }
        let object = id as u64;
        if id == cpu.id().0 {
            let value = seen.cast_signed();
            cpu.warn(Warn { code: code::WAIT_INSIDE_SECTION, object, value });
            continue;
        }
        crossed = true;
        let owner = id as u32 + 1;
        wait_for_change(cpu, marker, seen, Waiting { class, object, owner });
    }
    Crossed(crossed)
}

fn wait_for_change(cpu: &Cpu<'_>, marker: &Marker, seen: u64, waiting: Waiting) {
    let changed = || marker.read_acquire() != seen;
    for _ in 0..PAUSES {
        if changed() {
            return;
        }
        crate::cpu_relax();
    }
    let _record = cpu.publish(waiting, Manner::Busily);
    let mut turn = 0u32;
    while !changed() {
        if cpu.machine.is_poisoned() {
            abandon(cpu.machine);
        }
        turn = turn.saturating_add(1);
        if turn < YIELDS {
            std::thread::yield_now();
            continue;
        }
        cpu.poll();
        if cpu.time_left() == Some(Duration::ZERO) {
            cpu.hang();
        }
        std::thread::sleep(NAP);
    }
}
