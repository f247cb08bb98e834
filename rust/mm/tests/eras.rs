//! What kernels before v6.15 did otherwise: counts from one, entries that hold nothing, files that nobody maps, and
//! direct I/O. Each value beside the one of today.

mod common;

use common::*;
use pgmap_mm::dax::InodeId;
use pgmap_mm::warn::Complaint;
use program::op::{
    Align, Anon, AnonKind, Close, DioWrite, FdNo, Get, HmmRelease, HmmTodev, Layout, Load,
    Longterm, MapNo, Munmap, Open, OpenMode, PageRange, Pin, Target, Unlink, Unpin,
};
use program::rules::EvictWait;
use program::{Era, Errno, Rules};

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

/// Nameless, unmapped by another thread, and a page of it in flight: who evicts the file when the I/O ends.
fn let_go_while_in_flight(rules: Rules) -> (Fixture, usize) {
    let (fixture, _) = touched(rules, Align::Odd);
    let device = FdNo(1);
    let open = Open { fd: device, target: Target::SlowBlock, mode: OpenMode::ReadWrite };
    assert_eq!(fixture.world.open(&fixture.cpu(1), W0, &open), Ok(0));
    fixture.world.clone_thread(&fixture.cpu(1), W0, W1).expect("a thread");
    let write = DioWrite { device, map: MapNo(0), page: 1, pages: 1, ticks: None };
    let left = std::thread::scope(|threads| {
        let world = &fixture.world;
        let io = threads.spawn(|| world.dio_write(&fixture.cpu(2), W0, &write));
        fixture.until_waits_for(2, "I/O in flight");
        let others = threads.spawn(|| {
            let cpu = fixture.cpu(3);
            let whole = Munmap { map: MapNo(0), range: None };
            assert_eq!(world.munmap(&cpu, W1, &whole), Ok(0));
            assert_eq!(world.close(&cpu, W1, &Close { fd: FdNo(0) }), Ok(0));
            assert_eq!(world.unlink(&cpu, W1, &Unlink { file: F }), Ok(0));
        });
        if rules.evict_wait == EvictWait::InodeRef {
            others.join().expect("nothing waits");
        } else {
            fixture.until_waits_for(3, IDLE);
        }
        let left = world.dax.live_inodes().count();
        world.complete_io(&fixture.cpu(1));
        assert_eq!(io.join().expect("no panic"), Ok(4096));
        left
    });
    (fixture, left)
}

#[test]
fn who_keeps_a_page_keeps_its_file_and_a_completion_may_be_the_last() {
    let (fixture, left) = let_go_while_in_flight(with(&["evict-wait=inode-ref"]));
    assert_eq!((left, fixture.world.dax.live_inodes().count()), (1, 0));
    assert_eq!(fixture.take_complaints(), [Complaint::EvictedInCompletion]);
    leave(&fixture);
    let (fixture, left) = let_go_while_in_flight(with(&[]));
    assert_eq!((left, fixture.world.dax.live_inodes().count()), (1, 0), "evicted by who unlinked");
    leave(&fixture);
}

#[test]
fn a_file_whose_page_is_kept_is_in_use_and_goes_with_the_last_pin() {
    let (fixture, _) = unmapped(with(&["evict-wait=inode-ref"]));
    let cpu = fixture.cpu(1);
    assert_eq!(fixture.world.close(&cpu, W0, &Close { fd: FdNo(0) }), Ok(0));
    assert_eq!(fixture.world.dax.umount(&cpu), Err(Errno::EBUSY));
    assert_eq!(fixture.world.unlink(&cpu, W0, &Unlink { file: F }), Ok(0), "at once");
    assert_eq!(fixture.world.dax.live_inodes().count(), 1);
    drop(cpu);
    unpin(&fixture);
    assert_eq!(fixture.world.dax.live_inodes().count(), 0);
    leave(&fixture);
}

const ENTRY_REFS: &str = "dax-pages=entry-refs";

#[test]
fn an_entry_of_the_file_holds_each_of_its_frames_and_mappings_hold_nothing() {
    for align in [Align::Natural, Align::Odd] {
        let (fixture, inode) = touched(with(&[ENTRY_REFS]), align);
        let page = fixture.frame(inode, 1);
        let count = || fixture.world.observe(page).refcount;
        assert_eq!((count(), fixture.world.observe(page).mapcount), (1, 0));
        assert_eq!(fixture.pin(&fixture.cpu(1), W0, 1, 1), Ok(1));
        assert_eq!(count(), 1025);
        let whole = Munmap { map: MapNo(0), range: None };
        assert_eq!(fixture.world.munmap(&fixture.cpu(1), W0, &whole), Ok(0));
        assert_eq!(count(), 1025);
        std::thread::scope(|threads| {
            let dax = &fixture.world.dax;
            let truncate = threads.spawn(|| dax.truncate(&fixture.cpu(2), inode, 0));
            fixture.until_waits_for(2, IDLE);
            unpin(&fixture);
            assert_eq!(truncate.join().expect("no panic"), Ok(()));
        });
        assert_eq!(count(), 0, "with the entry goes its reference");
        leave(&fixture);
    }
}

#[test]
fn unbind_lets_the_entries_go_each_when_its_page_is_idle() {
    let (fixture, inode) = unmapped(with(&[ENTRY_REFS]));
    std::thread::scope(|threads| {
        let dax = &fixture.world.dax;
        let unbind = threads.spawn(|| dax.unbind(&fixture.cpu(2)));
        fixture.until_waits_for(2, IDLE);
        unpin(&fixture);
        assert_eq!(unbind.join().expect("no panic"), Ok(()));
    });
    assert_eq!(fixture.world.dax.nrpages(&fixture.cpu(1), inode), 0);
    fixture.world.dax.bind(&fixture.cpu(1)).expect("bind");
    leave(&fixture);
}

#[test]
fn a_truncate_that_waits_for_zero_waits_for_its_own_entry() {
    let (fixture, inode) = unmapped(with(&[ENTRY_REFS, "idle-pred=ref-zero"]));
    std::thread::scope(|threads| {
        let dax = &fixture.world.dax;
        let truncate = threads.spawn(|| dax.truncate(&fixture.cpu(2), inode, 0));
        fixture.until_waits_for(2, IDLE);
        unpin(&fixture);
        assert_eq!(fixture.world.observe(fixture.frame(inode, 1)).refcount, 1);
        assert!(!truncate.is_finished(), "nobody puts the last one");
        // A signal ends the wait, and the entry stays.
        fixture.machine.signal(prim::TaskId(2));
        assert_eq!(truncate.join().expect("no panic"), Err(Errno::EINTR));
    });
    leave(&fixture);
}

#[test]
fn a_layout_break_that_looks_for_pins_passes_a_plain_reference() {
    for (rule, told) in [
        ("busy-test=refcount", &[][..]),
        ("busy-test=maybe-pinned", &[Complaint::BusyReset, Complaint::BlockFreedBusy][..]),
    ] {
        let (fixture, inode) = touched(with(&[rule]), Align::Odd);
        let get = Get { map: MapNo(0), page: 1, pages: 1 };
        assert_eq!(fixture.world.get(&fixture.cpu(1), W0, &get), Ok(1));
        std::thread::scope(|threads| {
            let dax = &fixture.world.dax;
            let truncate = threads.spawn(|| dax.truncate(&fixture.cpu(2), inode, 0));
            if told.is_empty() {
                fixture.until_waits_for(2, IDLE);
                unpin(&fixture);
            }
            assert_eq!(truncate.join().expect("no panic"), Ok(()));
        });
        assert_eq!(fixture.take_complaints(), told);
        if told.is_empty() {
            leave(&fixture);
        }
    }
}

#[test]
fn without_its_pagemap_asked_a_struct_page_that_is_gone_is_referenced() {
    for (rule, told) in [
        ("gup-pagemap=taken", &[][..]),
        ("gup-pagemap=unasked", &[Complaint::GrabbedAfterUnplug][..]),
    ] {
        let rules = with(&["dax-pages=devmap", "holder=none", "teardown-pages=ignore", rule]);
        let (fixture, _) = touched(rules, Align::Odd);
        fixture.world.dax.unbind(&fixture.cpu(1)).expect("unbind");
        let pinned = fixture.pin(&fixture.cpu(1), W0, 1, 1);
        assert_eq!(pinned.is_err(), told.is_empty());
        let all = fixture.take_complaints();
        assert!(all.starts_with(told) && all.is_empty() == told.is_empty(), "{all:?}");
    }
}

#[test]
fn a_driver_that_brings_nothing_home_waits_for_who_has_its_pages() {
    let fixture = Fixture::new(&COSY, with(&["release-evict=off"]));
    let world = &fixture.world;
    {
        let cpu = fixture.cpu(1);
        world.spawn(&cpu, W0).expect("a process");
        let anon = Anon { map: MapNo(0), pages: 1, kind: AnonKind::Pages };
        world.anon(&cpu, W0, &anon).expect("a mapping");
        assert_eq!(fixture.write(&cpu, W0, 0), Ok(0));
        let all = HmmTodev { device: 0, map: MapNo(0), page: 0, pages: 1 };
        assert_eq!(world.hmm_todev(&cpu, W0, &all), Ok(1));
    }
    std::thread::scope(|threads| {
        let release =
            threads.spawn(|| world.hmm_release(&fixture.cpu(2), W0, &HmmRelease { device: 0 }));
        fixture.until_waits_for(2, "pagemap references");
        assert_eq!(fixture.read(&fixture.cpu(1), W0, 0), Ok(0), "it comes for its page");
        assert_eq!(release.join().expect("no panic"), Ok(0));
    });
    leave(&fixture);
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

#[test]
fn a_page_behind_a_special_entry_is_taken_by_nobody_and_read_by_everybody() {
    let special = with(&["dax-pages=devmap", "gup-pagemap=special"]);
    let (fixture, _) = touched(special, Align::Odd);
    let cpu = fixture.cpu(1);
    assert_eq!(fixture.pin(&cpu, W0, 1, 1), Err(Errno::EFAULT.into()));
    assert_eq!(fixture.get(&cpu, W0, 1, 1), Err(Errno::EFAULT.into()));
    assert_eq!(fixture.write(&cpu, W0, 1), Ok(0));
    drop(cpu);
    leave(&fixture);
}

#[test]
fn who_holds_the_device_or_its_pagemap_forbids_pins_for_long() {
    let long = |assignments: &[&str]| {
        let (fixture, _) = touched(with(assignments), Align::Odd);
        let pin = Pin { longterm: Longterm::Long, ..PIN };
        let pinned = fixture.world.pin(&fixture.cpu(1), W0, &pin);
        leave(&fixture);
        pinned
    };
    let forbidden = || Err(Errno::EOPNOTSUPP.into());
    assert_eq!(long(&[]), forbidden());
    assert_eq!(long(&["holder=none"]), forbidden());
    assert_eq!(long(&["longterm-policy=holder"]), forbidden());
    assert_eq!(long(&["longterm-policy=holder", "holder=none"]), Ok(1));
}

#[test]
fn a_put_that_wakes_nobody_gives_ordinary_memory_back_whole() {
    let fixture = Fixture::new(&COSY, Era::V6_1.rules());
    let cpu = fixture.cpu(1);
    fixture.world.spawn(&cpu, W0).expect("a process");
    let anon = Anon { kind: AnonKind::Huge, map: M, pages: 8 };
    assert_eq!(fixture.world.anon(&cpu, W0, &anon), Ok(0));
    let (device, mode) = (FdNo(0), OpenMode::ReadWrite);
    let open = Open { fd: device, target: Target::SlowBlock, mode };
    assert_eq!(fixture.world.open(&cpu, W0, &open), Ok(0));
    // Two pages of one folio, by one call: two references.
    let io = DioWrite { device, map: M, page: 2, pages: 2, ticks: Some(0) };
    assert_eq!(fixture.world.dio_write(&cpu, W0, &io), Ok(2 * 4096));
    fixture.leave(cpu);
}
