//! The life of a DAX page, step by step, as the recordings have it.

use program::op::{
    Access, Align, FdNo, FileIdx, FileRef, FileState, Ftruncate, Layout, Load, Longterm, MapNo,
    Mmap, Munmap, Open, OpenMode, PageRange, Pin, Pipe, Prot, Punch, Pwrite, Sharing, Target,
    Touch, Unpin, Vmsplice, WorkerId, Zerorange,
};
use program::{Era, Geometry};

use pgmap_mm::dax::Extent;
use pgmap_mm::page::Pfn;
use pgmap_mm::world::World;
use prim::{Arena, Cpu, Lease, Machine, TaskId};

const W0: WorkerId = WorkerId(0);
const F: FileIdx = FileIdx(0);

fn with_world(era: Era, test: impl FnOnce(&World, &Cpu<'_>)) {
    let geometry = Geometry::REAL;
    let machine = Machine::new(4);
    let cpu = machine.lease(Lease::of(TaskId(1))).expect("a CPU");
    let arena = Arena::new(World::reserve(&geometry)).expect("an arena");
    let world = World::new(&arena, &cpu, &geometry, era.rules()).expect("a world");
    test(&world, &cpu);
    assert_eq!(machine.warnings().len(), 0, "{:?}", machine.warnings());
}

fn mapped(world: &World, cpu: &Cpu<'_>, pages: u32, layout: Layout, align: Align) -> Pfn {
    world.create_file(cpu, F, pages, Some(FileState::Written), layout).expect("a file");
    world.spawn(cpu, W0).expect("a process");
    world
        .open(cpu, W0, &Open { fd: FdNo(0), target: Target::File(F), mode: OpenMode::ReadWrite })
        .expect("a descriptor");
    let file = FileRef::Fd(FdNo(0));
    world
        .mmap(
            cpu,
            W0,
            &Mmap {
                map: MapNo(0),
                file,
                offset: 0,
                pages,
                prot: Prot::ReadWrite,
                sharing: Sharing::Shared,
                align,
            },
        )
        .expect("a mapping");
    let inode = world.name_lookup(cpu, F).expect("an inode");
    match world.dax.extent(inode, 0) {
        Extent::Written(pfn) => pfn,
        other => panic!("{other:?}"),
    }
}

fn touch(world: &World, cpu: &Cpu<'_>, page: u32, access: Access) {
    let range = PageRange { page, pages: 1 };
    world
        .touch_each(
            cpu,
            W0,
            &Touch { access, map: MapNo(0), page: range.page, pages: range.pages },
            |_| 7,
        )
        .expect("a touch");
}

#[test]
fn a_mapping_is_one_reference_and_one_mapcount() {
    with_world(Era::V6_15, |world, cpu| {
        let pfn = mapped(world, cpu, 16, Layout::Contiguous, Align::Odd);
        touch(world, cpu, 0, Access::Read);
        touch(world, cpu, 0, Access::Write);
        let page = world.observe(pfn);
        assert_eq!((page.refcount, page.mapcount, page.mapping), (1, 1, true));
        world.munmap(cpu, W0, &Munmap { map: MapNo(0), range: None }).expect("munmap");
        let page = world.observe(pfn);
        assert_eq!((page.refcount, page.mapcount, page.mapping), (0, 0, true));
    });
}

#[test]
fn an_aligned_file_is_mapped_by_a_pmd_until_truncate_takes_it_apart() {
    with_world(Era::V6_15Sound, |world, cpu| {
        let pfn = mapped(world, cpu, 1024, Layout::Huge, Align::Natural);
        touch(world, cpu, 5, Access::Write);
        let head = world.observe(pfn);
        let large = head.large.expect("a large folio");
        assert_eq!(
            (head.refcount, head.order, large.mapcount, large.entire_mapcount),
            (1, Some(9), 1, 1)
        );
        assert_eq!(world.observe(Pfn(pfn.0 + 511)).tail_of, Some(511));
        world.munmap(cpu, W0, &Munmap { map: MapNo(0), range: None }).expect("munmap");
        assert_eq!(world.observe(pfn).order, Some(9), "order outlives the last mapping");
        let inode = world.name_lookup(cpu, F).expect("an inode");
        world.dax.truncate(cpu, inode, 0).expect("truncate");
        assert_eq!(world.observe(pfn).order, Some(0));
        assert_eq!(world.observe(Pfn(pfn.0 + 511)).tail_of, None);
    });
}

#[test]
fn a_pin_of_a_small_folio_weighs_the_bias_and_of_a_large_one_its_pages() {
    with_world(Era::V6_15Sound, |world, cpu| {
        let pfn = mapped(world, cpu, 1024, Layout::Huge, Align::Natural);
        touch(world, cpu, 0, Access::Write);
        let (map, longterm, access) = (MapNo(0), Longterm::Short, Access::Read);
        let pinned = world.pin(cpu, W0, &Pin { map, page: 1, pages: 4, longterm, access });
        assert_eq!(pinned, Ok(4));
        let head = world.observe(pfn);
        assert_eq!((head.refcount, head.large.map(|l| l.pincount)), (5, Some(4)));
        assert_eq!(world.unpin(cpu, W0, &Unpin { pin: None }), Ok(4));
        assert_eq!(world.observe(pfn).refcount, 1);
    });
}

#[test]
fn everything_balances_when_all_is_gone() {
    with_world(Era::V6_15Sound, |world, cpu| {
        mapped(world, cpu, 16, Layout::Contiguous, Align::Odd);
        touch(world, cpu, 3, Access::Write);
        world.pipe(cpu, W0, &Pipe { pipe: program::op::PipeNo(0) }).expect("a pipe");
        assert_eq!(
            world.vmsplice(
                cpu,
                W0,
                &Vmsplice { pipe: program::op::PipeNo(0), map: MapNo(0), page: 3, pages: 1 }
            ),
            Ok(4096)
        );
        assert!(!world.quiescence(cpu).is_empty(), "a machine in use is not at rest");
        world.exit(cpu, W0).expect("exit");
        assert_eq!(world.quiescence(cpu), Vec::<String>::new());
    });
}

#[test]
fn unbind_and_bind_leave_the_file_and_renew_its_pages() {
    with_world(Era::V6_15Sound, |world, cpu| {
        let pfn = mapped(world, cpu, 16, Layout::Contiguous, Align::Odd);
        touch(world, cpu, 0, Access::Write);
        world.dax.unbind(cpu).expect("unbind");
        assert_eq!(
            world.load(cpu, W0, &Load { map: MapNo(0), page: 0 }),
            Err(pgmap_mm::world::Failure::Died(program::Died::Sigbus))
        );
        world.dax.bind(cpu).expect("bind");
        assert_eq!(world.load(cpu, W0, &Load { map: MapNo(0), page: 0 }), Ok(7));
        assert_eq!(world.observe(pfn).refcount, 1);
    });
}

#[test]
fn a_descriptor_for_reading_changes_nothing() {
    with_world(Era::V6_15Sound, |world, cpu| {
        mapped(world, cpu, 16, Layout::Contiguous, Align::Odd);
        world
            .open(cpu, W0, &Open { fd: FdNo(1), target: Target::File(F), mode: OpenMode::Read })
            .expect("a descriptor");
        let file = FileRef::Fd(FdNo(1));
        let refused = |op| world.execute(cpu, W0, &op);
        let errno = |errno| Err(pgmap_mm::world::Failure::Errno(errno));
        let write = Pwrite { file, page: 0, pages: 1 };
        assert_eq!(refused(write.into()), errno(program::Errno::EBADF));
        // As stress writes.
        assert_eq!(world.pwrite_mark(cpu, W0, &write), errno(program::Errno::EBADF));
        assert_eq!(
            refused(program::Op::Ftruncate(Ftruncate { file, pages: 0 })),
            errno(program::Errno::EINVAL)
        );
        let punch = program::Op::Punch(Punch { file, page: 0, pages: 1 });
        assert_eq!(refused(punch), errno(program::Errno::EBADF));
        let zero = program::Op::Zerorange(Zerorange { file, page: 0, pages: 1 });
        assert_eq!(refused(zero), errno(program::Errno::EBADF));
        let inode = world.name_lookup(cpu, F).expect("an inode");
        assert_eq!(world.dax.inode(inode).size(), 16);
    });
}
