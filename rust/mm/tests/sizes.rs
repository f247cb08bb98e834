//! Extreme machines: a terabyte of device, the largest of everything, lists that run full.

mod common;

use common::*;
use pgmap_mm::world::World;
use prim::{Arena, Lease, Machine, NoMemory, TaskId};
use program::op::{Align, FileState, Layout, MapNo, Mmap, Munmap, PageRange, Unlink, WorkerId};
use program::{Era, Errno, Geometry};

const TERABYTE: Geometry =
    Geometry { pages: 1 << 28, file_pages_max: 1 << 28, files_max: 64, ..Geometry::REAL };

/// Resident pages of this process.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    statm.split_whitespace().nth(1).expect("a second field").parse().expect("a number")
}

#[cfg(target_os = "linux")]
#[test]
fn a_terabyte_of_device_costs_what_is_used_of_it() {
    let before = resident();
    let fixture = Fixture::new(&TERABYTE, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    assert_eq!(fixture.world.dax.span.pages, 1 << 28);
    // The last file a machine can have, so that its rows lie at the far end of every table.
    for name in 0..64 {
        let name = program::op::FileIdx(name);
        fixture.world.create_file(&cpu, name, 1 << 20, None, Layout::Huge).expect("a sparse file");
    }
    let last = program::op::FileIdx(63);
    fixture.start(&cpu, W0, last, 1 << 20, Align::Natural);
    assert_eq!(fixture.write(&cpu, W0, (1 << 20) - 1), Ok(0));
    fixture.world.exit(&cpu, W0).expect("exit");
    fixture.world.dax.unbind(&cpu).expect("unbind");
    fixture.world.dax.bind(&cpu).expect("bind");
    drop(cpu);
    fixture.assert_at_rest();
    // A struct page each would be 2 Mi pages; other tests of this binary run beside this one.
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 8, "{grown} pages became resident");
}

#[test]
fn every_geometry_that_validates_is_built_or_refused_and_never_panics() {
    let largest = Geometry {
        cpus: 256,
        dev_pages: 1 << 28,
        files_max: 4096,
        procs_max: 256,
        fds_max: 64,
        maps_max: 64,
        pipes_max: 64,
        pin_bias: 1 << 20,
        gather_batch: 4096,
        ..TERABYTE
    };
    for pmd_order in 1..=9 {
        for geometry in [
            Geometry { pmd_order, ..largest },
            Geometry { pmd_order, files_max: 1, procs_max: 1, cpus: 1, ..largest },
            Geometry { pmd_order, pages: 1, file_pages_max: 1, dev_pages: 0, ..Geometry::SMALL },
        ] {
            assert_eq!(geometry.validate(), Ok(()));
            let machine = Machine::new(geometry.cpus.into());
            let cpu = machine.lease(Lease::of(TaskId(0))).expect("a CPU");
            let Ok(arena) = Arena::new(World::reserve(&geometry)) else { continue };
            let world = World::new(&arena, &cpu, &geometry, Era::V6_15Sound.rules());
            match world {
                Ok(world) => assert!(!world.dev_peek(&cpu, 3)),
                // More page tables than can be numbered.
                Err(NoMemory) => assert_eq!(geometry.procs_max, 256, "{geometry:?}"),
            }
        }
    }
    let tiny = Arena::new(4096).expect("a page");
    let machine = Machine::new(1);
    let cpu = machine.lease(Lease::of(TaskId(0))).expect("a CPU");
    let refused = World::new(&tiny, &cpu, &Geometry::SMALL, Era::V6_15.rules());
    assert_eq!(refused.err(), Some(NoMemory));
}

#[test]
fn a_mapping_that_cannot_be_split_stays_whole_and_truncate_still_finds_it() {
    let geometry = Geometry { procs_max: 64, files_max: 2, ..COSY };
    let fixture = Fixture::new(&geometry, Era::V6_15Sound.rules());
    let world = &fixture.world;
    let cpu = fixture.cpu(1);
    let inode = fixture.file(&cpu, F, 8, Layout::Contiguous);
    // As many mappings of one file as its list takes.
    let mut full = false;
    for worker in 0..64 {
        fixture.start_with(&cpu, WorkerId(worker), F);
        for map in 0..64 {
            let (map, worker) = (MapNo(map), WorkerId(worker));
            let mapped = world.mmap(&cpu, worker, &Mmap { map, pages: 8, ..MMAP });
            full |= mapped == Err(Errno::ENOMEM.into());
        }
        if full {
            break;
        }
    }
    assert!(full, "the list of a file's mappings has an end");
    for page in 0..8 {
        assert_eq!(fixture.write(&cpu, W0, page), Ok(0));
    }
    let hole = Some(PageRange { page: 3, pages: 2 });
    assert_eq!(world.munmap(&cpu, W0, &Munmap { map: M, range: hole }), Err(Errno::ENOMEM.into()));
    assert_eq!(fixture.read(&cpu, W0, 3), Ok(0), "nothing was unmapped");
    // Room for one cut of the two that the hole needs: the first stays, and still nothing is unmapped.
    world.munmap(&cpu, W0, &Munmap { map: MapNo(1), range: None }).expect("munmap");
    assert_eq!(world.munmap(&cpu, W0, &Munmap { map: M, range: hole }), Err(Errno::ENOMEM.into()));
    assert_eq!(fixture.read(&cpu, W0, 3), Ok(0), "nothing was unmapped");
    world.munmap(&cpu, W0, &Munmap { map: MapNo(2), range: None }).expect("munmap");
    assert_eq!(world.munmap(&cpu, W0, &Munmap { map: M, range: hole }), Ok(0));
    assert!(fixture.read(&cpu, W0, 3).is_err());
    for page in [0, 7] {
        assert_eq!(fixture.write(&cpu, W0, page), Ok(0));
    }
    world.dax.truncate(&cpu, inode, 0).expect("truncate");
    assert_eq!(fixture.take_complaints(), [], "no page was freed under a mapping");
    for page in [0, 7] {
        assert!(fixture.read(&cpu, W0, page).is_err());
    }
    world.running().collect::<Vec<_>>().into_iter().for_each(|w| {
        world.exit(&cpu, w).expect("exit");
    });
    drop(cpu);
    fixture.assert_at_rest();
}

#[test]
fn files_of_a_small_machine_run_out_with_an_errno() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    let create = |name, pages| {
        let (name, state) = (program::op::FileIdx(name), Some(FileState::Written));
        fixture.world.create_file(&cpu, name, pages, state, Layout::Contiguous)
    };
    assert_eq!(create(0, 64), Ok(0));
    assert_eq!(create(0, 1), Err(Errno::EEXIST.into()));
    assert_eq!(create(1, 64), Ok(0));
    assert_eq!(create(2, 1), Err(Errno::ENOSPC.into()), "no block");
    for name in 2..8 {
        assert_eq!(create(name, 0), Ok(0));
    }
    assert_eq!(create(8, 0), Err(Errno::ENOSPC.into()), "no inode");
    assert_eq!(fixture.world.dax.blocks.used(&cpu), 128);
    for name in 0..8 {
        assert_eq!(
            fixture.world.unlink(&cpu, W0, &Unlink { file: program::op::FileIdx(name) }),
            Ok(0)
        );
    }
    assert_eq!(fixture.world.dax.blocks.used(&cpu), 0);
}

#[test]
fn a_process_holds_as_many_handles_as_the_geometry_says_and_no_more() {
    let small = Geometry {
        fds_max: 2,
        maps_max: 1,
        pipes_max: 1,
        pipe_slots: 1,
        pins_max: 1,
        ..Geometry::REAL
    };
    let machine = Machine::new(2);
    let cpu = machine.lease(Lease::of(TaskId(1))).expect("a CPU");
    let arena = Arena::new(World::reserve(&small)).expect("an arena");
    let world = World::new(&arena, &cpu, &small, Era::V6_15Sound.rules()).expect("a world");
    let program = program::Program::parse(
        "file f 4 written
         w0 open 0 f rw | w0 mmap 0 0 0 4 rw shared | w0 pipe 0
         w0 vmsplice 0 0 0 2
         w0 pin 0 0 1
         w0 pin 0 1 1
         w0 open 2 f rw
         w0 mmap 1 0 0 4 rw shared
         w0 pipe 1",
    )
    .expect("a program");
    let written = Some(program::op::FileState::Written);
    let layout = program::op::Layout::Contiguous;
    world.create_file(&cpu, program::op::FileIdx(0), 4, written, layout).expect("a file");
    let w0 = program::op::WorkerId(0);
    world.spawn(&cpu, w0).expect("a process");
    let all: Vec<i64> = program
        .steps
        .iter()
        .map(|step| match world.execute(&cpu, w0, &step.op) {
            Ok(value) => value,
            Err(failure) => failure.as_return(),
        })
        .collect();
    // One page of two fits the pipe; the second pin, third descriptor, second mapping and pipe do not fit.
    assert_eq!(all, [0, 0, 0, 4096, 1, -12, -24, -22, -24]);
}
