//! The ledger knows who owns each reference of a page, and each of its checks fires.

use std::sync::Arc;

use pgmap_mm_explored::page::{Folio, Hold, Pfn};
use pgmap_mm_explored::vm::{GupKind, Permission};
use pgmap_mm_explored::warn::Complaint;
use pgmap_mm_explored::world::World;
use prim::{Arena, Cpu, Lease, Machine, TaskId};
use program::op::{
    Access, Align, FdNo, FileIdx, FileRef, FileState, Layout, Longterm, MapNo, OpenMode, PageRange,
    PipeNo, Prot, Target, WorkerId,
};
use program::{Era, Geometry};

const W0: WorkerId = WorkerId(0);
const M: MapNo = MapNo(0);
const F: FileIdx = FileIdx(0);

struct Rig {
    world: World,
    machine: Arc<Machine>,
    head: Pfn,
}

impl Rig {
    /// A process that has written to the first page of a huge file, or of one without huge pages.
    fn new(layout: Layout) -> Self {
        let geometry = Geometry::SMALL;
        let machine = Machine::new(geometry.cpus.into());
        let arena = Arena::new(World::reserve(&geometry)).expect("address space");
        let (world, head) = {
            let cpu = lease(&machine);
            let rules = Era::V6_15Sound.rules();
            let world = World::new(&arena, &cpu, &geometry, rules).expect("a world");
            world.spawn(&cpu, W0).expect("a process");
            world.create_file(&cpu, F, 4, Some(FileState::Written), layout).expect("a file");
            let target = Target::File(F);
            world.open(&cpu, W0, FdNo(0), target, OpenMode::ReadWrite).expect("a descriptor");
            let align = if layout == Layout::Huge { Align::Natural } else { Align::Odd };
            let fd = FileRef::Fd(FdNo(0));
            world.mmap(&cpu, W0, M, fd, 0, 4, Prot::ReadWrite, align).expect("a mapping");
            let first = PageRange { page: 0, pages: 1 };
            world.touch(&cpu, W0, M, Access::Write, first, |_| 7).expect("a page");
            let inode = world.name_lookup(&cpu, F).expect("an inode");
            let head = world.dax.extent(inode, 0).block().expect("a block");
            (world, head)
        };
        Self { world, machine, head }
    }

    fn small() -> Self {
        Self::new(Layout::Contiguous)
    }

    fn cpu(&self) -> Cpu<'_> {
        lease(&self.machine)
    }

    fn folio(&self) -> Folio<'_> {
        self.world.dax.vm.pagemaps.memmap.folio(self.head)
    }

    /// Who owns what of a page, without who owns nothing.
    fn owners(&self, pfn: Pfn) -> Vec<(Hold, i32)> {
        let owners = self.world.dax.vm.pagemaps.memmap.owners(pfn).expect("explored");
        let all = Hold::ALL.into_iter().map(|hold| (hold, owners.of(hold)));
        all.filter(|(_, refs)| *refs != 0).collect()
    }

    fn hold(&self, kind: GupKind, pages: u32) {
        let cpu = self.cpu();
        let access = Permission::Read;
        self.world.pin(&cpu, W0, M, 0, pages, kind, access, Longterm::Short).expect("held");
    }

    fn complaints(&self) -> Vec<Complaint> {
        let known = |code| Complaint::from_code(code).expect("a complaint of the protocol");
        self.machine.warnings().iter().map(|record| known(record.warn.code)).collect()
    }
}

fn lease(machine: &Machine) -> Cpu<'_> {
    machine.lease(Lease::of(TaskId(1))).expect("a free CPU")
}

#[test]
fn a_mapped_page_belongs_to_its_entry_and_a_pinned_one_to_its_pin_too() {
    let rig = Rig::small();
    assert_eq!(rig.owners(rig.head), [(Hold::Mapping, 1)]);
    rig.hold(GupKind::Pin, 1);
    rig.hold(GupKind::Get, 1);
    let bias = i32::try_from(Geometry::SMALL.pin_bias).expect("a small one");
    let all = [(Hold::Mapping, 1), (Hold::Get, 1), (Hold::Pin, bias)];
    assert_eq!(rig.owners(rig.head), all);
    let cpu = rig.cpu();
    rig.world.munmap(&cpu, W0, M, None).expect("unmapped");
    assert_eq!(rig.owners(rig.head), all[1..]);
    rig.world.exit(&cpu, W0).expect("gone");
    assert_eq!(rig.owners(rig.head), []);
    assert_eq!(rig.complaints(), []);
}

#[test]
fn a_huge_pin_weighs_its_pages() {
    let rig = Rig::new(Layout::Huge);
    assert_eq!(rig.folio().order().pages(), 4);
    rig.hold(GupKind::Pin, 3);
    assert_eq!(rig.owners(rig.head.add(2)), [(Hold::Mapping, 1), (Hold::Pin, 3)]);
    rig.world.unpin(&rig.cpu(), W0, None).expect("a pin");
    assert_eq!(rig.owners(rig.head), [(Hold::Mapping, 1)]);
    assert_eq!(rig.complaints(), []);
}

#[test]
fn a_spliced_page_belongs_to_the_pipe() {
    let rig = Rig::small();
    let cpu = rig.cpu();
    let (from, to) = (PipeNo(0), PipeNo(1));
    for pipe in [from, to] {
        rig.world.pipe(&cpu, W0, pipe).expect("a pipe");
    }
    rig.world.vmsplice(&cpu, W0, from, M, 0, 1).expect("spliced");
    rig.world.tee(&cpu, W0, from, to, 1).expect("copied");
    assert_eq!(rig.owners(rig.head), [(Hold::Mapping, 1), (Hold::Pipe, 2)]);
    rig.world.drain(&cpu, W0, from, 1).expect("drained");
    assert_eq!(rig.owners(rig.head), [(Hold::Mapping, 1), (Hold::Pipe, 1)]);
    assert_eq!(rig.complaints(), []);
}

#[test]
fn an_allocation_belongs_to_its_driver() {
    let rig = Rig::small();
    let cpu = rig.cpu();
    let span = rig.world.dev_alloc(&cpu, 2, 9).expect("two pages");
    let page = span.start.0 - rig.world.devmem.span().start.0;
    rig.world.dev_get(&cpu, page).expect("allocated");
    assert_eq!(rig.owners(span.start), [(Hold::Driver, 2)]);
    rig.world.dev_put(&cpu, page).expect("allocated");
    rig.world.dev_free(&cpu, span, 9);
    assert_eq!(rig.owners(span.start), []);
    assert_eq!(rig.complaints(), []);
}

#[test]
fn a_count_that_somebody_raised_without_owning_it_is_told() {
    let rig = Rig::small();
    rig.folio().page().refcount.add(1);
    assert_eq!(rig.complaints(), [], "nothing looks yet");
    rig.hold(GupKind::Get, 1);
    assert_eq!(rig.complaints().first(), Some(&Complaint::RefcountWrong));
}

#[test]
fn putting_what_belongs_to_somebody_else_is_told_with_who_owns_it() {
    let rig = Rig::small();
    rig.hold(GupKind::Get, 1);
    let cpu = rig.cpu();
    rig.world.dax.vm.pagemaps.folio_put_refs(&cpu, rig.folio(), 1);
    assert_eq!(rig.complaints(), [Complaint::NotTheOwner]);
    let told = rig.world.violation(&cpu, &rig.machine.warnings()[0]);
    assert_eq!(told.parties[1], "w0 pin 0");
    assert!(told.detail.contains("1 by references"), "{}", told.detail);
}

#[test]
fn a_count_wiped_under_its_owner_is_told() {
    let rig = Rig::small();
    rig.folio().page().refcount.set(0);
    rig.folio().owners_check(&rig.cpu());
    assert_eq!(rig.complaints(), [Complaint::OwnedAtZero]);
}

#[test]
fn a_mapcount_without_a_mapping_is_told() {
    let rig = Rig::small();
    rig.folio().page().mapcount.inc_return();
    rig.folio().owners_check(&rig.cpu());
    assert_eq!(rig.complaints(), [Complaint::MapcountWrong]);
}

#[test]
fn a_pincount_without_a_pin_is_told() {
    let rig = Rig::new(Layout::Huge);
    rig.folio().pincount().add(1);
    rig.folio().owners_check(&rig.cpu());
    assert_eq!(rig.complaints(), [Complaint::PincountWrong]);
}

#[test]
fn an_entry_that_vanished_without_its_reference_is_told() {
    let rig = Rig::small();
    let cpu = rig.cpu();
    rig.hold(GupKind::Pin, 1);
    rig.world.audit(&cpu);
    assert_eq!(rig.complaints(), [], "nothing is wrong yet");
    rig.folio().owners_move(&cpu, Hold::Mapping, Hold::Batch, 1);
    rig.world.audit(&cpu);
    assert_eq!(rig.complaints(), [Complaint::OwnerNotFound]);
    let told = rig.world.violation(&cpu, &rig.machine.warnings()[0]);
    assert!(told.detail.contains("1 by a gather batch"), "{}", told.detail);
}

#[test]
fn a_pin_that_is_kept_nowhere_is_told() {
    let rig = Rig::new(Layout::Huge);
    let cpu = rig.cpu();
    for (kind, kept) in [(GupKind::Pin, Hold::Pin), (GupKind::Get, Hold::Get)] {
        rig.hold(kind, 2);
        rig.world.audit(&cpu);
        assert_eq!(rig.complaints(), [], "{kind:?}");
        rig.folio().owners_move(&cpu, kept, Hold::Pipe, 2);
        rig.world.audit(&cpu);
        assert_eq!(rig.machine.warnings()[0].warn.value, kept as i64);
        rig.folio().owners_move(&cpu, Hold::Pipe, kept, 2);
        rig.machine.clear_warnings();
    }
}
