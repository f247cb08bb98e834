//! Entries and their locks, holes, and what a filesystem does to a file that is mapped.

mod common;

use std::sync::Barrier;

use common::*;
use pgmap_mm::dax::Extent;
use pgmap_mm::page::Pfn;
use pgmap_mm::tally;
use pgmap_mm::warn::Complaint;
use pgmap_mm::world::Failure;
use program::op::{
    Access, Align, Layout, Load, PageRange, Pin, Pread, Pwrite, Store, Unlink, Unpin, WorkerId,
};
use program::{Died, Era, Errno};

fn fixture() -> Fixture {
    Fixture::new(&COSY, Era::V6_15Sound.rules())
}

#[test]
fn a_hole_is_the_zero_page_until_a_store_gives_every_mapper_the_block() {
    in_a_world(|fixture, cpu| {
        let world = &fixture.world;
        let inode = fixture.file_as(cpu, F, 4, None, Layout::Contiguous);
        for worker in [W0, W1, W2] {
            fixture.start(cpu, worker, F, 4, Align::Odd);
            assert_eq!(world.load(cpu, worker, &Load { map: M, page: 1 }), Ok(0));
        }
        assert_eq!((world.dax.extent(inode, 1), world.dax.nrpages(cpu, inode)), (Extent::Hole, 1));
        assert_eq!(world.observe(Pfn::ZERO_PAGE).refcount, 1, "mapped without being counted");
        assert_eq!(world.store(cpu, W1, &Store { map: M, page: 1, value: 77 }), Ok(0));
        for worker in [W0, W1, W2] {
            assert_eq!(world.load(cpu, worker, &Load { map: M, page: 1 }), Ok(77));
        }
        let page = world.observe(fixture.frame(inode, 1));
        assert_eq!((page.refcount, page.mapcount), (3, 3));
    });
}

#[test]
fn a_hole_written_by_a_call_shows_in_every_mapping_at_once() {
    with_mapped_as(None, 4, Layout::Contiguous, |fixture, cpu, _| {
        let world = &fixture.world;
        assert_eq!(world.load(cpu, W0, &Load { map: M, page: 2 }), Ok(0));
        assert_eq!(
            world.pwrite_each(cpu, W0, &Pwrite { file: fd(), page: 2, pages: 1 }, |_| 9),
            Ok(4096)
        );
        assert_eq!(world.load(cpu, W0, &Load { map: M, page: 2 }), Ok(9));
        assert_eq!(
            world.pwrite_each(cpu, W0, &Pwrite { file: fd(), page: 6, pages: 1 }, |_| 8),
            Ok(4096),
            "and may make the file longer"
        );
        assert_eq!(world.pread(cpu, W0, &Pread { file: fd(), page: 0, pages: 64 }), Ok(7 * 4096));
    });
}

#[test]
fn a_free_block_whose_page_says_it_is_in_a_file_is_told() {
    with_mapped(2, Layout::Contiguous, |fixture, cpu, inode| {
        let world = &fixture.world;
        let memmap = &world.dax.vm.pagemaps.memmap;
        assert_eq!(fixture.write(cpu, W0, 0), Ok(0));
        assert_eq!(fixture.complaints(), [], "a page that is in no file");
        memmap.folio(fixture.frame(inode, 1)).set_mapping(Some(7));
        assert_eq!(fixture.write(cpu, W0, 1), Ok(0));
        assert_eq!(fixture.take_complaints(), [Complaint::MappingOverwritten]);
        assert_eq!(
            memmap.folio(fixture.frame(inode, 1)).mapping(),
            Some(inode.0),
            "and it is taken over"
        );
    });
}

#[test]
fn what_is_written_into_an_unwritten_block_is_read_from_it() {
    with_mapped_as(
        Some(program::op::FileState::Unwritten),
        2,
        Layout::Contiguous,
        |fixture, cpu, inode| {
            let world = &fixture.world;
            let contents = |page| {
                let mut seen = Vec::new();
                let range = PageRange { page, pages: 1 };
                world
                    .pread_each(
                        cpu,
                        W0,
                        &Pread { file: fd(), page: range.page, pages: range.pages },
                        |word| seen.push(word),
                    )
                    .expect("read");
                (seen[0], world.load(cpu, W0, &Load { map: M, page }).expect("mapped"))
            };
            assert_eq!(
                world.pwrite_each(cpu, W0, &Pwrite { file: fd(), page: 0, pages: 1 }, |_| 9),
                Ok(4096)
            );
            assert_eq!(contents(0), (9, 9));
            world.dax.zero_range(cpu, inode, PageRange { page: 0, pages: 1 }).expect("zeroed");
            assert_eq!(contents(0), (0, 0));
            // A fault for writing makes it a written block again, and stores nothing.
            let pin = Pin { access: Access::Write, ..PIN };
            assert_eq!(world.pin(cpu, W0, &pin), Ok(1));
            assert!(matches!(world.dax.extent(inode, 0), Extent::Written(_)));
            assert_eq!(contents(0), (0, 0), "nothing of before");
        },
    );
}

#[test]
fn a_block_that_was_just_freed_is_not_the_next_to_be_given() {
    let fixture = fixture();
    let cpu = fixture.cpu(1);
    let mut given = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let inode = fixture.file(&cpu, F, 1, Layout::Contiguous);
        assert!(given.insert(fixture.frame(inode, 0)), "given again at once");
        fixture.world.unlink(&cpu, W0, &Unlink { file: F }).expect("unlink");
    }
    assert_eq!(fixture.world.dax.blocks.used(&cpu), 0);
}

#[test]
fn everybody_who_waits_for_a_locked_entry_is_served() {
    let fixture = fixture();
    let world = &fixture.world;
    {
        let cpu = fixture.cpu(1);
        fixture.file_as(&cpu, F, 4, None, Layout::Contiguous);
        for worker in (0..6).map(WorkerId) {
            fixture.start(&cpu, worker, F, 4, Align::Odd);
        }
        assert_eq!(world.load(&cpu, W0, &Load { map: M, page: 1 }), Ok(0));
    }
    std::thread::scope(|threads| {
        // Who replaces the zero page takes it from its mappers with the entry locked, and their flush
        // waits for this access.
        let reader = fixture.cpu(1);
        let access = reader.access_begin();
        threads.spawn(|| {
            world.store(&fixture.cpu(2), W0, &Store { map: M, page: 1, value: 5 }).expect("stored")
        });
        until(|| {
            fixture.machine.waiters().iter().any(|w| w.task.0 == 2 && w.class.name == "flush_tlb")
        });
        for task in 3..8 {
            let fixture = &fixture;
            threads.spawn(move || {
                let worker = WorkerId(task as u8 - 2);
                let cpu = fixture.cpu(task);
                match task % 2 {
                    0 => {
                        assert!(fixture.world.load(&cpu, worker, &Load { map: M, page: 1 }).is_ok())
                    }
                    _ => assert!(
                        fixture
                            .world
                            .store(&cpu, worker, &Store { map: M, page: 1, value: 5 })
                            .is_ok()
                    ),
                }
            });
        }
        (3..8).for_each(|task| fixture.until_waits_for(task, "DAX entry"));
        let holder = fixture.machine.waiters().into_iter().find(|w| w.class.name == "DAX entry");
        assert_eq!(holder.and_then(|w| w.owner).map(|task| task.0), Some(2), "and know for whom");
        drop(access);
    });
    assert_eq!(fixture.machine.tally(tally::ENTRY_WAITED), 5);
    let cpu = fixture.cpu(1);
    let inode = world.name_lookup(&cpu, F).expect("an inode");
    let page = world.observe(fixture.frame(inode, 1));
    assert_eq!((page.refcount, page.mapcount), (6, 6));
    fixture.leave(cpu);
}

#[test]
fn faults_on_one_page_from_many_processes_agree_on_its_block() {
    let fixture = fixture();
    let world = &fixture.world;
    for _ in 0..60 {
        {
            let cpu = fixture.cpu(1);
            fixture.file_as(&cpu, F, 8, None, Layout::Contiguous);
            (0..4).for_each(|worker| fixture.start(&cpu, WorkerId(worker), F, 8, Align::Natural));
        }
        let start = Barrier::new(4);
        std::thread::scope(|threads| {
            for worker in 0..4 {
                let (fixture, start) = (&fixture, &start);
                threads.spawn(move || {
                    let cpu = fixture.cpu(1 + u32::from(worker));
                    start.wait();
                    for page in [0, 1, 7, 0] {
                        let access = if worker % 2 == 0 { Access::Write } else { Access::Read };
                        touch(&fixture.world, &cpu, WorkerId(worker), page, access)
                            .expect("mapped");
                    }
                });
            }
        });
        let cpu = fixture.cpu(1);
        let inode = world.name_lookup(&cpu, F).expect("an inode");
        for page in [0, 1, 7] {
            let seen = world.observe(fixture.frame(inode, page));
            assert_eq!((seen.refcount, seen.mapping), (seen.mapcount, true));
            for worker in 0..4 {
                assert_eq!(world.load(&cpu, WorkerId(worker), &Load { map: M, page }), Ok(7));
            }
        }
        assert_eq!(world.dax.blocks.used(&cpu), 3, "a block a page, whoever asked first");
        fixture.exit_all(&cpu);
        world.unlink(&cpu, W0, &Unlink { file: F }).expect("unlink");
    }
    fixture.assert_at_rest();
}

#[test]
fn beyond_the_end_and_on_a_full_device_an_access_dies() {
    in_a_world(|fixture, cpu| {
        let world = &fixture.world;
        fixture.file_as(cpu, F, 8, None, Layout::Contiguous);
        fixture.start(cpu, W0, F, 16, Align::Odd);
        let sigbus = Err(Failure::Died(Died::Sigbus));
        assert_eq!(world.load(cpu, W0, &Load { map: M, page: 8 }), sigbus);
        for name in 1..3 {
            fixture.file(cpu, program::op::FileIdx(name), 64, Layout::Contiguous);
        }
        assert_eq!(
            world.load(cpu, W0, &Load { map: M, page: 0 }),
            Ok(0),
            "a hole needs no block to be read"
        );
        assert_eq!(
            world.store(cpu, W0, &Store { map: M, page: 0, value: 1 }),
            sigbus,
            "and one to be written"
        );
        assert_eq!(
            world.pwrite_each(cpu, W0, &Pwrite { file: fd(), page: 1, pages: 1 }, |_| 1),
            Err(Errno::ENOSPC.into())
        );
        world.unlink(cpu, W0, &Unlink { file: G }).expect("unlink");
        assert_eq!(world.store(cpu, W0, &Store { map: M, page: 0, value: 1 }), Ok(0));
    });
}

#[test]
fn truncate_and_punch_cut_exactly_their_range_out_of_every_mapping() {
    with_mapped(16, Layout::Huge, |fixture, cpu, inode| {
        let world = &fixture.world;
        fixture.start(cpu, W1, F, 16, Align::Odd);
        let fill = || {
            for page in 0..world.dax.inode(inode).size() {
                for worker in [W0, W1] {
                    touch(world, cpu, worker, page, Access::Write).expect("mapped");
                }
            }
        };
        fill();
        world.dax.punch(cpu, inode, PageRange { page: 5, pages: 2 }).expect("punch");
        assert_eq!(world.dax.nrpages(cpu, inode), 0, "the layout of the whole file is broken");
        for page in [4, 5, 6, 7] {
            let held = if (5..7).contains(&page) { 0 } else { 7 };
            assert_eq!(world.load(cpu, W1, &Load { map: M, page }), Ok(held));
        }
        assert_eq!(world.dax.inode(inode).size(), 16);
        fill();
        world.dax.zero_range(cpu, inode, PageRange { page: 0, pages: 3 }).expect("zeroed");
        assert!(matches!(world.dax.extent(inode, 2), Extent::Unwritten(_)));
        assert_eq!(
            (
                world.load(cpu, W0, &Load { map: M, page: 2 }),
                world.load(cpu, W0, &Load { map: M, page: 3 })
            ),
            (Ok(0), Ok(7))
        );
        world.dax.truncate(cpu, inode, 9).expect("truncate");
        assert_eq!(world.load(cpu, W0, &Load { map: M, page: 8 }), Ok(7));
        assert!(
            world.load(cpu, W0, &Load { map: M, page: 9 }).is_err()
                && world.load(cpu, W1, &Load { map: M, page: 15 }).is_err()
        );
        assert_eq!(world.dax.blocks.used(cpu), 9);
    });
}

#[test]
fn a_device_that_is_taken_away_and_given_back_keeps_its_files() {
    with_mapped(8, Layout::Huge, |fixture, cpu, inode| {
        let world = &fixture.world;
        assert_eq!(world.store(cpu, W0, &Store { map: M, page: 3, value: 33 }), Ok(0));
        assert_eq!(world.dax.bind(cpu), Err(Errno::EBUSY));
        world.dax.unbind(cpu).expect("unbind");
        assert_eq!(world.dax.unbind(cpu), Err(Errno::ENODEV));
        assert_eq!(world.dax.nrpages(cpu, inode), 0);
        let page_3 = Load { map: M, page: 3 };
        assert_eq!(world.load(cpu, W0, &page_3), Err(Failure::Died(Died::Sigbus)));
        assert!(fixture.pin(cpu, W0, 3, 1).is_err());
        let read = Pread { file: fd(), page: 3, pages: 1 };
        assert_eq!(world.pread(cpu, W0, &read), Err(Errno::EIO.into()), "XFS is shut down");
        world.dax.truncate(cpu, inode, 4).expect("a file can be cut while its device is away");
        world.dax.bind(cpu).expect("bind");
        assert_eq!(world.load(cpu, W0, &Load { map: M, page: 3 }), Ok(33));
    });
}

#[test]
fn unbind_races_with_faults_pins_and_truncates() {
    for era in Era::ALL.into_iter().filter(|era| era.known().is_empty()) {
        let fixture = Fixture::new(&COSY, era.rules());
        let world = &fixture.world;
        {
            let cpu = fixture.cpu(1);
            fixture.file(&cpu, F, 16, Layout::Huge);
            fixture.start(&cpu, W0, F, 16, Align::Natural);
            fixture.start(&cpu, W1, F, 16, Align::Odd);
        }
        std::thread::scope(|threads| {
            for (task, worker) in [(1, W0), (2, W1)] {
                let fixture = &fixture;
                threads.spawn(move || {
                    let cpu = fixture.cpu(task);
                    let mut dice = Dice(31 + u64::from(task));
                    for _ in 0..300 {
                        let page = dice.roll(16);
                        let _ = fixture.write(&cpu, worker, page);
                        if fixture.pin(&cpu, worker, page, 3).is_ok() {
                            fixture.world.unpin(&cpu, worker, &Unpin { pin: None }).expect("a pin");
                        }
                        if dice.roll(10) == 0 {
                            let inode = fixture.world.name_lookup(&cpu, F).expect("an inode");
                            fixture.world.dax.truncate(&cpu, inode, page).expect("truncate");
                            fixture.world.dax.truncate(&cpu, inode, 16).expect("truncate");
                        }
                    }
                });
            }
            let cpu = fixture.cpu(3);
            for _ in 0..40 {
                world.dax.unbind(&cpu).expect("unbind");
                world.dax.bind(&cpu).expect("bind");
            }
        });
        let cpu = fixture.cpu(1);
        fixture.leave(cpu);
    }
}
