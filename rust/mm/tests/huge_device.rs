//! Huge pages of processes in a device's memory, at the size that they really have: entries of a whole PMD, and what
//! becomes of 512 pages when only some of them go.

mod common;

use common::*;
use pgmap_mm::page::{Folio, Order};
use pgmap_mm::vm::Pte;
use pgmap_mm::world::Return;
use prim::Cpu;
use program::op::{
    Advice, Anon, AnonKind, DevAlloc, DevPut, Exclusive, Fork, HmmRead, HmmRelease, HmmTodev,
    HmmTosys, HmmWrite, Load, Madvise, MapNo, MovePages, Mremap, Munmap, PageRange, SplitHugePages,
    Store, TryGet, Unpin, WorkerId,
};
use program::rules::DeviceFolios;
use program::{Era, Errno, Geometry, Rules};

/// A huge page.
const HUGE: u32 = 512;

const REAL: Geometry = Geometry { cpus: 4, ..Geometry::REAL };

impl Fixture {
    fn todev(&self, cpu: &Cpu<'_>, page: u32, pages: u32) -> Return {
        self.world.hmm_todev(cpu, W0, &HmmTodev { device: 0, map: M, page, pages })
    }

    fn tosys(&self, cpu: &Cpu<'_>, page: u32, pages: u32) -> Return {
        self.world.hmm_tosys(cpu, W0, &HmmTosys { device: 0, map: M, page, pages })
    }

    fn load(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32) -> Return {
        self.world.load(cpu, worker, &Load { map: M, page })
    }

    fn store(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32, value: u64) -> Return {
        self.world.store(cpu, worker, &Store { map: M, page, value })
    }

    fn munmap(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32, pages: u32) -> Return {
        let range = Some(PageRange { page, pages });
        self.world.munmap(cpu, worker, &Munmap { map: M, range })
    }

    fn fork(&self, cpu: &Cpu<'_>) {
        assert_eq!(self.world.fork(cpu, W0, &Fork { child: W1 }), Ok(0));
    }

    fn split(&self, cpu: &Cpu<'_>) -> Return {
        self.world.split_huge_pages(cpu, W0, &SplitHugePages { map: M, page: 0 })
    }

    /// The folio around a page on the device; none if it is at home, or nowhere.
    fn on_device(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32) -> Option<Folio<'_>> {
        match self.world.entry_of(cpu, worker, M, page).expect("a mapping") {
            Pte::DevicePrivate(entry) => Some(self.world.dax.vm.pagemaps.memmap.folio(entry.pfn())),
            Pte::None | Pte::Page(_) | Pte::Migration(_) | Pte::Exclusive(_) => None,
        }
    }

    /// Order, references, all mappings, and those of the whole.
    fn counts(&self, cpu: &Cpu<'_>, page: u32) -> Option<(u8, i32, i32, u32)> {
        let folio = self.on_device(cpu, W0, page)?;
        let entire = if folio.is_large() { folio.entire_mapcount().read() } else { 0 };
        Some((folio.order().0, folio.refcount().get(), folio.mapcount(), entire))
    }

    /// Pages in use of the device, and of ordinary memory.
    fn used(&self, cpu: &Cpu<'_>) -> (u32, u32) {
        (self.world.devmem.allocated(cpu), self.world.dax.vm.pagemaps.ram.used(cpu))
    }

    /// Each page holds what was written there.
    fn assert_holds(&self, cpu: &Cpu<'_>, worker: WorkerId, pages: std::ops::Range<u32>) {
        for page in pages {
            assert_eq!(self.load(cpu, worker, page), Ok(i64::from(page) + 1000), "page {page}");
        }
    }
}

/// A worker with a huge page, each page of which holds its number plus 1000.
fn with_rules(rules: Rules, test: impl FnOnce(&Fixture, &Cpu<'_>)) {
    let fixture = Fixture::new(&REAL, rules);
    let cpu = fixture.cpu(1);
    fixture.world.spawn(&cpu, W0).expect("a process");
    let anon = Anon { kind: AnonKind::Huge, map: M, pages: HUGE };
    assert_eq!(fixture.world.anon(&cpu, W0, &anon), Ok(0));
    for page in 0..HUGE {
        assert_eq!(fixture.store(&cpu, W0, page, u64::from(page) + 1000), Ok(0));
    }
    test(&fixture, &cpu);
    fixture.leave(cpu);
}

fn with_huge_page(test: impl FnOnce(&Fixture, &Cpu<'_>)) {
    with_rules(Era::V7_2Sound.rules(), test);
}

#[test]
fn it_goes_as_a_whole_and_comes_home_as_a_whole() {
    with_huge_page(|fixture, cpu| {
        assert_eq!(fixture.todev(cpu, 0, HUGE), Ok(i64::from(HUGE)));
        assert_eq!((fixture.counts(cpu, 7), fixture.used(cpu)), (Some((9, 1, 1, 1)), (HUGE, 0)));
        let read = HmmRead { device: 0, map: M, page: 300, pages: 2 };
        assert_eq!(fixture.world.hmm_read(cpu, W0, &read), Ok(1300));
        assert_eq!(fixture.counts(cpu, 7), Some((9, 1, 1, 1)), "the device reads it there");
        fixture.fork(cpu);
        assert_eq!(fixture.counts(cpu, 7), Some((9, 2, 2, 2)));
        // The first touch brings all of it home, for both.
        assert_eq!(fixture.load(cpu, W1, 300), Ok(1300));
        assert_eq!((fixture.counts(cpu, 7), fixture.used(cpu)), (None, (0, HUGE)));
        fixture.assert_holds(cpu, W0, 0..HUGE);
        fixture.assert_holds(cpu, W1, 0..HUGE);
        assert_eq!(fixture.used(cpu), (0, HUGE));
        // And the driver, which takes it from both.
        assert_eq!(fixture.todev(cpu, 0, HUGE), Ok(i64::from(HUGE)));
        assert_eq!(fixture.counts(cpu, 7), Some((9, 2, 2, 2)));
        assert_eq!(fixture.tosys(cpu, 0, HUGE), Ok(i64::from(HUGE)));
        assert_eq!((fixture.counts(cpu, 0), fixture.used(cpu)), (None, (0, HUGE)));
    });
}

#[test]
fn up_to_v6_18_it_goes_page_by_page() {
    let pages = Rules { device_folios: DeviceFolios::Pages, ..Era::V7_2Sound.rules() };
    for rules in [pages, Era::V6_15Sound.rules()] {
        with_rules(rules, |fixture, cpu| {
            assert_eq!(fixture.todev(cpu, 0, HUGE), Ok(i64::from(HUGE)));
            assert_eq!(fixture.counts(cpu, 7), Some((0, 1, 1, 0)));
            assert_eq!(fixture.load(cpu, W0, 7), Ok(1007));
            assert_eq!(fixture.used(cpu), (HUGE - 1, 1));
        });
    }
}

/// One reference and one mapping become 512: 511 more, for there was one.
#[test]
fn an_entry_that_is_split_holds_one_reference_for_each_page() {
    with_huge_page(|fixture, cpu| {
        assert_eq!(fixture.todev(cpu, 0, HUGE), Ok(i64::from(HUGE)));
        fixture.fork(cpu);
        assert_eq!(fixture.munmap(cpu, W0, 5, 1), Ok(0));
        // 511 of the parent's, and the child's whole.
        assert_eq!(fixture.counts(cpu, 0), Some((9, 512, 512, 1)));
        assert_eq!(fixture.munmap(cpu, W0, 100, 11), Ok(0));
        assert_eq!(fixture.counts(cpu, 0), Some((9, 501, 501, 1)));
        assert_eq!(fixture.used(cpu), (HUGE, 0), "the folio is whole still");
        assert_eq!(fixture.world.exit(cpu, W1), Ok(0));
        assert_eq!(fixture.counts(cpu, 0), Some((9, 500, 500, 0)));
        // A page of it that is touched comes home alone, and the others are folios of their own then.
        assert_eq!(fixture.load(cpu, W0, 6), Ok(1006));
        assert_eq!(fixture.counts(cpu, 7), Some((0, 1, 1, 0)));
        assert_eq!(fixture.used(cpu), (499, 1), "what nobody maps is the driver's again");
        fixture.assert_holds(cpu, W0, 6..100);
        fixture.assert_holds(cpu, W0, 111..HUGE);
    });
}

#[test]
fn a_folio_on_the_device_is_taken_apart_there() {
    with_huge_page(|fixture, cpu| {
        assert_eq!(fixture.todev(cpu, 0, HUGE), Ok(i64::from(HUGE)));
        fixture.fork(cpu);
        let head = fixture.on_device(cpu, W0, 0).expect("on the device").pfn();
        let page = head.0 - fixture.world.devmem.span().start.0;
        // Who has it by frame number keeps it whole.
        assert_eq!(fixture.world.try_get(cpu, W0, &TryGet { page: page + 3 }), Ok(1));
        assert_eq!(fixture.split(cpu), Err(Errno::EAGAIN.into()));
        assert_eq!(fixture.counts(cpu, 0), Some((9, 3, 2, 2)));
        assert_eq!(fixture.tosys(cpu, 0, HUGE), Ok(0), "and where it is");
        assert_eq!(fixture.counts(cpu, 0), Some((9, 3, 2, 2)));
        assert_eq!(fixture.world.unpin(cpu, W0, &Unpin { pin: None }), Ok(1));
        assert_eq!(fixture.split(cpu), Ok(i64::from(HUGE)));
        for at in [0, 1, 255, 511] {
            let folio = fixture.on_device(cpu, W1, at).expect("on the device");
            assert_eq!(folio.pfn(), head.add(at));
            assert_eq!(fixture.counts(cpu, at), Some((0, 2, 2, 0)));
        }
        assert_eq!(fixture.used(cpu), (HUGE, 0));
        assert_eq!(fixture.load(cpu, W1, 255), Ok(1255));
        assert_eq!(fixture.used(cpu), (HUGE - 1, 1));
        fixture.assert_holds(cpu, W0, 0..HUGE);
    });
}

#[test]
fn a_part_that_is_asked_home_is_taken_from_the_whole() {
    with_huge_page(|fixture, cpu| {
        assert_eq!(fixture.todev(cpu, 0, HUGE), Ok(i64::from(HUGE)));
        assert_eq!(fixture.tosys(cpu, 10, 3), Ok(3));
        assert_eq!(fixture.used(cpu), (HUGE - 3, 3));
        assert_eq!(fixture.tosys(cpu, 0, HUGE), Ok(i64::from(HUGE) - 3));
        fixture.assert_holds(cpu, W0, 0..HUGE);
    });
}

#[test]
fn what_does_not_fit_as_a_whole_goes_page_by_page() {
    with_huge_page(|fixture, cpu| {
        // The device has two huge pages; a page of each is taken.
        for start in [HUGE - 1, HUGE] {
            let pages = DevAlloc { start, pages: 1 };
            assert_eq!(fixture.world.dev_alloc(cpu, W0, &pages), Ok(1));
        }
        assert_eq!(fixture.todev(cpu, 0, HUGE), Ok(i64::from(HUGE)));
        assert_eq!(fixture.counts(cpu, 9), Some((0, 1, 1, 0)));
        fixture.assert_holds(cpu, W0, 0..HUGE);
        for page in [HUGE - 1, HUGE] {
            assert_eq!(fixture.world.dev_put(cpu, W0, &DevPut { page }), Ok(0));
        }
    });
}

#[test]
fn what_does_not_fit_at_home_as_a_whole_comes_page_by_page() {
    with_huge_page(|fixture, cpu| {
        assert_eq!(fixture.todev(cpu, 0, HUGE), Ok(i64::from(HUGE)));
        // Of four huge pages at home no one is free any more.
        let more = Anon { kind: AnonKind::Pages, map: MapNo(1), pages: 3 * HUGE + 1 };
        assert_eq!(fixture.world.anon(cpu, W0, &more), Ok(0));
        for page in 0..more.pages {
            let store = Store { map: more.map, page, value: 1 };
            assert_eq!(fixture.world.store(cpu, W0, &store), Ok(0));
        }
        assert_eq!(fixture.load(cpu, W0, 8), Ok(1008));
        assert_eq!(fixture.used(cpu), (HUGE - 1, 3 * HUGE + 2));
        assert_eq!(fixture.tosys(cpu, 0, 20), Ok(19));
        assert_eq!(fixture.world.munmap(cpu, W0, &Munmap { map: more.map, range: None }), Ok(0));
        fixture.assert_holds(cpu, W0, 0..HUGE);
    });
}

#[test]
fn it_is_moved_and_unmapped_where_it_is() {
    with_huge_page(|fixture, cpu| {
        assert_eq!(fixture.todev(cpu, 0, HUGE), Ok(i64::from(HUGE)));
        fixture.fork(cpu);
        assert_eq!(fixture.world.mremap(cpu, W0, &Mremap { map: M }), Ok(0));
        assert_eq!(fixture.counts(cpu, 0), Some((9, 2, 2, 2)));
        let folio = fixture.on_device(cpu, W0, 0).expect("there").pfn();
        assert_eq!(fixture.on_device(cpu, W1, 0).map(|folio| folio.pfn()), Some(folio));
        assert_eq!(fixture.munmap(cpu, W0, 0, HUGE), Ok(0));
        assert_eq!(fixture.used(cpu), (HUGE, 0));
        assert_eq!(fixture.load(cpu, W1, 0), Ok(1000));
        assert_eq!(fixture.world.exit(cpu, W1), Ok(0));
        assert_eq!(fixture.used(cpu), (0, 0));
        let whole = fixture.world.devmem.span();
        let memmap = &fixture.world.dax.vm.pagemaps.memmap;
        assert!(whole.iter().all(|pfn| memmap.page(pfn).refcount.count().is_idle()));
    });
}

#[test]
fn memory_that_goes_gives_huge_pages_back_as_they_are() {
    with_huge_page(|fixture, cpu| {
        assert_eq!(fixture.todev(cpu, 0, HUGE), Ok(i64::from(HUGE)));
        fixture.fork(cpu);
        assert_eq!(fixture.world.hmm_release(cpu, W0, &HmmRelease { device: 0 }), Ok(0));
        assert_eq!(fixture.used(cpu), (0, HUGE));
        let folio = match fixture.world.entry_of(cpu, W1, M, 0).expect("a mapping") {
            Pte::Page(leaf) => fixture.world.dax.vm.pagemaps.memmap.folio(leaf.pfn()),
            other => panic!("{other:?}"),
        };
        assert_eq!((folio.order(), folio.mapcount()), (Order(9), 2));
        fixture.assert_holds(cpu, W0, 0..HUGE);
    });
}

#[test]
fn a_device_has_some_pages_of_it_for_itself_until_a_cpu_touches_them() {
    with_huge_page(|fixture, cpu| {
        let exclusive = |page, pages| {
            fixture.world.exclusive(cpu, W0, &Exclusive { device: 0, map: M, page, pages })
        };
        let write = |device, page, value| {
            fixture.world.hmm_write(cpu, W0, &HmmWrite { device, map: M, page, value })
        };
        let is_exclusive = |page| match fixture.world.entry_of(cpu, W0, M, page).expect("a mapping")
        {
            Pte::Exclusive(_) => true,
            Pte::None | Pte::Page(_) | Pte::Migration(_) | Pte::DevicePrivate(_) => false,
        };
        assert_eq!(exclusive(100, 70), Ok(70));
        // The device writes there without a fault; the folio is as large as it was, and every page is mapped once.
        assert_eq!(write(0, 169, 7), Ok(0));
        assert!(is_exclusive(169) && !is_exclusive(170));
        let pfn = fixture.world.dax.vm.pagemaps.ram.first();
        let folio = fixture.world.dax.vm.pagemaps.memmap.folio(pfn);
        let counts = (folio.order().0, folio.refcount().get(), folio.mapcount());
        assert_eq!(counts, (9, HUGE.cast_signed(), HUGE.cast_signed()));
        // Another device has to ask, which ends it, and so does a CPU.
        assert_eq!(write(1, 169, 8), Ok(0));
        assert!(!is_exclusive(169) && is_exclusive(168));
        assert_eq!((fixture.load(cpu, W0, 169), fixture.load(cpu, W0, 168)), (Ok(8), Ok(1168)));
        assert!(!is_exclusive(168));
        // A fork ends the rest; and the folio is split around what is exclusive as around any page.
        fixture.fork(cpu);
        assert!((0..HUGE).all(|page| !is_exclusive(page)));
        fixture.assert_holds(cpu, W1, 0..169);
        assert_eq!(exclusive(3, 1), Ok(1));
        assert_eq!(write(0, 3, 9), Ok(0));
        assert_eq!(fixture.split(cpu), Ok(i64::from(HUGE)));
        assert_eq!((fixture.load(cpu, W0, 3), fixture.load(cpu, W1, 3)), (Ok(9), Ok(1003)));
        // What is on the device is no memory that it could have for itself, but comes home for it.
        assert_eq!(fixture.todev(cpu, 5, 1), Ok(1));
        assert_eq!((exclusive(5, 1), exclusive(4, 2)), (Ok(1), Ok(2)));
        assert!(is_exclusive(5));
    });
}

#[test]
fn what_is_mapped_in_parts_moves_as_a_whole_and_is_split_when_memory_is_short() {
    with_huge_page(|fixture, cpu| {
        let moves = |page| fixture.world.move_pages(cpu, W0, &MovePages { map: M, page });
        let shrink = || fixture.world.shrink(cpu, W0);
        let dontneed = Madvise { map: M, advice: Advice::DontNeed, page: 9 };
        let entry = || fixture.world.entry_of(cpu, W0, M, 0).expect("a mapping");
        // Whole, it is not to be split; it moves by its PMD.
        let (first, split) = (entry(), shrink());
        assert_eq!((split, moves(17)), (Ok(0), Ok(i64::from(HUGE))));
        assert_ne!(entry(), first);
        fixture.assert_holds(cpu, W0, 0..HUGE);
        // In parts it is; and moves as well, page by page, which takes it off the list.
        assert_eq!(fixture.world.madvise(cpu, W0, &dontneed), Ok(0));
        assert_eq!((moves(17), fixture.used(cpu)), (Ok(i64::from(HUGE)), (0, HUGE)));
        fixture.assert_holds(cpu, W0, 10..HUGE);
        assert_eq!(fixture.load(cpu, W0, 9), Ok(0));
        // A reference keeps it whole, and on the list.
        assert_eq!(fixture.munmap(cpu, W0, 20, 2), Ok(0));
        assert_eq!(fixture.pin(cpu, W0, 30, 1), Ok(1));
        assert_eq!(shrink(), Ok(0));
        assert_eq!(fixture.world.unpin(cpu, W0, &Unpin { pin: None }), Ok(1));
        assert_eq!((shrink(), shrink()), (Ok(i64::from(HUGE)), Ok(0)));
        // What nobody maps any more has gone with the last reference: page 9 has a new one.
        assert_eq!(fixture.used(cpu), (0, HUGE - 2));
        fixture.assert_holds(cpu, W0, 22..HUGE);
        assert_eq!(moves(30), Ok(1));
    });
}
