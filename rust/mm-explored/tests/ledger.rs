//! The ledger knows who owns each reference of a page, and each of its checks fires.

mod fixture;

use fixture::{Fixture, M, W0};
use pgmap_mm_explored::page::{Hold, Pfn};
use pgmap_mm_explored::vm::GupKind;
use pgmap_mm_explored::warn::Complaint;
use pgmap_mm_explored::world::{HeldBy, Side};
use program::Geometry;
use program::op::{
    DevGet, DevPut, Drain, Layout, Munmap, Pipe, PipeNo, Tee, Unpin, Vmsplice, WorkerId,
};

impl Fixture {
    /// Who owns what of a page, without who owns nothing.
    fn owners(&self, pfn: Pfn) -> Vec<(Hold, i32)> {
        let owners = self.pagemaps().memmap.owners(pfn).expect("explored");
        let all = Hold::ALL.into_iter().map(|hold| (hold, owners.of(hold)));
        all.filter(|(_, refs)| *refs != 0).collect()
    }
}

#[test]
fn a_mapped_page_belongs_to_its_entry_and_a_pinned_one_to_its_pin_too() {
    let fixture = Fixture::small();
    assert_eq!(fixture.owners(fixture.head), [(Hold::Mapping, 1)]);
    fixture.hold(GupKind::Pin, 1);
    fixture.hold(GupKind::Get, 1);
    let bias = i32::try_from(Geometry::SMALL.pin_bias).expect("a small one");
    let all = [(Hold::Mapping, 1), (Hold::Get, 1), (Hold::Pin, bias)];
    assert_eq!(fixture.owners(fixture.head), all);
    let cpu = fixture.cpu();
    fixture.world.munmap(&cpu, W0, &Munmap { map: M, range: None }).expect("unmapped");
    assert_eq!(fixture.owners(fixture.head), all[1..]);
    fixture.world.exit(&cpu, W0).expect("gone");
    assert_eq!(fixture.owners(fixture.head), []);
    assert_eq!(fixture.complaints(), []);
}

#[test]
fn a_huge_pin_weighs_its_pages() {
    let fixture = Fixture::new(Layout::Huge);
    assert_eq!(fixture.folio().order().pages(), 4);
    fixture.hold(GupKind::Pin, 3);
    assert_eq!(fixture.owners(fixture.head.add(2)), [(Hold::Mapping, 1), (Hold::Pin, 3)]);
    fixture.world.unpin(&fixture.cpu(), W0, &Unpin { pin: None }).expect("a pin");
    assert_eq!(fixture.owners(fixture.head), [(Hold::Mapping, 1)]);
    assert_eq!(fixture.complaints(), []);
}

#[test]
fn a_spliced_page_belongs_to_the_pipe() {
    let fixture = Fixture::small();
    let cpu = fixture.cpu();
    let (from, to) = (PipeNo(0), PipeNo(1));
    for pipe in [from, to] {
        fixture.world.pipe(&cpu, W0, &Pipe { pipe }).expect("a pipe");
    }
    fixture
        .world
        .vmsplice(&cpu, W0, &Vmsplice { pipe: from, map: M, page: 0, pages: 1 })
        .expect("spliced");
    fixture.world.tee(&cpu, W0, &Tee { from, to, pages: 1 }).expect("copied");
    assert_eq!(fixture.owners(fixture.head), [(Hold::Mapping, 1), (Hold::Pipe, 2)]);
    fixture.world.drain(&cpu, W0, &Drain { pipe: from, pages: 1 }).expect("drained");
    assert_eq!(fixture.owners(fixture.head), [(Hold::Mapping, 1), (Hold::Pipe, 1)]);
    assert_eq!(fixture.complaints(), []);
}

#[test]
fn an_allocation_belongs_to_its_driver() {
    let fixture = Fixture::small();
    let cpu = fixture.cpu();
    let span = fixture.world.dev_claim(&cpu, 2, 9).expect("two pages");
    let page = span.start.0 - fixture.world.devmem.span().start.0;
    fixture.world.dev_get(&cpu, W0, &DevGet { page }).expect("allocated");
    assert_eq!(fixture.owners(span.start), [(Hold::Driver, 2)]);
    fixture.world.dev_put(&cpu, W0, &DevPut { page }).expect("allocated");
    fixture.world.dev_free(&cpu, span, 9);
    assert_eq!(fixture.owners(span.start), []);
    assert_eq!(fixture.complaints(), []);
}

#[test]
fn a_count_that_somebody_raised_without_owning_it_is_told() {
    let fixture = Fixture::small();
    fixture.folio().page().refcount.add(1);
    assert_eq!(fixture.complaints(), [], "nothing looks yet");
    fixture.hold(GupKind::Get, 1);
    assert_eq!(fixture.complaints().first(), Some(&Complaint::RefcountWrong));
}

#[test]
fn putting_what_belongs_to_somebody_else_is_told_with_who_owns_it() {
    let fixture = Fixture::small();
    fixture.hold(GupKind::Get, 1);
    let cpu = fixture.cpu();
    fixture.world.dax.vm.pagemaps.folio_put_refs(&cpu, fixture.folio(), 1);
    assert_eq!(fixture.complaints(), [Complaint::NotTheOwner]);
    let told = fixture.world.violation(&cpu, &fixture.machine.warnings()[0]);
    assert_eq!(told.parties[1], Side::Holder(HeldBy::Pin { worker: WorkerId(0), number: 0 }));
    assert_eq!(told.parties[1].to_string(), "w0 pin 0");
    assert!(told.detail.contains("1 by references"), "{}", told.detail);
}

#[test]
fn a_count_wiped_under_its_owner_is_told() {
    let fixture = Fixture::small();
    fixture.folio().page().refcount.set(0);
    fixture.folio().owners_check(&fixture.cpu());
    assert_eq!(fixture.complaints(), [Complaint::OwnedAtZero]);
}

#[test]
fn a_mapcount_without_a_mapping_is_told() {
    let fixture = Fixture::small();
    fixture.folio().page().mapcount.inc_return();
    fixture.folio().owners_check(&fixture.cpu());
    assert_eq!(fixture.complaints(), [Complaint::MapcountWrong]);
}

#[test]
fn a_pincount_without_a_pin_is_told() {
    let fixture = Fixture::new(Layout::Huge);
    fixture.folio().pincount().add(1);
    fixture.folio().owners_check(&fixture.cpu());
    assert_eq!(fixture.complaints(), [Complaint::PincountWrong]);
}

#[test]
fn an_entry_that_vanished_without_its_reference_is_told() {
    let fixture = Fixture::small();
    let cpu = fixture.cpu();
    fixture.hold(GupKind::Pin, 1);
    fixture.world.audit(&cpu);
    assert_eq!(fixture.complaints(), [], "nothing is wrong yet");
    fixture.folio().owners_move(&cpu, Hold::Mapping, Hold::Batch, 1);
    fixture.world.audit(&cpu);
    assert_eq!(fixture.complaints(), [Complaint::OwnerNotFound]);
    let told = fixture.world.violation(&cpu, &fixture.machine.warnings()[0]);
    assert!(told.detail.contains("1 by a gather batch"), "{}", told.detail);
}

#[test]
fn a_pin_that_is_kept_nowhere_is_told() {
    let fixture = Fixture::new(Layout::Huge);
    let cpu = fixture.cpu();
    for (kind, kept) in [(GupKind::Pin, Hold::Pin), (GupKind::Get, Hold::Get)] {
        fixture.hold(kind, 2);
        fixture.world.audit(&cpu);
        assert_eq!(fixture.complaints(), [], "{kind:?}");
        fixture.folio().owners_move(&cpu, kept, Hold::Pipe, 2);
        fixture.world.audit(&cpu);
        assert_eq!(fixture.machine.warnings()[0].warn.value, kept as i64);
        fixture.folio().owners_move(&cpu, Hold::Pipe, kept, 2);
        fixture.machine.clear_warnings();
    }
}
