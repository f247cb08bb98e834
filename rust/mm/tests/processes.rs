//! Processes, threads and what they hold, when several of them act at once or ask for nonsense.

mod common;

use std::sync::Barrier;

use common::*;
use pgmap_mm::world::Failure;
use prim::Cpu;
use program::geometry::FILES_MAX;
use program::op::{
    Access, Advice, Align, Close, DevAlloc, DevGet, DevPut, DioWrite, DmaRead, Drain, Dupto, FdNo,
    FileIdx, Fork, Layout, Load, Madvise, MapNo, Mmap, Munmap, Open, OpenMode, PageRange, Pipe,
    PipeNo, Pread, Prot, Pvmread, Pwrite, Sharing, Store, Target, Tee, Touch, Unlink, Unpin,
    Vmsplice, WorkerId,
};
use program::{Died, Era, Errno, Op};

const PIPE: PipeNo = PipeNo(0);

/// Of two calls at once, how many succeed.
fn succeed_of_two(fixture: &Fixture, call: impl Fn(&Cpu<'_>) -> bool + Sync) -> usize {
    let start = Barrier::new(2);
    std::thread::scope(|threads| {
        let begin = |task| {
            let (start, call) = (&start, &call);
            threads.spawn(move || {
                let cpu = fixture.cpu(task);
                start.wait();
                call(&cpu)
            })
        };
        let ends = [begin(1), begin(2)].map(|thread| thread.join().expect("no panic"));
        ends.into_iter().filter(|succeeded| *succeeded).count()
    })
}

#[test]
fn of_two_spawns_of_one_worker_one_wins_and_nothing_is_left_over() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    for _ in 0..200 {
        assert_eq!(succeed_of_two(&fixture, |cpu| fixture.world.spawn(cpu, W0).is_ok()), 1);
        assert_eq!(succeed_of_two(&fixture, |cpu| fixture.world.exit(cpu, W0).is_ok()), 1);
    }
    fixture.assert_at_rest();
}

#[test]
fn a_fork_races_with_a_close_and_both_sides_own_what_they_got() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let world = &fixture.world;
    for _ in 0..200 {
        {
            let cpu = fixture.cpu(1);
            fixture.file(&cpu, F, 4, Layout::Contiguous);
            fixture.start(&cpu, W0, F, 4, Align::Odd);
            world.clone_thread(&cpu, W0, W1).expect("a thread");
            world.unlink(&cpu, W0, &Unlink { file: F }).expect("unlink");
        }
        let start = Barrier::new(2);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let cpu = fixture.cpu(1);
                start.wait();
                world.fork(&cpu, W0, &Fork { child: W2 }).expect("fork");
            });
            threads.spawn(|| {
                let cpu = fixture.cpu(2);
                start.wait();
                world.close(&cpu, W1, &Close { fd: FdNo(0) }).expect("close");
                world.munmap(&cpu, W1, &Munmap { map: M, range: None }).expect("munmap");
            });
        });
        let cpu = fixture.cpu(1);
        for worker in [W0, W1, W2] {
            world.exit(&cpu, worker).expect("exit");
        }
        assert_eq!(world.dax.live_inodes().count(), 0, "the file had no name and lost its users");
    }
    fixture.assert_at_rest();
}

#[test]
fn a_child_shares_the_page_and_keeps_the_pipe_of_a_dead_parent() {
    with_mapped(4, Layout::Contiguous, |fixture, cpu, inode| {
        let world = &fixture.world;
        world.store(cpu, W0, &Store { map: M, page: 0, value: 99 }).expect("a store");
        world.pipe(cpu, W0, &Pipe { pipe: PIPE }).expect("a pipe");
        assert_eq!(
            world.vmsplice(cpu, W0, &Vmsplice { pipe: PIPE, map: M, page: 0, pages: 1 }),
            Ok(4096)
        );
        world.fork(cpu, W0, &Fork { child: W1 }).expect("fork");
        let page = fixture.frame(inode, 0);
        assert_eq!(world.observe(page).mapcount, 1, "a shared file mapping copies no entry");
        assert_eq!(world.load(cpu, W1, &Load { map: M, page: 0 }), Ok(99));
        assert_eq!((world.observe(page).mapcount, world.observe(page).refcount), (2, 3));
        world.exit(cpu, W0).expect("exit");
        assert_eq!((world.observe(page).mapcount, world.observe(page).refcount), (1, 2));
        assert_eq!(
            world.drain(cpu, W1, &Drain { pipe: PIPE, pages: 16 }),
            Ok(4096),
            "the pipe outlived its maker"
        );
    });
}

#[test]
fn a_pipe_that_its_last_user_forgot_gives_its_pages_back() {
    with_mapped(4, Layout::Contiguous, |fixture, cpu, _| {
        let world = &fixture.world;
        world.pipe(cpu, W0, &Pipe { pipe: PIPE }).expect("a pipe");
        world.pipe(cpu, W0, &Pipe { pipe: PipeNo(1) }).expect("a pipe");
        assert_eq!(
            world.vmsplice(cpu, W0, &Vmsplice { pipe: PIPE, map: M, page: 0, pages: 3 }),
            Ok(3 * 4096)
        );
        assert_eq!(world.tee(cpu, W0, &Tee { from: PIPE, to: PipeNo(1), pages: 2 }), Ok(2 * 4096));
        assert_eq!(
            world.tee(cpu, W0, &Tee { from: PIPE, to: PIPE, pages: 1 }),
            Err(Errno::EINVAL.into())
        );
    });
}

#[test]
fn a_descriptor_takes_the_number_that_it_is_given_from_whatever_has_it() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    let inode = fixture.file(&cpu, F, 4, Layout::Contiguous);
    fixture.start(&cpu, W0, F, 4, Align::Odd);
    let world = &fixture.world;
    world.pipe(&cpu, W0, &Pipe { pipe: PIPE }).expect("a pipe");
    let splice = Vmsplice { pipe: PIPE, map: M, page: 0, pages: 1 };
    assert_eq!(world.vmsplice(&cpu, W0, &splice), Ok(4096));
    world.fork(&cpu, W0, &Fork { child: W1 }).expect("fork");
    let page = fixture.frame(inode, 0);
    let to = |worker, number| world.dup2(&cpu, worker, &Dupto { fd: FdNo(0), number });
    // 3 is the file, 4 and 5 are the pipe: first it cannot be read any more, then it is gone.
    assert_eq!(to(W0, 4), Ok(4));
    assert_eq!(world.drain(&cpu, W0, &Drain { pipe: PIPE, pages: 1 }), Ok(0), "no end to read");
    assert_eq!(world.vmsplice(&cpu, W0, &splice), Ok(4096), "the end to write is there");
    assert_eq!(world.drain(&cpu, W1, &Drain { pipe: PIPE, pages: 1 }), Ok(4096), "a child's own");
    assert_eq!(to(W0, 5), Ok(5));
    assert_eq!(world.vmsplice(&cpu, W0, &splice), Err(Errno::EBADF.into()));
    assert_eq!(world.observe(page).refcount, 2, "a mapping, and the child's pipe");
    assert_eq!((to(W1, 4), to(W1, 5)), (Ok(4), Ok(5)));
    assert_eq!(world.observe(page).refcount, 1, "nobody has it");
    assert_eq!(to(W0, 5), Ok(5), "it is there already");
    world.close(&cpu, W0, &Close { fd: FdNo(0) }).expect("close");
    assert_eq!(to(W0, 7), Err(Errno::EBADF.into()));
    fixture.leave(cpu);
}

#[test]
fn nonsense_is_refused_with_an_errno_and_never_with_a_panic() {
    with_mapped(8, Layout::Contiguous, |fixture, cpu, _| {
        let world = &fixture.world;
        let far = u32::MAX;
        let nobody = WorkerId(200);
        let errno = |errno: Errno| Err(Failure::Errno(errno));
        let died = Err(Failure::Died(Died::Sigsegv));

        for worker in [nobody, W1] {
            assert_eq!(fixture.pin(cpu, worker, 0, 1), errno(Errno::ESRCH));
            assert_eq!(world.exit(cpu, worker), errno(Errno::ESRCH));
            assert_eq!(
                world.process_vm_readv(
                    cpu,
                    W0,
                    &Pvmread { target: worker, map: M, page: 0, pages: 1 }
                ),
                errno(Errno::ESRCH)
            );
            assert_eq!(world.pins_held(cpu, worker), 0);
            assert!(world.unpin(cpu, worker, &Unpin { pin: None }).is_err());
            assert!(world.dma_read(cpu, worker, &DmaRead { pin: None }).is_err());
            assert!(world.uring_unregister(cpu, worker).is_err());
        }
        assert_eq!(world.spawn(cpu, nobody), errno(Errno::EINVAL));
        assert_eq!(world.fork(cpu, W0, &Fork { child: nobody }), errno(Errno::EINVAL));
        assert_eq!(world.clone_thread(cpu, W0, nobody), errno(Errno::EINVAL));

        let range = |page, pages| PageRange { page, pages };
        let value = |page: u32| u64::from(page);
        for access in [Access::Read, Access::Write] {
            for (page, pages) in [(far, 1), (far - 1, far), (8, far), (0, far)] {
                assert_eq!(
                    world.touch_each(
                        cpu,
                        W0,
                        &Touch {
                            access,
                            map: M,
                            page: range(page, pages).page,
                            pages: range(page, pages).pages
                        },
                        value
                    ),
                    died
                );
            }
        }
        for (page, pages) in [(far, 1), (0, far), (far, far), (far - 7, 8), (0, 0)] {
            let pin = fixture.pin(cpu, W0, page, pages);
            assert!(pin.is_err(), "{page} {pages}");
            assert!(
                world.munmap(cpu, W0, &Munmap { map: M, range: Some(range(page, pages)) }).is_err()
            );
            world.pipe(cpu, W0, &Pipe { pipe: PIPE }).ok();
            assert!(
                world
                    .vmsplice(cpu, W0, &Vmsplice { pipe: PIPE, map: M, page, pages })
                    .is_ok_and(|n| n <= 16 * 4096)
                    || page > 0
            );
            assert!(world.drain(cpu, W0, &Drain { pipe: PIPE, pages: far }).is_ok());
        }
        assert_eq!(
            world.madvise(cpu, W0, &Madvise { map: M, advice: Advice::DontNeed, page: far }),
            errno(Errno::EINVAL)
        );
        for align in [Align::Natural, Align::Odd] {
            for (offset, pages) in [(far, 1), (far - 3, 4), (far - 8, 8)] {
                let map = MapNo(1);
                let mapped = world.mmap(cpu, W0, &Mmap { map, offset, pages, align, ..MMAP });
                assert_eq!(mapped, errno(Errno::EOVERFLOW), "{offset} {pages}");
            }
        }
        assert_eq!(
            world.mmap(
                cpu,
                W0,
                &Mmap {
                    map: MapNo(64),
                    file: fd(),
                    offset: 0,
                    pages: 1,
                    prot: Prot::Read,
                    sharing: Sharing::Shared,
                    align: Align::Odd
                }
            ),
            errno(Errno::EINVAL)
        );
        assert_eq!(
            world.open(
                cpu,
                W0,
                &Open { fd: FdNo(64), target: Target::File(F), mode: OpenMode::Read }
            ),
            errno(Errno::EMFILE)
        );
        let strange = Target::File(FileIdx(999));
        assert_eq!(
            world.open(cpu, W0, &Open { fd: FdNo(1), target: strange, mode: OpenMode::Read }),
            errno(Errno::ENOENT)
        );
        assert_eq!(world.unlink(cpu, W0, &Unlink { file: FileIdx(999) }), errno(Errno::ENOENT));
        assert_eq!(
            world.create_file(cpu, FileIdx(FILES_MAX), 1, None, Layout::Contiguous),
            errno(Errno::EINVAL)
        );
        assert_eq!(world.create_file(cpu, G, far, None, Layout::Huge), errno(Errno::EINVAL));
        let inode = world.name_lookup(cpu, F).expect("an inode");
        assert_eq!(world.dax.truncate(cpu, inode, far), Err(Errno::EINVAL));
        assert_eq!(
            world.dax.punch(cpu, inode, PageRange { page: far, pages: far }),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            world.dax.zero_range(cpu, inode, PageRange { page: far, pages: 1 }),
            Err(Errno::EINVAL)
        );
        assert!(world.pread(cpu, W0, &Pread { file: fd(), page: far, pages: far }).is_ok());
        assert!(
            world
                .pwrite_each(cpu, W0, &Pwrite { file: fd(), page: far, pages: far }, value)
                .is_err()
        );
        assert!(
            world
                .pwrite_each(cpu, W0, &Pwrite { file: fd(), page: far - 1, pages: 1 }, value)
                .is_err()
        );

        assert!(world.dev_claim(cpu, far, 1).is_err());
        assert!(world.dev_alloc(cpu, W0, &DevAlloc { start: far, pages: far }).is_err());
        assert!(world.dev_get(cpu, W0, &DevGet { page: far }).is_err());
        assert!(world.dev_put(cpu, W0, &DevPut { page: far }).is_err());
        assert!(!world.dev_peek(cpu, far));

        world
            .open(
                cpu,
                W0,
                &Open { fd: FdNo(2), target: Target::SlowBlock, mode: OpenMode::ReadWriteDirect },
            )
            .expect("a device");
        world.advance_clock(cpu);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let cpu = fixture.cpu(2);
                let (device, ticks) = (FdNo(2), Some(far));
                let op = Op::DioWrite(DioWrite { device, map: M, page: 0, pages: 1, ticks });
                assert_eq!(world.execute(&cpu, W0, &op), Ok(4096));
            });
            fixture.until_waits_for(2, "I/O in flight");
            world.complete_io(cpu);
        });
    });
}
