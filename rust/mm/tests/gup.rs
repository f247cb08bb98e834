//! References by address: what they cost, what they refuse, and how they race with the unmapper.

mod common;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use common::*;
use pgmap_mm::tally;
use pgmap_mm::warn::Complaint;
use pgmap_mm::world::{Return, World};
use prim::Cpu;
use program::op::{
    Access, Advice, Align, DioRead, DioWrite, DmaRead, DmaWrite, FdNo, FileState, Layout, Load,
    Longterm, Madvise, Mmap, Munmap, Open, OpenMode, PageRange, Pin, Pipe, PipeNo, Prot, Pvmread,
    Target, Tee, Unlink, Unpin, UringReg, Vmsplice,
};
use program::rules::RefLimit;
use program::{Era, Errno, Geometry, Rules};

fn fixture() -> Fixture {
    Fixture::new(&COSY, Era::V6_15Sound.rules())
}

fn longterm(world: &World, cpu: &Cpu<'_>, page: u32) -> Return {
    world.pin(cpu, W0, &Pin { page, access: Access::Write, longterm: Longterm::Long, ..PIN })
}

#[test]
fn a_get_adds_one_and_a_pin_the_bias_to_a_small_folio() {
    with_mapped(8, Layout::Contiguous, |fixture, cpu, inode| {
        let page = fixture.frame(inode, 2);
        let count = || fixture.world.observe(page).refcount;
        assert_eq!(fixture.get(cpu, W0, 2, 1), Ok(1), "not mapped yet: the slow path faults it in");
        assert_eq!((count(), fixture.machine.tally(tally::GUP_SLOW)), (2, 1));
        assert_eq!(fixture.pin(cpu, W0, 2, 1), Ok(1), "mapped: the fast path serves");
        assert_eq!((count(), fixture.machine.tally(tally::GUP_SLOW)), (2 + 1024, 1));
        assert!(fixture.world.dax.vm.pagemaps.memmap.folio(page).maybe_dma_pinned());
        assert_eq!(
            fixture.world.unpin(cpu, W0, &Unpin { pin: None }),
            Ok(1),
            "the most recent first"
        );
        assert_eq!(count(), 2);
        assert_eq!(fixture.world.unpin(cpu, W0, &Unpin { pin: None }), Ok(1));
        assert_eq!(fixture.world.unpin(cpu, W0, &Unpin { pin: None }), Err(Errno::EINVAL.into()));
        assert_eq!(count(), 1);
    });
}

#[test]
fn a_pmd_range_is_one_folio_range_with_a_count_a_page() {
    with_mapped(16, Layout::Huge, |fixture, cpu, inode| {
        assert_eq!(fixture.write(cpu, W0, 0), Ok(0));
        assert_eq!(fixture.write(cpu, W0, 8), Ok(0));
        let look = |index| {
            let head = fixture.world.observe(fixture.frame(inode, index));
            (head.refcount, head.large.expect("a large folio").pincount)
        };
        assert_eq!(fixture.pin(cpu, W0, 3, 5), Ok(5));
        assert_eq!(look(0), (6, 5));
        assert_eq!(fixture.world.pins_held(cpu, W0), 1, "five pages, one range");
        assert_eq!(fixture.get(cpu, W0, 6, 4), Ok(4));
        assert_eq!(fixture.world.pins_held(cpu, W0), 3, "two pages here, two of the next folio");
        assert_eq!((look(0), look(8)), ((8, 5), (3, 0)));
        assert_eq!(fixture.world.unpin(cpu, W0, &Unpin { pin: None }), Ok(4));
        assert_eq!(fixture.world.unpin(cpu, W0, &Unpin { pin: None }), Ok(5));
        assert_eq!((look(0), look(8)), ((1, 0), (1, 0)));
    });
}

#[test]
fn the_same_large_folio_pinned_through_ptes_counts_the_same() {
    with_mapped(8, Layout::Huge, |fixture, cpu, inode| {
        fixture.start(cpu, W1, F, 8, Align::Odd);
        assert_eq!(fixture.write(cpu, W0, 0), Ok(0));
        assert_eq!(fixture.write(cpu, W1, 5), Ok(0));
        assert_eq!(fixture.pin(cpu, W1, 5, 1), Ok(1));
        let head = fixture.world.observe(fixture.frame(inode, 0));
        let large = head.large.expect("a large folio");
        assert_eq!((head.refcount, large.pincount), (3, 1));
        assert_eq!((large.mapcount, large.entire_mapcount), (2, 1));
        assert_eq!(fixture.world.observe(fixture.frame(inode, 5)).mapcount, 1);
    });
}

#[test]
fn what_cannot_be_referenced_has_an_errno_of_its_own() {
    in_a_world(|fixture, cpu| {
        let world = &fixture.world;
        let inode = fixture.file(cpu, F, 8, Layout::Contiguous);
        fixture.start_with(cpu, W0, F);
        assert_eq!(fixture.pin(cpu, W0, 0, 1), Err(Errno::EFAULT.into()), "no mapping");
        world.mmap(cpu, W0, &Mmap { pages: 16, prot: Prot::Read, ..MMAP }).expect("a mapping");
        let write = |page| world.pin(cpu, W0, &Pin { page, access: Access::Write, ..PIN });
        assert_eq!(write(0), Err(Errno::EFAULT.into()), "a read-only mapping");
        assert_eq!(fixture.pin(cpu, W0, 0, 0), Err(Errno::EINVAL.into()));
        assert_eq!(
            fixture.pin(cpu, W0, 8, 1),
            Err(Errno::EFAULT.into()),
            "beyond the end of the file"
        );
        assert_eq!(fixture.pin(cpu, W0, 16, 1), Err(Errno::EFAULT.into()), "beyond the mapping");
        assert_eq!(fixture.pin(cpu, W0, 6, 8), Ok(2), "a part is not an error");
        let page = PageRange { page: 0, pages: 16 };
        world.munmap(cpu, W0, &Munmap { map: M, range: Some(page) }).expect("munmap");
        assert_eq!(fixture.pin(cpu, W0, 0, 1), Err(Errno::EFAULT.into()), "unmapped");
        world.munmap(cpu, W0, &Munmap { map: M, range: None }).expect("munmap");
        world.mmap(cpu, W0, &Mmap { pages: 8, ..MMAP }).expect("a mapping");
        for page in [0, 1] {
            assert_eq!(longterm(world, cpu, page), Err(Errno::EOPNOTSUPP.into()), "DAX, long-term");
            assert_eq!(
                world.uring_register(cpu, W0, &UringReg { map: M, page, pages: 1 }),
                Err(Errno::EOPNOTSUPP.into())
            );
            fixture.write(cpu, W0, 1).expect("mapped from the second turn on");
        }
        assert_eq!(world.uring_unregister(cpu, W0), Err(Errno::ENXIO.into()));
        assert_eq!(world.observe(fixture.frame(inode, 1)).refcount, 1, "a refusal keeps nothing");
        for _ in 0..62 {
            assert_eq!(fixture.pin(cpu, W0, 0, 1), Ok(1));
        }
        assert_eq!(
            fixture.pin(cpu, W0, 0, 1),
            Err(Errno::ENOMEM.into()),
            "more than a worker can hold"
        );
    });
}

#[test]
fn a_pin_for_writing_does_not_go_through_a_leaf_for_reading() {
    in_a_world(|fixture, cpu| {
        let world = &fixture.world;
        let inode = fixture.file(cpu, F, 8, Layout::Huge);
        fixture.start_with(cpu, W0, F);
        world
            .mmap(cpu, W0, &Mmap { pages: 8, prot: Prot::Read, align: Align::Natural, ..MMAP })
            .expect("a mapping");
        fixture.start(cpu, W1, F, 8, Align::Natural);
        let pin = |worker| {
            world.pin(cpu, worker, &Pin { page: 2, pages: 2, access: Access::Write, ..PIN })
        };
        let large = || world.observe(fixture.frame(inode, 0)).large.expect("a large folio");
        for worker in [W0, W1] {
            assert_eq!(fixture.read(cpu, worker, 0), Ok(0));
        }
        assert_eq!((large().entire_mapcount, fixture.machine.tally(tally::PMD_MAPPED)), (2, 2));
        assert_eq!(pin(W0), Err(Errno::EFAULT.into()), "a mapping for reading");
        assert_eq!((large().pincount, fixture.machine.tally(tally::GUP_FAST)), (0, 0));
        assert_eq!(pin(W1), Ok(2), "one for writing, not yet written to: after a fault");
        assert_eq!((large().pincount, fixture.machine.tally(tally::GUP_FAST)), (2, 0));
    });
}

#[test]
fn a_pin_for_writing_on_a_hole_is_on_a_block_of_the_file() {
    with_mapped_as(None, 2, Layout::Contiguous, |fixture, cpu, inode| {
        let world = &fixture.world;
        assert_eq!(
            world.load(cpu, W0, &Load { map: M, page: 1 }),
            Ok(0),
            "the zero page, for reading"
        );
        let pin = Pin { page: 1, access: Access::Write, ..PIN };
        assert_eq!(world.pin(cpu, W0, &pin), Ok(1));
        assert_eq!(world.observe(fixture.frame(inode, 1)).refcount, 1 + 1024);
        assert_eq!(world.dma_write(cpu, W0, &DmaWrite { pin: None, value: 77 }), Ok(0));
        assert_eq!(world.load(cpu, W0, &Load { map: M, page: 1 }), Ok(77));
    });
}

#[test]
fn a_full_pipe_keeps_nothing_that_it_did_not_take() {
    with_mapped(1, Layout::Contiguous, |fixture, cpu, inode| {
        let world = &fixture.world;
        let slots = u32::from(COSY.pipe_slots);
        let pipes = [PipeNo(0), PipeNo(1)];
        for pipe in pipes {
            world.pipe(cpu, W0, &Pipe { pipe }).expect("a pipe");
        }
        let splice =
            || world.vmsplice(cpu, W0, &Vmsplice { pipe: pipes[0], map: M, page: 0, pages: 1 });
        let count = || world.observe(fixture.frame(inode, 0)).refcount.cast_unsigned();
        for taken in 1..=slots {
            assert_eq!((splice(), count()), (Ok(4096), 1 + taken));
        }
        assert_eq!((splice(), count()), (Err(Errno::EAGAIN.into()), 1 + slots));
        let tee = || world.tee(cpu, W0, &Tee { from: pipes[0], to: pipes[1], pages: slots });
        assert_eq!((tee(), count()), (Ok(4096 * i64::from(slots)), 1 + 2 * slots));
        assert_eq!((tee(), count()), (Ok(0), 1 + 2 * slots));
    });
}

#[test]
fn io_that_cannot_start_keeps_no_page() {
    with_mapped(2, Layout::Contiguous, |fixture, cpu, inode| {
        let world = &fixture.world;
        (0..2).for_each(|page| assert_eq!(fixture.write(cpu, W0, page), Ok(0)));
        let (device, mode) = (FdNo(1), OpenMode::ReadWriteDirect);
        world
            .open(cpu, W0, &Open { fd: device, target: Target::SlowBlock, mode })
            .expect("a device");
        fixture.arena.faults().fail_after(0);
        let io = DioWrite { device, map: M, page: 0, pages: 2, ticks: None };
        let io = world.dio_write(cpu, W0, &io);
        fixture.arena.faults().off();
        assert_eq!(io, Err(Errno::ENOMEM.into()));
        for page in 0..2 {
            assert_eq!(
                world.observe(fixture.frame(inode, page)).refcount,
                1,
                "its mapping, no pin"
            );
        }
    });
}

#[test]
fn the_zero_page_is_pinned_without_being_counted() {
    with_mapped_as(None, 4, Layout::Contiguous, |fixture, cpu, _| {
        let world = &fixture.world;
        let zero = || world.observe(pgmap_mm::page::Pfn::ZERO_PAGE).refcount;
        for _ in 0..2 {
            assert_eq!(fixture.pin(cpu, W0, 1, 1), Ok(1));
            assert_eq!(zero(), 1);
        }
        assert_eq!(fixture.get(cpu, W0, 1, 1), Ok(1));
        assert_eq!(zero(), 2);
        assert_eq!(world.dma_read(cpu, W0, &DmaRead { pin: None }), Ok(0));
        assert_eq!(
            world.process_vm_readv(cpu, W0, &Pvmread { target: W0, map: M, page: 0, pages: 4 }),
            Ok(4 * 4096)
        );
        world.exit(cpu, W0).expect("exit");
        assert_eq!(zero(), 1);
    });
}

#[test]
fn pins_that_go_on_take_a_count_past_its_largest_number() {
    let geometry = Geometry { pin_bias: 1 << 29, ..COSY };
    let pinned = |ref_limit| {
        let fixture = Fixture::new(&geometry, Rules { ref_limit, ..Era::V6_15Sound.rules() });
        let cpu = fixture.cpu(1);
        fixture.file(&cpu, F, 1, Layout::Contiguous);
        fixture.start(&cpu, W0, F, 1, Align::Odd);
        let pins = (0..5).map(|_| fixture.pin(&cpu, W0, 0, 1)).collect::<Vec<_>>();
        (pins, fixture.take_complaints())
    };
    let full = || Err(Errno::ENOMEM.into());
    let refused = vec![Ok(1), Ok(1), full(), full(), full()];
    assert_eq!(pinned(RefLimit::Refused), (refused, vec![]));
    assert_eq!(pinned(RefLimit::Wraps), (vec![Ok(1); 5], vec![Complaint::RefWrapped]));
}

#[test]
fn pins_that_would_overflow_the_count_are_refused_long_before() {
    let geometry = Geometry { pin_bias: 1 << 20, ..COSY };
    let fixture = Fixture::new(&geometry, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    fixture.file(&cpu, F, 1, Layout::Contiguous);
    let mut refused = 0;
    for worker in 0..33 {
        let worker = program::op::WorkerId(worker);
        match worker.0 {
            0 => fixture.start(&cpu, W0, F, 1, Align::Odd),
            _ => fixture.world.clone_thread(&cpu, W0, worker).map(drop).expect("a thread"),
        }
        for _ in 0..64 {
            refused += u32::from(fixture.pin(&cpu, worker, 0, 1) == Err(Errno::ENOMEM.into()));
        }
    }
    assert!(refused > 0);
    assert_eq!(fixture.take_complaints(), [], "to refuse is no fault");
    fixture.world.running().collect::<Vec<_>>().into_iter().for_each(|worker| {
        fixture.world.exit(&cpu, worker).expect("exit");
    });
    drop(cpu);
    fixture.assert_at_rest();
}

#[test]
fn direct_io_pins_its_pages_until_the_device_is_done() {
    let fixture = fixture();
    let world = &fixture.world;
    let inode = {
        let cpu = fixture.cpu(1);
        let inode = fixture.file(&cpu, F, 8, Layout::Contiguous);
        fixture.start(&cpu, W0, F, 8, Align::Odd);
        let mode = OpenMode::ReadWriteDirect;
        world
            .open(&cpu, W0, &Open { fd: FdNo(1), target: Target::SlowBlock, mode })
            .expect("a device");
        inode
    };
    let count = || world.observe(fixture.frame(inode, 0)).refcount;
    let (map, page, pages) = (M, 0, 2);
    let write = |task, device, ticks| {
        world.dio_write(&fixture.cpu(task), W0, &DioWrite { device, map, page, pages, ticks })
    };
    let read = |task, device, ticks| {
        world.dio_read(&fixture.cpu(task), W0, &DioRead { device, map, page, pages, ticks })
    };
    assert_eq!(write(1, FdNo(0), Some(0)), Err(Errno::EBADF.into()));
    assert_eq!(write(1, FdNo(1), Some(0)), Ok(2 * 4096));
    assert_eq!(count(), 1);
    std::thread::scope(|threads| {
        let told = threads.spawn(|| read(2, FdNo(1), None));
        fixture.until_waits_for(2, "I/O in flight");
        let timed = threads.spawn(|| write(3, FdNo(1), Some(2)));
        fixture.until_waits_for(3, "I/O in flight");
        assert_eq!(count(), 1 + 2 * 1024);
        let cpu = fixture.cpu(1);
        world.advance_clock(&cpu);
        assert_eq!(count(), 1 + 2 * 1024, "not yet");
        world.advance_clock(&cpu);
        assert_eq!(timed.join().expect("no panic"), Ok(2 * 4096));
        assert_eq!(count(), 1 + 1024);
        world.complete_io(&cpu);
        assert_eq!(told.join().expect("no panic"), Ok(2 * 4096));
    });
    world.exit(&fixture.cpu(1), W0).expect("exit");
    fixture.assert_at_rest();
}

/// Two threads of one process reference pages while a third takes them away, over and over.
fn references_against(take_away: impl Fn(&Fixture, &Cpu<'_>) + Sync, era: Era) {
    for (layout, align) in [(Layout::Contiguous, Align::Odd), (Layout::Huge, Align::Natural)] {
        let fixture = Fixture::new(&COSY, era.rules());
        let world = &fixture.world;
        {
            let cpu = fixture.cpu(0);
            fixture.file(&cpu, F, 16, layout);
            fixture.start(&cpu, W0, F, 16, align);
            world.clone_thread(&cpu, W0, W1).expect("a thread");
            world.clone_thread(&cpu, W0, W2).expect("a thread");
        }
        let (done, start) = (AtomicBool::new(false), Barrier::new(3));
        std::thread::scope(|threads| {
            for (task, worker) in [(1, W0), (2, W1)] {
                let (fixture, done, start) = (&fixture, &done, &start);
                threads.spawn(move || {
                    let cpu = fixture.cpu(task);
                    let mut dice = Dice(u64::from(task));
                    start.wait();
                    while !done.load(Relaxed) {
                        let (page, pages) = (dice.roll(16), 1 + dice.roll(8));
                        let world = &fixture.world;
                        let pin = Pin { page, pages, ..PIN };
                        let taken = match dice.roll(3) {
                            0 => fixture.get(&cpu, worker, page, pages),
                            1 => world.pin(&cpu, worker, &pin),
                            _ => world.pin(&cpu, worker, &Pin { access: Access::Write, ..pin }),
                        };
                        if taken.is_ok() {
                            world.dma_read(&cpu, worker, &DmaRead { pin: None }).expect("a pin");
                            world.unpin(&cpu, worker, &Unpin { pin: None }).expect("a pin");
                        }
                        let _ = touch(world, &cpu, worker, page, Access::Write);
                    }
                });
            }
            let cpu = fixture.cpu(3);
            start.wait();
            for _ in 0..150 {
                take_away(&fixture, &cpu);
            }
            done.store(true, Relaxed);
        });
        let cpu = fixture.cpu(0);
        for worker in [W0, W1, W2] {
            world.exit(&cpu, worker).expect("exit");
        }
        drop(cpu);
        fixture.assert_at_rest();
    }
}

#[test]
fn gup_races_with_munmap_and_keeps_only_what_was_mapped() {
    references_against(
        |fixture, cpu| {
            fixture.world.munmap(cpu, W2, &Munmap { map: M, range: None }).expect("munmap");
            fixture
                .world
                .mmap(cpu, W2, &Mmap { pages: 16, align: Align::Natural, ..MMAP })
                .expect("mmap");
        },
        Era::V6_15Sound,
    );
}

#[test]
fn gup_races_with_madvise_and_keeps_only_what_was_mapped() {
    references_against(
        |fixture, cpu| {
            for page in 0..16 {
                fixture
                    .world
                    .madvise(cpu, W2, &Madvise { map: M, advice: Advice::DontNeed, page })
                    .expect("madvise");
            }
        },
        Era::V6_15,
    );
}

#[test]
fn gup_races_with_truncate_and_no_block_leaves_under_a_reference() {
    references_against(
        |fixture, cpu| {
            let inode = fixture.world.name_lookup(cpu, F).expect("an inode");
            fixture.world.dax.truncate(cpu, inode, 4).expect("truncate");
            fixture
                .world
                .create_file(cpu, G, 12, Some(FileState::Written), Layout::Contiguous)
                .expect("room");
            fixture.world.unlink(cpu, W0, &Unlink { file: G }).expect("unlink");
            fixture.world.dax.truncate(cpu, inode, 16).expect("truncate");
        },
        Era::V6_15Sound,
    );
}

#[test]
fn gup_races_with_punch_and_no_block_leaves_under_a_reference() {
    references_against(
        |fixture, cpu| {
            let inode = fixture.world.name_lookup(cpu, F).expect("an inode");
            fixture.world.dax.punch(cpu, inode, PageRange { page: 4, pages: 8 }).expect("punch");
            fixture
                .world
                .create_file(cpu, G, 8, Some(FileState::Written), Layout::Huge)
                .expect("room");
            fixture.world.unlink(cpu, W0, &Unlink { file: G }).expect("unlink");
        },
        Era::V6_15Sound,
    );
}
