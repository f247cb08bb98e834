//! Folios of a driver's own memory are taken apart while others look at them by frame number.

mod common;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use common::*;
use pgmap_mm::page::{Folio, Order};
use pgmap_mm::warn::Complaint;
use pgmap_mm::world::Return;
use prim::Cpu;
use program::op::{DevAlloc, DevPut, Fold, Split, TryGet, Unpin};
use program::rules::{SplitAgain, SplitFreeze, SplitUnfreeze, Switch};
use program::{Era, Errno, Rules};

impl Fixture {
    fn alloc(&self, cpu: &Cpu<'_>, start: u32, pages: u32) -> Return {
        self.world.dev_alloc(cpu, W0, &DevAlloc { start, pages })
    }

    fn put(&self, cpu: &Cpu<'_>, page: u32) -> Return {
        self.world.dev_put(cpu, W0, &DevPut { page })
    }

    fn try_get(&self, cpu: &Cpu<'_>, page: u32) -> Return {
        self.world.try_get(cpu, W0, &TryGet { page })
    }

    fn unpin(&self, cpu: &Cpu<'_>) -> Return {
        self.world.unpin(cpu, W0, &Unpin { pin: None })
    }

    fn split(&self, cpu: &Cpu<'_>, page: u32, pages: u32) -> Return {
        self.world.split(cpu, W0, &Split { page, pages })
    }

    fn fold(&self, cpu: &Cpu<'_>, page: u32) -> Return {
        self.world.fold(cpu, W0, &Fold { page })
    }

    /// The folio around a page of the driver's own memory.
    fn around(&self, page: u32) -> Folio<'_> {
        self.world.dax.vm.pagemaps.memmap.folio(self.world.devmem.span().start.add(page))
    }

    /// First page, order and count of the folio around each page.
    fn folios(&self, pages: std::ops::Range<u32>) -> Vec<(u32, u8, i32)> {
        let first = self.world.devmem.span().start.0;
        let told =
            |folio: Folio<'_>| (folio.pfn().0 - first, folio.order().0, folio.refcount().get());
        let mut all: Vec<_> = pages.map(|page| told(self.around(page))).collect();
        all.dedup();
        all
    }
}

/// A machine with a worker of the driver's own memory.
fn driver(rules: Rules) -> Fixture {
    let fixture = Fixture::new(&COSY, rules);
    fixture.world.spawn(&fixture.cpu(1), W0).expect("a process");
    fixture
}

/// A test with such a worker, at rest in the end.
fn with_driver(rules: Rules, test: impl FnOnce(&Fixture, &Cpu<'_>)) {
    let fixture = driver(rules);
    let cpu = fixture.cpu(1);
    test(&fixture, &cpu);
    fixture.leave(cpu);
}

fn sound() -> Rules {
    Era::V6_15Sound.rules()
}

#[test]
fn each_part_of_a_split_folio_is_one_of_its_own_with_one_reference() {
    with_driver(sound(), |fixture, cpu| {
        for (pages, order) in [(1, 0), (2, 1), (4, 2)] {
            assert_eq!(fixture.alloc(cpu, 0, 8), Ok(1));
            // By a tail: it is the folio around it that is split.
            assert_eq!(fixture.split(cpu, 5, pages), Ok(8 / i64::from(pages)));
            let parts: Vec<_> = (0..8).step_by(pages as usize).map(|at| (at, order, 1)).collect();
            assert_eq!(fixture.folios(0..8), parts);
            let pagemap = fixture.world.dev_pagemap();
            assert!((0..8).all(|page| {
                let pfn = fixture.world.devmem.span().start.add(page);
                fixture.world.dax.vm.pagemaps.of_page(pfn) == pagemap
            }));
            (0..8).step_by(pages as usize).for_each(|at| assert_eq!(fixture.put(cpu, at), Ok(0)));
        }
    });
}

#[test]
fn a_part_can_be_split_again_and_freed_alone() {
    with_driver(sound(), |fixture, cpu| {
        assert_eq!(fixture.alloc(cpu, 0, 8), Ok(1));
        assert_eq!(fixture.split(cpu, 0, 4), Ok(2));
        assert_eq!(fixture.split(cpu, 6, 1), Ok(4));
        assert_eq!(fixture.folios(0..8), [(0, 2, 1), (4, 0, 1), (5, 0, 1), (6, 0, 1), (7, 0, 1)]);
        assert_eq!(fixture.put(cpu, 5), Ok(0));
        assert_eq!(fixture.alloc(cpu, 5, 1), Ok(1), "its frame is free again");
        [1, 4, 5, 6, 7].into_iter().for_each(|at| assert_eq!(fixture.put(cpu, at), Ok(0)));
    });
}

#[test]
fn a_split_that_meets_a_reference_changes_nothing() {
    with_driver(sound(), |fixture, cpu| {
        assert_eq!(fixture.alloc(cpu, 0, 8), Ok(1));
        assert_eq!(fixture.try_get(cpu, 3), Ok(1));
        assert_eq!(fixture.folios(0..8), [(0, 3, 2)]);
        assert_eq!(fixture.split(cpu, 0, 1), Err(Errno::EAGAIN.into()));
        assert_eq!(fixture.folios(0..8), [(0, 3, 2)]);
        assert_eq!(fixture.unpin(cpu), Ok(1));
        assert_eq!(fixture.split(cpu, 0, 1), Ok(8));
        (0..8).for_each(|page| assert_eq!(fixture.put(cpu, page), Ok(0)));
    });
}

#[test]
fn what_cannot_be_split_is_refused_and_stays_whole() {
    with_driver(sound(), |fixture, cpu| {
        assert_eq!(fixture.alloc(cpu, 0, 4), Ok(1));
        for pages in [0, 3, 4, 8] {
            assert_eq!(fixture.split(cpu, 0, pages), Err(Errno::EINVAL.into()), "{pages}");
        }
        assert_eq!(fixture.split(cpu, COSY.dev_pages, 1), Err(Errno::EINVAL.into()));
        assert_eq!(fixture.split(cpu, 4, 1), Err(Errno::ENXIO.into()), "a free page");
        assert_eq!(fixture.folios(0..4), [(0, 2, 1)]);
        assert_eq!(fixture.put(cpu, 3), Ok(0));
    });
}

#[test]
fn who_walks_frames_gets_what_is_allocated_and_nothing_else() {
    with_driver(sound(), |fixture, cpu| {
        let nothing = Err(Errno::ENXIO.into());
        assert_eq!(fixture.try_get(cpu, 1), nothing, "never allocated");
        assert_eq!(fixture.alloc(cpu, 0, 2), Ok(1));
        assert_eq!(fixture.try_get(cpu, 1), Ok(1));
        assert_eq!(fixture.folios(0..2), [(0, 1, 2)], "by its head");
        assert_eq!(fixture.unpin(cpu), Ok(1));
        assert_eq!(fixture.put(cpu, 0), Ok(0));
        assert_eq!(fixture.alloc(cpu, 0, 1), Ok(1));
        assert_eq!(fixture.try_get(cpu, 1), nothing, "a tail of a folio that is gone");
        assert_eq!(fixture.folios(0..1), [(0, 0, 1)], "and no reference is left");
        assert_eq!(fixture.try_get(cpu, COSY.dev_pages), Err(Errno::EINVAL.into()));
        assert_eq!(fixture.put(cpu, 0), Ok(0));
    });
}

#[test]
fn without_a_look_under_the_reference_a_stale_tail_gives_one_on_a_foreign_folio() {
    let fixture = driver(Rules { head_recheck: Switch::Off, ..sound() });
    let cpu = fixture.cpu(1);
    assert_eq!(fixture.alloc(&cpu, 0, 2), Ok(1));
    assert_eq!(fixture.try_get(&cpu, 1), Ok(1));
    assert_eq!(fixture.unpin(&cpu), Ok(1));
    assert_eq!(fixture.complaints(), [], "a tail that is one");
    assert_eq!((fixture.put(&cpu, 0), fixture.alloc(&cpu, 0, 1)), (Ok(0), Ok(1)));
    assert_eq!(fixture.try_get(&cpu, 1), Ok(1));
    assert_eq!(fixture.complaints(), [Complaint::WrongFolio]);
}

#[test]
fn a_split_that_loses_its_reference_leaks_the_folio() {
    let fixture = driver(Rules { split_again: SplitAgain::Lost, ..sound() });
    let cpu = fixture.cpu(1);
    assert_eq!((fixture.alloc(&cpu, 0, 2), fixture.try_get(&cpu, 0)), (Ok(1), Ok(1)));
    assert_eq!(fixture.split(&cpu, 0, 1), Err(Errno::EAGAIN.into()));
    assert_eq!(fixture.unpin(&cpu), Ok(1));
    assert_eq!(fixture.put(&cpu, 0), Err(Errno::ENXIO.into()), "nobody has it");
    assert_eq!(fixture.folios(0..2), [(0, 1, 1)], "and it is not free");
    fixture.exit_all(&cpu);
    assert_ne!(fixture.world.quiescence(&cpu), Vec::<String>::new());
}

/// One splits, frees and allocates the same pages at several orders, the other takes and puts references by frame number,
/// until somebody complains or so many rounds are over.
fn walked_while_split(rules: Rules, rounds: u32) -> Fixture {
    let fixture = driver(rules);
    let over = AtomicBool::new(false);
    let quiet = || fixture.machine.warnings().is_empty();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut dice = Dice(7);
            while !over.load(Relaxed) && quiet() {
                let cpu = fixture.cpu(1);
                for _ in 0..64 {
                    if fixture.try_get(&cpu, dice.roll(8)).is_ok() {
                        let _ = fixture.unpin(&cpu);
                    }
                }
            }
        });
        let mut dice = Dice(8);
        for _ in 0..rounds {
            if !quiet() {
                break;
            }
            let cpu = fixture.cpu(2);
            let pages = Order(1 + dice.roll(3) as u8).pages();
            if fixture.alloc(&cpu, 0, pages).is_ok() {
                let _ = fixture.split(&cpu, dice.roll(pages), pages / 2);
                (0..pages).for_each(|page| while fixture.put(&cpu, page).is_ok() {});
            }
        }
        over.store(true, Relaxed);
    });
    fixture
}

#[test]
fn threads_that_split_and_walk_the_same_folios_leave_them_at_rest() {
    let fixture = walked_while_split(sound(), 50_000);
    fixture.leave(fixture.cpu(1));
}

#[test]
fn threads_meet_each_mistake_of_a_split() {
    let wrong = [
        Rules { head_recheck: Switch::Off, ..sound() },
        Rules { split_freeze: SplitFreeze::Ignored, ..sound() },
        Rules { split_unfreeze: SplitUnfreeze::HeadFirst, ..sound() },
    ];
    for rules in wrong {
        let fixture = walked_while_split(rules, u32::MAX);
        assert_ne!(fixture.complaints(), [], "{rules:?}");
    }
}

#[test]
fn a_reference_on_driver_memory_outlives_the_unbind_of_another_device() {
    with_driver(sound(), |fixture, cpu| {
        assert_eq!((fixture.alloc(cpu, 0, 2), fixture.try_get(cpu, 1)), (Ok(1), Ok(1)));
        fixture.world.unbind(cpu, W0).expect("bound");
        assert_eq!(fixture.unpin(cpu), Ok(1));
        fixture.world.bind(cpu, W0).expect("unbound");
        assert_eq!(fixture.put(cpu, 0), Ok(0));
    });
}

#[test]
fn tails_that_share_their_struct_pages_give_references_by_their_head() {
    with_driver(sound(), |fixture, cpu| {
        assert_eq!(fixture.fold(cpu, 0), Err(Errno::ENXIO.into()), "nobody has it");
        assert_eq!(fixture.alloc(cpu, 0, 4), Ok(1));
        assert_eq!(fixture.fold(cpu, 0), Err(Errno::EINVAL.into()), "half as large as a PMD");
        assert_eq!(fixture.put(cpu, 0), Ok(0));
        assert_eq!((fixture.alloc(cpu, 0, 8), fixture.fold(cpu, 5)), (Ok(1), Ok(0)));
        assert_eq!(fixture.try_get(cpu, 6), Ok(1));
        assert_eq!(fixture.folios(0..8), [(0, 3, 2)]);
        assert_eq!((fixture.unpin(cpu), fixture.put(cpu, 0)), (Ok(1), Ok(0)));
    });
}

#[test]
fn parts_and_later_lives_of_a_folio_have_struct_pages_of_their_own() {
    with_driver(sound(), |fixture, cpu| {
        assert_eq!((fixture.alloc(cpu, 0, 8), fixture.fold(cpu, 0)), (Ok(1), Ok(0)));
        assert_eq!(fixture.split(cpu, 0, 1), Ok(8));
        assert_eq!((fixture.try_get(cpu, 6), fixture.unpin(cpu)), (Ok(1), Ok(1)));
        assert!((0..8).all(|page| fixture.put(cpu, page).is_ok()));
        assert_eq!((fixture.alloc(cpu, 0, 8), fixture.fold(cpu, 0)), (Ok(1), Ok(0)));
        assert_eq!((fixture.put(cpu, 0), fixture.alloc(cpu, 6, 1)), (Ok(0), Ok(1)));
        assert_eq!((fixture.try_get(cpu, 6), fixture.unpin(cpu)), (Ok(1), Ok(1)));
        assert_eq!(fixture.put(cpu, 6), Ok(0));
    });
}
