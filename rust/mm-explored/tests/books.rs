//! The books beside the ledger of pages: pagemap references, DAX entries, the driver's pool. Each check
//! fires, and is silent while nothing is wrong.

mod fixture;

use fixture::{Fixture, M, W0};
use pgmap_mm_explored::page::{Hold, Pfn};
use pgmap_mm_explored::pagemap::{PagemapHold, PagemapId};
use pgmap_mm_explored::percpu_ref::RefId;
use pgmap_mm_explored::vm::GupKind;
use pgmap_mm_explored::warn::Complaint;
use program::op::{DevAlloc, DevGet, DevPut, Layout, Munmap};
use program::{Errno, Geometry, Invariant};

impl Fixture {
    /// What the end of an operation complains of first, of all that is new.
    fn audit(&self) -> Option<Complaint> {
        self.machine.clear_warnings();
        self.world.audit(&self.cpu());
        self.complaints().first().copied()
    }
}

/// Who owns what of a pagemap, without who owns nothing.
fn owners(fixture: &Fixture, id: PagemapId) -> Vec<(PagemapHold, i64)> {
    let owners = fixture.pagemaps().owners(id).expect("explored");
    let all = PagemapHold::ALL.into_iter().map(|hold| (hold, owners.of(hold)));
    all.filter(|(_, refs)| *refs != 0).collect()
}

fn pmem(fixture: &Fixture) -> PagemapId {
    fixture.world.dax.pagemap().expect("bound")
}

fn driver(fixture: &Fixture) -> PagemapId {
    fixture.world.dev_pagemap().expect("bound")
}

/// The pmem's, which was made first.
const PMEM_REF: RefId = RefId(0);
const BULK: (PagemapHold, i64) = (PagemapHold::Bulk, Geometry::SMALL.pages as i64);

#[test]
fn a_pagemap_is_held_by_memremap_by_its_pages_in_use_and_by_lookups() {
    let fixture = Fixture::small();
    let id = pmem(&fixture);
    assert_eq!(owners(&fixture, id), [BULK, (PagemapHold::Page, 1)], "one page is mapped");
    fixture.hold(GupKind::Pin, 1);
    assert_eq!(owners(&fixture, id), [BULK, (PagemapHold::Page, 1)], "and still is one page");
    let cpu = fixture.cpu();
    assert_eq!(fixture.pagemaps().get_dev_pagemap(&cpu, fixture.head), Some(id));
    let all = [BULK, (PagemapHold::Lookup, 1), (PagemapHold::Page, 1)];
    assert_eq!(owners(&fixture, id), all);
    fixture.pagemaps().put_dev_pagemap(&cpu, id);
    fixture.world.exit(&cpu, W0).expect("gone");
    assert_eq!(owners(&fixture, id), [BULK]);
    assert_eq!(fixture.audit(), None);
    assert_eq!(fixture.complaints(), []);
}

#[test]
fn driver_pages_hold_their_pagemap_by_the_page() {
    let fixture = Fixture::small();
    let cpu = fixture.cpu();
    fixture.world.dev_alloc(&cpu, W0, &DevAlloc { start: 0, pages: 4 }).expect("free pages");
    fixture.world.dev_get(&cpu, W0, &DevGet { page: 3 }).expect("allocated");
    assert_eq!(owners(&fixture, driver(&fixture)), [(PagemapHold::Page, 4)]);
    fixture.world.dev_put(&cpu, W0, &DevPut { page: 0 }).expect("allocated");
    assert_eq!(fixture.audit(), None);
    fixture.world.dev_put(&cpu, W0, &DevPut { page: 0 }).expect("allocated");
    assert_eq!(owners(&fixture, driver(&fixture)), []);
    assert_eq!(fixture.audit(), None);
}

#[test]
fn putting_a_pagemap_that_was_not_looked_up_is_told_with_who_owns_it() {
    let fixture = Fixture::small();
    let cpu = fixture.cpu();
    fixture.pagemaps().put_dev_pagemap(&cpu, pmem(&fixture));
    assert_eq!(fixture.complaints().first(), Some(&Complaint::PagemapNotTheOwner));
    let told = fixture.world.violation(&cpu, &fixture.machine.warnings()[0]);
    assert_eq!((told.invariant, told.pfn), (Invariant::I12, None));
    assert!(told.detail.contains("16 by memremap, -1 by lookups"), "{}", told.detail);
}

#[test]
fn a_pagemap_reference_that_nobody_owns_is_told() {
    let fixture = Fixture::small();
    fixture.pagemaps().percpu.get_many(&fixture.cpu(), PMEM_REF, 1);
    assert_eq!(fixture.complaints(), [], "nothing looks yet");
    assert_eq!(fixture.audit(), Some(Complaint::PagemapRefsWrong));
}

#[test]
fn a_page_in_use_without_its_pagemap_is_told() {
    let fixture = Fixture::small();
    // A free block; a page goes from zero to one without asking.
    let last = Pfn(fixture.world.dax.span.end().0 - 1);
    fixture.pagemaps().memmap.page(last).refcount.set(1);
    assert_eq!(fixture.audit(), Some(Complaint::PagemapPagesWrong));
}

#[test]
fn an_entry_and_a_folio_of_another_place_are_told() {
    let fixture = Fixture::small();
    assert_eq!(fixture.audit(), None);
    let folio = fixture.folio();
    folio.set_index_or_share(1);
    assert_eq!(fixture.audit(), Some(Complaint::EntryDisagrees));
    folio.set_index_or_share(0);
    assert_eq!(fixture.audit(), None);
    folio.set_mapping(Some(3));
    assert_eq!(fixture.audit(), Some(Complaint::EntryDisagrees));
    folio.set_mapping(None);
    assert_eq!(fixture.audit(), Some(Complaint::EntryDisagrees));
}

#[test]
fn a_huge_entry_with_a_folio_of_single_pages_is_told() {
    let fixture = Fixture::new(Layout::Huge);
    assert_eq!(fixture.audit(), None);
    let cpu = fixture.cpu();
    fixture.world.munmap(&cpu, W0, &Munmap { map: M, range: None }).expect("unmapped");
    assert_eq!(fixture.audit(), None, "the entry stays, and so does its folio");
    fixture.pagemaps().memmap.reset_order(fixture.folio(), pmem(&fixture).head());
    fixture.folio().set_mapping(Some(0));
    assert_eq!(fixture.audit(), Some(Complaint::EntryDisagrees));
}

#[test]
fn a_page_that_says_it_is_in_a_file_without_an_entry_is_told() {
    let fixture = Fixture::small();
    let second = fixture.pagemaps().memmap.folio(fixture.head.add(1));
    second.set_mapping(Some(0));
    second.set_index_or_share(1);
    assert_eq!(fixture.audit(), Some(Complaint::FolioWithoutEntry));
    let told = fixture.world.violation(&fixture.cpu(), &fixture.machine.warnings()[0]);
    assert_eq!((told.invariant, told.pfn), (Invariant::I17, Some(fixture.head.add(1))));
    second.set_mapping(None);
    assert_eq!(fixture.audit(), None);
}

#[test]
fn a_driver_reference_that_the_pool_does_not_know_is_told() {
    let fixture = Fixture::small();
    let cpu = fixture.cpu();
    fixture.world.dev_alloc(&cpu, W0, &DevAlloc { start: 0, pages: 1 }).expect("a free page");
    let page = fixture.pagemaps().memmap.folio(fixture.world.devmem.span().start);
    assert_eq!(fixture.audit(), None);
    page.owners_move(&cpu, Hold::Driver, Hold::Batch, 1);
    assert_eq!(fixture.audit(), Some(Complaint::OwnerNotFound));
    assert_eq!(fixture.machine.warnings()[0].warn.value, Hold::Driver as i64);
}

#[test]
fn a_page_of_the_free_list_that_is_in_use_is_told() {
    let fixture = Fixture::small();
    let free: Pfn = fixture.world.devmem.span().start.add(2);
    fixture.pagemaps().memmap.page(free).refcount.set(1);
    assert_eq!(fixture.audit(), Some(Complaint::FreePageOwned));
}

#[test]
fn a_driver_puts_only_what_it_has() {
    let fixture = Fixture::small();
    let cpu = fixture.cpu();
    fixture.world.dev_alloc(&cpu, W0, &DevAlloc { start: 0, pages: 1 }).expect("a free page");
    fixture.world.dev_get(&cpu, W0, &DevGet { page: 0 }).expect("allocated");
    let puts = [(); 3].map(|()| fixture.world.dev_put(&cpu, W0, &DevPut { page: 0 }));
    assert_eq!(puts, [Ok(0), Ok(0), Err(Errno::ENXIO.into())]);
    assert_eq!(fixture.audit(), None);
}
