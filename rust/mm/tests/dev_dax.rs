//! Device-dax: permanent folios with the count one, mappings beside it, what is refused, and the end of the device.

mod common;

use common::*;
use pgmap_mm::dax::InodeId;
use pgmap_mm::page::Order;
use pgmap_mm::warn::Complaint;
use pgmap_mm::world::Failure;
use program::op::{
    Align, Drain, FileRef, MapNo, Mmap, Munmap, PageRange, Pipe, PipeNo, Prot, Sharing, UringReg,
    Vmsplice,
};
use program::{Died, Era, Errno, Geometry, Rules};

const PMD: Order = Order(3);
/// Room for fewer pins than a mapping has pages.
const SIZES: Geometry = Geometry { pins_max: 8, ..COSY };

fn rules(assignment: &str) -> Rules {
    let mut rules = Era::V6_15.rules();
    rules.apply(assignment).expect("a rule");
    rules
}

/// The device with folios of this order, open as descriptor 0 of W0.
fn device(rules: Rules, order: Order) -> (Fixture, InodeId) {
    let fixture = Fixture::new(&SIZES, rules);
    let inode = {
        let cpu = fixture.cpu(1);
        let inode = fixture.world.make_dev_dax(&cpu, order).expect("a device");
        fixture.start_with(&cpu, W0, F);
        inode
    };
    (fixture, inode)
}

fn mmap(
    fixture: &Fixture,
    (offset, pages): (u32, u32),
    sharing: Sharing,
    align: Align,
) -> Result<i64, Failure> {
    let op = Mmap {
        map: MapNo(0),
        file: FileRef::Fd(program::op::FdNo(0)),
        offset,
        pages,
        prot: Prot::ReadWrite,
        sharing,
        align,
    };
    fixture.world.mmap(&fixture.cpu(1), W0, &op)
}

fn mapped(rules: Rules, order: Order) -> (Fixture, InodeId) {
    let (fixture, inode) = device(rules, order);
    assert_eq!(mmap(&fixture, (0, 16), Sharing::Shared, Align::Natural), Ok(0));
    assert_eq!(fixture.write(&fixture.cpu(1), W0, 1), Ok(0));
    (fixture, inode)
}

fn count(fixture: &Fixture, inode: InodeId, index: u32) -> i32 {
    fixture.world.observe(fixture.frame(inode, index)).refcount
}

#[test]
fn an_idle_folio_has_the_count_one_and_each_mapping_adds_to_it_from_v6_15_on() {
    for (order, page) in [(Order::PAGE, 1), (PMD, 0)] {
        let (fixture, inode) = mapped(rules("dax-pages=normal"), order);
        assert_eq!(count(&fixture, inode, page), 2);
        let (fixture, inode) = mapped(rules("dax-pages=devmap"), order);
        assert_eq!(count(&fixture, inode, page), 1);
        fixture.exit_all(&fixture.cpu(1));
        assert_eq!(count(&fixture, inode, page), 1);
        // Who mapped it once is told by the page for good.
        assert!(fixture.world.observe(fixture.frame(inode, page)).mapping);
    }
}

#[test]
fn a_long_term_pin_is_allowed_or_in_v6_1_refused() {
    let register = UringReg { map: MapNo(0), page: 2, pages: 1 };
    let (fixture, inode) = mapped(rules("uring-files=pinned"), Order::PAGE);
    assert_eq!(fixture.world.uring_register(&fixture.cpu(1), W0, &register), Ok(0));
    assert_eq!(count(&fixture, inode, 2), 1026);
    assert_eq!(fixture.world.uring_unregister(&fixture.cpu(1), W0), Ok(0));
    let (fixture, inode) = mapped(rules("uring-files=refused"), Order::PAGE);
    let refused = fixture.world.uring_register(&fixture.cpu(1), W0, &register);
    assert_eq!(refused, Err(Errno::EOPNOTSUPP.into()));
    assert_eq!(count(&fixture, inode, 2), 2, "it was pinned first, and is mapped now");
}

/// A buffer is registered whole, or no page of it stays pinned.
#[test]
fn a_buffer_that_is_not_all_there_is_not_registered() {
    let (fixture, inode) = mapped(rules("uring-files=pinned"), Order::PAGE);
    let register = |page, pages| {
        let buffer = UringReg { map: MapNo(0), page, pages };
        fixture.world.uring_register(&fixture.cpu(1), W0, &buffer)
    };
    assert_eq!(register(15, 2), Err(Errno::EFAULT.into()), "it ends after the first");
    assert_eq!(count(&fixture, inode, 15), 2);
    assert_eq!(fixture.world.uring_unregister(&fixture.cpu(1), W0), Err(Errno::ENXIO.into()));
    assert_eq!(register(0, 1025), Err(Errno::EINVAL.into()), "more than one call takes");
}

/// There is room for each page of a buffer, however few pins a worker can hold; and for one buffer.
#[test]
fn a_buffer_of_many_small_pages_outlives_its_mapping_and_not_its_worker() {
    let (fixture, inode) = mapped(rules("uring-files=pinned"), Order::PAGE);
    let cpu = &fixture.cpu(1);
    let pages = 16;
    assert!(pages > u32::from(SIZES.pins_max));
    let register = UringReg { map: MapNo(0), page: 0, pages };
    let counts = || (0..pages).map(|page| count(&fixture, inode, page)).collect::<Vec<_>>();
    assert_eq!(fixture.world.uring_register(cpu, W0, &register), Ok(0));
    assert_eq!(counts(), [1026; 16]);
    assert_eq!(fixture.world.uring_register(cpu, W0, &register), Err(Errno::EBUSY.into()));
    assert_eq!(counts(), [1026; 16], "who is refused pins nothing");
    assert_eq!(fixture.pin(cpu, W0, 3, 1), Ok(1), "pins are kept elsewhere");
    let whole = Munmap { map: MapNo(0), range: None };
    assert_eq!(fixture.world.munmap(cpu, W0, &whole), Ok(0));
    assert_eq!((count(&fixture, inode, 2), count(&fixture, inode, 3)), (1025, 2049));
    assert_eq!(fixture.world.uring_unregister(cpu, W0), Ok(0));
    assert_eq!((count(&fixture, inode, 2), count(&fixture, inode, 3)), (1, 1025));
    assert_eq!(mmap(&fixture, (0, 16), Sharing::Shared, Align::Natural), Ok(0));
    assert_eq!(fixture.world.uring_register(cpu, W0, &register), Ok(0));
    fixture.exit_all(cpu);
    assert_eq!(counts(), [1; 16]);
    assert_eq!(fixture.take_complaints(), []);
}

/// Whatever has pages keeps their file, where that is the rule: a buffer for as long as it is registered, one that was
/// refused not at all.
#[test]
fn a_buffer_keeps_its_file_no_longer_than_its_pages() {
    let (fixture, inode) = mapped(rules("evict-wait=inode-ref"), Order::PAGE);
    let (cpu, users) = (&fixture.cpu(1), || fixture.world.dax.inode(inode).users());
    let register = |page, pages| {
        let buffer = UringReg { map: MapNo(0), page, pages };
        fixture.world.uring_register(cpu, W0, &buffer)
    };
    let before = users();
    assert_eq!(register(15, 2), Err(Errno::EFAULT.into()));
    assert_eq!(users(), before, "what was pinned for nothing is given back");
    assert_eq!(register(0, 2), Ok(0));
    assert_eq!(users(), before + 2, "single pages are a range each");
    assert_eq!(fixture.world.uring_unregister(cpu, W0), Ok(0));
    assert_eq!(users(), before);
    assert_eq!(register(0, 2), Ok(0));
    fixture.exit_all(cpu);
    assert_eq!(users(), 0);
}

#[test]
fn what_would_cut_a_folio_or_copy_it_is_refused() {
    let refused = Err(Errno::EINVAL.into());
    for order in [Order::PAGE, PMD] {
        let (fixture, _) = device(rules("dax-pages=normal"), order);
        assert_eq!(mmap(&fixture, (0, 16), Sharing::Private, Align::Natural), refused);
        let cut = if order == PMD { refused } else { Ok(0) };
        for (range, align) in [((1, 16), Align::Natural), ((0, 16), Align::Odd)] {
            assert_eq!(mmap(&fixture, range, Sharing::Shared, align), cut, "{order:?} {range:?}");
            if cut == Ok(0) {
                let whole = Munmap { map: MapNo(0), range: None };
                assert_eq!(fixture.world.munmap(&fixture.cpu(1), W0, &whole), Ok(0));
            }
        }
        assert_eq!(mmap(&fixture, (0, 16), Sharing::Shared, Align::Natural), Ok(0));
        let part = Munmap { map: MapNo(0), range: Some(PageRange { page: 4, pages: 1 }) };
        assert_eq!(fixture.world.munmap(&fixture.cpu(1), W0, &part), cut);
    }
}

#[test]
fn the_end_of_the_device_unmaps_it_and_waits_for_nobody() {
    let (fixture, inode) = mapped(rules("teardown-pages=ignore"), PMD);
    let cpu = fixture.cpu(1);
    let pipe = PipeNo(0);
    assert_eq!(fixture.world.pipe(&cpu, W0, &Pipe { pipe }), Ok(0));
    let splice = Vmsplice { pipe, map: MapNo(0), page: 1, pages: 1 };
    assert_eq!(fixture.world.vmsplice(&cpu, W0, &splice), Ok(4096));
    assert_eq!(count(&fixture, inode, 0), 3);
    assert_eq!(fixture.world.dax.unbind(&cpu), Ok(()));
    assert_eq!(fixture.take_complaints(), [Complaint::UnplugBusy]);
    assert_eq!(fixture.read(&cpu, W0, 0), Err(Failure::Died(Died::Sigbus)));
    // What is in the pipe cannot be copied, and stays there.
    let drain = Drain { pipe, pages: 1 };
    assert_eq!(fixture.world.drain(&cpu, W0, &drain), Err(Errno::EFAULT.into()));
    assert_eq!(mmap(&fixture, (0, 16), Sharing::Shared, Align::Natural), Err(Errno::ENXIO.into()));
    fixture.world.dax.bind(&cpu).expect("bind");
    assert_eq!(fixture.write(&cpu, W0, 1), Ok(0));
    assert_eq!(count(&fixture, inode, 0), 2, "new struct pages");
}
