//! Leases, read-side sections, and those who wait for them.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{cpu, until};
use pgmap_prim::{
    Arena, AtomicU32, AtomicU64, AtomicUsize, Crossed, DeferredQueue, Full, Lease, Machine, NoCpu,
    Tally, TaskId, Warn, code, sync_access, sync_irq, synchronize_rcu,
};

#[test]
fn a_task_gets_its_own_slot_then_any_then_none() {
    let machine = Machine::new(2);
    let first = machine.lease(Lease::of(TaskId(1))).unwrap();
    assert_eq!((first.id().0, first.task()), (1, TaskId(1)));
    let second = machine.lease_at(1, Lease::of(TaskId(9))).unwrap();
    assert_eq!(second.id().0, 0);
    assert_eq!(machine.lease(Lease::of(TaskId(3))).err(), Some(NoCpu));
    drop(first);
    assert_eq!(machine.lease(Lease::of(TaskId(4))).unwrap().id().0, 1);
}

#[test]
fn no_slot_is_leased_twice() {
    let machine = Machine::new(2);
    let inside = [AtomicU32::new(0), AtomicU32::new(0)];
    std::thread::scope(|s| {
        for task in 0..4 {
            let (machine, inside) = (&machine, &inside);
            s.spawn(move || {
                for _ in 0..5_000 {
                    let Ok(cpu) = machine.lease(Lease::of(TaskId(task))) else { continue };
                    assert_eq!(inside[cpu.id().0].xchg(1), 0);
                    inside[cpu.id().0].set(0);
                }
            });
        }
    });
}

#[test]
fn nobody_is_waited_for_when_nobody_is_inside() {
    let machine = Machine::new(3);
    let (cpu, other) = (cpu(&machine, 0), cpu(&machine, 1));
    drop((other.rcu_read_lock(), other.local_irq_save(), other.access_begin()));
    assert_eq!(synchronize_rcu(&cpu), Crossed(false));
    assert_eq!(sync_irq(&cpu), Crossed(false));
    assert_eq!(sync_access(&cpu), Crossed(false));
}

#[test]
fn a_leaf_section_holds_up_a_grace_period_and_its_unwinding_ends_it() {
    let machine = Machine::new(2);
    let (inside, left) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|s| {
        s.spawn(|| {
            let reader = cpu(&machine, 1);
            reader.rcu_read_leaf(|| {
                inside.set_release(1);
                until(|| machine.waiters().iter().any(|w| w.task == TaskId(0)));
                left.set(1);
            });
            let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                reader.rcu_read_leaf(|| panic!("in a leaf section"));
            }));
            assert!(unwound.is_err());
        });
        let waiter = cpu(&machine, 0);
        until(|| inside.read_acquire() == 1);
        assert_eq!(synchronize_rcu(&waiter), Crossed(true));
        assert_eq!(left.read(), 1);
    });
    assert_eq!(synchronize_rcu(&cpu(&machine, 0)), Crossed(false));
}

macro_rules! section_tests {
    ($($name:ident: $enter:ident holds up $wait:ident;)*) => { $(
        #[test]
        fn $name() {
            let machine = Machine::new(2);
            let (inside, leaving) = (AtomicU32::new(0), AtomicU32::new(0));
            std::thread::scope(|s| {
                s.spawn(|| {
                    let reader = cpu(&machine, 1);
                    let outer = reader.$enter();
                    drop(reader.$enter());
                    inside.set_release(1);
                    // Leaves only once the waiter is seen waiting: a nested exit does not let it go.
                    until(|| machine.waiters().iter().any(|w| w.task == TaskId(0)));
                    assert_eq!(machine.waiters()[0].owner, Some(TaskId(1)));
                    leaving.set_release(1);
                    drop(outer);
                });
                let waiter = cpu(&machine, 0);
                until(|| inside.read_acquire() == 1);
                assert_eq!($wait(&waiter), Crossed(true));
                assert_eq!(leaving.read_acquire(), 1);
            });
        }
    )* };
}

section_tests! {
    a_grace_period_waits_for_rcu_readers: rcu_read_lock holds up synchronize_rcu;
    a_grace_period_waits_for_interrupts_to_come_on: local_irq_save holds up synchronize_rcu;
    an_ipi_waits_for_interrupts_to_come_on: local_irq_save holds up sync_irq;
    a_shoot_down_waits_for_accesses: access_begin holds up sync_access;
}

#[test]
fn an_ipi_does_not_wait_for_rcu_readers_nor_a_shoot_down_for_either() {
    let machine = Machine::new(2);
    let (waiter, reader) = (cpu(&machine, 0), cpu(&machine, 1));
    let _rcu = reader.rcu_read_lock();
    assert_eq!(sync_irq(&waiter), Crossed(false));
    let _irq = reader.local_irq_save();
    assert_eq!(sync_access(&waiter), Crossed(false));
}

#[test]
fn waiting_inside_ones_own_section_is_warned_about() {
    let machine = Machine::new(1);
    let cpu = cpu(&machine, 0);
    let section = cpu.access_begin();
    assert_eq!(sync_access(&cpu), Crossed(false));
    drop(section);
    assert_eq!(machine.warnings()[0].warn.code, code::WAIT_INSIDE_SECTION);
}

#[test]
fn a_leaked_section_ends_with_the_lease_and_is_warned_about() {
    let machine = Machine::new(2);
    let reader = cpu(&machine, 1);
    std::mem::forget(reader.rcu_read_lock());
    drop(reader);
    assert_eq!(synchronize_rcu(&cpu(&machine, 0)), Crossed(false));
    assert_eq!(machine.warnings()[0].warn.code, code::LEASE_ENDED_ATOMIC);
}

#[test]
fn an_rcu_reader_never_sees_a_freed_object() {
    const FREED: u64 = u64::MAX;
    let machine = Machine::new(3);
    let objects = [const { AtomicU64::new(FREED) }; 2];
    let current = AtomicUsize::new(0);
    objects[0].set(0);
    let done = AtomicU32::new(0);
    std::thread::scope(|s| {
        for task in 1..3 {
            let (machine, objects, current, done) = (&machine, &objects, &current, &done);
            s.spawn(move || {
                let cpu = cpu(machine, task);
                while done.read() == 0 {
                    let _rcu = cpu.rcu_read_lock();
                    let object = &objects[current.read_acquire()];
                    for _ in 0..20 {
                        assert_ne!(object.read(), FREED);
                    }
                }
            });
        }
        let cpu = cpu(&machine, 0);
        for generation in 1..2_000u64 {
            let (old, new) = (current.read(), 1 - current.read());
            objects[new].set(generation);
            current.set_release(new);
            synchronize_rcu(&cpu);
            objects[old].set(FREED);
        }
        done.set(1);
    });
}

#[test]
fn deferred_work_runs_in_order_after_a_grace_period() {
    let machine = Machine::new(2);
    let arena = Arena::new(1 << 16).unwrap();
    let queue = DeferredQueue::<u32>::new(&arena, 3, "queue").unwrap();
    let cpu = cpu(&machine, 0);
    assert_eq!([1, 2, 3, 4].map(|n| queue.push(&cpu, n)), [Ok(()), Ok(()), Ok(()), Err(Full)]);
    assert_eq!(queue.pending(), 3);
    let mut ran = Vec::new();
    let count = queue.drain(&cpu, |cpu, n| {
        ran.push(n);
        if n == 1 {
            queue.push(cpu, 10).unwrap();
        }
    });
    assert_eq!((count, ran, queue.pending()), (3, vec![1, 2, 3], 1));
    assert_eq!((queue.drain(&cpu, |_, n| assert_eq!(n, 10)), queue.pending()), (1, 0));
    assert_eq!(queue.drain(&cpu, |_, _| unreachable!()), 0);
}

#[test]
fn percpu_adds_sum_up() {
    let machine = Machine::new(4);
    let cells: [AtomicUsize; 4] = Default::default();
    std::thread::scope(|s| {
        for task in 0..4 {
            let (machine, cells) = (&machine, &cells);
            s.spawn(move || {
                for _ in 0..1_000 {
                    let cpu = cpu(machine, task);
                    cpu.percpu_add(&cells[cpu.id().0], 3);
                    cpu.percpu_add(&cells[cpu.id().0], 1usize.wrapping_neg());
                    cpu.count(Tally(5));
                }
            });
        }
    });
    assert_eq!(cells.iter().map(AtomicUsize::read).sum::<usize>(), 4 * 1_000 * 2);
    assert_eq!((machine.tally(Tally(5)), machine.tally(Tally(6))), (4_000, 0));
}

#[test]
fn warnings_beyond_the_first_256_are_counted() {
    let machine = Machine::new(1);
    let cpu = cpu(&machine, 0);
    (0..300).for_each(|value| cpu.warn(Warn { code: 1, object: 2, value }));
    assert_eq!((machine.warnings().len(), machine.warnings_total()), (256, 300));
    assert_eq!(machine.warnings()[255].warn.value, 255);
    machine.clear_warnings();
    assert_eq!((machine.warnings().len(), machine.warnings_total()), (0, 0));
}
