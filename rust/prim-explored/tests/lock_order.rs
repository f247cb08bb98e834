//! Which locks are waited for under which, and when that is the wrong way round.
#![forbid(unsafe_code)]

use pgmap_prim_explored::{
    Arena, AtomicU32, Cpu, Guarded, Lease, LockClass, Machine, RwSem, SpinLock, Table, TaskId,
    bit_lock, bit_unlock, lock_map_acquire, lock_map_release, plain,
};

plain! {
    #[derive(Clone, Copy, Debug)]
    struct Outer;
}
plain! {
    #[derive(Clone, Copy, Debug)]
    struct Inner;
}

impl Guarded for Outer {
    const CLASS: LockClass = LockClass::new("outer", 1);
}

impl Guarded for Inner {
    const CLASS: LockClass = LockClass::new("inner", 2);
}

static BIT: LockClass = LockClass::new("bit", 0);

struct Locks {
    outer: Table<RwSem<Outer>>,
    inner: Table<SpinLock<Inner>>,
    word: Table<AtomicU32>,
}

/// What a machine says of one operation: `outer>inner`, with a `!` if that is wrong.
fn shown(operation: impl FnOnce(&Locks, &Cpu<'_>)) -> Vec<String> {
    let machine = Machine::new(1);
    let arena = Arena::new(1 << 16).expect("address space");
    let _entered = arena.enter();
    let locks = Locks {
        outer: arena.table("outer", 2).expect("room"),
        inner: arena.table("inner", 2).expect("room"),
        word: arena.table("word", 1).expect("room"),
    };
    operation(&locks, &machine.lease(Lease::of(TaskId(7))).expect("a free CPU"));
    let all = machine.nestings();
    assert!(all.iter().all(|nesting| nesting.task == TaskId(7)));
    let told = all.iter().map(|it| {
        let wrong = if it.is_wrong() { "!" } else { "" };
        format!("{}>{}{wrong}", it.outer.name(), it.inner.name())
    });
    told.collect()
}

#[test]
fn what_is_waited_for_under_a_lock_is_an_order_and_the_other_way_round_is_wrong() {
    let right = shown(|locks, cpu| {
        let _outer = locks.outer[0].read(cpu);
        drop(locks.inner[0].lock(cpu));
        drop(locks.inner[1].lock(cpu));
    });
    assert_eq!(right, ["outer>inner"]);
    let wrong = shown(|locks, cpu| {
        let _outer = locks.outer[0].write(cpu);
        drop(locks.inner[0].lock(cpu));
        lock_map_acquire(cpu, &BIT, 3);
        lock_map_release(cpu, 3);
    });
    assert_eq!(wrong, ["outer>inner", "outer>bit!"]);
}

#[test]
fn what_was_given_back_orders_nothing_in_whatever_order_it_was_given_back() {
    let shown = shown(|locks, cpu| {
        let inner = locks.inner[0].lock(cpu);
        lock_map_acquire(cpu, &BIT, 9);
        drop(inner);
        drop(locks.outer[0].read(cpu));
        lock_map_release(cpu, 9);
        drop(locks.outer[1].read(cpu));
    });
    assert_eq!(shown, ["inner>bit!", "bit>outer"]);
}

#[test]
fn who_only_tries_does_not_wait_but_holds() {
    let shown = shown(|locks, cpu| {
        let _inner = locks.inner[0].lock(cpu);
        let outer = locks.outer[0].try_read(cpu);
        assert!(outer.is_some());
        bit_lock(cpu, &locks.word[0], 0, &BIT);
        bit_unlock(cpu, &locks.word[0], 0);
    });
    assert_eq!(shown, ["inner>bit!", "outer>bit!"]);
}

#[test]
fn locks_of_one_class_are_not_compared() {
    let shown = shown(|locks, cpu| {
        let _one = locks.inner[0].lock(cpu);
        drop(locks.inner[1].lock(cpu));
    });
    assert_eq!(shown, [""; 0]);
}
