//! What an arena records, names and puts back.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{Pair, cpu, table};
use pgmap_prim_explored::{Arena, AtomicU32, AtomicU64, Machine, SpinLock};

#[test]
fn a_restore_by_what_was_written_equals_a_restore_of_everything() {
    let mut arena = Arena::new(1 << 20).unwrap();
    let words = arena.table::<AtomicU64>("long", 20_000).unwrap();
    let locks = arena.table::<SpinLock<Pair>>("lock", 100).unwrap();
    let machine = Machine::new(1);
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = move |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice >> 33) as usize % sides
    };
    let mut scribble = |times: usize| {
        let cpu = cpu(&machine, 0);
        for _ in 0..times {
            match roll(4) {
                0 => words[roll(20_000)].set(roll(1 << 20) as u64),
                1 => _ = words[roll(20_000)].cmpxchg(0, 5),
                2 => locks[roll(100)].lock(&cpu).b += 1,
                _ => {
                    let from = roll(20_000);
                    words.zero(from..(from + roll(300)).min(20_000));
                }
            }
        }
    };
    scribble(200);
    let entered = arena.enter();
    let snapshot = arena.snapshot();
    for round in 0..300 {
        // Now and then more than the record holds.
        scribble(if round % 50 == 7 { 8_000 } else { 40 });
        arena.restore(&snapshot);
        assert_eq!(arena.differs(&snapshot), None, "round {round}");
    }
    // Written while nobody recorded it: the next restore looks at everything.
    drop(entered);
    scribble(40);
    assert_ne!(arena.differs(&snapshot), None);
    let _entered = arena.enter();
    arena.restore(&snapshot);
    assert_eq!(arena.differs(&snapshot), None);
}

#[test]
fn two_snapshots_are_told_apart() {
    let (mut arena, table) = table();
    let _entered = arena.enter();
    table[0].set(1);
    let first = arena.snapshot();
    table[1].set(2);
    let second = arena.snapshot();
    let values = || (table[0].read(), table[1].read());
    table[0].set(9);
    arena.restore(&first);
    assert_eq!(values(), (1, 0));
    arena.restore(&second);
    assert_eq!(values(), (1, 2));
}

#[test]
fn a_plan_of_failures_is_put_back_with_the_memory() {
    let mut arena = Arena::new(1 << 16).unwrap();
    let slab = pgmap_prim_explored::Slab::<AtomicU32>::new(&arena, 9, "nine").unwrap();
    let machine = Machine::new(1);
    let cpu = cpu(&machine, 0);
    arena.faults().fail_after(1);
    let snapshot = arena.snapshot();
    for _ in 0..2 {
        let outcome: Vec<_> = (0..3).map(|_| slab.alloc(&cpu).is_ok()).collect();
        assert_eq!(outcome, [true, false, true]);
        arena.restore(&snapshot);
    }
}

#[test]
fn regions_have_names_and_cover_what_was_carved() {
    let (arena, table) = table();
    let other = arena.table::<AtomicU64>("long", 2).unwrap();
    let names: Vec<_> = arena.regions().iter().map(|it| (it.name, it.stride, it.len)).collect();
    assert_eq!(names, [("table", 4, table.len()), ("long", 8, other.len())]);
    assert_eq!(arena.locate(16), None, "between tables");
    let found = arena.locate(128 + 12).unwrap();
    assert_eq!((found.region.name, found.index, found.byte), ("long", 1, 4));
}

#[test]
fn a_digest_tells_every_word_that_was_written_and_not_in_which_order() {
    let mut arena = Arena::new(1 << 20).unwrap();
    let words = arena.table::<AtomicU64>("long", 2_000).unwrap();
    let _entered = arena.enter();
    words[3].set(9);
    let start = arena.snapshot();
    // As many granules as there are places.
    let places = [0, 3, 31, 32, 700, 1_999];
    let mut seen = std::collections::HashSet::from([arena.digest(&start, &[])]);
    for changed in 1..1u64 << places.len() {
        let mut digests = Vec::new();
        for backwards in [false, true] {
            arena.restore(&start);
            let mut chosen = Vec::from_iter((0..places.len()).filter(|at| changed >> at & 1 != 0));
            if backwards {
                chosen.reverse();
            }
            chosen.iter().for_each(|&at| words[places[at]].set(77));
            digests.push(arena.digest(&start, &[]));
        }
        assert_eq!(digests[0], digests[1]);
        assert!(digests[0].is_some() && seen.insert(digests[0]), "{changed:b}");
    }
    // What somebody else goes by tells, too; and where it is not known what was written, nothing is said.
    assert_ne!(arena.digest(&start, &[1]), arena.digest(&start, &[2]));
    let other = arena.snapshot();
    assert_eq!(arena.digest(&start, &[]), None);
    assert!(arena.digest(&other, &[]).is_some());
}
