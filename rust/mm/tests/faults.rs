//! Long runs of random calls while allocations fail: never a panic, never a leak.

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use common::*;
use pgmap_mm::dax::PAGE_IDLE;
use pgmap_mm::world::{Failure, Return};
use prim::{Cpu, Lease, TaskId};
use program::op::{
    Access, Advice, Align, Anon, AnonKind, Close, DevAlloc, DevGet, DevPut, DioRead, DioWrite,
    DmaRead, DmaWrite, Drain, DriverIdx, DrvAlloc, Dupto, Exclusive, FD_NUMBERS, FdNo, FileIdx,
    FileRef, Fold, Fork, Fsync, Ftruncate, Get, HmmRead, HmmTodev, HmmTosys, HmmWrite, Layout,
    Longterm, Madvise, MapNo, Mmap, MovePages, Mremap, Msync, Munmap, OPERATIONS, Open, OpenMode,
    P2pMmap, PageRange, Pin, Pipe, PipeNo, Pread, Prot, Punch, Pvmread, Pwrite, Returns, Sharing,
    Split, SplitHugePages, Target, Tee, Thread, Touch, TryGet, Unlink, Unpin, UringReg, Vmsplice,
    WorkerId, Zerorange,
};
use program::rules::{InitMode, LayoutScan};
use program::{Era, Errno, Geometry, Op, Program, Rules};

const WORKERS: u32 = 4;
const HANDLES: u32 = 3;
const FILES: u32 = 3;
const PAGES: u32 = 20;

/// A call that makes sense often enough. Nothing here waits for a page without being interruptible: in
/// a single thread nobody would ever let it go.
fn random_op(dice: &mut Dice) -> Op {
    let map = MapNo(dice.roll(HANDLES) as u8);
    let fd = FdNo(dice.roll(HANDLES) as u8);
    let pipe = PipeNo(dice.roll(2) as u8);
    let name = FileIdx(dice.roll(FILES) as u16);
    let file = if dice.roll(3) == 0 { FileRef::File(name) } else { FileRef::Fd(fd) };
    let page = dice.roll(PAGES);
    let pages = 1 + dice.roll(8);
    let access = if dice.roll(2) == 0 { Access::Read } else { Access::Write };
    match dice.roll(36) {
        0 => Op::Spawn,
        1 => match WorkerId(dice.roll(WORKERS) as u8) {
            child if dice.roll(3) == 0 => Op::Thread(Thread { child }),
            child => Op::Fork(Fork { child }),
        },
        2 => Op::Exit,
        3 | 4 => {
            let target = if dice.roll(4) == 0 { Target::SlowBlock } else { Target::File(name) };
            Op::Open(Open { fd, target, mode: OpenMode::ReadWrite })
        }
        5 => Op::Close(Close { fd }),
        6 => Op::Pread(Pread { file, page, pages }),
        7 => Op::Pwrite(Pwrite { file, page, pages }),
        8 => Op::Ftruncate(Ftruncate { file, pages: page }),
        9 => Op::Punch(Punch { file, page, pages }),
        10 => Op::Zerorange(Zerorange { file, page, pages }),
        11..=13 => {
            let prot = if dice.roll(3) == 0 { Prot::Read } else { Prot::ReadWrite };
            let align = if dice.roll(2) == 0 { Align::Natural } else { Align::Odd };
            let (offset, sharing) = (dice.roll(3) * 8, Sharing::Shared);
            Op::Mmap(Mmap { map, file, offset, pages: 8 + pages, prot, sharing, align })
        }
        14 => Op::Munmap(Munmap { map, range: None }),
        15 => Op::Munmap(Munmap { map, range: Some(PageRange { page: dice.roll(8), pages }) }),
        16 | 17 => Op::Touch(Touch { map, access, page: dice.roll(16), pages }),
        18 => {
            let all = [Advice::DontNeed, Advice::Collapse, Advice::SoftOffline];
            let advice = all[dice.roll(3) as usize];
            Op::Madvise(Madvise { map, advice, page: dice.roll(16) })
        }
        19 => Op::Pipe(Pipe { pipe }),
        20 => Op::Vmsplice(Vmsplice { pipe, map, page: dice.roll(16), pages }),
        21 => Op::Tee(Tee { from: PipeNo(0), to: PipeNo(1), pages }),
        22 => Op::Drain(Drain { pipe, pages: 16 }),
        23 => {
            Op::Pvmread(Pvmread { target: WorkerId(dice.roll(WORKERS) as u8), map, page: 0, pages })
        }
        24 => Op::DioRead(DioRead { device: fd, map, page: dice.roll(16), pages, ticks: Some(0) }),
        25 => {
            let longterm = if dice.roll(6) == 0 { Longterm::Long } else { Longterm::Short };
            Op::Pin(Pin { map, page: dice.roll(16), pages, longterm, access })
        }
        26 => Op::Unpin(Unpin { pin: None }),
        27 => Op::Get(Get { map, page: dice.roll(16), pages }),
        28 => {
            Op::DioWrite(DioWrite { device: fd, map, page: dice.roll(16), pages, ticks: Some(0) })
        }
        29 => match dice.roll(2) {
            0 => Op::UringReg(UringReg { map, page: dice.roll(16), pages }),
            _ => Op::UringUnreg,
        },
        30 => Op::DmaWrite(DmaWrite { pin: None, value: dice.roll(PAGES).into() }),
        31 => Op::DmaRead(DmaRead { pin: None }),
        32 => match dice.roll(4) {
            3 => Op::Mremap(Mremap { map }),
            0 => Op::Fsync(Fsync { file }),
            1 => Op::Msync(Msync { map }),
            _ => Op::Nop,
        },
        33 => Op::Dupto(Dupto { fd, number: dice.roll(12) as u8 }),
        34 => match dice.roll(10) {
            9 => Op::P2pMmap(P2pMmap { map, pages, room: dice.roll(4) }),
            7 => Op::MovePages(MovePages { map, page: dice.roll(16) }),
            8 => Op::Shrink,
            5 => Op::Exclusive(Exclusive { device: 0, map, page: dice.roll(16), pages }),
            6 => Op::HmmWrite(HmmWrite { device: 0, map, page: dice.roll(16), value: 3 }),
            4 => Op::HmmRead(HmmRead { device: 0, map, page: dice.roll(16), pages }),
            1 => Op::HmmTodev(HmmTodev { device: 0, map, page: dice.roll(16), pages }),
            2 => Op::HmmTosys(HmmTosys { device: 0, map, page: dice.roll(16), pages }),
            0 => {
                let kind = [AnonKind::Pages, AnonKind::Huge][dice.roll(2) as usize];
                Op::Anon(Anon { kind, map, pages: 1 + dice.roll(16) })
            }
            _ => Op::SplitHugePages(SplitHugePages { map, page: dice.roll(16) }),
        },
        _ => match dice.roll(9) {
            8 => Op::Fold(Fold { page: dice.roll(64) }),
            5 => Op::TryGet(TryGet { page: dice.roll(64) }),
            6 => Op::Split(Split { page: dice.roll(64), pages: 1 << dice.roll(3) }),
            3 => Op::DrvAlloc(DrvAlloc { driver: DriverIdx(0) }),
            4 => Op::DrvPut,
            0 => Op::DevAlloc(DevAlloc { start: dice.roll(64), pages }),
            1 => Op::DevGet(DevGet { page: dice.roll(64) }),
            _ => Op::DevPut(DevPut { page: dice.roll(64) }),
        },
    }
}

const ENVIRONMENTS: &str = "nothing that a worker does";
const OWN: &str = "a protocol of the program's own, which random calls break";
const WAITS: &str = "waits for pages, and nothing interrupts it";

/// What `random_op` leaves out, and why.
const NOT_DRAWN: &[(&str, &str)] = &[
    ("baseline", ENVIRONMENTS),
    ("bind", "allocates what the machine is made of, before anything fails"),
    ("delete_module", WAITS),
    ("end", ENVIRONMENTS),
    ("hmm_load", "allocates what the machine is made of, before anything fails"),
    ("hmm_release", WAITS),
    (
        "ioctl",
        "a copy of a shared block takes the old page from its file whoever refers to it, which kernels warn of",
    ),
    ("mount", "does nothing here"),
    ("percpu_ref_get", OWN),
    ("percpu_ref_kill", OWN),
    ("percpu_ref_put", OWN),
    ("percpu_ref_resurrect", OWN),
    ("percpu_ref_tryget", OWN),
    ("percpu_ref_tryget_live", OWN),
    ("retrack", ENVIRONMENTS),
    ("sleep", ENVIRONMENTS),
    ("start", ENVIRONMENTS),
    ("umount", WAITS),
    ("unbind", WAITS),
    ("unlink", WAITS),
    ("wait", ENVIRONMENTS),
    ("wait_for_completion", OWN),
];

#[test]
fn every_operation_is_drawn_or_has_a_reason() {
    let mut dice = Dice(1);
    // The rarest is one in a hundred.
    let drawn: BTreeSet<String> =
        (0..20_000).map(|_| random_op(&mut dice).call().to_owned()).collect();
    let missing: BTreeSet<&str> = OPERATIONS
        .iter()
        .flat_map(|operation| operation.said)
        .map(|said| said.call)
        .filter(|call| !drawn.contains(*call))
        .collect();
    assert_eq!(missing, NOT_DRAWN.iter().map(|(call, _)| *call).collect());
}

/// As `lib/test_hmm.c` does it.
const DRIVER: &str = "driver d 4 alloc lock(l) pop unlock(l) init_page pagemap_get set_count(1) \
                      page_free lock(l) push unlock(l)";

fn prepare(fixture: &Fixture) {
    let cpu = fixture.cpu(1);
    for name in 0..FILES {
        let layout = if name == 0 { Layout::Huge } else { Layout::Contiguous };
        fixture.file(&cpu, FileIdx(name as u16), 16, layout);
    }
    let mut declared = Program::parse(DRIVER).expect("a driver");
    let driver = declared.drivers.remove(0);
    fixture.world.load_driver(&cpu, DriverIdx(0), &driver).expect("free pages");
}

/// A CPU whose interruptible sleeps end at once: the truncate of a pinned file is EINTR.
fn impatient(fixture: &Fixture, task: u32) -> Cpu<'_> {
    let deadline = Some(Duration::from_micros(1));
    fixture.machine.lease(Lease { task: TaskId(task), deadline, poll: None }).expect("a CPU")
}

fn clean_up(fixture: &Fixture) {
    fixture.arena.faults().off();
    let cpu = fixture.cpu(1);
    fixture.exit_all(&cpu);
    fixture.world.empty_drivers(&cpu);
    for page in 0..COSY.dev_pages {
        while fixture.world.dev_put(&cpu, W0, &DevPut { page }).is_ok() {}
    }
    drop(cpu);
    fixture.assert_at_rest();
    let cpu = fixture.cpu(1);
    for name in 0..FILES {
        fixture.world.unlink(&cpu, W0, &Unlink { file: FileIdx(name as u16) }).expect("unlink");
    }
    assert_eq!(fixture.world.dax.blocks.used(&cpu), 0);
    assert_eq!(fixture.world.dax.live_inodes().count(), 0);
}

#[test]
fn with_every_kth_allocation_failing_nothing_panics_and_nothing_leaks() {
    for every in [0, 1, 2, 3, 5, 7, 13] {
        // Where a free page has a count, a walker by frame number meets the driver on it, one after the other (B06).
        let sequential = |era: &Era| era.rules().init_mode == InitMode::Idle;
        for era in Era::ALL.into_iter().filter(sequential) {
            // Up to v6.12 nobody waits for the pages of a file that is not mapped any more: one worker is enough.
            let rules = Rules { layout_scan: LayoutScan::Always, ..era.rules() };
            let fixture = Fixture::new(&Geometry { maps_max: 8, ..COSY }, rules);
            prepare(&fixture);
            fixture.arena.faults().fail_every(every);
            let mut dice = Dice(0x5eed + every);
            for _ in 0..3000 {
                let worker = WorkerId(dice.roll(WORKERS) as u8);
                let op = random_op(&mut dice);
                let ended = fixture.world.execute(&impatient(&fixture, 1), worker, &op);
                assert!(is_declared(&op, ended), "{op} ended with {ended:?}");
            }
            clean_up(&fixture);
        }
    }
}

/// Whether the table of operations says that one can end so.
fn is_declared(op: &Op, ended: Return) -> bool {
    let row = op.operation().expect("an operation of the language");
    match ended {
        Ok(value) => match row.returns {
            Returns::Zero => value == 0,
            Returns::Bytes => value >= 0 && value % 4096 == 0,
            // None may have gone to a device, or come home.
            Returns::Pages => value >= 0,
            Returns::Pinned | Returns::Folios => value > 0,
            Returns::Word => true,
            Returns::Driven => value >= 0,
            Returns::FdNumber => (0..i64::from(FD_NUMBERS)).contains(&value),
        },
        // Any call of a worker that does not run.
        Err(Failure::Errno(Errno::ESRCH)) => true,
        Err(Failure::Errno(errno)) => row.errnos.contains(&errno),
        Err(Failure::Died(died)) => row.deaths.contains(&died),
    }
}

#[test]
fn an_end_that_no_row_declares_is_noticed() {
    let nop = Op::Nop;
    assert!(is_declared(&nop, Ok(0)));
    assert!(!is_declared(&nop, Ok(1)));
    assert!(!is_declared(&nop, Err(Errno::EBADF.into())));
    assert!(!is_declared(&nop, Err(Failure::Died(program::Died::Sigbus))));
}

#[test]
fn a_single_failure_at_any_point_of_a_session_leaves_nothing_behind() {
    let session = |fixture: &Fixture| -> Option<()> {
        let cpu = fixture.cpu(1);
        let world = &fixture.world;
        world.spawn(&cpu, W0).ok()?;
        let open = world.open(
            &cpu,
            W0,
            &Open { fd: FdNo(0), target: Target::File(F), mode: OpenMode::ReadWrite },
        );
        open.ok()?;
        let device = world.open(
            &cpu,
            W0,
            &Open { fd: FdNo(1), target: Target::SlowBlock, mode: OpenMode::ReadWrite },
        );
        device.ok()?;
        world.mmap(&cpu, W0, &Mmap { pages: 16, ..MMAP }).ok()?;
        fixture.write(&cpu, W0, 3).ok()?;
        fixture.pin(&cpu, W0, 12, 2).ok()?;
        world.pipe(&cpu, W0, &Pipe { pipe: PipeNo(0) }).ok()?;
        world.vmsplice(&cpu, W0, &Vmsplice { pipe: PipeNo(0), map: M, page: 3, pages: 2 }).ok()?;
        world.fork(&cpu, W0, &Fork { child: W1 }).ok()?;
        fixture.write(&cpu, W1, 5).ok()?;
        world.create_file(&cpu, FileIdx(5), 4, None, Layout::Contiguous).ok()?;
        world.unlink(&cpu, W0, &Unlink { file: FileIdx(5) }).ok()?;
        Some(())
    };
    let mut failed = 0;
    for nth in 0..20 {
        let fixture = Fixture::new(&COSY, Era::V6_15.rules());
        prepare(&fixture);
        fixture.arena.faults().fail_after(nth);
        failed += u32::from(session(&fixture).is_none());
        clean_up(&fixture);
    }
    // A page table is asked for twice, so a single failure of one goes unnoticed.
    assert!(failed >= 7, "{failed} points of failure");
}

/// A worker acts for itself here: nobody else starts it, reads its memory or puts its driver pages.
fn own(op: Op, worker: WorkerId) -> Op {
    let base = 16 * u32::from(worker.0);
    match op {
        Op::Fork(_) | Op::Thread(_) => Op::Spawn,
        Op::Pvmread(Pvmread { map, page, pages, .. }) => {
            Op::Pvmread(Pvmread { target: worker, map, page, pages })
        }
        Op::DevAlloc(DevAlloc { start, pages }) => {
            Op::DevAlloc(DevAlloc { start: base + start % 8, pages })
        }
        Op::DevGet(DevGet { page }) => Op::DevGet(DevGet { page: base + page % 16 }),
        Op::DevPut(DevPut { page }) => Op::DevPut(DevPut { page: base + page % 16 }),
        Op::Split(Split { page, pages }) => Op::Split(Split { page: base + page % 16, pages }),
        op => op,
    }
}

#[test]
fn threads_that_run_out_of_memory_in_the_middle_leave_a_machine_at_rest() {
    for every in [0, 3, 11] {
        let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
        prepare(&fixture);
        fixture.arena.faults().fail_every(every);
        let running = AtomicU32::new(3);
        std::thread::scope(|threads| {
            for task in 1..=3 {
                let (fixture, running) = (&fixture, &running);
                threads.spawn(move || {
                    let worker = WorkerId(task as u8 - 1);
                    let mut dice = Dice(99 * u64::from(task) + every);
                    for _ in 0..1500 {
                        let op = own(random_op(&mut dice), worker);
                        let _ = fixture.world.execute(&fixture.cpu(task), worker, &op);
                    }
                    running.fetch_sub(1, Relaxed);
                });
            }
            // Two that hold each other's page wait for ever: whoever sleeps for a page gets a signal.
            while running.load(Relaxed) > 0 {
                for waiter in fixture.machine.waiters() {
                    if waiter.class == PAGE_IDLE {
                        fixture.machine.signal(waiter.task);
                    }
                }
                std::thread::yield_now();
            }
        });
        clean_up(&fixture);
    }
}
