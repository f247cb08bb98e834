//! Page tables, gathers and huge mappings.

mod common;

use common::*;
use pgmap_mm::dax::Extent;
use pgmap_mm::tally;
use pgmap_mm::vm::{
    CpuAccess, Fault, FaultHandler, FileRange, GupKind, GupRange, GupRequest, Insert, Leaf,
    MappingId, MmId, Pte, VmFault, Vpn,
};
use prim::{Cpu, Poison, Stopped, Tally, catch_abandon};
use program::op::{
    Access, Advice, Align, Close, FdNo, FileRef, Layout, Load, Longterm, Madvise, MapNo, Mmap,
    Munmap, PageRange, Prot, Pwrite, Store,
};
use program::{Era, Geometry};

fn tally(fixture: &Fixture, tally: Tally) -> u64 {
    fixture.machine.tally(tally)
}

/// Whether `task` busy-waits or sleeps for something of this class.
fn waits(fixture: &Fixture, task: u32, class: &str) -> bool {
    fixture.machine.waiters().iter().any(|w| w.task.0 == task && w.class.name == class)
}

#[test]
fn a_gather_of_any_size_puts_every_page_it_took() {
    for gather_batch in [1, 2, 3, 8, 63, 64, 65, 512, 4096] {
        let geometry = Geometry { gather_batch, ..COSY };
        let fixture = Fixture::new(&geometry, Era::V6_15Sound.rules());
        let cpu = fixture.cpu(1);
        let inode = fixture.file(&cpu, F, 64, Layout::Contiguous);
        fixture.start(&cpu, W0, F, 64, Align::Odd);
        for page in 0..64 {
            assert_eq!(fixture.write(&cpu, W0, page), Ok(0));
        }
        fixture.world.munmap(&cpu, W0, &Munmap { map: M, range: None }).expect("munmap");
        for index in 0..64 {
            let page = fixture.world.observe(fixture.frame(inode, index));
            assert_eq!(
                (page.refcount, page.mapcount),
                (0, 0),
                "page {index}, batch {gather_batch}"
            );
        }
        assert_eq!(tally(&fixture, tally::GATHER_FULL), u64::from(64 / gather_batch));
        fixture.world.exit(&cpu, W0).expect("exit");
        drop(cpu);
        fixture.assert_at_rest();
    }
}

#[test]
fn a_gather_with_company_flushes_although_it_cleared_nothing() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let world = &fixture.world;
    let other = {
        let cpu = fixture.cpu(1);
        fixture.file(&cpu, F, 4, Layout::Contiguous);
        let other = fixture.file(&cpu, G, 4, Layout::Contiguous);
        fixture.start(&cpu, W0, F, 4, Align::Odd);
        let (map, file) = (MapNo(1), FileRef::File(G));
        world
            .mmap(&cpu, W0, &Mmap { map, file, pages: 4, prot: Prot::Read, ..MMAP })
            .expect("a mapping");
        assert_eq!(fixture.write(&cpu, W0, 0), Ok(0));
        other
    };
    std::thread::scope(|threads| {
        let reader = fixture.cpu(1);
        let access = reader.access_begin();
        threads.spawn(|| {
            world.munmap(&fixture.cpu(2), W0, &Munmap { map: M, range: None }).expect("munmap")
        });
        until(|| waits(&fixture, 2, "flush_tlb"));
        threads.spawn(|| world.dax.truncate(&fixture.cpu(3), other, 0).expect("truncate"));
        until(|| waits(&fixture, 3, "flush_tlb"));
        assert_eq!(tally(&fixture, tally::NESTED_FLUSH), 1);
        drop(access);
    });
    world.exit(&fixture.cpu(1), W0).expect("exit");
    fixture.assert_at_rest();
}

#[test]
fn a_page_table_outlives_the_walker_that_stands_in_it() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    {
        let cpu = fixture.cpu(1);
        fixture.file(&cpu, F, 32, Layout::Contiguous);
        fixture.start(&cpu, W0, F, 32, Align::Odd);
        for page in 0..32 {
            assert_eq!(fixture.write(&cpu, W0, page), Ok(0));
        }
    }
    let tables = fixture.world.dax.vm.live_tables();
    assert!(tables >= 4);
    std::thread::scope(|threads| {
        let walker = fixture.cpu(1);
        let irqs_off = walker.local_irq_save();
        threads.spawn(|| {
            fixture
                .world
                .munmap(&fixture.cpu(2), W0, &Munmap { map: M, range: None })
                .expect("munmap")
        });
        until(|| waits(&fixture, 2, "tlb_remove_table_sync_one"));
        assert_eq!(fixture.world.dax.vm.live_tables(), tables, "unlinked, and none of them free");
        drop(irqs_off);
    });
    assert_eq!(fixture.world.dax.vm.live_tables(), 0);
    assert!(tally(&fixture, tally::TABLE_FREED_UNDER_WALKER) > 0);
    fixture.world.exit(&fixture.cpu(1), W0).expect("exit");
    fixture.assert_at_rest();
}

#[test]
fn a_table_goes_with_its_last_mapping_and_not_before() {
    with_mapped(8, Layout::Contiguous, |fixture, cpu, _| {
        for page in 0..8 {
            assert_eq!(fixture.write(cpu, W0, page), Ok(0));
        }
        let tables = || fixture.world.dax.vm.live_tables();
        assert_eq!(tables(), 2, "seven pages and one");
        let unmap = |page, pages| {
            fixture
                .world
                .munmap(cpu, W0, &Munmap { map: M, range: Some(PageRange { page, pages }) })
                .expect("munmap");
        };
        unmap(2, 3);
        assert_eq!(tables(), 2);
        assert!(fixture.read(cpu, W0, 2).is_err() && fixture.read(cpu, W0, 4).is_err());
        assert_eq!((fixture.read(cpu, W0, 1), fixture.read(cpu, W0, 5)), (Ok(0), Ok(0)));
        unmap(7, 1);
        assert_eq!(tables(), 1);
        unmap(0, 8);
        assert_eq!(tables(), 0);
    });
}

#[test]
fn a_hole_in_a_pmd_drops_all_of_it_and_pages_come_back_one_by_one() {
    with_mapped(8, Layout::Huge, |fixture, cpu, inode| {
        let world = &fixture.world;
        assert_eq!(fixture.read(cpu, W0, 5), Ok(0));
        let head = || world.observe(fixture.frame(inode, 0));
        let counts = || {
            let large = head().large.expect("a large folio");
            (head().refcount, large.mapcount, large.entire_mapcount)
        };
        assert_eq!(counts(), (1, 1, 1));
        assert_eq!(fixture.write(cpu, W0, 2), Ok(0), "a leaf is made writable in place");
        assert_eq!((counts(), tally(fixture, tally::PMD_MAPPED)), ((1, 1, 1), 1));
        world
            .munmap(cpu, W0, &Munmap { map: M, range: Some(PageRange { page: 4, pages: 1 }) })
            .expect("munmap");
        assert_eq!(
            (counts(), head().order),
            ((0, 0, 0), Some(3)),
            "nothing maps it, whole it stays"
        );
        assert_eq!(fixture.read(cpu, W0, 3), Ok(0));
        assert_eq!(fixture.read(cpu, W0, 7), Ok(0));
        assert_eq!(counts(), (2, 2, 0));
        assert_eq!(world.observe(fixture.frame(inode, 3)).mapcount, 1);
    });
}

#[test]
fn pages_mapped_one_by_one_first_stay_so_for_a_mapper_that_could_take_them_whole() {
    in_a_world(|fixture, cpu| {
        let world = &fixture.world;
        let inode = fixture.file(cpu, F, 8, Layout::Huge);
        fixture.start(cpu, W0, F, 8, Align::Odd);
        assert_eq!(fixture.write(cpu, W0, 3), Ok(0));
        fixture.start(cpu, W1, F, 8, Align::Natural);
        assert_eq!(fixture.write(cpu, W1, 3), Ok(0));
        assert_eq!(fixture.write(cpu, W1, 4), Ok(0));
        let seen = world.observe(fixture.frame(inode, 3));
        assert_eq!((seen.order, seen.refcount, seen.mapcount), (Some(0), 2, 2));
        assert_eq!(tally(fixture, tally::PMD_MAPPED), 0);
        assert!(tally(fixture, tally::PMD_FALLBACK) > 0);
        // Once the entries are gone, a mapper without a page table takes the range whole.
        world.dax.zero_range(cpu, inode, PageRange { page: 3, pages: 1 }).expect("zeroed");
        fixture.start(cpu, W2, F, 8, Align::Natural);
        assert_eq!(fixture.write(cpu, W2, 3), Ok(0));
        assert_eq!(world.observe(fixture.frame(inode, 0)).order, Some(3));
        assert_eq!(tally(fixture, tally::PMD_MAPPED), 1);
    });
}

#[test]
fn pmd_and_pte_faults_of_one_range_collide_on_threads_without_harm() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let world = &fixture.world;
    {
        let cpu = fixture.cpu(1);
        fixture.file(&cpu, F, 16, Layout::Huge);
        fixture.start(&cpu, W0, F, 16, Align::Natural);
        fixture.start(&cpu, W1, F, 16, Align::Odd);
        world.clone_thread(&cpu, W0, W2).expect("a thread");
    }
    std::thread::scope(|threads| {
        for (task, worker) in [(1, W0), (2, W1), (3, W2)] {
            let fixture = &fixture;
            threads.spawn(move || {
                let cpu = fixture.cpu(task);
                let mut dice = Dice(0xabc + u64::from(task));
                for _ in 0..400 {
                    let page = dice.roll(16);
                    match dice.roll(8) {
                        0 => assert_eq!(
                            fixture.world.madvise(
                                &cpu,
                                worker,
                                &Madvise { map: M, advice: Advice::DontNeed, page }
                            ),
                            Ok(0)
                        ),
                        1 => {
                            let inode = fixture.world.name_lookup(&cpu, F).expect("an inode");
                            fixture
                                .world
                                .dax
                                .zero_range(&cpu, inode, PageRange { page, pages: 1 })
                                .expect("zeroed");
                        }
                        n if n % 2 == 0 => assert_eq!(fixture.read(&cpu, worker, page), Ok(0)),
                        _ => assert_eq!(fixture.write(&cpu, worker, page), Ok(0)),
                    }
                }
            });
        }
    });
    let cpu = fixture.cpu(1);
    fixture.leave(cpu);
}

#[test]
fn a_second_thread_sees_the_unmap_of_the_first_through_its_own_tlb() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let world = &fixture.world;
    let (first, second) = (fixture.cpu(1), fixture.cpu(2));
    fixture.file(&first, F, 4, Layout::Contiguous);
    fixture.start(&first, W0, F, 4, Align::Odd);
    world.clone_thread(&first, W0, W1).expect("a thread");
    assert_eq!(world.store(&first, W0, &Store { map: M, page: 0, value: 5 }), Ok(0));
    for _ in 0..3 {
        assert_eq!(world.load(&second, W1, &Load { map: M, page: 0 }), Ok(5));
    }
    assert!(tally(&fixture, tally::TLB_HIT) >= 2, "served without a walk");
    world.munmap(&first, W0, &Munmap { map: M, range: None }).expect("munmap");
    assert!(world.load(&second, W1, &Load { map: M, page: 0 }).is_err());
    world.close(&first, W0, &Close { fd: FdNo(0) }).expect("close");
    world.exit(&first, W1).expect("exit");
    world.exit(&first, W0).expect("exit");
    drop((first, second));
    fixture.assert_at_rest();
}

#[test]
fn unmapping_a_part_of_a_file_clears_exactly_that_part() {
    const PAGES: u32 = 6;
    for (first, pages) in (0..PAGES).flat_map(|first| (1..=PAGES).map(move |n| (first, n))) {
        let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
        let cpu = fixture.cpu(1);
        let inode = fixture.file(&cpu, F, PAGES, Layout::Contiguous);
        fixture.start(&cpu, W0, F, PAGES, Align::Odd);
        (0..PAGES).for_each(|page| assert_eq!(fixture.write(&cpu, W0, page), Ok(0)));
        fixture.world.dax.vm.unmap_mapping_pages(
            &cpu,
            MappingId(inode.0),
            FileRange::of(first, pages),
        );
        let mapped = |page: &u32| fixture.world.observe(fixture.frame(inode, *page)).mapcount == 1;
        let left: Vec<u32> = (0..PAGES).filter(mapped).collect();
        let outside: Vec<u32> =
            (0..PAGES).filter(|at| !(first..first + pages).contains(at)).collect();
        assert_eq!(left, outside, "[{first}, {first} + {pages})");
    }
}

/// A fault of the first process at a page of its first mapping.
fn fault_at(fixture: &Fixture, cpu: &Cpu<'_>, page: u32, wanted: Access) -> VmFault {
    let vm = &fixture.world.dax.vm;
    let vma = |at| vm.find_vma(cpu, FIRST_MM, at).filter(|vma| vma.pgoff_of(at) == page);
    let (vpn, vma) = (0..).map(Vpn).find_map(|at| Some((at, vma(at)?))).expect("a mapped page");
    VmFault { mm: FIRST_MM, vpn, pgoff: page, wanted, vma }
}

#[test]
fn only_an_entry_of_the_same_page_is_made_writable() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    let inode = fixture.file(&cpu, F, 2, Layout::Contiguous);
    fixture.start(&cpu, W0, F, 2, Align::Odd);
    assert_eq!(fixture.read(&cpu, W0, 0), Ok(0));
    let vm = &fixture.world.dax.vm;
    let fault = fault_at(&fixture, &cpu, 0, Access::Write);
    let pfn = fixture.frame(inode, 0);
    let page = |permission| Pte::Page(Leaf::new(pfn, permission));
    assert_eq!(vm.walk(FIRST_MM, fault.vpn), page(Access::Read));
    assert_eq!(vm.insert_page(&cpu, &fault, fixture.frame(inode, 1)), Insert::OtherFrame);
    assert_eq!(vm.walk(FIRST_MM, fault.vpn), page(Access::Read));
    assert_eq!(vm.insert_page(&cpu, &fault, pfn), Insert::Done);
    assert_eq!(vm.walk(FIRST_MM, fault.vpn), page(Access::Write));
}

#[test]
fn a_leaf_is_not_put_over_a_page_table() {
    with_mapped(8, Layout::Huge, |fixture, cpu, inode| {
        let world = &fixture.world;
        assert_eq!(fixture.read(cpu, W0, 3), Ok(0));
        world
            .munmap(cpu, W0, &Munmap { map: M, range: Some(PageRange { page: 7, pages: 1 }) })
            .expect("munmap");
        assert_eq!(fixture.read(cpu, W0, 3), Ok(0), "a page of a folio that is still large");
        let fault = fault_at(fixture, cpu, 3, Access::Read);
        let vm = &world.dax.vm;
        let before = vm.walk(FIRST_MM, fault.vpn);
        let head = fixture.frame(inode, 0);
        assert_eq!(vm.insert_huge(cpu, &fault, head), Insert::Raced);
        assert_eq!((vm.walk(FIRST_MM, fault.vpn), vm.live_tables()), (before, 1));
        assert_eq!(world.observe(head).large.map(|large| large.entire_mapcount), Some(0));
    });
}

#[test]
fn pages_of_a_large_folio_that_are_mapped_are_counted_once_each() {
    with_mapped(8, Layout::Huge, |fixture, cpu, inode| {
        assert_eq!(fixture.write(cpu, W0, 0), Ok(0), "one large folio");
        fixture.start(cpu, W1, F, 8, Align::Odd);
        fixture.start(cpu, W2, F, 8, Align::Odd);
        let folio = fixture.world.dax.vm.pagemaps.memmap.folio(fixture.frame(inode, 0));
        let counts = || (folio.nr_pages_mapped().read(), folio.mapcount());
        assert_eq!(counts(), (0, 1), "mapped whole is not mapped by the page");
        let maps = [(W1, 3, (1, 2)), (W2, 3, (1, 3)), (W2, 5, (2, 4))];
        for (worker, page, wanted) in maps {
            assert_eq!(fixture.write(cpu, worker, page), Ok(0));
            assert_eq!(counts(), wanted);
        }
        fixture.world.exit(cpu, W1).expect("exit");
        assert_eq!(counts(), (2, 3), "the third page is still mapped by another");
        fixture.world.exit(cpu, W2).expect("exit");
        assert_eq!(counts(), (0, 1));
    });
}

#[test]
fn what_is_left_behind_a_hole_maps_the_pages_it_did() {
    with_mapped(8, Layout::Contiguous, |fixture, cpu, inode| {
        let hole = Some(PageRange { page: 3, pages: 2 });
        fixture.world.munmap(cpu, W0, &Munmap { map: M, range: hole }).expect("munmap");
        for page in [0, 2, 5, 7] {
            assert_eq!(fixture.write(cpu, W0, page), Ok(0));
        }
        let mapped = |page: &u32| fixture.world.observe(fixture.frame(inode, *page)).mapcount == 1;
        assert_eq!((0..8).filter(mapped).collect::<Vec<_>>(), [0, 2, 5, 7]);
    });
}

#[test]
fn a_leaf_maps_nothing_in_front_of_its_mapping() {
    in_a_world(|fixture, cpu| {
        let inode = fixture.file(cpu, F, 16, Layout::Huge);
        fixture.start_with(cpu, W0, F);
        let natural = Align::Natural;
        fixture
            .world
            .mmap(cpu, W0, &Mmap { offset: 4, pages: 12, align: natural, ..MMAP })
            .expect("from the middle of a leaf on");
        assert_eq!(fixture.write(cpu, W0, 0), Ok(0));
        assert_eq!(tally(fixture, tally::PMD_MAPPED), 0);
        assert_eq!(fixture.world.observe(fixture.frame(inode, 4)).mapcount, 1);
        assert_eq!(fixture.write(cpu, W0, 4), Ok(0));
        assert_eq!(tally(fixture, tally::PMD_MAPPED), 1, "the second lies inside");
    });
}

#[test]
fn a_leaf_maps_blocks_that_are_written_and_lie_side_by_side() {
    with_mapped_as(
        Some(program::op::FileState::Unwritten),
        8,
        Layout::Huge,
        |fixture, cpu, inode| {
            let world = &fixture.world;
            assert_eq!(fixture.read(cpu, W0, 0), Ok(0));
            assert_eq!(tally(fixture, tally::PMD_MAPPED), 0, "read as zeroes, and not yet written");
            let unwritten = |page| matches!(world.dax.extent(inode, page), Extent::Unwritten(_));
            assert!((0..8).all(unwritten));
            // A file whose first block is on the boundary and whose others are elsewhere.
            let other = fixture.file(cpu, G, 8, Layout::Huge);
            world.dax.punch(cpu, other, PageRange { page: 1, pages: 7 }).expect("punch");
            let third = program::op::FileIdx(2);
            fixture.file(cpu, third, 32, Layout::Contiguous);
            let file = FileRef::File(G);
            for page in 1..8 {
                assert_eq!(
                    world.pwrite_each(cpu, W0, &Pwrite { file, page, pages: 1 }, |_| u64::from(
                        page
                    )),
                    Ok(4096)
                );
            }
            let first = fixture.frame(other, 0).0;
            assert!(
                (1..8).any(|page| fixture.frame(other, page).0 != first + page),
                "not side by side"
            );
            world
                .mmap(
                    cpu,
                    W0,
                    &Mmap { map: MapNo(1), file, pages: 8, align: Align::Natural, ..MMAP },
                )
                .expect("a mapping");
            for page in 1..8 {
                assert_eq!(world.load(cpu, W0, &Load { map: MapNo(1), page }), Ok(i64::from(page)));
            }
            assert_eq!(tally(fixture, tally::PMD_MAPPED), 0);
        },
    );
}

/// Claims every time to have handled the fault, and maps nothing.
struct Idle;

impl FaultHandler for Idle {
    fn copy(&self, _: &Cpu<'_>, _: &VmFault, _: pgmap_mm::page::Pfn) -> Fault {
        Fault::Sigbus
    }

    fn is_fsdax(&self, _: &pgmap_mm::vm::Vma) -> bool {
        true
    }

    fn huge_fault(&self, _cpu: &Cpu<'_>, _fault: &VmFault) -> Fault {
        Fault::Fallback
    }

    fn fault(&self, cpu: &Cpu<'_>, _fault: &VmFault) -> Fault {
        cpu.machine().poison(Poison::Requested("enough".to_owned()));
        Fault::Done
    }
}

#[test]
fn an_access_and_a_slow_gup_that_retry_for_ever_end_with_the_machine() {
    let attempts: [fn(&Fixture, &Cpu<'_>, Vpn); 2] = [
        |fixture, cpu, at| {
            let _ = fixture.world.dax.vm.access(cpu, FIRST_MM, at, CpuAccess::Load, &Idle);
        },
        |fixture, cpu, at| {
            let (kind, access, longterm) = (GupKind::Get, Access::Read, Longterm::Short);
            let request = GupRequest { start: at, pages: 1, kind, access, longterm };
            let _ =
                fixture.world.dax.vm.gup(cpu, FIRST_MM, &request, &Idle, &mut [GupRange::EMPTY]);
        },
    ];
    for attempt in attempts {
        let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
        let cpu = fixture.cpu(1);
        fixture.file(&cpu, F, 1, Layout::Contiguous);
        fixture.start(&cpu, W0, F, 1, Align::Odd);
        let vm = &fixture.world.dax.vm;
        let at = (0..).map(Vpn).find(|&at| vm.find_vma(&cpu, FIRST_MM, at).is_some());
        let ended = catch_abandon(|| attempt(&fixture, &cpu, at.expect("the mapping")));
        assert!(matches!(ended, Err(Stopped::Poisoned(Poison::Requested(_)))), "{ended:?}");
    }
}

/// The first process of a world has the first mm.
const FIRST_MM: MmId = MmId(0);
