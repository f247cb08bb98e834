//! Every rule, both ways: what the right value prevents, and what the wrong one lets happen.
//!
//! Two rules are tested where their steps can be parted: `gup-pte-recheck` and `gup-pmd-recheck` at the
//! foot of `vm/gup_fast.rs`, `free-push`, `free-reload`, `init-mode`, `page-reset` and `alloc-dying` in `tests/pagemap.rs`,
//! `ref-limit` in `tests/gup.rs`. `entry-wait-key` and `iomap-lock` need an
//! entry that is locked at the right moment, `request-folio` a mapping that goes at one, `release-folio` a put between a
//! put and a look, `zap-none-pmd` a zap in the middle of a PMD, `collapse-sync` and `fold-wait` a walker between a look and
//! a write, `release-stop` an allocation in the middle of a teardown, `percpu-exit` a lookup in the middle of an unbind, `unbind-order` and `fault-liveness` a fault in the middle of an unbind: the explorer's
//! catalogue has them.
//! What an earlier kernel did otherwise is in `tests/eras.rs`; what pages of shared blocks count in `tests/reflink.rs`,
//! `failed-range` in `tests/unbind.rs`.
//! The four orderings have no wrong value on this machine: the models of `pgmap-mm-weak` have them.
//! `zap-clear` is in `tests/soft_offline.rs`, where one CPU after the other it does no harm; with store buffers
//! the catalogue has that one, too.

mod common;

use std::time::Duration;

use common::*;
use pgmap_mm::dax::InodeId;
use pgmap_mm::warn::Complaint;
use pgmap_mm::world::Return;
use prim::poison::{Poison, Stopped};
use prim::{Cpu, Lease, TaskId, catch_abandon};
use program::op::{
    Align, Close, Dupto, FdNo, FileRef, Layout, Load, Munmap, Pipe, PipeNo, Pread, Pwrite, Unlink,
    Unpin, Vmsplice,
};
use program::rules::RULES;
use program::{Era, Errno, Rules};

const IDLE: &str = "page to become idle";

/// The sound era with one rule broken.
fn broken(assignment: &str) -> Rules {
    let mut rules = Era::V6_15Sound.rules();
    rules.apply(assignment).expect("a rule and a value of it");
    assert_ne!(rules, Era::V6_15Sound.rules(), "{assignment} breaks nothing");
    rules
}

fn sound() -> Rules {
    Era::V6_15Sound.rules()
}

#[test]
fn every_wrong_value_of_every_rule_has_a_test() {
    let tested = [
        ("gup-pte-recheck", "off"),
        ("gup-pmd-recheck", "off"),
        ("collapse-sync", "off"),
        ("zap-put", "before-flush"),
        ("zap-clear", "load-store"),
        ("zap-none-pmd", "skip"),
        ("write-invalidate", "delete-then-unmap"),
        ("truncate-break-layout", "off"),
        ("block-free", "before-idle"),
        ("exit-fput", "newest-first"),
        ("evict-wait", "none"),
        ("evict-wait", "inode-ref"),
        ("memunmap-wait", "off"),
        ("percpu-exit", "before-delete"),
        ("teardown-pages", "ignore"),
        ("holder", "none"),
        ("unbind-order", "zap-then-shutdown"),
        ("failed-range", "wraps"),
        ("fault-liveness", "translation"),
        ("request-folio", "by-inspection"),
        ("release-folio", "by-inspection"),
        ("free-push", "before-settled"),
        ("alloc-pagemap", "nothing"),
        ("alloc-dying", "warned"),
        ("alloc-dying", "any-left"),
        ("release-stop", "after-kill"),
        ("p2p-error", "ref-left"),
        ("p2p-error", "count-left"),
        ("release-evict", "off"),
        ("init-mode", "busy"),
        ("pgmap-word", "own"),
        ("free-reload", "after-free"),
        ("page-reset", "never"),
        ("busy-test", "maybe-pinned"),
        ("idle-pred", "ref-zero"),
        ("wait-drops-lock", "off"),
        ("entry-wait-key", "unrounded"),
        ("iomap-lock", "until-end"),
        ("busy-scan", "next-index"),
        ("dax-pages", "devmap"),
        ("dax-pages", "entry-refs"),
        ("gup-pagemap", "unasked"),
        ("gup-pagemap", "put-only"),
        ("gup-pagemap", "special"),
        ("longterm-policy", "holder"),
        ("layout-scan", "while-mapped"),
        ("layout-entries", "kept"),
        ("dio-ref", "get"),
        ("pfnmap-flush", "at-end"),
        ("bio-put", "silent"),
        ("uring-files", "refused"),
        ("share-count", "marked"),
        ("share-count", "on-write"),
        ("share-update", "plain"),
        ("shared-free", "at-once"),
        ("share-reset", "kept-at-order-0"),
        ("head-recheck", "off"),
        ("ref-limit", "wraps"),
        ("fold-wait", "off"),
        ("device-folios", "huge"),
        ("fault-ref", "none"),
        ("exclusive-ref", "none"),
        ("exclusive-partial", "asked"),
        ("mirror-retry", "ignored"),
        ("migrate-check", "exact"),
        ("migrate-unqueue", "checked"),
        ("walk-pmd", "stale"),
        ("rmap-pmd", "stale"),
        ("split-get", "missing"),
        ("split-unmap", "still-mapped"),
        ("split-freeze", "ignored"),
        ("split-unfreeze", "head-first"),
        ("split-again", "lost"),
        ("gup-grab", "relaxed"),
        ("folio-put", "relaxed"),
        ("folio-publish", "relaxed"),
        ("percpu-put", "relaxed"),
    ];
    let wrong = RULES.iter().flat_map(|rule| {
        let right = Era::V6_15Sound.value_of(rule);
        rule.values.iter().map(|v| (rule.name, v.name)).filter(move |(_, value)| *value != right)
    });
    assert_eq!(wrong.collect::<Vec<_>>(), tested);
}

/// A file of eight pages, mapped by W0, with page 3 written and pinned.
fn pinned(rules: Rules) -> (Fixture, InodeId) {
    let fixture = Fixture::new(&COSY, rules);
    let inode = {
        let cpu = fixture.cpu(1);
        let inode = fixture.file(&cpu, F, 8, Layout::Contiguous);
        fixture.start(&cpu, W0, F, 8, Align::Odd);
        fixture.world.clone_thread(&cpu, W0, W1).expect("a thread");
        assert_eq!(fixture.write(&cpu, W0, 3), Ok(0));
        assert_eq!(fixture.pin(&cpu, W0, 3, 1), Ok(1));
        inode
    };
    (fixture, inode)
}

fn unpin(fixture: &Fixture) {
    assert_eq!(fixture.world.unpin(&fixture.cpu(1), W0, &Unpin { pin: None }), Ok(1));
}

fn leave(fixture: &Fixture) {
    let cpu = fixture.cpu(1);
    fixture.world.exit(&cpu, W1).expect("exit");
    fixture.world.exit(&cpu, W0).expect("exit");
    drop(cpu);
    fixture.assert_at_rest();
}

/// Runs `call` as task 2, waits until it sleeps for `class`, runs `meanwhile`, and expects the call to
/// end then.
fn sleeps<R: Send>(
    fixture: &Fixture,
    class: &str,
    call: impl FnOnce(&Cpu<'_>) -> R + Send,
    meanwhile: impl FnOnce(),
) -> R {
    std::thread::scope(|threads| {
        let call = threads.spawn(|| call(&fixture.cpu(2)));
        fixture.until_waits_for(2, class);
        meanwhile();
        call.join().expect("no panic")
    })
}

fn sleeping(fixture: &Fixture, class: &str) -> bool {
    let waiters = fixture.machine.waiters();
    waiters.iter().any(|waiter| waiter.task == TaskId(2) && waiter.class.name == class)
}

#[test]
fn truncate_waits_for_the_pin() {
    let (fixture, inode) = pinned(sound());
    let page = fixture.frame(inode, 3);
    let truncate = |cpu: &Cpu<'_>| fixture.world.dax.truncate(cpu, inode, 0);
    let done = sleeps(&fixture, IDLE, truncate, || {
        assert_eq!(fixture.world.observe(page).refcount, 1024, "unmapped, and still pinned");
        assert_eq!(fixture.frame(inode, 3), page, "the block is the file's as long");
        unpin(&fixture);
    });
    assert_eq!(done, Ok(()));
    leave(&fixture);
}

#[test]
fn truncate_without_breaking_the_layout_frees_the_block_under_the_pin() {
    let (fixture, inode) = pinned(broken("truncate-break-layout=off"));
    assert_eq!(fixture.world.dax.truncate(&fixture.cpu(1), inode, 0), Ok(()));
    assert_eq!(fixture.take_complaints(), [Complaint::BusyReset, Complaint::BlockFreedBusy]);
    unpin(&fixture);
    assert_eq!(fixture.take_complaints(), [Complaint::StalePin]);
}

#[test]
fn a_block_freed_before_it_is_idle_is_free_while_truncate_still_waits() {
    let (fixture, inode) = pinned(broken("block-free=before-idle"));
    let truncate = |cpu: &Cpu<'_>| fixture.world.dax.truncate(cpu, inode, 0);
    let done = sleeps(&fixture, IDLE, truncate, || {
        let complaints = fixture.take_complaints();
        assert!(complaints.contains(&Complaint::BlockFreedBusy), "{complaints:?}");
        assert_eq!(fixture.world.dax.blocks.used(&fixture.cpu(1)), 0);
        unpin(&fixture);
        assert_eq!(fixture.take_complaints(), [Complaint::StalePin]);
    });
    assert_eq!(done, Ok(()));
}

/// What is left of the file is the pin.
fn forgotten(fixture: &Fixture) {
    let cpu = fixture.cpu(1);
    fixture.world.munmap(&cpu, W0, &Munmap { map: M, range: None }).expect("munmap");
    fixture.world.close(&cpu, W0, &Close { fd: FdNo(0) }).expect("close");
}

#[test]
fn eviction_waits_for_the_pin() {
    let (fixture, _) = pinned(sound());
    forgotten(&fixture);
    let unlink = |cpu: &Cpu<'_>| fixture.world.unlink(cpu, W0, &Unlink { file: F });
    assert_eq!(sleeps(&fixture, IDLE, unlink, || unpin(&fixture)), Ok(0));
    assert_eq!(fixture.world.dax.live_inodes().count(), 0);
    leave(&fixture);
}

#[test]
fn the_last_close_and_the_last_munmap_of_a_nameless_file_wait_like_unlink() {
    let (fixture, _) = pinned(sound());
    fixture
        .world
        .unlink(&fixture.cpu(1), W0, &Unlink { file: F })
        .expect("the file lives on without its name");
    fixture.world.munmap(&fixture.cpu(1), W0, &Munmap { map: M, range: None }).expect("munmap");
    let close = |cpu: &Cpu<'_>| fixture.world.close(cpu, W0, &Close { fd: FdNo(0) });
    assert_eq!(sleeps(&fixture, IDLE, close, || unpin(&fixture)), Ok(0));
    leave(&fixture);

    let (fixture, _) = pinned(sound());
    fixture.world.unlink(&fixture.cpu(1), W0, &Unlink { file: F }).expect("unlink");
    fixture.world.close(&fixture.cpu(1), W0, &Close { fd: FdNo(0) }).expect("close");
    let munmap = |cpu: &Cpu<'_>| fixture.world.munmap(cpu, W0, &Munmap { map: M, range: None });
    assert_eq!(sleeps(&fixture, IDLE, munmap, || unpin(&fixture)), Ok(0));
    leave(&fixture);
}

/// What keeps a nameless file, of which its process has a page in a pipe.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Keeps {
    /// Its descriptor, which is as it was opened: below the pipe's.
    Low,
    /// Its descriptor, above the pipe's.
    High,
    /// A mapping alone.
    Mapping,
    /// A mapping, and its descriptor above the pipe's.
    Both,
}

/// Whether the process waits for itself when it exits. It is let go then.
fn exit_waits(rules: Rules, keeps: Keeps) -> bool {
    const PIPE: PipeNo = PipeNo(0);
    let (fixture, _) = pinned(rules);
    let world = &fixture.world;
    unpin(&fixture);
    {
        let cpu = fixture.cpu(1);
        world.exit(&cpu, W1).expect("exit");
        world.pipe(&cpu, W0, &Pipe { pipe: PIPE }).expect("a pipe");
        if matches!(keeps, Keeps::High | Keeps::Both) {
            let moved = world.dup2(&cpu, W0, &Dupto { fd: FdNo(0), number: 200 });
            assert_eq!(moved, Ok(200));
        }
        let splice = Vmsplice { pipe: PIPE, map: M, page: 3, pages: 1 };
        assert_eq!(world.vmsplice(&cpu, W0, &splice), Ok(4096));
        if matches!(keeps, Keeps::Low | Keeps::High) {
            world.munmap(&cpu, W0, &Munmap { map: M, range: None }).expect("munmap");
        }
        if keeps == Keeps::Mapping {
            world.close(&cpu, W0, &Close { fd: FdNo(0) }).expect("close");
        }
        world.unlink(&cpu, W0, &Unlink { file: F }).expect("it has another user");
    }
    // A look at a page that nobody else can let go: the machine is given up.
    std::thread::scope(|threads| {
        let exit = threads.spawn(|| catch_abandon(|| world.exit(&fixture.cpu(2), W0)));
        until(|| sleeping(&fixture, IDLE) || exit.is_finished());
        let waits = !exit.is_finished();
        if waits {
            fixture.machine.poison(Poison::Requested("it waits for itself".to_owned()));
        }
        let ended = exit.join().expect("no panic");
        assert_eq!(ended.is_err(), waits);
        if !waits {
            assert_eq!(ended, Ok(Ok(0)));
            fixture.assert_at_rest();
        }
        waits
    })
}

#[test]
fn an_exit_that_drops_pipes_first_never_waits_for_its_own() {
    for keeps in [Keeps::Low, Keeps::High, Keeps::Mapping, Keeps::Both] {
        assert!(!exit_waits(sound(), keeps), "{keeps:?}");
    }
}

#[test]
fn an_exit_waits_for_its_own_pipe_if_the_file_is_above_it() {
    let kernel = || broken("exit-fput=newest-first");
    for keeps in [Keeps::High, Keeps::Both] {
        assert!(exit_waits(kernel(), keeps), "{keeps:?}");
    }
    for keeps in [Keeps::Low, Keeps::Mapping] {
        assert!(!exit_waits(kernel(), keeps), "{keeps:?}");
    }
}

#[test]
fn umount_waits_for_an_unmapped_page_and_is_busy_while_the_file_is_open() {
    let (fixture, _) = pinned(sound());
    assert_eq!(fixture.world.dax.umount(&fixture.cpu(1)), Err(Errno::EBUSY));
    forgotten(&fixture);
    let umount = |cpu: &Cpu<'_>| fixture.world.dax.umount(cpu);
    assert_eq!(sleeps(&fixture, IDLE, umount, || unpin(&fixture)), Ok(()));
    leave(&fixture);
}

#[test]
fn a_signal_does_not_end_the_wait_of_an_eviction() {
    let (fixture, _) = pinned(sound());
    forgotten(&fixture);
    let ended = std::thread::scope(|threads| {
        let unlink = threads.spawn(|| {
            let cpu = fixture.cpu(2);
            fixture.machine.signal(TaskId(2));
            fixture.world.unlink(&cpu, W0, &Unlink { file: F })
        });
        until(|| sleeping(&fixture, IDLE) || unlink.is_finished());
        let early = unlink.is_finished();
        unpin(&fixture);
        (early, unlink.join().expect("no panic"))
    });
    assert_eq!(ended, (false, Ok(0)), "it slept until the pin was gone");
    leave(&fixture);
}

#[test]
fn eviction_that_does_not_wait_frees_the_block_under_the_pin() {
    let (fixture, _) = pinned(broken("evict-wait=none"));
    forgotten(&fixture);
    assert_eq!(fixture.world.unlink(&fixture.cpu(1), W0, &Unlink { file: F }), Ok(0));
    assert_eq!(fixture.take_complaints(), [Complaint::BusyReset, Complaint::BlockFreedBusy]);
    unpin(&fixture);
    assert_eq!(fixture.take_complaints(), [Complaint::StalePin]);
}

#[test]
fn unbind_waits_for_the_pin() {
    let (fixture, _) = pinned(sound());
    let unbind = |cpu: &Cpu<'_>| fixture.world.dax.unbind(cpu);
    let done = sleeps(&fixture, "pagemap references", unbind, || {
        assert!(fixture.read(&fixture.cpu(1), W0, 0).is_err(), "no fault is served any more");
        unpin(&fixture);
    });
    assert_eq!(done, Ok(()));
    fixture.world.dax.bind(&fixture.cpu(1)).expect("bind");
    leave(&fixture);
}

#[test]
fn unbind_that_ignores_pages_takes_the_struct_page_from_under_the_pin() {
    let (fixture, _) = pinned(broken("teardown-pages=ignore"));
    assert_eq!(fixture.world.dax.unbind(&fixture.cpu(1)), Ok(()));
    assert_eq!(fixture.take_complaints(), [Complaint::UnplugBusy]);
    unpin(&fixture);
    assert_eq!(fixture.take_complaints(), [Complaint::UsedAfterUnplug, Complaint::RefUnderflow]);
}

#[test]
fn memunmap_that_does_not_wait_takes_the_pagemap_from_under_its_references() {
    let (fixture, _) = pinned(broken("memunmap-wait=off"));
    assert_eq!(fixture.world.dax.unbind(&fixture.cpu(1)), Ok(()));
    let complaints = fixture.take_complaints();
    assert!(complaints.contains(&Complaint::ReleasedEarly), "{complaints:?}");
    unpin(&fixture);
    let complaints = fixture.take_complaints();
    assert!(complaints.contains(&Complaint::UsedAfterUnplug), "{complaints:?}");
}

/// Truncate sleeps for the pinned page, which is faulted in again before the pin goes.
/// What an unbind says of a page that is mapped, and what its file says then.
fn unbind_of_a_mapped_page(rules: Rules) -> (Vec<Complaint>, Return) {
    let fixture = Fixture::new(&COSY, rules);
    let cpu = fixture.cpu(1);
    fixture.file(&cpu, F, 2, Layout::Contiguous);
    fixture.start(&cpu, W0, F, 2, Align::Odd);
    assert_eq!(fixture.write(&cpu, W0, 1), Ok(0));
    fixture.world.dax.unbind(&cpu).expect("unbind");
    let said = fixture.take_complaints();
    let read = Pread { file: FileRef::Fd(FdNo(0)), page: 1, pages: 1 };
    (said, fixture.world.pread(&cpu, W0, &read))
}

#[test]
fn a_holder_unmaps_what_goes_and_shuts_down() {
    let rules = broken("teardown-pages=ignore");
    assert_eq!(unbind_of_a_mapped_page(rules), (vec![], Err(Errno::EIO.into())));
}

#[test]
fn without_a_holder_what_is_mapped_stays_so_and_the_file_system_goes_on_without_its_device() {
    let mut rules = broken("teardown-pages=ignore");
    rules.apply("holder=none").expect("a rule and a value of it");
    let found = (vec![Complaint::UnplugMapped], Err(Errno::ENXIO.into()));
    assert_eq!(unbind_of_a_mapped_page(rules), found);
}

fn refault_while_truncate_sleeps(rules: Rules, after_unpin: impl FnOnce(&Fixture)) {
    let (fixture, inode) = pinned(rules);
    let truncate = |cpu: &Cpu<'_>| fixture.world.dax.truncate(cpu, inode, 0);
    let done = sleeps(&fixture, IDLE, truncate, || {
        assert_eq!(
            fixture.write(&fixture.cpu(1), W0, 3),
            Ok(0),
            "the lock is dropped for the sleep"
        );
        unpin(&fixture);
        after_unpin(&fixture);
    });
    assert_eq!(done, Ok(()));
    leave(&fixture);
}

#[test]
fn a_page_faulted_in_again_does_not_keep_truncate_asleep() {
    refault_while_truncate_sleeps(sound(), |_| {});
}

#[test]
fn waiting_for_zero_misses_that_a_refaulted_page_became_idle() {
    refault_while_truncate_sleeps(broken("idle-pred=ref-zero"), |fixture| {
        // A wake-up ends the sleep before the call that wakes returns: this sleeper got none.
        assert!(sleeping(fixture, IDLE), "nobody told truncate, although nothing is pinned");
        fixture.world.munmap(&fixture.cpu(1), W0, &Munmap { map: M, range: None }).expect("munmap");
    });
}

#[test]
fn truncate_sleeps_without_the_lock_that_faults_need() {
    let (fixture, inode) = pinned(sound());
    let truncate = |cpu: &Cpu<'_>| fixture.world.dax.truncate(cpu, inode, 4);
    let done = sleeps(&fixture, IDLE, truncate, || {
        let cpu = fixture.cpu(3);
        assert_eq!(fixture.write(&cpu, W1, 0), Ok(0));
        assert_eq!(fixture.write(&cpu, W1, 5), Ok(0), "even what is about to be cut off");
        unpin(&fixture);
    });
    assert_eq!(done, Ok(()));
    assert!(fixture.write(&fixture.cpu(1), W1, 5).is_err());
    leave(&fixture);
}

#[test]
fn a_pinner_that_must_fault_deadlocks_with_a_truncate_that_keeps_the_lock() {
    let (fixture, inode) = pinned(broken("wait-drops-lock=off"));
    std::thread::scope(|threads| {
        let truncate = threads
            .spawn(|| catch_abandon(|| fixture.world.dax.truncate(&fixture.cpu(2), inode, 0)));
        fixture.until_waits_for(2, IDLE);
        // DMA from one page of the file to another: the pin is held, the other page must be mapped.
        let fault = catch_abandon(|| {
            let deadline = Some(Duration::from_millis(100));
            let lease = Lease { task: TaskId(1), deadline, poll: None };
            let cpu = fixture.machine.lease(lease).expect("a CPU");
            fixture.write(&cpu, W0, 0)
        });
        let Err(Stopped::Poisoned(Poison::Hang { task, waiters })) = fault else {
            panic!("{fault:?}")
        };
        assert_eq!(task, TaskId(1));
        let faulter = waiters.iter().find(|waiter| waiter.task == TaskId(1)).expect("itself");
        assert_eq!((faulter.class.name, faulter.owner), ("invalidate_lock", Some(TaskId(2))));
        assert!(waiters.iter().any(|waiter| waiter.task == TaskId(2) && waiter.class.name == IDLE));
        assert!(truncate.join().expect("abandoned, not panicked").is_err());
    });
}

/// Truncates a file with a huge entry, of which nothing is busy.
fn truncate_past_a_huge_entry(rules: Rules) -> Result<Result<(), Errno>, Stopped> {
    let fixture = Fixture::new(&COSY, rules);
    let huge = COSY.pmd_pages();
    let inode = {
        let cpu = fixture.cpu(1);
        let inode = fixture.file(&cpu, F, huge, Layout::Huge);
        fixture.start(&cpu, W0, F, huge, Align::Natural);
        assert_eq!(fixture.write(&cpu, W0, 0), Ok(0));
        assert_eq!(fixture.world.observe(fixture.frame(inode, 0)).order, Some(COSY.pmd_order));
        inode
    };
    catch_abandon(|| {
        let deadline = Some(Duration::from_millis(100));
        let lease = Lease { task: TaskId(1), deadline, poll: None };
        let cpu = fixture.machine.lease(lease).expect("a CPU");
        fixture.world.dax.truncate(&cpu, inode, 0)
    })
}

#[test]
fn a_scan_for_busy_pages_goes_past_a_huge_entry() {
    assert!(matches!(truncate_past_a_huge_entry(sound()), Ok(Ok(()))));
}

#[test]
fn a_scan_that_goes_to_the_next_index_finds_the_huge_entry_for_ever() {
    let stopped = truncate_past_a_huge_entry(broken("busy-scan=next-index"));
    let Err(Stopped::Poisoned(Poison::Hang { waiters, .. })) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!(
        waiters.iter().map(|waiter| waiter.class.name).collect::<Vec<_>>(),
        ["cond_resched"]
    );
}

/// What a page counts while it is unmapped and a CPU is in the middle of an access to it.
fn count_during_the_flush(rules: Rules) -> i32 {
    let fixture = Fixture::new(&COSY, rules);
    let page = {
        let cpu = fixture.cpu(1);
        let inode = fixture.file(&cpu, F, 4, Layout::Contiguous);
        fixture.start(&cpu, W0, F, 4, Align::Odd);
        assert_eq!(fixture.write(&cpu, W0, 0), Ok(0));
        fixture.frame(inode, 0)
    };
    std::thread::scope(|threads| {
        let reader = fixture.cpu(1);
        let access = reader.access_begin();
        let munmap = threads
            .spawn(|| fixture.world.munmap(&fixture.cpu(2), W0, &Munmap { map: M, range: None }));
        until(|| sleeping(&fixture, "flush_tlb"));
        let count = fixture.world.observe(page).refcount;
        drop(access);
        assert_eq!(munmap.join().expect("no panic"), Ok(0));
        count
    })
}

#[test]
fn a_page_is_put_only_after_every_cpu_has_flushed_it() {
    assert_eq!(count_during_the_flush(sound()), 1);
}

#[test]
fn a_page_put_before_the_flush_is_free_while_a_cpu_still_uses_it() {
    assert_eq!(count_during_the_flush(broken("zap-put=before-flush")), 0);
}

/// How many entries a file of a hole has once page 0, read as zeroes before, is written.
fn entries_after_a_write_into_a_hole(rules: Rules) -> u32 {
    let fixture = Fixture::new(&COSY, rules);
    let (world, cpu) = (&fixture.world, fixture.cpu(1));
    let inode = fixture.file_as(&cpu, F, 2, None, Layout::Contiguous);
    fixture.start(&cpu, W0, F, 2, Align::Odd);
    let page_0 = Load { map: M, page: 0 };
    assert_eq!(world.load(&cpu, W0, &page_0), Ok(0), "the zero page");
    assert_eq!(world.dax.nrpages(&cpu, inode), 1);
    let write = Pwrite { file: FileRef::Fd(FdNo(0)), page: 0, pages: 1 };
    assert_eq!(world.pwrite_each(&cpu, W0, &write, |_| 9), Ok(4096));
    let left = world.dax.nrpages(&cpu, inode);
    assert_eq!(world.load(&cpu, W0, &page_0), Ok(9), "not the zero page any more");
    fixture.leave(cpu);
    left
}

#[test]
fn a_write_into_a_hole_leaves_the_entry_and_takes_the_zero_page_away() {
    assert_eq!(entries_after_a_write_into_a_hole(sound()), 1);
}

#[test]
fn a_write_into_a_hole_that_deletes_clean_entries_leaves_none() {
    assert_eq!(entries_after_a_write_into_a_hole(broken("write-invalidate=delete-then-unmap")), 0);
}

/// The index word of a page that was page 3 of a file and is in no file any more.
fn share_after_the_last_entry(rules: Rules) -> u32 {
    let (fixture, inode) = pinned(rules);
    let page = fixture.frame(inode, 3);
    unpin(&fixture);
    fixture.world.dax.truncate(&fixture.cpu(1), inode, 0).expect("truncate");
    let seen = fixture.world.observe(page);
    assert!(!seen.mapping);
    leave(&fixture);
    seen.share
}

#[test]
fn the_last_entry_of_a_page_clears_its_share() {
    assert_eq!(share_after_the_last_entry(sound()), 0);
}

#[test]
fn an_index_left_behind_reads_as_a_share() {
    assert_eq!(share_after_the_last_entry(broken("share-reset=kept-at-order-0")), 3);
}

#[test]
fn an_interrupted_truncate_says_so_and_changes_nothing() {
    let (fixture, inode) = pinned(sound());
    let page = fixture.frame(inode, 3);
    let before = fixture.world.dax.nrpages(&fixture.cpu(1), inode);
    let truncate = |cpu: &Cpu<'_>| fixture.world.dax.truncate(cpu, inode, 0);
    let done = sleeps(&fixture, IDLE, truncate, || fixture.machine.signal(TaskId(2)));
    assert_eq!(done, Err(Errno::EINTR));
    assert_eq!(fixture.world.dax.nrpages(&fixture.cpu(1), inode), before, "no entry went");
    assert_eq!((fixture.frame(inode, 3), fixture.world.observe(page).refcount), (page, 1024));
    assert_eq!(fixture.world.dax.inode(inode).size(), 8);
    assert_eq!(fixture.write(&fixture.cpu(1), W0, 3), Ok(0), "and no lock was kept");
    unpin(&fixture);
    leave(&fixture);
}
