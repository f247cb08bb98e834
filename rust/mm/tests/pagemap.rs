//! `dev_pagemap` without a filesystem: making it, taking it away, allocating in it, and the free path.

mod common;

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Barrier, RwLock};

use common::*;
use pgmap_mm::devmem::DevMem;
use pgmap_mm::page::{Folio, Head, Order, Owner, Pfn, Span};
use pgmap_mm::pagemap::{DevPagemapOps, PagemapId, PagemapType, Pagemaps};
use pgmap_mm::warn::Complaint;
use prim::{Arena, Cpu, Machine};
use program::op::{DevAlloc, DevGet, DevPut};
use program::rules::{
    AllocDying, AllocPagemap, FreePush, FreeReload, InitMode, PageReset, PgmapWord, Switch,
    TeardownPages,
};
use program::{Era, Errno, Geometry, Rules};

/// What a driver does with a page that came back.
type Freed = dyn Fn(&Cpu<'_>, &Pagemaps, Folio<'_>) + Send + Sync;

struct Driver(Box<Freed>);

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Driver")
    }
}

impl DevPagemapOps for Driver {
    fn folio_free(&self, cpu: &Cpu<'_>, pagemaps: &Pagemaps, _id: PagemapId, folio: Folio<'_>) {
        (self.0)(cpu, pagemaps, folio);
    }
}

struct Maps {
    maps: Pagemaps,
    machine: Arc<Machine>,
    arena: Arena,
}

const FRAMES: u32 = 1024;
const SPAN: Span = Span { start: Pfn(64), pages: 256 };

impl Maps {
    fn with(rules: Rules, freed: Box<Freed>) -> Self {
        let arena = Arena::new(64 << 20).expect("address space");
        let driver = Box::new(Driver(freed));
        let maps = Pagemaps::new(&arena, &COSY, rules, FRAMES, driver).expect("memory");
        Self { maps, machine: Machine::new(COSY.cpus.into()), arena }
    }

    fn new() -> Self {
        Self::with(Era::V6_15Sound.rules(), Box::new(|_, _, _| {}))
    }

    fn cpu(&self, task: u32) -> Cpu<'_> {
        cpu(&self.machine, task)
    }

    fn remap(&self, cpu: &Cpu<'_>, kind: PagemapType) -> PagemapId {
        self.maps.memremap_pages(cpu, kind, SPAN).expect("a free range")
    }

    fn folio(&self, pfn: u32) -> Folio<'_> {
        self.maps.memmap.folio(Pfn(pfn))
    }

    fn put_all(&self, cpu: &Cpu<'_>, span: Span) {
        self.maps.folios(span).for_each(|folio| self.maps.folio_put_refs(cpu, folio, 1));
    }

    fn complaints(&self) -> Vec<Complaint> {
        complaints(&self.machine)
    }
}

fn span(start: u32, pages: u32) -> Span {
    Span { start: Pfn(start), pages }
}

/// A test of a pagemap of such pages: nobody may complain of what it does.
fn with_pagemap(kind: PagemapType, test: impl FnOnce(&Maps, &Cpu<'_>, PagemapId)) {
    let all = Maps::new();
    let cpu = all.cpu(0);
    let id = all.remap(&cpu, kind);
    test(&all, &cpu, id);
    assert_eq!(all.complaints(), []);
}

#[test]
fn a_range_becomes_maximal_aligned_folios_of_one_reference_each() {
    with_pagemap(PagemapType::Coherent, |all, cpu, id| {
        for (start, pages) in [(64, 256), (65, 31), (71, 9), (72, 1), (100, 8), (127, 2), (319, 1)]
        {
            let made = all.maps.alloc_folios(cpu, id, Pfn(start), pages).expect("free pages");
            assert_eq!(made, span(start, pages));
            assert_eq!(all.maps.ledger(id), 1 + i64::from(pages), "a pagemap reference per page");
            let mut at = start;
            for folio in all.maps.folios(made) {
                let order = folio.order();
                assert_eq!((folio.pfn(), folio.refcount().get()), (Pfn(at), 1));
                assert!(order <= Order(COSY.pmd_order) && folio.pfn().is_aligned(order));
                let larger = Order(order.0 + 1);
                assert!(
                    larger.0 > COSY.pmd_order
                        || !folio.pfn().is_aligned(larger)
                        || at + larger.pages() > start + pages,
                    "{folio:?} could be larger"
                );
                for pfn in folio.span().iter() {
                    assert_eq!(all.maps.memmap.folio(pfn), folio);
                    assert_eq!(all.maps.of_page(pfn), Some(id));
                }
                at += order.pages();
            }
            assert_eq!(at, start + pages, "no gap, no overlap");
            all.put_all(cpu, made);
            assert_eq!(all.maps.ledger(id), 1);
        }
    });
}

#[test]
fn of_overlapping_claims_one_gets_all_of_its_range_and_the_others_nothing() {
    const THREADS: u32 = 4;
    let all = Maps::new();
    let id = all.remap(&all.cpu(0), PagemapType::Private);
    let owner: Vec<AtomicU32> = (0..FRAMES).map(|_| AtomicU32::new(0)).collect();
    let (wins, start) = (AtomicU32::new(0), Barrier::new(THREADS as usize));
    // Claims run beside each other, but not beside a free: a frame is its driver's again with `folio_free`, and
    // who claims it while its last put is on the way breaks the contract.
    let freeing = RwLock::new(());
    std::thread::scope(|threads| {
        for task in 1..=THREADS {
            let (all, owner, wins, start) = (&all, &owner, &wins, &start);
            let freeing = &freeing;
            threads.spawn(move || {
                let cpu = all.cpu(task);
                let mut dice = Dice(0x9e37 + u64::from(task));
                start.wait();
                for _ in 0..400 {
                    let first = SPAN.start.0 + dice.roll(40);
                    let pages = 1 + dice.roll(24);
                    let claimed = {
                        let _no_free = freeing.read().expect("nobody panicked");
                        all.maps.alloc_folios(&cpu, id, Pfn(first), pages)
                    };
                    match claimed {
                        Ok(made) => {
                            wins.fetch_add(1, Relaxed);
                            for pfn in made.iter() {
                                let before = owner[pfn.as_index()].swap(task, Relaxed);
                                assert_eq!(before, 0, "{pfn} has two owners");
                            }
                            for folio in all.maps.folios(made) {
                                assert_eq!(folio.refcount().get(), 1);
                            }
                            for pfn in made.iter() {
                                owner[pfn.as_index()].store(0, Relaxed);
                            }
                            let _no_claim = freeing.write().expect("nobody panicked");
                            all.put_all(&cpu, made);
                        }
                        Err(errno) => assert_eq!(errno, Errno::EBUSY),
                    }
                }
            });
        }
    });
    assert!(wins.load(Relaxed) > 0);
    assert_eq!(all.maps.ledger(id), 1, "a refused claim took no reference, a freed one left none");
    let cpu = all.cpu(0);
    all.maps.alloc_folios(&cpu, id, SPAN.start, SPAN.pages).expect("everything is free again");
    assert_eq!(all.complaints(), []);
}

#[test]
fn a_range_with_a_held_page_is_refused_and_left_as_it_was() {
    with_pagemap(PagemapType::Coherent, |all, cpu, id| {
        let held = all.maps.alloc_folios(cpu, id, Pfn(76), 1).expect("a free page");
        for (start, pages) in [(64, 16), (76, 1), (70, 7), (76, 100)] {
            assert_eq!(all.maps.alloc_folios(cpu, id, Pfn(start), pages), Err(Errno::EBUSY));
        }
        assert_eq!(all.maps.ledger(id), 2);
        assert!(
            SPAN.iter().filter(|pfn| pfn.0 != 76).all(|pfn| all.folio(pfn.0).refcount().get() == 0)
        );
        let large = all.maps.alloc_folios(cpu, id, Pfn(80), 8).expect("free pages");
        assert_eq!(all.maps.alloc_folios(cpu, id, Pfn(87), 1), Err(Errno::EBUSY), "a tail is held");
        all.put_all(cpu, large);
        all.put_all(cpu, held);
        assert!(all.maps.alloc_folios(cpu, id, Pfn(64), 16).is_ok());
    });
}

/// Whoever has a reference has it in the page's life, which ends for none of the pages of a range that is refused.
#[test]
fn what_is_allocated_begins_a_life_and_what_is_refused_goes_on_with_its_own() {
    with_pagemap(PagemapType::Coherent, |all, cpu, id| {
        let life = |pfn| all.maps.memmap.shadow_capture(Pfn(pfn));
        let before = life(76);
        let held = all.maps.alloc_folios(cpu, id, Pfn(76), 1).expect("a free page");
        let (own, beside) = (life(76), life(77));
        assert_ne!(own, before);
        assert_eq!(own.owner(), Owner::DRIVER);
        assert_eq!(all.maps.alloc_folios(cpu, id, Pfn(64), 16), Err(Errno::EBUSY));
        assert_eq!((life(76), life(77)), (own, beside));
        all.put_all(cpu, held);
    });
}

#[test]
fn a_range_outside_or_without_pages_is_refused() {
    with_pagemap(PagemapType::Coherent, |all, cpu, id| {
        for (start, pages) in
            [(64, 0), (63, 2), (319, 2), (320, 1), (0, 1), (u32::MAX, 1), (64, u32::MAX)]
        {
            assert_eq!(all.maps.alloc_folios(cpu, id, Pfn(start), pages), Err(Errno::EINVAL));
        }
        assert_eq!(all.maps.ledger(id), 1);
    });
}

#[test]
fn a_dying_pagemap_grants_nothing() {
    with_pagemap(PagemapType::Coherent, |all, cpu, id| {
        let held = all.maps.alloc_folios(cpu, id, Pfn(64), 1).expect("a free page");
        assert!(all.maps.folio_get(cpu, id, Pfn(64)).is_some());
        all.maps.kill(cpu, id);
        assert_eq!(all.maps.alloc_folios(cpu, id, Pfn(65), 1), Err(Errno::ENODEV));
        assert_eq!(all.maps.get_dev_pagemap(cpu, Pfn(65)), None);
        assert!(all.maps.folio_get(cpu, id, Pfn(64)).is_none());
        all.maps.folio_put_refs(cpu, all.folio(64), 1);
        all.put_all(cpu, held);
        all.maps.memunmap_pages(cpu, id, || {});
    });
}

#[test]
fn stale_tails_of_another_order_confuse_nobody() {
    with_pagemap(PagemapType::Coherent, |all, cpu, id| {
        let large = all.maps.alloc_folios(cpu, id, Pfn(64), 8).expect("free pages");
        all.put_all(cpu, large);
        assert_eq!(all.maps.memmap.page(Pfn(68)).head(), Head::Tail(4), "left as it was");

        // A page in the middle starts a life of its own.
        let middle = all.maps.alloc_folios(cpu, id, Pfn(68), 1).expect("a free page");
        assert_eq!((all.folio(68).pfn(), all.folio(68).order()), (Pfn(68), Order::PAGE));
        assert_eq!(all.maps.of_page(Pfn(68)), Some(id));
        // The old head becomes the head of something smaller; the old tails behind it stay free.
        let small = all.maps.alloc_folios(cpu, id, Pfn(64), 2).expect("free pages");
        for free in [66, 67, 69, 71] {
            assert!(!all.maps.memmap.is_held(Pfn(free)));
            assert!(
                all.maps.folio_get(cpu, id, Pfn(free)).is_none(),
                "{free} is no part of that folio"
            );
        }
        assert_eq!((all.folio(64).refcount().get(), all.folio(68).refcount().get()), (1, 1));
        let tail = all.maps.folio_get(cpu, id, Pfn(65)).expect("a real tail");
        assert_eq!((tail.pfn(), tail.refcount().get()), (Pfn(64), 2));
        all.maps.folio_put_refs(cpu, tail, 1);
        let rest = all.maps.alloc_folios(cpu, id, Pfn(66), 2).expect("free pages");
        assert_eq!(all.folio(67).pfn(), Pfn(66));
        [middle, small, rest].into_iter().for_each(|span| all.put_all(cpu, span));
        assert_eq!(all.maps.ledger(id), 1);
    });
}

#[test]
fn the_driver_of_a_world_is_not_confused_by_stale_tails_either() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let (world, cpu) = (&fixture.world, fixture.cpu(1));
    assert_eq!(world.dev_alloc(&cpu, W0, &DevAlloc { start: 0, pages: 8 }), Ok(1));
    assert_eq!(
        world.dev_put(&cpu, W0, &DevPut { page: 5 }),
        Ok(0),
        "the last reference, by a tail"
    );
    assert_eq!(world.dev_alloc(&cpu, W0, &DevAlloc { start: 0, pages: 2 }), Ok(1));
    for free in [2, 5, 7] {
        assert_eq!(world.dev_get(&cpu, W0, &DevGet { page: free }), Err(Errno::ENXIO.into()));
        assert_eq!(world.dev_put(&cpu, W0, &DevPut { page: free }), Err(Errno::ENXIO.into()));
        assert!(!world.dev_peek(&cpu, free));
    }
    assert!(world.dev_peek(&cpu, 1));
    assert_eq!(
        (
            world.dev_get(&cpu, W0, &DevGet { page: 1 }),
            world.dev_put(&cpu, W0, &DevPut { page: 0 })
        ),
        (Ok(0), Ok(0))
    );
    assert_eq!(world.dev_put(&cpu, W0, &DevPut { page: 1 }), Ok(0));
    assert_eq!(world.dev_put(&cpu, W0, &DevPut { page: 1 }), Err(Errno::ENXIO.into()));
    drop(cpu);
    fixture.assert_at_rest();
}

#[test]
fn two_pagemaps_never_share_a_frame() {
    let all = Maps::new();
    let cpu = all.cpu(0);
    let id = all.remap(&cpu, PagemapType::FsDax);
    for (start, pages) in [(64, 256), (1, 64), (319, 10), (100, 1), (1, 1000)] {
        let again = all.maps.memremap_pages(&cpu, PagemapType::FsDax, span(start, pages));
        assert_eq!(again, Err(Errno::ENOMEM), "{start}+{pages}");
    }
    for (start, pages) in [(64, 0), (0, 8), (1020, 8), (u32::MAX, 8), (8, u32::MAX)] {
        let odd = all.maps.memremap_pages(&cpu, PagemapType::FsDax, span(start, pages));
        assert_eq!(odd, Err(Errno::EINVAL), "{start}+{pages}");
    }
    let beside = all.maps.memremap_pages(&cpu, PagemapType::FsDax, span(320, 64)).expect("free");
    assert_eq!(all.maps.get_dev_pagemap(&cpu, Pfn(319)), Some(id));
    assert_eq!(all.maps.get_dev_pagemap(&cpu, Pfn(320)), Some(beside));
    assert_eq!(all.maps.get_dev_pagemap(&cpu, Pfn(63)), None);
    all.maps.put_dev_pagemap(&cpu, id);
    all.maps.put_dev_pagemap(&cpu, beside);
    all.maps.memunmap_pages(&cpu, id, || {});
    assert_eq!(all.maps.get_dev_pagemap(&cpu, Pfn(64)), None);
    assert_eq!(all.maps.of_page(Pfn(64)), None);
    let id = all.remap(&cpu, PagemapType::FsDax);
    assert_eq!(all.maps.ledger(id), 257, "a reference for each page, and its own");
    all.maps.memunmap_pages(&cpu, id, || {});
    all.maps.memunmap_pages(&cpu, beside, || {});
    assert_eq!((all.maps.percpu.live(), all.complaints()), (0, vec![]));
}

#[test]
fn more_pagemaps_than_there_is_room_for_are_refused_without_a_trace() {
    let all = Maps::new();
    let cpu = all.cpu(0);
    for _ in 0..3 {
        let made: Vec<_> = (0..)
            .map_while(|at| {
                all.maps.memremap_pages(&cpu, PagemapType::FsDax, span(1 + at * 8, 8)).ok()
            })
            .collect();
        assert_eq!(made.len(), 8);
        made.into_iter().for_each(|id| all.maps.memunmap_pages(&cpu, id, || {}));
        assert_eq!(all.maps.percpu.live(), 0);
    }
    for nth in 0..3 {
        all.arena.faults().fail_after(nth);
        let failed = all.maps.memremap_pages(&cpu, PagemapType::FsDax, SPAN);
        assert_eq!(failed, Err(Errno::ENOMEM), "allocation {nth}");
        assert_eq!(all.maps.percpu.live(), 0);
    }
    all.arena.faults().off();
    let id = all.remap(&cpu, PagemapType::FsDax);
    all.maps.memunmap_pages(&cpu, id, || {});
    assert_eq!(all.complaints(), []);
}

#[test]
fn memunmap_waits_for_the_last_reference_and_only_then_lets_the_owner_look() {
    let all = Maps::new();
    let id = all.remap(&all.cpu(0), PagemapType::Private);
    let made = all.maps.alloc_folios(&all.cpu(0), id, Pfn(70), 3).expect("free pages");
    assert_eq!(all.maps.get_dev_pagemap(&all.cpu(0), Pfn(64)), Some(id));
    let looked = AtomicU32::new(0);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let cpu = all.cpu(1);
            all.maps.memunmap_pages(&cpu, id, || looked.store(1, Relaxed));
            assert_eq!(looked.load(Relaxed), 1);
        });
        until_waits_for(&all.machine, 1, "pagemap references");
        let cpu = all.cpu(0);
        assert_eq!(all.maps.get_dev_pagemap(&cpu, Pfn(64)), None, "refused once killed");
        assert_eq!(all.maps.ledger(id), 4);
        all.maps.put_dev_pagemap(&cpu, id);
        all.put_all(&cpu, made);
    });
    assert_eq!((all.maps.percpu.live(), all.complaints()), (0, vec![]));
    assert_eq!(all.maps.memmap.page(Pfn(70)).head(), Head::Untouched, "the struct pages went");
}

#[test]
fn lookups_race_with_teardown_and_every_success_is_given_back() {
    let all = Maps::new();
    for _ in 0..50 {
        let id = all.remap(&all.cpu(0), PagemapType::FsDax);
        let start = Barrier::new(3);
        std::thread::scope(|threads| {
            for task in 1..=2 {
                let (all, start) = (&all, &start);
                threads.spawn(move || {
                    let cpu = all.cpu(task);
                    start.wait();
                    while let Some(found) = all.maps.get_dev_pagemap(&cpu, Pfn(100)) {
                        assert_eq!(found, id);
                        all.maps.put_dev_pagemap(&cpu, found);
                    }
                });
            }
            let cpu = all.cpu(0);
            start.wait();
            all.maps.memunmap_pages(&cpu, id, || {});
        });
    }
    assert_eq!((all.maps.percpu.live(), all.complaints()), (0, vec![]));
}

#[test]
fn a_lookup_keeps_what_it_looks_at_until_its_section_ends() {
    let all = Maps::new();
    let id = all.remap(&all.cpu(0), PagemapType::FsDax);
    let (looks, inside, gone) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let cpu = all.cpu(1);
            all.maps.memunmap_pages(&cpu, id, || {
                // Every switch of the ref is over; what is left to wait for are lookups.
                looks.store(1, Relaxed);
                until(|| inside.load(Relaxed) == 1);
            });
            gone.store(1, Relaxed);
        });
        until(|| looks.load(Relaxed) == 1);
        let cpu = all.cpu(0);
        let section = cpu.rcu_read_lock();
        inside.store(1, Relaxed);
        let waits = || all.machine.waiters().iter().any(|it| it.class.name == "synchronize_rcu");
        until(|| waits() || gone.load(Relaxed) == 1);
        assert_eq!((all.maps.percpu.live(), gone.load(Relaxed)), (1, 0), "the ref is still there");
        drop(section);
    });
    assert_eq!((all.maps.percpu.live(), all.complaints()), (0, vec![]));
}

#[test]
fn no_page_comes_into_use_on_a_dying_pagemap() {
    let all = Maps::new();
    let cpu = all.cpu(0);
    let id = all.remap(&cpu, PagemapType::FsDax);
    assert!(all.maps.folio_get_owned(&cpu, id, all.folio(64)), "from zero, on a live one");
    all.maps.kill(&cpu, id);
    assert!(!all.maps.folio_get_owned(&cpu, id, all.folio(65)), "from zero, on a dying one");
    assert!(all.maps.folio_get_owned(&cpu, id, all.folio(64)), "in use already, and so holds it");
    assert_eq!((all.folio(64).refcount().get(), all.folio(65).refcount().get()), (2, 0));
    all.maps.folio_put_refs(&cpu, all.folio(64), 2);
    all.maps.memunmap_pages(&cpu, id, || {});
    assert_eq!((all.maps.percpu.live(), all.complaints()), (0, vec![]));
}

#[test]
fn without_the_wait_the_pagemap_goes_under_its_references() {
    let rules = Rules { memunmap_wait: Switch::Off, ..Era::V6_15Sound.rules() };
    let all = Maps::with(rules, Box::new(|_, _, _| {}));
    let cpu = all.cpu(0);
    let id = all.remap(&cpu, PagemapType::Private);
    all.maps.alloc_folios(&cpu, id, Pfn(70), 1).expect("a free page");
    all.maps.memunmap_pages(&cpu, id, || {});
    assert_eq!(all.complaints(), [Complaint::ReleasedEarly]);
}

#[test]
fn an_allocated_page_keeps_its_pagemap_or_up_to_v6_0_does_not() {
    for (alloc_pagemap, out) in [(AllocPagemap::PerPage, 3), (AllocPagemap::Nothing, 1)] {
        let rules = Rules { alloc_pagemap, ..Era::V6_15Sound.rules() };
        let all = Maps::with(rules, Box::new(|_, _, _| {}));
        let cpu = all.cpu(0);
        let id = all.remap(&cpu, PagemapType::Private);
        all.maps.alloc_folios(&cpu, id, Pfn(64), 2).expect("free pages");
        assert_eq!(all.maps.ledger(id), out, "{alloc_pagemap:?}");
        match alloc_pagemap {
            AllocPagemap::PerPage => {
                all.maps.folio_put_refs(&cpu, all.folio(64), 1);
                all.maps.memunmap_pages(&cpu, id, || {});
                assert_eq!(all.complaints(), []);
            }
            AllocPagemap::Nothing => {
                all.maps.memunmap_pages(&cpu, id, || {});
                assert_eq!(all.complaints(), [Complaint::UnplugBusy]);
            }
        }
    }
}

#[test]
fn a_dying_pagemap_gives_no_page_where_the_answer_is_heard() {
    // What the allocation comes to, the references that are out then, and what is said; with another page out, or none.
    let asked = |alloc_dying, other: bool| {
        let rules = Rules { alloc_dying, ..Era::V6_15Sound.rules() };
        let all = Maps::with(rules, Box::new(|_, _, _| {}));
        let cpu = all.cpu(0);
        let id = all.remap(&cpu, PagemapType::Private);
        if other {
            all.maps.alloc_folios(&cpu, id, Pfn(65), 1).expect("a free page");
        }
        all.maps.kill(&cpu, id);
        all.maps.run_deferred(&cpu);
        let got = all.maps.alloc_folios(&cpu, id, Pfn(64), 1).map(drop);
        (got, all.maps.ledger(id), all.complaints())
    };
    let told = || vec![Complaint::AllocatedDying];
    for other in [false, true] {
        let out = i64::from(other);
        assert_eq!(asked(AllocDying::Refused, other), (Err(Errno::ENODEV), out, vec![]));
        assert_eq!(asked(AllocDying::Warned, other), (Ok(()), out, told()));
        assert_eq!(asked(AllocDying::AnyLeft, other), (Ok(()), 2 * out, told()));
    }
}

#[test]
fn a_generic_page_idles_at_one_and_is_put_back_there() {
    let rules = Rules { teardown_pages: TeardownPages::Ignore, ..Era::V6_15Sound.rules() };
    let all = Maps::with(rules, Box::new(|_, _, _| {}));
    let cpu = all.cpu(0);
    let id = all.remap(&cpu, PagemapType::Generic);
    assert_eq!(all.folio(64).refcount().get(), 1);
    all.maps.folio_put_refs(&cpu, all.folio(64), 1);
    assert_eq!(all.folio(64).refcount().get(), 1);
    all.maps.memunmap_pages(&cpu, id, || {});
}

#[test]
fn a_generic_page_that_is_held_keeps_its_pagemap_where_unbind_waits_for_pages() {
    for (teardown_pages, told) in
        [(TeardownPages::WaitIdle, vec![]), (TeardownPages::Ignore, vec![Complaint::UnplugBusy])]
    {
        let rules = Rules { teardown_pages, ..Era::V6_15Sound.rules() };
        let all = Maps::with(rules, Box::new(|_, _, _| {}));
        let cpu = all.cpu(0);
        let id = all.remap(&cpu, PagemapType::Generic);
        // Only pages that were ever used are looked at.
        all.maps.memmap.prep_folio(Pfn(70), Order::PAGE, id.head());
        let held = all.maps.try_get_folio(&cpu, Pfn(70), 1).expect("it idles at one");
        std::thread::scope(|threads| {
            let unbind = threads.spawn(|| all.maps.memunmap_pages(&all.cpu(1), id, || {}));
            if teardown_pages == TeardownPages::WaitIdle {
                while all.maps.memmap.page(Pfn(71)).refcount.count().is_held() {
                    std::thread::yield_now();
                }
                all.maps.folio_put_refs(&cpu, held, 1);
            }
            unbind.join().expect("no panic");
        });
        assert_eq!(all.complaints(), told);
    }
}

/// Frees a page whose driver gives it to somebody else in the middle of the free, as another CPU may.
fn reallocated_in_the_free_callback(free_push: FreePush) -> Maps {
    let rules = Rules { free_push, ..Era::V6_15Sound.rules() };
    let once = AtomicU32::new(0);
    let freed = move |cpu: &Cpu<'_>, maps: &Pagemaps, folio: Folio<'_>| {
        if once.fetch_add(1, Relaxed) == 0 {
            let id = maps.of_page(folio.pfn()).expect("its pagemap");
            assert_eq!(
                folio.refcount().get(),
                0,
                "free pages are free before anybody can find them"
            );
            maps.alloc_folios(cpu, id, folio.pfn(), 2).expect("this page and its neighbour");
        }
    };
    let all = Maps::with(rules, Box::new(freed));
    {
        let cpu = all.cpu(0);
        let id = all.remap(&cpu, PagemapType::Private);
        all.maps.alloc_folios(&cpu, id, Pfn(64), 1).expect("a free page");
        all.maps.folio_put_refs(&cpu, all.folio(64), 1);
        assert_eq!(
            all.maps.ledger(id),
            3,
            "two pages are out: the free put back what it took, one"
        );
    }
    all
}

#[test]
fn the_free_path_does_not_touch_a_folio_after_it_handed_it_on() {
    let all = reallocated_in_the_free_callback(FreePush::AfterSettled);
    assert_eq!((all.folio(64).refcount().get(), all.folio(64).order()), (1, Order(1)));
    let cpu = all.cpu(0);
    all.maps.folio_put_refs(&cpu, all.folio(64), 1);
    assert_eq!(all.complaints(), []);
}

#[test]
fn a_count_stored_after_the_push_takes_the_next_owners_reference_away() {
    let all = reallocated_in_the_free_callback(FreePush::BeforeSettled);
    assert_eq!(all.folio(64).refcount().get(), 0, "allocated, and nobody holds it");
    let cpu = all.cpu(0);
    all.maps.folio_put_refs(&cpu, all.folio(64), 1);
    assert_eq!(all.complaints(), [Complaint::RefUnderflow]);
}

/// Frees page 65, whose driver makes it the tail of a folio in the middle of the free. What was complained of.
fn made_a_tail_in_the_free_callback(rules: Rules) -> Vec<Complaint> {
    let once = AtomicU32::new(0);
    let freed = move |cpu: &Cpu<'_>, maps: &Pagemaps, folio: Folio<'_>| {
        if once.fetch_add(1, Relaxed) == 0 {
            let id = maps.of_page(folio.pfn()).expect("its pagemap");
            maps.alloc_folios(cpu, id, Pfn(64), 2).expect("this page and its neighbour");
        }
    };
    let all = Maps::with(rules, Box::new(freed));
    {
        let cpu = all.cpu(0);
        let id = all.remap(&cpu, PagemapType::Private);
        all.maps.alloc_folios(&cpu, id, Pfn(65), 1).expect("a free page");
        all.maps.folio_put_refs(&cpu, all.folio(65), 1);
        assert_eq!(all.maps.ledger(id), 3, "two pages are out");
    }
    all.complaints()
}

#[test]
fn a_freed_folio_read_again_is_somebodys_tail_unless_its_pagemap_has_a_word_of_its_own() {
    let sound = Era::V6_15Sound.rules();
    assert_eq!(made_a_tail_in_the_free_callback(sound), []);
    let reload = Rules { free_reload: FreeReload::AfterFree, ..sound };
    assert_eq!(made_a_tail_in_the_free_callback(reload), [Complaint::ReadAfterFree]);
    let own = Rules { pgmap_word: PgmapWord::Own, ..reload };
    assert_eq!(made_a_tail_in_the_free_callback(own), []);
}

#[test]
fn the_middle_of_a_huge_folio_is_its_tail_until_an_allocation_writes_its_words() {
    let sound = Era::V6_15Sound.rules();
    let never = Rules { page_reset: PageReset::Never, ..sound };
    for (rules, head, told) in
        [(sound, Pfn(65), vec![]), (never, Pfn(64), vec![Complaint::StaleCompound])]
    {
        let all = Maps::with(rules, Box::new(|_, _, _| {}));
        let cpu = all.cpu(0);
        let id = all.remap(&cpu, PagemapType::Private);
        all.maps.alloc_folios(&cpu, id, Pfn(64), 2).expect("free pages");
        all.maps.folio_put_refs(&cpu, all.folio(64), 1);
        all.maps.alloc_folios(&cpu, id, Pfn(65), 1).expect("a free page");
        assert_eq!((all.folio(65).pfn(), all.complaints()), (head, told));
    }
}

#[test]
fn a_free_page_with_a_count_gives_references_and_is_handed_out_as_it_is() {
    let busy = Rules { init_mode: InitMode::Busy, ..Era::V6_15Sound.rules() };
    let all = Maps::with(busy, Box::new(|_, _, _| {}));
    let cpu = all.cpu(0);
    let id = all.remap(&cpu, PagemapType::Private);
    let count = |pfn| all.folio(pfn).refcount().get();
    assert_eq!([64, 65].map(count), [1, 1], "free");
    all.maps.alloc_folios(&cpu, id, Pfn(64), 2).expect("free pages");
    assert_eq!((count(64), all.maps.memmap.page(Pfn(65)).refcount.count().get()), (1, 0));
    all.maps.folio_put_refs(&cpu, all.folio(64), 1);
    all.maps.alloc_folios(&cpu, id, Pfn(65), 1).expect("a free page");
    assert_eq!([64, 65].map(count), [1, 1]);
    all.maps.folio_put_refs(&cpu, all.folio(65), 1);
    assert_eq!(all.complaints(), []);
    // Page 64 is free all the while.
    let walker = all.maps.folio_try_get(&cpu, Pfn(64)).expect("a free page has a count");
    let refused = all.maps.alloc_folios(&cpu, id, Pfn(64), 1);
    assert_eq!(refused, Err(Errno::EBUSY), "and whoever allocates it is not alone");
    all.maps.folio_put_refs(&cpu, walker, 1);
    assert_eq!((count(64), all.complaints()), (1, vec![]));
}

#[test]
fn a_page_of_the_list_that_has_not_got_its_count_yet_is_told() {
    let taken = |free_push| {
        let rules = Rules { init_mode: InitMode::Busy, free_push, ..Era::V6_15Sound.rules() };
        let once = AtomicU32::new(0);
        let freed = move |cpu: &Cpu<'_>, maps: &Pagemaps, folio: Folio<'_>| {
            if once.fetch_add(1, Relaxed) == 0 {
                let id = maps.of_page(folio.pfn()).expect("its pagemap");
                maps.alloc_folios(cpu, id, folio.pfn(), 1).expect("this page");
            }
        };
        let all = Maps::with(rules, Box::new(freed));
        let cpu = all.cpu(0);
        let id = all.remap(&cpu, PagemapType::Private);
        all.maps.alloc_folios(&cpu, id, Pfn(64), 1).expect("a free page");
        all.maps.folio_put_refs(&cpu, all.folio(64), 1);
        all.complaints()
    };
    assert_eq!(taken(FreePush::AfterSettled), []);
    assert_eq!(taken(FreePush::BeforeSettled), [Complaint::FreePageUnsettled]);
}

#[test]
fn drivers_on_threads_share_a_pool_without_sharing_a_page() {
    let geometry = Geometry { dev_pages: 32, ..COSY };
    let fixture = Fixture::new(&geometry, Era::V6_15Sound.rules());
    std::thread::scope(|threads| {
        for task in 1..=4 {
            let fixture = &fixture;
            threads.spawn(move || {
                let cpu = fixture.cpu(task);
                let mut dice = Dice(77 * u64::from(task));
                for turn in 0..300 {
                    let owner = u64::from(task) << 32 | turn;
                    if let Ok(span) = fixture.world.dev_claim(&cpu, 1 + dice.roll(9), owner) {
                        let _ = fixture.world.dev_peek(&cpu, dice.roll(32));
                        fixture.world.dev_free(&cpu, span, owner);
                    }
                }
            });
        }
    });
    fixture.assert_at_rest();
}

#[test]
fn a_driver_page_freed_twice_is_told() {
    let all = Maps::new();
    let cpu = all.cpu(0);
    let id = all.remap(&cpu, PagemapType::Coherent);
    all.maps.alloc_folios(&cpu, id, Pfn(64), 1).expect("a free page");
    all.maps.folio_put_refs(&cpu, all.folio(64), 1);
    all.maps.folio_put_refs(&cpu, all.folio(64), 1);
    assert_eq!(all.complaints(), [Complaint::RefUnderflow]);
    assert!(all.maps.try_get_folio(&cpu, Pfn(64), 1).is_none());
    assert_eq!(all.complaints(), [Complaint::RefUnderflow, Complaint::RefSaturated]);
}

#[test]
fn a_pool_page_that_is_still_held_is_told() {
    let all = Maps::new();
    let cpu = all.cpu(0);
    let id = all.remap(&cpu, PagemapType::Coherent);
    let pool = DevMem::new(&all.arena, SPAN).expect("memory");
    let made = pool.alloc(&cpu, &all.maps, id, 4).expect("free pages");
    // The driver gets the page back while somebody still has it.
    pool.folio_free(&cpu, &all.maps, id, all.maps.memmap.folio(made.start));
    assert_eq!(pool.alloc(&cpu, &all.maps, id, 4), Err(Errno::EBUSY));
    assert_eq!(all.complaints(), [Complaint::FreePageBusy]);
    assert_eq!(pool.allocated(&cpu), 0);
}
