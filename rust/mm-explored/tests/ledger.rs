//! The ledger knows who owns each reference of a page, and each of its checks fires.

mod rig;

use pgmap_mm_explored::page::{Hold, Pfn};
use pgmap_mm_explored::vm::GupKind;
use pgmap_mm_explored::warn::Complaint;
use program::Geometry;
use program::op::{DevGet, DevPut, Drain, Layout, Munmap, Pipe, PipeNo, Tee, Unpin, Vmsplice};
use rig::{M, Rig, W0};

impl Rig {
    /// Who owns what of a page, without who owns nothing.
    fn owners(&self, pfn: Pfn) -> Vec<(Hold, i32)> {
        let owners = self.pagemaps().memmap.owners(pfn).expect("explored");
        let all = Hold::ALL.into_iter().map(|hold| (hold, owners.of(hold)));
        all.filter(|(_, refs)| *refs != 0).collect()
    }
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
    rig.world.munmap(&cpu, W0, &Munmap { map: M, range: None }).expect("unmapped");
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
    rig.world.unpin(&rig.cpu(), W0, &Unpin { pin: None }).expect("a pin");
    assert_eq!(rig.owners(rig.head), [(Hold::Mapping, 1)]);
    assert_eq!(rig.complaints(), []);
}

#[test]
fn a_spliced_page_belongs_to_the_pipe() {
    let rig = Rig::small();
    let cpu = rig.cpu();
    let (from, to) = (PipeNo(0), PipeNo(1));
    for pipe in [from, to] {
        rig.world.pipe(&cpu, W0, &Pipe { pipe }).expect("a pipe");
    }
    rig.world
        .vmsplice(&cpu, W0, &Vmsplice { pipe: from, map: M, page: 0, pages: 1 })
        .expect("spliced");
    rig.world.tee(&cpu, W0, &Tee { from, to, pages: 1 }).expect("copied");
    assert_eq!(rig.owners(rig.head), [(Hold::Mapping, 1), (Hold::Pipe, 2)]);
    rig.world.drain(&cpu, W0, &Drain { pipe: from, pages: 1 }).expect("drained");
    assert_eq!(rig.owners(rig.head), [(Hold::Mapping, 1), (Hold::Pipe, 1)]);
    assert_eq!(rig.complaints(), []);
}

#[test]
fn an_allocation_belongs_to_its_driver() {
    let rig = Rig::small();
    let cpu = rig.cpu();
    let span = rig.world.dev_claim(&cpu, 2, 9).expect("two pages");
    let page = span.start.0 - rig.world.devmem.span().start.0;
    rig.world.dev_get(&cpu, W0, &DevGet { page }).expect("allocated");
    assert_eq!(rig.owners(span.start), [(Hold::Driver, 2)]);
    rig.world.dev_put(&cpu, W0, &DevPut { page }).expect("allocated");
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
