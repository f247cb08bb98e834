//! What kernels before v6.15 did otherwise: counts from one, entries that hold nothing, files that nobody maps, and
//! direct I/O. Each value beside the one of today.

mod common;

use common::*;
use pgmap_mm::dax::InodeId;
use pgmap_mm::warn::Complaint;
use program::op::{
    Align, DioWrite, FdNo, Layout, Load, MapNo, Munmap, Open, OpenMode, PageRange, Target, Unpin,
};
use program::{Era, Rules};

const IDLE: &str = "page to become idle";

fn with(assignments: &[&str]) -> Rules {
    let mut rules = Era::V6_15Sound.rules();
    assignments.iter().for_each(|it| rules.apply(it).expect("a rule and a value of it"));
    rules
}

/// A file of sixteen pages, mapped by W0 so that a PMD of eight maps it, and touched once.
fn touched(rules: Rules, align: Align) -> (Fixture, InodeId) {
    let fixture = Fixture::new(&COSY, rules);
    let inode = {
        let cpu = fixture.cpu(1);
        let inode = fixture.file(&cpu, F, 16, Layout::Huge);
        fixture.start(&cpu, W0, F, 16, align);
        assert_eq!(fixture.write(&cpu, W0, 1), Ok(0));
        inode
    };
    (fixture, inode)
}

/// What recordings have of pages 0 and 1: count, mapcount, order or distance to the head.
fn told(fixture: &Fixture, inode: InodeId) -> [(i32, i32, Option<u8>); 2] {
    [0, 1].map(|index| {
        let page = fixture.world.observe(fixture.frame(inode, index));
        (page.refcount, page.mapcount, page.order)
    })
}

fn leave(fixture: &Fixture) {
    fixture.exit_all(&fixture.cpu(1));
    fixture.assert_at_rest();
}

fn unpin(fixture: &Fixture) {
    assert_eq!(fixture.world.unpin(&fixture.cpu(1), W0, &Unpin { pin: None }), Ok(1));
}

#[test]
fn a_huge_entry_maps_a_folio_or_up_to_v6_14_frames_that_it_holds_nothing_of() {
    let (fixture, inode) = touched(with(&[]), Align::Natural);
    assert_eq!(told(&fixture, inode), [(1, 0, Some(3)), (0, 0, None)]);
    assert_eq!(fixture.pin(&fixture.cpu(1), W0, 1, 1), Ok(1));
    assert_eq!(told(&fixture, inode)[0].0, 2);
    unpin(&fixture);
    leave(&fixture);
    let (fixture, inode) = touched(with(&["dax-pages=devmap"]), Align::Natural);
    assert_eq!(told(&fixture, inode), [(1, 0, Some(0)); 2]);
    // The frame itself is pinned, by the weight of a small one.
    assert_eq!(fixture.pin(&fixture.cpu(1), W0, 1, 1), Ok(1));
    assert_eq!(told(&fixture, inode), [(1, 0, Some(0)), (1025, 0, Some(0))]);
    unpin(&fixture);
    leave(&fixture);
}

#[test]
fn truncate_waits_for_whoever_raised_a_count_above_one() {
    for align in [Align::Natural, Align::Odd] {
        let (fixture, inode) = touched(with(&["dax-pages=devmap"]), align);
        assert_eq!(fixture.pin(&fixture.cpu(1), W0, 1, 1), Ok(1));
        std::thread::scope(|threads| {
            let dax = &fixture.world.dax;
            let truncate = threads.spawn(|| dax.truncate(&fixture.cpu(2), inode, 0));
            fixture.until_waits_for(2, IDLE);
            unpin(&fixture);
            assert_eq!(truncate.join().expect("no panic"), Ok(()));
        });
        leave(&fixture);
    }
}

#[test]
fn a_pin_through_an_entry_that_holds_nothing_is_refused_once_the_pagemap_dies() {
    let (fixture, _) = touched(with(&["dax-pages=devmap", "holder=none"]), Align::Odd);
    fixture.world.dax.unbind(&fixture.cpu(1)).expect("unbind");
    assert!(fixture.pin(&fixture.cpu(1), W0, 1, 1).is_err());
    fixture.world.dax.bind(&fixture.cpu(1)).expect("bind");
    assert_eq!(fixture.pin(&fixture.cpu(1), W0, 1, 1), Ok(1));
    unpin(&fixture);
    leave(&fixture);
}

/// Page 1 is pinned and nobody maps the file any more.
fn unmapped(rules: Rules) -> (Fixture, InodeId) {
    let (fixture, inode) = touched(rules, Align::Odd);
    let cpu = fixture.cpu(1);
    assert_eq!(fixture.pin(&cpu, W0, 1, 1), Ok(1));
    let whole = Munmap { map: MapNo(0), range: None };
    assert_eq!(fixture.world.munmap(&cpu, W0, &whole), Ok(0));
    drop(cpu);
    (fixture, inode)
}

#[test]
fn a_page_that_nobody_maps_is_waited_for_or_up_to_v6_14_not() {
    let hole = PageRange { page: 1, pages: 1 };
    let (fixture, inode) = unmapped(with(&[]));
    std::thread::scope(|threads| {
        let dax = &fixture.world.dax;
        let punch = threads.spawn(|| dax.punch(&fixture.cpu(2), inode, hole));
        fixture.until_waits_for(2, IDLE);
        unpin(&fixture);
        assert_eq!(punch.join().expect("no panic"), Ok(()));
    });
    leave(&fixture);
    let (fixture, inode) = unmapped(with(&["layout-scan=while-mapped"]));
    assert_eq!(fixture.world.dax.punch(&fixture.cpu(2), inode, hole), Ok(()));
    assert_eq!(fixture.take_complaints(), [Complaint::BusyReset, Complaint::BlockFreedBusy]);
    unpin(&fixture);
    assert_eq!(fixture.take_complaints(), [Complaint::StalePin]);
}

#[test]
fn a_punch_takes_every_entry_away_or_up_to_v6_14_its_own() {
    for (assignment, left) in [("layout-entries=removed", 0), ("layout-entries=kept", 1)] {
        let (fixture, inode) = touched(with(&[assignment]), Align::Odd);
        let cpu = fixture.cpu(1);
        assert_eq!(fixture.write(&cpu, W0, 2), Ok(0));
        fixture.world.dax.punch(&cpu, inode, PageRange { page: 1, pages: 1 }).expect("punch");
        assert_eq!(fixture.world.dax.nrpages(&cpu, inode), left, "{assignment}");
        drop(cpu);
        leave(&fixture);
    }
}

/// Direct I/O from page 1 in flight, and what the page's count was meanwhile.
fn in_flight(rules: Rules) -> i32 {
    let (fixture, inode) = touched(rules, Align::Odd);
    let device = FdNo(1);
    let open = Open { fd: device, target: Target::SlowBlock, mode: OpenMode::ReadWrite };
    assert_eq!(fixture.world.open(&fixture.cpu(1), W0, &open), Ok(0));
    let write = DioWrite { device, map: MapNo(0), page: 1, pages: 1, ticks: None };
    std::thread::scope(|threads| {
        let world = &fixture.world;
        let io = threads.spawn(|| world.dio_write(&fixture.cpu(2), W0, &write));
        fixture.until_waits_for(2, "I/O in flight");
        let count = told(&fixture, inode)[1].0;
        world.complete_io(&fixture.cpu(1));
        assert_eq!(io.join().expect("no panic"), Ok(4096));
        leave(&fixture);
        count
    })
}

#[test]
fn direct_io_pins_or_up_to_v6_4_takes_plain_references() {
    assert_eq!(in_flight(with(&[])), 1025);
    assert_eq!(in_flight(with(&["dio-ref=get"])), 2);
    let old = ["dax-pages=devmap", "dio-ref=get"];
    assert_eq!(in_flight(with(&old)), 2);
}

#[test]
fn a_put_that_knows_nothing_of_ones_leaves_a_sleeper_asleep() {
    for (bio, heard) in [("bio-put=wakes", true), ("bio-put=silent", false)] {
        let (fixture, inode) = touched(with(&["dax-pages=devmap", "dio-ref=get", bio]), Align::Odd);
        let frame = fixture.frame(inode, 1);
        let device = FdNo(1);
        let open = Open { fd: device, target: Target::SlowBlock, mode: OpenMode::ReadWrite };
        assert_eq!(fixture.world.open(&fixture.cpu(1), W0, &open), Ok(0));
        let write = DioWrite { device, map: MapNo(0), page: 1, pages: 1, ticks: None };
        std::thread::scope(|threads| {
            let world = &fixture.world;
            let io = threads.spawn(|| world.dio_write(&fixture.cpu(3), W0, &write));
            fixture.until_waits_for(3, "I/O in flight");
            let truncate = threads.spawn(|| world.dax.truncate(&fixture.cpu(2), inode, 0));
            fixture.until_waits_for(2, IDLE);
            world.complete_io(&fixture.cpu(1));
            assert_eq!(io.join().expect("no panic"), Ok(4096));
            assert_eq!(world.observe(frame).refcount, 1, "the count is right either way");
            if !heard {
                assert!(!truncate.is_finished(), "nothing else wakes it");
                // A signal makes it look, and it finds the page idle.
                fixture.machine.signal(prim::TaskId(2));
            }
            assert_eq!(truncate.join().expect("no panic"), Ok(()));
        });
        leave(&fixture);
    }
}

#[test]
fn what_is_read_through_an_entry_that_holds_nothing_is_the_page() {
    let (fixture, _) = touched(with(&["dax-pages=devmap"]), Align::Natural);
    let cpu = fixture.cpu(1);
    // What `write` stores.
    assert_eq!(fixture.world.load(&cpu, W0, &Load { map: MapNo(0), page: 1 }), Ok(7));
    assert_eq!(fixture.read(&cpu, W0, 9), Ok(0));
    drop(cpu);
    leave(&fixture);
}
