//! What a call that is refused leaves behind: nothing.

mod common;

use common::*;
use pgmap_mm::refcount::LIMIT;
use pgmap_mm::vm::{MmId, Vm, Vpn};
use prim::Cpu;
use program::op::{
    DevAlloc, DevGet, DevPut, FileIdx, Fork, Layout, Load, MapNo, Mmap, Munmap, PageRange, Pipe,
    PipeNo, Pread, Pwrite, Vmsplice, WorkerId,
};
use program::{Era, Errno, Geometry};

fn map(fixture: &Fixture, cpu: &Cpu<'_>, worker: u8, number: u8) -> pgmap_mm::world::Return {
    let (worker, number) = (WorkerId(worker), MapNo(number));
    fixture.world.mmap(cpu, worker, &Mmap { map: number, pages: 8, ..MMAP })
}

/// Pages of a process's address space that lie in some mapping.
fn in_mappings(fixture: &Fixture, cpu: &Cpu<'_>, process: u32, geometry: &Geometry) -> usize {
    let vm = &fixture.world.dax.vm;
    let tables = Vm::tables_of(geometry) as u32 / u32::from(geometry.procs_max);
    let all = (0..tables * geometry.pmd_pages()).map(Vpn);
    all.filter(|at| vm.find_vma(cpu, MmId(process), *at).is_some()).count()
}

/// Processes map one file until its list of mappings is full. Who was refused, and under which number.
fn fill(fixture: &Fixture, cpu: &Cpu<'_>, geometry: &Geometry) -> (u8, u8) {
    fixture.file(cpu, F, 8, Layout::Contiguous);
    for worker in 0..geometry.procs_max as u8 {
        fixture.start_with(cpu, WorkerId(worker), F);
        for number in 0..64 {
            if map(fixture, cpu, worker, number) == Err(Errno::ENOMEM.into()) {
                return (worker, number);
            }
        }
    }
    panic!("the list of a file's mappings has no end");
}

const CROWD: Geometry = Geometry { procs_max: 8, files_max: 2, ..COSY };

#[test]
fn a_mapping_that_its_file_cannot_list_is_no_mapping() {
    let fixture = Fixture::new(&CROWD, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    let (worker, number) = fill(&fixture, &cpu, &CROWD);
    let process = worker.into();
    assert_eq!(in_mappings(&fixture, &cpu, process, &CROWD), 8 * usize::from(number));
    let before = fixture.world.load(&cpu, WorkerId(worker), &Load { map: MapNo(number), page: 0 });
    assert!(before.is_err(), "the number names nothing");
    fixture
        .world
        .munmap(&cpu, WorkerId(0), &Munmap { map: MapNo(0), range: None })
        .expect("room for one more");
    assert_eq!(map(&fixture, &cpu, worker, number), Ok(0), "and can be used again");
    assert_eq!(in_mappings(&fixture, &cpu, process, &CROWD), 8 * (usize::from(number) + 1));
    fixture.leave(cpu);
}

#[test]
fn a_fork_that_fails_half_way_gives_back_what_it_shared() {
    let fixture = Fixture::new(&CROWD, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    fill(&fixture, &cpu, &CROWD);
    let parent = WorkerId(0);
    assert_eq!(fixture.write(&cpu, parent, 0), Ok(0));
    fixture.world.pipe(&cpu, parent, &Pipe { pipe: PipeNo(0) }).expect("a pipe");
    assert_eq!(
        fixture.world.vmsplice(
            &cpu,
            parent,
            &Vmsplice { pipe: PipeNo(0), map: M, page: 0, pages: 1 }
        ),
        Ok(4096)
    );
    fixture
        .world
        .munmap(&cpu, WorkerId(1), &Munmap { map: M, range: None })
        .expect("room for one mapping");
    assert_eq!(
        fixture.world.fork(&cpu, parent, &Fork { child: WorkerId(63) }),
        Err(Errno::ENOMEM.into())
    );
    fixture.leave(cpu);
}

#[test]
fn a_mapping_is_not_split_where_its_half_would_have_no_place() {
    // Sixty-four mappings by number and eight more by their holes: as many as a process can have.
    let geometry = Geometry { maps_max: 64, files_max: 2, ..COSY };
    let fixture = Fixture::new(&geometry, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    fixture.file(&cpu, F, 8, Layout::Contiguous);
    fixture.start_with(&cpu, W0, F);
    (0..64).for_each(|number| assert_eq!(map(&fixture, &cpu, 0, number), Ok(0)));
    let hole = |number| {
        let range = Some(PageRange { page: 3, pages: 2 });
        fixture.world.munmap(&cpu, W0, &Munmap { map: MapNo(number), range })
    };
    let mut holes = 0;
    while hole(holes) == Ok(0) {
        holes += 1;
    }
    assert_eq!(hole(holes), Err(Errno::ENOMEM.into()));
    let mapped = in_mappings(&fixture, &cpu, 0, &geometry);
    assert_eq!(mapped, 64 * 8 - 2 * usize::from(holes), "all of what is left, on both sides");
    fixture.leave(cpu);
}

#[test]
fn of_pins_that_do_not_all_fit_none_is_taken_that_is_not_kept() {
    with_mapped(2, Layout::Contiguous, |fixture, cpu, inode| {
        for _ in 1..COSY.pins_max {
            assert_eq!(fixture.pin(cpu, W0, 0, 1), Ok(1));
        }
        let counts =
            || [0, 1].map(|page| fixture.world.observe(fixture.frame(inode, page)).refcount);
        assert_eq!(fixture.write(cpu, W0, 1), Ok(0));
        let [first, second] = counts();
        assert_eq!(fixture.pin(cpu, W0, 0, 2), Ok(1), "room for one of two");
        assert_eq!(counts(), [first + 1024, second], "the other was not taken");
        assert_eq!(fixture.pin(cpu, W0, 1, 1), Err(Errno::ENOMEM.into()), "no room at all");
        assert_eq!(counts(), [first + 1024, second]);
    });
}

#[test]
fn a_count_that_is_nearly_full_is_refused_by_the_slow_path_too() {
    with_mapped(1, Layout::Contiguous, |fixture, cpu, inode| {
        assert_eq!(fixture.write(cpu, W0, 0), Ok(0));
        let count = &fixture.world.dax.vm.pagemaps.memmap.page(fixture.frame(inode, 0)).refcount;
        count.set(LIMIT + 1);
        // The fast path refuses first and leaves it to the slow one.
        assert_eq!(fixture.get(cpu, W0, 0, 1), Err(Errno::ENOMEM.into()));
        assert_eq!(count.count().get(), LIMIT + 1);
        assert_eq!(fixture.take_complaints(), [], "who is refused has done nothing");
        count.set(1);
    });
}

#[test]
fn a_driver_that_can_count_no_more_keeps_no_reference() {
    in_a_world(|fixture, cpu| {
        assert_eq!(fixture.world.dev_alloc(cpu, W0, &DevAlloc { start: 0, pages: 1 }), Ok(1));
        let most = i32::from(u16::MAX);
        (1..most)
            .for_each(|_| assert_eq!(fixture.world.dev_get(cpu, W0, &DevGet { page: 0 }), Ok(0)));
        let count = || fixture.world.observe(fixture.world.devmem.span().start).refcount;
        assert_eq!(count(), most);
        assert_eq!(fixture.world.dev_get(cpu, W0, &DevGet { page: 0 }), Err(Errno::ENOMEM.into()));
        assert_eq!(count(), most);
        (0..most)
            .for_each(|_| assert_eq!(fixture.world.dev_put(cpu, W0, &DevPut { page: 0 }), Ok(0)));
    });
}

#[test]
fn a_file_that_is_as_large_as_files_get_is_read_punched_and_written_to_its_end() {
    in_a_world(|fixture, cpu| {
        let end = COSY.file_pages_max;
        let inode = fixture.file(cpu, F, end, Layout::Contiguous);
        fixture.start_with(cpu, W0, F);
        let write = |page| {
            fixture.world.pwrite_each(cpu, W0, &Pwrite { file: fd(), page, pages: 1 }, |_| 9)
        };
        assert_eq!(write(end - 1), Ok(4096));
        assert_eq!(write(end), Err(Errno::EINVAL.into()));
        assert_eq!(
            fixture.world.pread(cpu, W0, &Pread { file: fd(), page: end - 1, pages: 1 }),
            Ok(4096)
        );
        assert_eq!(
            fixture.world.dax.punch(cpu, inode, PageRange { page: end - 1, pages: 1 }),
            Ok(())
        );
        assert_eq!(
            fixture.world.dax.punch(cpu, inode, PageRange { page: end - 1, pages: 2 }),
            Err(Errno::EINVAL)
        );
        fixture
            .world
            .create_file(cpu, FileIdx(1), 0, None, Layout::Contiguous)
            .expect("an empty file");
        let other = program::op::FileRef::File(FileIdx(1));
        for page in 0..3 {
            assert_eq!(
                fixture.world.pwrite_each(cpu, W0, &Pwrite { file: other, page, pages: 1 }, |_| 9),
                Ok(4096)
            );
            let inode = fixture.world.name_lookup(cpu, FileIdx(1)).expect("an inode");
            assert_eq!(
                fixture.world.dax.inode(inode).size(),
                page + 1,
                "a write at the end is one page"
            );
        }
    });
}
