//! Pages of processes in a device's memory: what they count, who brings them home, who keeps them where they are.

mod common;

use common::*;
use pgmap_mm::page::Folio;
use pgmap_mm::vm::Pte;
use pgmap_mm::warn::Complaint;
use pgmap_mm::world::Return;
use prim::Cpu;
use program::op::{
    Advice, Anon, AnonKind, Close, DevAlloc, DeviceMemory, FdNo, Fork, HmmLoad, HmmRead,
    HmmRelease, HmmTodev, HmmTosys, Load, Madvise, Mremap, Munmap, Open, OpenMode, SplitHugePages,
    Store, Target, TryGet, Unpin, WorkerId,
};
use program::{Era, Errno};

/// Pages of the mapping of these tests.
const PAGES: u32 = 8;

impl Fixture {
    fn todev(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32, pages: u32) -> Return {
        self.world.hmm_todev(cpu, worker, &HmmTodev { device: 0, map: M, page, pages })
    }

    fn tosys(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32, pages: u32) -> Return {
        self.world.hmm_tosys(cpu, worker, &HmmTosys { device: 0, map: M, page, pages })
    }

    fn load(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32) -> Return {
        self.world.load(cpu, worker, &Load { map: M, page })
    }

    fn store(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32, value: u64) -> Return {
        self.world.store(cpu, worker, &Store { map: M, page, value })
    }

    /// What the device reads there.
    fn device_reads(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32, pages: u32) -> Return {
        self.world.hmm_read(cpu, worker, &HmmRead { device: 0, map: M, page, pages })
    }

    fn release(&self, cpu: &Cpu<'_>) -> Return {
        self.world.hmm_release(cpu, W0, &HmmRelease { device: 0 })
    }

    fn plug_in(&self, cpu: &Cpu<'_>, memory: DeviceMemory) -> Return {
        self.world.hmm_load(cpu, W0, &HmmLoad { memory })
    }

    fn fork(&self, cpu: &Cpu<'_>) {
        assert_eq!(self.world.fork(cpu, W0, &Fork { child: W1 }), Ok(0));
    }

    /// The folio on the device that a page of the worker's is in; none if it is in no such.
    fn on_device(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32) -> Option<Folio<'_>> {
        match self.world.entry_of(cpu, worker, M, page).expect("a mapping") {
            Pte::DevicePrivate(entry) => Some(self.world.dax.vm.pagemaps.memmap.folio(entry.pfn())),
            Pte::None | Pte::Page(_) | Pte::Migration(_) | Pte::Exclusive(_) => None,
        }
    }

    /// References and mappings of the device's page there.
    fn counts(&self, cpu: &Cpu<'_>, page: u32) -> Option<(i32, i32)> {
        let folio = self.on_device(cpu, W0, page)?;
        Some((folio.refcount().get(), folio.mapcount()))
    }

    /// Pages in use of the device, and of ordinary memory.
    fn used(&self, cpu: &Cpu<'_>) -> (u32, u32) {
        (self.world.devmem.allocated(cpu), self.world.dax.vm.pagemaps.ram.used(cpu))
    }
}

/// A worker with pages of its own, each holding its number plus 100.
fn with_anon(kind: AnonKind, test: impl FnOnce(&Fixture, &Cpu<'_>)) {
    in_a_world(|fixture, cpu| {
        fixture.world.spawn(cpu, W0).expect("a process");
        assert_eq!(fixture.world.anon(cpu, W0, &Anon { kind, map: M, pages: PAGES }), Ok(0));
        for page in 0..PAGES {
            assert_eq!(fixture.store(cpu, W0, page, u64::from(page) + 100), Ok(0));
        }
        test(fixture, cpu);
    });
}

#[test]
fn what_goes_to_the_device_comes_home_when_a_cpu_touches_it() {
    with_anon(AnonKind::Pages, |fixture, cpu| {
        assert_eq!(fixture.todev(cpu, W0, 1, 3), Ok(3));
        assert_eq!((fixture.counts(cpu, 2), fixture.used(cpu)), (Some((1, 1)), (3, PAGES - 3)));
        assert_eq!(fixture.todev(cpu, W0, 1, 3), Ok(0), "it is there already");
        assert_eq!(fixture.load(cpu, W0, 2), Ok(102));
        assert_eq!((fixture.counts(cpu, 2), fixture.used(cpu)), (None, (2, PAGES - 2)));
        assert_eq!(fixture.store(cpu, W0, 1, 7), Ok(0));
        assert_eq!(fixture.load(cpu, W0, 1), Ok(7));
        assert_eq!(fixture.tosys(cpu, W0, 0, PAGES), Ok(1), "the driver brings the last one");
        assert_eq!((fixture.used(cpu), fixture.load(cpu, W0, 3)), ((0, PAGES), Ok(103)));
    });
}

#[test]
fn where_nothing_is_mapped_yet_the_device_has_the_first_page() {
    with_anon(AnonKind::Pages, |fixture, cpu| {
        let dontneed = Madvise { map: M, advice: Advice::DontNeed, page: 4 };
        assert_eq!(fixture.world.madvise(cpu, W0, &dontneed), Ok(0));
        assert_eq!(fixture.todev(cpu, W0, 4, 1), Ok(1));
        assert_eq!(fixture.counts(cpu, 4), Some((1, 1)));
        assert_eq!(fixture.load(cpu, W0, 4), Ok(0));
    });
}

#[test]
fn an_unmapped_page_is_the_devices_again() {
    with_anon(AnonKind::Pages, |fixture, cpu| {
        assert_eq!(fixture.todev(cpu, W0, 0, PAGES), Ok(i64::from(PAGES)));
        assert_eq!(fixture.world.mremap(cpu, W0, &Mremap { map: M }), Ok(0));
        assert_eq!((fixture.counts(cpu, 5), fixture.used(cpu)), (Some((1, 1)), (PAGES, 0)));
        let dontneed = Madvise { map: M, advice: Advice::DontNeed, page: 4 };
        assert_eq!(fixture.world.madvise(cpu, W0, &dontneed), Ok(0));
        assert_eq!(fixture.used(cpu), (PAGES - 1, 0));
        assert_eq!(fixture.world.munmap(cpu, W0, &Munmap { map: M, range: None }), Ok(0));
        assert_eq!(fixture.used(cpu), (0, 0));
    });
}

#[test]
fn after_a_fork_both_map_the_devices_page_and_the_first_touch_brings_it_home_for_both() {
    with_anon(AnonKind::Pages, |fixture, cpu| {
        assert_eq!(fixture.todev(cpu, W0, 0, 2), Ok(2));
        fixture.fork(cpu);
        assert_eq!(fixture.counts(cpu, 0), Some((2, 2)));
        assert_eq!(fixture.load(cpu, W1, 0), Ok(100));
        assert_eq!(
            (fixture.counts(cpu, 0), fixture.on_device(cpu, W1, 0).is_some()),
            (None, false)
        );
        // A write is a copy still.
        assert_eq!(fixture.store(cpu, W1, 1, 9), Ok(0));
        assert_eq!((fixture.load(cpu, W0, 1), fixture.load(cpu, W1, 1)), (Ok(101), Ok(9)));
        // What is shared at home goes for both, too.
        assert_eq!(fixture.todev(cpu, W1, 0, 1), Ok(1));
        assert_eq!(fixture.counts(cpu, 0), Some((2, 2)));
        assert_eq!(fixture.world.exit(cpu, W0), Ok(0));
        assert_eq!(fixture.load(cpu, W1, 0), Ok(100));
    });
}

#[test]
fn a_page_that_somebody_refers_to_stays_where_it_is() {
    with_anon(AnonKind::Pages, |fixture, cpu| {
        let unpin = || fixture.world.unpin(cpu, W0, &Unpin { pin: None });
        assert_eq!(fixture.get(cpu, W0, 2, 1), Ok(1));
        assert_eq!(fixture.todev(cpu, W0, 1, 2), Ok(1), "the other one goes");
        assert_eq!((fixture.counts(cpu, 2), fixture.load(cpu, W0, 2)), (None, Ok(102)));
        assert_eq!(unpin(), Ok(1));
        // By frame number somebody may have the device's page.
        let page = fixture.on_device(cpu, W0, 1).expect("on the device").pfn();
        let page = page.0 - fixture.world.devmem.span().start.0;
        assert_eq!(fixture.world.try_get(cpu, W0, &TryGet { page }), Ok(1));
        assert_eq!(fixture.tosys(cpu, W0, 1, 1), Ok(0));
        assert_eq!(fixture.counts(cpu, 1), Some((2, 1)));
        assert_eq!(unpin(), Ok(1));
        assert_eq!(fixture.tosys(cpu, W0, 1, 1), Ok(1));
        // To take a reference by address is to touch it.
        assert_eq!(fixture.todev(cpu, W0, 1, 1), Ok(1));
        assert_eq!(fixture.get(cpu, W0, 1, 1), Ok(1));
        assert_eq!((fixture.counts(cpu, 1), unpin()), (None, Ok(1)));
    });
}

#[test]
fn a_huge_page_is_split_before_a_part_of_it_goes() {
    with_anon(AnonKind::Huge, |fixture, cpu| {
        assert_eq!(fixture.tosys(cpu, W0, 0, 1), Ok(0), "it is at home, and stays whole");
        let split = SplitHugePages { map: M, page: 0 };
        assert_eq!(fixture.todev(cpu, W0, 3, 2), Ok(2));
        assert_eq!(fixture.used(cpu), (2, PAGES - 2));
        assert_eq!(
            fixture.world.split_huge_pages(cpu, W0, &split),
            Err(Errno::EINVAL.into()),
            "it is in pages"
        );
        for page in 0..PAGES {
            assert_eq!(fixture.load(cpu, W0, page), Ok(i64::from(page) + 100));
        }
    });
}

#[test]
fn what_is_full_or_is_no_anonymous_memory_is_refused() {
    with_anon(AnonKind::Pages, |fixture, cpu| {
        let other = HmmTodev { device: 1, map: M, page: 0, pages: 1 };
        assert_eq!(fixture.world.hmm_todev(cpu, W0, &other), Err(Errno::ENODEV.into()));
        assert_eq!(fixture.todev(cpu, W0, 7, 2), Err(Errno::EINVAL.into()));
        let all = program::op::DevAlloc { start: 0, pages: 62 };
        assert!(fixture.world.dev_alloc(cpu, W0, &all).is_ok());
        assert_eq!(fixture.todev(cpu, W0, 0, 4), Ok(2), "two pages were left");
        assert_eq!((fixture.load(cpu, W0, 0), fixture.load(cpu, W0, 3)), (Ok(100), Ok(103)));
        for page in [0, 8, 16, 24, 32, 40, 48, 56, 60] {
            let _ = fixture.world.dev_put(cpu, W0, &program::op::DevPut { page });
        }
    });
    with_mapped(PAGES, program::op::Layout::Contiguous, |fixture, cpu, _| {
        assert_eq!(fixture.todev(cpu, W0, 0, 1), Err(Errno::EINVAL.into()));
    });
}

#[test]
fn a_page_that_does_not_fit_at_home_any_more_is_a_fault_without_memory() {
    with_anon(AnonKind::Pages, |fixture, cpu| {
        assert_eq!(fixture.todev(cpu, W0, 0, 1), Ok(1));
        let more = Anon { kind: AnonKind::Pages, map: program::op::MapNo(1), pages: 60 };
        assert_eq!(fixture.world.anon(cpu, W0, &more), Ok(0));
        let fill = (0..60)
            .map(|page| fixture.world.store(cpu, W0, &Store { map: more.map, page, value: 1 }));
        assert_eq!(fill.filter(Result::is_ok).count(), 57);
        assert_eq!(fixture.load(cpu, W0, 0), Err(Errno::ENOMEM.into()));
        assert_eq!(fixture.counts(cpu, 0), Some((1, 1)), "it stays where it was");
        assert_eq!(fixture.world.munmap(cpu, W0, &Munmap { map: more.map, range: None }), Ok(0));
        assert_eq!(fixture.load(cpu, W0, 0), Ok(100));
        let complaints: Vec<Complaint> = fixture.complaints();
        assert_eq!((complaints, Era::V6_15Sound.rules().fault_ref), (vec![], FAULT_REF));
    });
}

#[test]
fn the_device_reads_a_page_where_it_is_and_leaves_it_there() {
    with_anon(AnonKind::Pages, |fixture, cpu| {
        assert_eq!(fixture.todev(cpu, W0, 1, 2), Ok(2));
        assert_eq!(
            (fixture.device_reads(cpu, W0, 1, 3), fixture.device_reads(cpu, W0, 3, 1)),
            (Ok(101), Ok(103))
        );
        assert_eq!((fixture.counts(cpu, 1), fixture.used(cpu)), (Some((1, 1)), (2, PAGES - 2)));
        // What is not there is faulted in.
        let dontneed = Madvise { map: M, advice: Advice::DontNeed, page: 4 };
        assert_eq!(fixture.world.madvise(cpu, W0, &dontneed), Ok(0));
        assert_eq!(
            (fixture.device_reads(cpu, W0, 4, 1), fixture.used(cpu)),
            (Ok(0), (2, PAGES - 2))
        );
        assert_eq!(fixture.device_reads(cpu, W0, 7, 2), Err(Errno::EINVAL.into()));
    });
    with_anon(AnonKind::Huge, |fixture, cpu| {
        assert_eq!(fixture.device_reads(cpu, W0, 6, 1), Ok(106))
    });
}

#[test]
fn a_device_whose_memory_goes_gives_everything_back_first() {
    with_anon(AnonKind::Pages, |fixture, cpu| {
        assert_eq!(fixture.todev(cpu, W0, 0, 3), Ok(3));
        fixture.fork(cpu);
        assert_eq!(fixture.release(cpu), Ok(0));
        assert_eq!((fixture.world.dev_pagemap(), fixture.used(cpu)), (None, (0, PAGES)));
        for (worker, page) in [(W0, 0), (W1, 0), (W0, 2), (W1, 2), (W0, 7)] {
            assert_eq!(fixture.load(cpu, worker, page), Ok(i64::from(page) + 100));
        }
        // There is nothing to be had, and nothing to be taken away; what the driver has for itself it keeps.
        let gone = Err(Errno::ENODEV.into());
        assert_eq!((fixture.todev(cpu, W0, 0, 1), fixture.release(cpu)), (gone, gone));
        assert_eq!(fixture.world.dev_alloc(cpu, W0, &DevAlloc { start: 0, pages: 1 }), gone);
        assert_eq!(fixture.plug_in(cpu, DeviceMemory::Private), Ok(0));
        assert_eq!(fixture.plug_in(cpu, DeviceMemory::Private), Err(Errno::EBUSY.into()));
        assert_eq!(fixture.world.dev_alloc(cpu, W0, &DevAlloc { start: 9, pages: 1 }), Ok(1));
        assert_eq!(fixture.release(cpu), Err(Errno::EBUSY.into()));
        assert_eq!(fixture.world.dev_put(cpu, W0, &program::op::DevPut { page: 9 }), Ok(0));
        assert_eq!(fixture.todev(cpu, W0, 0, 2), Ok(2));
        assert_eq!(fixture.load(cpu, W1, 1), Ok(101));
    });
}

#[test]
fn a_file_of_another_device_is_none_of_the_business_of_memory_that_goes() {
    with_mapped(PAGES, program::op::Layout::Contiguous, |fixture, cpu, _| {
        assert_eq!(fixture.get(cpu, W0, 2, 1), Ok(1));
        assert_eq!((fixture.release(cpu), fixture.complaints()), (Ok(0), vec![]));
        let word = fixture.world.dma_read(cpu, W0, &program::op::DmaRead { pin: None });
        assert!(word.is_ok(), "{word:?}");
        assert_eq!(fixture.world.unpin(cpu, W0, &Unpin { pin: None }), Ok(1));
        assert_eq!(fixture.complaints(), []);
        assert_eq!(fixture.plug_in(cpu, DeviceMemory::Private), Ok(0));
    });
}

#[test]
fn a_driver_is_not_unloaded_while_its_device_is_open() {
    with_anon(AnonKind::Pages, |fixture, cpu| {
        let open = Open { fd: FdNo(0), target: Target::Mirror, mode: OpenMode::ReadWrite };
        assert_eq!(fixture.world.open(cpu, W0, &open), Ok(0));
        fixture.fork(cpu);
        let close = |worker| fixture.world.close(cpu, worker, &Close { fd: FdNo(0) });
        let busy = Err(Errno::EBUSY.into());
        assert_eq!((fixture.todev(cpu, W0, 0, 1), close(W0)), (Ok(1), Ok(0)));
        assert_eq!(fixture.world.hmm_unload(cpu, W0), busy, "the child has it open");
        assert_eq!(fixture.on_device(cpu, W0, 0).map(|folio| folio.mapcount()), Some(2));
        assert_eq!(fixture.world.exit(cpu, W1), Ok(0));
        assert_eq!(fixture.world.hmm_unload(cpu, W0), Ok(0));
        assert_eq!((fixture.load(cpu, W0, 0), fixture.used(cpu)), (Ok(100), (0, PAGES)));
    });
}

/// What CPUs reach they use where it is.
#[test]
fn coherent_memory_is_mapped_like_any_other() {
    with_anon(AnonKind::Pages, |fixture, cpu| {
        assert_eq!(fixture.release(cpu), Ok(0));
        assert_eq!(fixture.plug_in(cpu, DeviceMemory::Coherent), Ok(0));
        assert_eq!(fixture.todev(cpu, W0, 0, 3), Ok(3));
        assert_eq!(fixture.todev(cpu, W0, 0, 3), Ok(0), "it is there already");
        assert_eq!((fixture.load(cpu, W0, 1), fixture.store(cpu, W0, 1, 9)), (Ok(101), Ok(0)));
        assert_eq!(fixture.used(cpu), (3, PAGES - 3), "and stays there");
        // A child's write is a copy at home; what is nobody else's then is written in place.
        fixture.fork(cpu);
        assert_eq!((fixture.store(cpu, W1, 1, 8), fixture.load(cpu, W0, 1)), (Ok(0), Ok(9)));
        assert_eq!((fixture.store(cpu, W0, 1, 7), fixture.used(cpu).0), (Ok(0), 3));
        // Who refers to a page keeps it there; the others come home for both.
        assert_eq!(fixture.get(cpu, W0, 2, 1), Ok(1));
        assert_eq!((fixture.tosys(cpu, W0, 0, 3), fixture.used(cpu).0), (Ok(2), 1));
        assert_eq!((fixture.load(cpu, W1, 0), fixture.load(cpu, W0, 1)), (Ok(100), Ok(7)));
        assert_eq!(fixture.world.unpin(cpu, W0, &Unpin { pin: None }), Ok(1));
        assert_eq!((fixture.release(cpu), fixture.used(cpu).0), (Ok(0), 0));
        assert_eq!((fixture.load(cpu, W0, 2), fixture.load(cpu, W1, 2)), (Ok(102), Ok(102)));
        assert_eq!(fixture.plug_in(cpu, DeviceMemory::Private), Ok(0));
        assert_eq!(fixture.complaints(), []);
    });
}

#[test]
fn what_a_page_keeps_is_right_wherever_it_is_moved() {
    with_anon(AnonKind::Pages, |fixture, cpu| {
        let keeps = |page| fixture.world.load_kept(cpu, W0, &Load { map: M, page });
        assert_eq!(fixture.world.store_kept(cpu, W0, M, 2), Ok(102));
        assert_eq!(fixture.todev(cpu, W0, 2, 1), Ok(1));
        let dontneed = Madvise { map: M, advice: Advice::DontNeed, page: 4 };
        assert_eq!(fixture.world.madvise(cpu, W0, &dontneed), Ok(0));
        assert_eq!((keeps(2), keeps(4), fixture.complaints()), (Ok(3), Ok(0), vec![]));
        assert_eq!((keeps(3), fixture.take_complaints()), (Ok(103), vec![Complaint::NotKept]));
    });
}

/// What every kernel since v6.1 does.
const FAULT_REF: program::rules::FaultRef = program::rules::FaultRef::UnderLock;
