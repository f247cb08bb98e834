//! Anonymous memory: pages and huge pages, what fork and munmap do, and folios taken apart while they are mapped.

mod common;

use common::*;
use pgmap_mm::page::Folio;
use pgmap_mm::vm::Pte;
use pgmap_mm::warn::Complaint;
use pgmap_mm::world::Return;
use prim::Cpu;
use program::op::{
    Advice, Anon, AnonKind, Fork, Load, Madvise, Mremap, Munmap, PageRange, SplitHugePages, Store,
    Unpin, WorkerId,
};
use program::rules::{SplitFreeze, SplitUnmap};
use program::{Era, Errno, Rules};

/// Pages of a huge page of the world of these tests.
const PMD: u32 = 8;

impl Fixture {
    fn anon(&self, cpu: &Cpu<'_>, kind: AnonKind, pages: u32) -> Return {
        self.world.anon(cpu, W0, &Anon { kind, map: M, pages })
    }

    fn load(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32) -> Return {
        self.world.load(cpu, worker, &Load { map: M, page })
    }

    fn store(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32, value: u64) -> Return {
        self.world.store(cpu, worker, &Store { map: M, page, value })
    }

    fn split(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32) -> Return {
        self.world.split_huge_pages(cpu, worker, &SplitHugePages { map: M, page })
    }

    fn munmap(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32, pages: u32) -> Return {
        let range = Some(PageRange { page, pages });
        self.world.munmap(cpu, worker, &Munmap { map: M, range })
    }

    fn unpin(&self, cpu: &Cpu<'_>) -> Return {
        self.world.unpin(cpu, W0, &Unpin { pin: None })
    }

    fn fork(&self, cpu: &Cpu<'_>) {
        assert_eq!(self.world.fork(cpu, W0, &Fork { child: W1 }), Ok(0));
    }

    /// Pages of ordinary memory in use.
    fn used(&self, cpu: &Cpu<'_>) -> u32 {
        self.world.dax.vm.pagemaps.ram.used(cpu)
    }

    /// The folio that a worker has mapped at a page of the mapping.
    fn mapped(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32) -> Folio<'_> {
        match self.world.entry_of(cpu, worker, M, page).expect("a mapping") {
            Pte::Page(page) => self.world.dax.vm.pagemaps.memmap.folio(page.pfn()),
            Pte::None | Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => {
                panic!("no page is mapped")
            }
        }
    }

    /// Order, references and mappings of the folio there.
    fn counts(&self, cpu: &Cpu<'_>, page: u32) -> (u8, i32, i32) {
        let folio = self.mapped(cpu, W0, page);
        (folio.order().0, folio.refcount().get(), folio.mapcount())
    }
}

fn sound() -> Rules {
    Era::V6_15Sound.rules()
}

/// A test with a worker that has mapped so many pages and written each its number, at rest in the end.
fn with_anon(rules: Rules, kind: AnonKind, pages: u32, test: impl FnOnce(&Fixture, &Cpu<'_>)) {
    let fixture = Fixture::new(&COSY, rules);
    let cpu = fixture.cpu(1);
    fixture.world.spawn(&cpu, W0).expect("a process");
    assert_eq!(fixture.anon(&cpu, kind, pages), Ok(0));
    for page in 0..pages {
        assert_eq!(fixture.load(&cpu, W0, page), Ok(0), "zero until it is written");
        assert_eq!(fixture.store(&cpu, W0, page, u64::from(page) + 100), Ok(0));
    }
    test(&fixture, &cpu);
    fixture.leave(cpu);
}

fn holds_what_it_held(fixture: &Fixture, cpu: &Cpu<'_>, worker: WorkerId, pages: u32) {
    for page in 0..pages {
        assert_eq!(fixture.load(cpu, worker, page), Ok(i64::from(page) + 100), "page {page}");
    }
}

#[test]
fn memory_comes_in_huge_pages_where_they_fit() {
    with_anon(sound(), AnonKind::Pages, PMD, |fixture, cpu| {
        assert_eq!((fixture.counts(cpu, 3), fixture.used(cpu)), ((0, 1, 1), PMD));
    });
    with_anon(sound(), AnonKind::Huge, PMD + 3, |fixture, cpu| {
        assert_eq!((fixture.counts(cpu, 3), fixture.used(cpu)), ((3, 1, 1), PMD + 3));
        assert_eq!(fixture.counts(cpu, PMD + 1), (0, 1, 1), "the rest is too short");
        assert_eq!(fixture.anon(cpu, AnonKind::Huge, 1), Err(Errno::EBUSY.into()));
        holds_what_it_held(fixture, cpu, W0, PMD + 3);
    });
}

#[test]
fn when_there_is_no_huge_page_single_ones_do() {
    // The world has 64 pages of ordinary memory: every huge page, and a page of the last one.
    with_anon(sound(), AnonKind::Pages, 60, |fixture, cpu| {
        let more = Anon { kind: AnonKind::Huge, map: program::op::MapNo(1), pages: PMD };
        assert_eq!(fixture.world.anon(cpu, W0, &more), Ok(0));
        let store = Store { map: more.map, page: 0, value: 1 };
        assert_eq!((fixture.world.store(cpu, W0, &store), fixture.used(cpu)), (Ok(0), 61));
        let all = (1..5).map(|page| fixture.world.store(cpu, W0, &Store { page, ..store }));
        assert_eq!(all.last(), Some(Err(Errno::ENOMEM.into())));
    });
}

#[test]
fn a_part_that_is_unmapped_leaves_the_rest_of_a_huge_page_in_pages() {
    with_anon(sound(), AnonKind::Huge, 2 * PMD, |fixture, cpu| {
        assert_eq!(fixture.munmap(cpu, W0, 2, 3), Ok(0));
        // The folio is large still, and mapped by each page that is left.
        assert_eq!((fixture.counts(cpu, 1), fixture.used(cpu)), ((3, 5, 5), 2 * PMD));
        assert_eq!(fixture.counts(cpu, PMD), (3, 1, 1), "the other one is not touched");
        assert_eq!(fixture.load(cpu, W0, 7), Ok(107));
        assert!(fixture.load(cpu, W0, 3).is_err());
        let whole = Madvise { map: M, advice: Advice::DontNeed, page: 9 };
        assert_eq!(fixture.world.madvise(cpu, W0, &whole), Ok(0));
        assert_eq!((fixture.load(cpu, W0, 9), fixture.load(cpu, W0, 8)), (Ok(0), Ok(108)));
    });
}

#[test]
fn fork_shares_a_huge_page_until_somebody_writes() {
    with_anon(sound(), AnonKind::Huge, PMD, |fixture, cpu| {
        fixture.fork(cpu);
        assert_eq!((fixture.counts(cpu, 0), fixture.used(cpu)), ((3, 2, 2), PMD));
        assert_eq!(fixture.store(cpu, W1, 2, 7), Ok(0));
        assert_eq!((fixture.load(cpu, W1, 2), fixture.load(cpu, W0, 2)), (Ok(7), Ok(102)));
        // Its PMD is split: seven pages of its own entries beside the parent's leaf.
        assert_eq!((fixture.counts(cpu, 0), fixture.used(cpu)), ((3, 8, 8), PMD + 1));
        assert_eq!(fixture.load(cpu, W1, 3), Ok(103));
        assert_eq!(fixture.world.exit(cpu, W1), Ok(0));
        assert_eq!((fixture.counts(cpu, 0), fixture.used(cpu)), ((3, 1, 1), PMD));
        // Alone with it the parent writes it where it is.
        assert_eq!(fixture.store(cpu, W0, 2, 9), Ok(0));
        assert_eq!((fixture.counts(cpu, 2), fixture.used(cpu)), ((3, 1, 1), PMD));
    });
}

#[test]
fn a_huge_page_moves_as_a_whole_and_can_be_split_where_it_went() {
    with_anon(sound(), AnonKind::Huge, PMD + 2, |fixture, cpu| {
        assert_eq!(fixture.world.mremap(cpu, W0, &Mremap { map: M }), Ok(0));
        assert_eq!(fixture.counts(cpu, 0), (3, 1, 1));
        holds_what_it_held(fixture, cpu, W0, PMD + 2);
        assert_eq!(fixture.split(cpu, W0, 1), Ok(i64::from(PMD)));
        holds_what_it_held(fixture, cpu, W0, PMD + 2);
    });
    // What is left after a part went moves in pages, and is a folio still.
    with_anon(sound(), AnonKind::Huge, 2 * PMD, |fixture, cpu| {
        assert_eq!(fixture.munmap(cpu, W0, PMD + 4, PMD - 4), Ok(0));
        assert_eq!(fixture.split(cpu, W0, PMD), Ok(i64::from(PMD)));
        assert_eq!(fixture.used(cpu), PMD + 4, "what nobody maps is free");
    });
}

#[test]
fn each_page_of_a_split_folio_is_one_of_its_own_and_where_it_was() {
    with_anon(sound(), AnonKind::Huge, PMD, |fixture, cpu| {
        let frames = |at| fixture.mapped(cpu, W0, at).span().start.0;
        let first = frames(0);
        assert_eq!(fixture.split(cpu, W0, 5), Ok(i64::from(PMD)));
        for page in 0..PMD {
            assert_eq!((fixture.counts(cpu, page), frames(page)), ((0, 1, 1), first + page));
        }
        holds_what_it_held(fixture, cpu, W0, PMD);
        assert_eq!(fixture.split(cpu, W0, 5), Err(Errno::EINVAL.into()), "it is small by now");
        assert_eq!(fixture.munmap(cpu, W0, 5, 1), Ok(0));
        assert_eq!(fixture.used(cpu), PMD - 1);
    });
}

#[test]
fn a_split_reaches_every_process_that_maps_the_folio() {
    with_anon(sound(), AnonKind::Huge, PMD, |fixture, cpu| {
        fixture.fork(cpu);
        // One maps it by pages, and not by all.
        assert_eq!(fixture.munmap(cpu, W1, 0, 2), Ok(0));
        assert_eq!(fixture.counts(cpu, 0), (3, 7, 7));
        assert_eq!(fixture.split(cpu, W1, 4), Ok(i64::from(PMD)));
        assert_eq!((fixture.counts(cpu, 1), fixture.counts(cpu, 4)), ((0, 1, 1), (0, 2, 2)));
        assert_eq!(fixture.mapped(cpu, W0, 4), fixture.mapped(cpu, W1, 4));
        holds_what_it_held(fixture, cpu, W0, PMD);
        // Neither writes what the other has.
        assert_eq!(fixture.store(cpu, W1, 4, 7), Ok(0));
        assert_eq!((fixture.load(cpu, W0, 4), fixture.load(cpu, W1, 5)), (Ok(104), Ok(105)));
    });
}

#[test]
fn a_folio_that_somebody_else_refers_to_stays_one_and_is_mapped_again() {
    with_anon(sound(), AnonKind::Huge, PMD, |fixture, cpu| {
        assert_eq!(fixture.get(cpu, W0, 3, 1), Ok(1));
        assert_eq!(fixture.split(cpu, W0, 0), Err(Errno::EAGAIN.into()));
        assert_eq!(fixture.counts(cpu, 0), (3, 2, 1), "it was not touched");
        assert_eq!(fixture.unpin(cpu), Ok(1));
        assert_eq!(fixture.split(cpu, W0, 0), Ok(i64::from(PMD)));
        holds_what_it_held(fixture, cpu, W0, PMD);
    });
}

#[test]
fn what_is_no_huge_page_of_anonymous_memory_is_not_split() {
    with_anon(sound(), AnonKind::Pages, 2, |fixture, cpu| {
        assert_eq!(fixture.split(cpu, W0, 0), Err(Errno::EINVAL.into()));
        assert_eq!(fixture.split(cpu, W0, 2), Err(Errno::EINVAL.into()), "outside");
        assert_eq!(fixture.munmap(cpu, W0, 1, 1), Ok(0));
        assert_eq!(fixture.split(cpu, W0, 1), Err(Errno::EFAULT.into()), "unmapped");
    });
    with_mapped(PMD, program::op::Layout::Huge, |fixture, cpu, _| {
        assert_eq!(fixture.read(cpu, W0, 0), Ok(0));
        assert_eq!(fixture.split(cpu, W0, 0), Err(Errno::EINVAL.into()), "a file's");
    });
}

#[test]
fn anonymous_memory_is_pinned_for_long_and_not_moved_to_another_block() {
    with_anon(sound(), AnonKind::Huge, PMD, |fixture, cpu| {
        let pin = program::op::Pin { longterm: program::op::Longterm::Long, pages: 3, ..PIN };
        assert_eq!(fixture.world.pin(cpu, W0, &pin), Ok(3));
        assert_eq!(fixture.counts(cpu, 0), (3, 4, 1));
        assert_eq!(fixture.split(cpu, W0, 7), Err(Errno::EAGAIN.into()));
        assert_eq!(fixture.unpin(cpu), Ok(3));
        let offline = Madvise { map: M, advice: Advice::SoftOffline, page: 0 };
        assert_eq!(fixture.world.madvise(cpu, W0, &offline), Err(Errno::EINVAL.into()));
    });
}

/// What the machine says of a split while the first worker has a reference on the folio, or while nobody has.
fn complaints_of_a_split(rules: Rules, referenced: bool) -> (Return, Vec<Complaint>) {
    let fixture = Fixture::new(&COSY, rules);
    let cpu = fixture.cpu(1);
    fixture.world.spawn(&cpu, W0).expect("a process");
    assert_eq!(fixture.anon(&cpu, AnonKind::Huge, PMD), Ok(0));
    assert_eq!(fixture.store(&cpu, W0, 0, 1), Ok(0));
    if referenced {
        assert_eq!(fixture.get(&cpu, W0, 3, 1), Ok(1));
    }
    (fixture.split(&cpu, W0, 0), fixture.complaints())
}

#[test]
fn a_folio_is_not_frozen_while_it_is_mapped() {
    let still_mapped = Rules { split_unmap: SplitUnmap::StillMapped, ..sound() };
    let (split, complaints) = complaints_of_a_split(still_mapped, false);
    assert_eq!((split, complaints[0]), (Ok(i64::from(PMD)), Complaint::FrozenMapped));
    assert_eq!(complaints_of_a_split(sound(), false), (Ok(i64::from(PMD)), Vec::new()));
    // Nobody comes as far as a freeze that must fail while the look before it sees the reference.
    let ignored = Rules { split_freeze: SplitFreeze::Ignored, ..sound() };
    let refused = Err(Errno::EAGAIN.into());
    assert_eq!(complaints_of_a_split(ignored, true), (refused, Vec::new()));
}
