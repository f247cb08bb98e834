//! World memory: tables, snapshots, slabs and their failures.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod common;

use common::cpu;
use pgmap_prim::{
    Arena, AtomicI32, AtomicU32, AtomicU64, Ghost, Guarded, LockClass, Machine, NoMemory, Slab,
    SpinLock, Stopped, catch_abandon, code, plain, zeroed,
};

plain! {
    #[derive(Clone, Copy, Debug)]
    struct List { head: u32, closed: bool, free: [u16; 3], }
}
impl Guarded for List {
    const CLASS: LockClass = LockClass::new("list", 8);
}
zeroed! {
    /// A page.
    #[derive(Debug)]
    struct Page {
        refcount: AtomicI32,
        links: [AtomicU32; 2],
        owner: Ghost<u64>,
        list: SpinLock<List>,
    }
}

fn arena() -> Arena {
    Arena::new(1 << 20).unwrap()
}

#[test]
fn a_table_begins_as_zero_and_stays_in_bounds() {
    let machine = Machine::new(1);
    let cpu = cpu(&machine, 0);
    let pages = arena().table::<Page>("page", 10).unwrap();
    assert_eq!((pages.len(), pages[9].refcount.read()), (10, 0));
    pages[3].refcount.inc();
    pages[3].list.lock(&cpu).free[2] = 7;
    assert_eq!((pages[3].refcount.read(), pages[3].list.lock(&cpu).free), (1, [0, 0, 7]));
    assert!(pages.get(10).is_none());
    let beyond = catch_abandon(|| pages[10].refcount.read());
    assert_eq!(beyond, Err(Stopped::Panic("index 10 of a table of 10".into())));
}

#[test]
fn an_entry_knows_its_place_in_the_table() {
    let pages = arena().table::<Page>("page", 10).unwrap();
    assert!((0..10).all(|index| pages.index_of(&pages[index]) == index));
}

#[test]
fn tables_do_not_share_cache_lines() {
    let arena = arena();
    let (a, b) = (
        arena.table::<AtomicU32>("word", 1).unwrap(),
        arena.table::<AtomicU32>("word", 1).unwrap(),
    );
    let distance = std::ptr::from_ref(&b[0]).addr() - std::ptr::from_ref(&a[0]).addr();
    assert!(distance >= 128);
    assert_eq!(std::ptr::from_ref(&a[0]).addr() % 128, 0);
}

#[test]
fn a_reservation_that_is_too_small_is_out_of_memory() {
    let arena = Arena::new(4096).unwrap();
    assert_eq!(arena.table::<AtomicU64>("long", 513).err(), Some(NoMemory));
    assert_eq!(arena.table::<AtomicU64>("long", usize::MAX).err(), Some(NoMemory));
    assert!(arena.table::<AtomicU64>("long", 512).is_ok());
    assert_eq!(arena.table::<AtomicU64>("long", 1).err(), Some(NoMemory));
}

#[test]
fn a_table_outlives_its_arena() {
    let table = arena().table::<AtomicU64>("long", 4).unwrap();
    table[3].set(1);
    assert_eq!(table[3].read(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_huge_table_costs_nothing_until_touched() {
    fn resident_pages() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse().unwrap()
    }
    let before = resident_pages();
    let table = Arena::new(1 << 40).unwrap().table::<AtomicU64>("long", 1 << 37).unwrap();
    table[1 << 36].inc();
    assert_eq!((table[1 << 36].read(), table[(1 << 37) - 1].read()), (1, 0));
    // Room for a transparent huge page or two, and for the other tests of this process.
    assert!(resident_pages() < before + 16 * 1024, "64 MiB for two words");
}

#[test]
fn zero_clears_the_range_and_nothing_else() {
    let table = Arena::new(1 << 20).unwrap().table::<AtomicU64>("long", 20_000).unwrap();
    for range in [5..6, 100..100, 511..513, 3..9_999, 0..20_000, 19_999..20_000] {
        table.iter().for_each(|word| word.set(1));
        table.zero(range.clone());
        for (at, word) in table.iter().enumerate() {
            assert_eq!(word.read() == 0, range.contains(&at), "{at} in {range:?}");
        }
    }
}

#[test]
fn restore_brings_back_every_byte_under_live_tables() {
    let mut arena = Arena::new(1 << 20).unwrap();
    let words = arena.table::<AtomicU64>("long", 5_000).unwrap();
    words[7].set(7);
    let snapshot = arena.snapshot();
    assert_eq!(snapshot.bytes(), 4096, "one touched block");
    words[7].set(8);
    words[4_000].set(9);
    let later = arena.table::<AtomicU64>("long", 10).unwrap();
    later[0].set(10);
    arena.restore(&snapshot);
    assert_eq!((words[7].read(), words[4_000].read(), later[0].read()), (7, 0, 0));
}

#[test]
fn a_slab_hands_out_each_object_once_and_keeps_its_contents() {
    let (machine, arena) = (Machine::new(1), arena());
    let cpu = cpu(&machine, 0);
    let slab = Slab::<AtomicU64>::new(&arena, 3, "three").unwrap();
    let all: Vec<u32> = (0..3).map(|_| slab.alloc(&cpu).unwrap()).collect();
    assert_eq!(all, [0, 1, 2]);
    assert_eq!(slab.alloc(&cpu), Err(NoMemory));
    slab[1].set(42);
    slab.free(&cpu, 1);
    slab.free(&cpu, 0);
    assert_eq!((slab.live(), slab.iter_live().collect::<Vec<_>>()), (1, vec![2]));
    assert_eq!((slab.alloc(&cpu), slab.alloc(&cpu)), (Ok(0), Ok(1)), "last in, first out");
    assert_eq!(slab[1].read(), 42, "as kmem_cache");
    assert_eq!(slab.alloc(&cpu), Err(NoMemory));
}

#[test]
fn a_double_free_is_warned_about_and_changes_nothing() {
    let (machine, arena) = (Machine::new(1), arena());
    let cpu = cpu(&machine, 6);
    let slab = Slab::<AtomicU64>::new(&arena, 2, "two").unwrap();
    let index = slab.alloc(&cpu).unwrap();
    slab.free(&cpu, index);
    assert_eq!(machine.warnings_total(), 0);
    slab.free(&cpu, index);
    let warnings = machine.warnings();
    assert_eq!((warnings[0].warn.code, warnings[0].task.0), (code::DOUBLE_FREE, 6));
    assert_ne!(slab.alloc(&cpu), slab.alloc(&cpu));
}

#[test]
fn a_restore_takes_back_allocations() {
    let (machine, mut arena) = (Machine::new(1), arena());
    let cpu = cpu(&machine, 0);
    let slab = Slab::<AtomicU64>::new(&arena, 8, "eight").unwrap();
    let kept = slab.alloc(&cpu).unwrap();
    let snapshot = arena.snapshot();
    slab.alloc(&cpu).unwrap();
    slab.free(&cpu, kept);
    arena.restore(&snapshot);
    assert_eq!(slab.iter_live().collect::<Vec<_>>(), [kept]);
    assert_eq!(slab.live(), 1);
}

#[test]
fn threads_never_get_the_same_object() {
    let (machine, arena) = (Machine::new(4), arena());
    let slab = Slab::<AtomicU32>::new(&arena, 6, "few").unwrap();
    std::thread::scope(|s| {
        for task in 0..4 {
            let (machine, slab) = (&machine, &slab);
            s.spawn(move || {
                let cpu = cpu(machine, task);
                for _ in 0..2_000 {
                    let Ok(index) = slab.alloc(&cpu) else { continue };
                    assert_eq!(slab[index].xchg(1), 0, "somebody else has it");
                    slab[index].set(0);
                    slab.free(&cpu, index);
                }
            });
        }
    });
    assert_eq!((slab.live(), machine.warnings_total()), (0, 0));
}
