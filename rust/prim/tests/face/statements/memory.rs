//! Deferred work, slabs, restores.

use super::{Pair, Published, breaks, codes, holds, words};
use crate::model::set_up;
use crate::prim::{
    Arena, AtomicI32, AtomicU32, AtomicU64, DeferredQueue, Full, Ghost, Machine, NoMemory, Slab,
    SpinLock, by_hardware, code, may_speculate, zeroed,
};

#[test]
fn deferred_work_runs_in_order_after_a_grace_period() {
    let start = || {
        let arena = Arena::new(1 << 16).expect("address space");
        (DeferredQueue::<u32>::new(&arena, 2, "queue").expect("room"), Published::default())
    };
    holds(
        2,
        start,
        |(queue, it), cpu, task| match task {
            0 => {
                let _section = cpu.rcu_read_lock();
                it.look(it.current.read_acquire());
            }
            _ => {
                it.current.set_release(1);
                assert_eq!([1, 2, 3].map(|n| queue.push(cpu, n)), [Ok(()), Ok(()), Err(Full)]);
                let mut next = 1;
                let ran = queue.drain(cpu, |_, n| {
                    assert_eq!(n, next);
                    next += 1;
                    it.broken[0].set(1);
                });
                assert_eq!((ran, queue.pending()), (2, 0));
            }
        },
        |_| {},
    );
    breaks(
        "Panic",
        2,
        start,
        |(queue, it), cpu, task| match task {
            0 => {
                let _section = cpu.rcu_read_lock();
                it.look(it.current.read_acquire());
            }
            // Pushed first, made unreachable after the grace period began.
            _ => {
                queue.push(cpu, 1).expect("room");
                queue.drain(cpu, |_, _| it.retire(|| {}));
            }
        },
        |_| {},
    );
}

#[test]
fn a_slab_never_hands_an_object_to_two_and_hands_it_out_again() {
    let start = || {
        let arena = Arena::new(1 << 16).expect("address space");
        (Slab::<AtomicU32>::new(&arena, 2, "two").expect("room"), words::<2>())
    };
    holds(
        2,
        start,
        |(slab, _), cpu, _| {
            let mine = slab.alloc(cpu).expect("an object each");
            assert_eq!(slab[mine].inc_return() % 2, 1);
            slab[mine].inc();
            slab.free(cpu, mine);
        },
        |(slab, _)| assert_eq!((slab.live(), slab.iter_live().count()), (0, 0)),
    );
    let (machine, (slab, _)) = (Machine::new(1), start());
    let cpu = set_up(0, &machine);
    let all = [slab.alloc(&cpu), slab.alloc(&cpu), slab.alloc(&cpu)];
    assert_eq!(all, [Ok(0), Ok(1), Err(NoMemory)]);
    slab.free(&cpu, 1);
    slab.free(&cpu, 0);
    assert_eq!((slab.alloc(&cpu), slab.is_live(1)), (Ok(0), false), "last in, first out");
    slab.free(&cpu, 1);
    assert_eq!(codes(&machine), [code::DOUBLE_FREE]);
}

#[test]
fn freeing_twice_is_found() {
    breaks(
        "Defect",
        2,
        || {
            let arena = Arena::new(1 << 16).expect("address space");
            let slab = Slab::<AtomicU32>::new(&arena, 2, "two").expect("room");
            let machine = Machine::new(1);
            slab.alloc(&set_up(0, &machine)).expect("an object");
            slab
        },
        |slab, cpu, _| slab.free(cpu, 0),
        |_| {},
    );
}

#[test]
fn injected_failures_come_when_planned() {
    let (machine, arena) = (Machine::new(1), Arena::new(1 << 16).expect("address space"));
    let cpu = set_up(0, &machine);
    let slab = Slab::<AtomicU64>::new(&arena, 100, "many").expect("room");
    let outcome = |n: usize| (0..n).map(|_| slab.alloc(&cpu).is_ok()).collect::<Vec<_>>();
    arena.faults().fail_after(2);
    assert_eq!(outcome(5), [true, true, false, true, true]);
    arena.faults().fail_every(3);
    assert_eq!(outcome(7), [true, true, false, true, true, false, true]);
    arena.faults().off();
    assert_eq!(outcome(6), [true; 6]);
}

zeroed! {
    #[derive(Debug)]
    struct Entry { count: AtomicI32, pair: SpinLock<Pair>, ghost: Ghost<u64>, }
}

#[test]
fn a_restore_brings_back_every_byte_and_every_allocation() {
    let (machine, mut arena) = (Machine::new(1), Arena::new(1 << 20).expect("address space"));
    let cpu = set_up(0, &machine);
    let table = arena.table::<Entry>("entry", 300).expect("room");
    let slab = Slab::<AtomicU64>::new(&arena, 8, "eight").expect("room");
    let kept = slab.alloc(&cpu).expect("an object");
    table[7].count.set(7);
    let snapshot = arena.snapshot();
    for _ in 0..3 {
        table[7].count.set(8);
        table[299].pair.lock(&cpu).b = 9;
        slab.alloc(&cpu).expect("an object");
        slab.free(&cpu, kept);
        arena.restore(&snapshot);
        assert_eq!((table[7].count.read(), table[299].pair.lock(&cpu).b), (7, 0));
        assert_eq!(slab.iter_live().collect::<Vec<_>>(), [kept]);
    }
    table.zero(7..8);
    assert_eq!(table[7].count.read(), 0);
}

#[test]
fn what_hardware_does_is_done_and_nothing_unasked() {
    let word = AtomicU32::new(0);
    let set = |value: u32| {
        word.set(value);
        value
    };
    {
        let _hardware = by_hardware();
        assert_eq!((set(7), word.read()), (7, 7));
    }
    may_speculate(|| _ = set(8));
    assert_eq!(word.read(), 7);
}
