//! Names, users and the end of a file, on threads.

mod common;

use std::sync::Barrier;

use common::*;
use program::Era;
use program::op::{Align, Close, FdNo, Layout, Pread, Unlink, Unpin};

#[test]
fn a_close_and_an_unlink_that_race_evict_the_file_once() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let world = &fixture.world;
    for _ in 0..300 {
        {
            let cpu = fixture.cpu(1);
            fixture.file(&cpu, F, 4, Layout::Contiguous);
            fixture.start_with(&cpu, W0, F);
        }
        let start = Barrier::new(2);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let cpu = fixture.cpu(1);
                start.wait();
                world.close(&cpu, W0, &Close { fd: FdNo(0) }).expect("close");
            });
            threads.spawn(|| {
                let cpu = fixture.cpu(2);
                start.wait();
                world.unlink(&cpu, W0, &Unlink { file: F }).expect("unlink");
            });
        });
        let cpu = fixture.cpu(1);
        world.exit(&cpu, W0).expect("exit");
        assert_eq!(world.dax.live_inodes().count(), 0);
        assert_eq!(world.dax.blocks.used(&cpu), 0);
    }
    fixture.assert_at_rest();
}

/// What a read returns that is in line for the file's lock while a truncate of page 1 sleeps with it, beside a
/// second truncate, to nothing. `first` is which of the two comes first.
fn read_beside_a_second_truncate(first: Comes) -> i64 {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let world = &fixture.world;
    let inode = {
        let cpu = fixture.cpu(1);
        let inode = fixture.file(&cpu, F, 2, Layout::Contiguous);
        fixture.start(&cpu, W0, F, 2, Align::Natural);
        fixture.pin(&cpu, W0, 1, 1).expect("a pin");
        inode
    };
    let read = std::thread::scope(|threads| {
        let fixture = &fixture;
        let truncate = |task, pages| {
            threads.spawn(move || {
                world.dax.truncate(&fixture.cpu(task), inode, pages).expect("truncate");
            });
        };
        truncate(1, 1);
        fixture.until_waits_for(1, "page to become idle");
        let second = || {
            truncate(2, 0);
            fixture.until_waits_for(2, "i_rwsem");
        };
        if first == Comes::Truncate {
            second();
        }
        let reader = threads.spawn(|| {
            world
                .pread(&fixture.cpu(3), W0, &Pread { file: fd(), page: 0, pages: 1 })
                .expect("pread")
        });
        fixture.until_waits_for(3, "i_rwsem");
        if first == Comes::Read {
            second();
        }
        world.unpin(&fixture.cpu(4), W0, &Unpin { pin: None }).expect("unpin");
        reader.join().expect("no panic")
    });
    let cpu = fixture.cpu(1);
    world.exit(&cpu, W0).expect("exit");
    drop(cpu);
    fixture.assert_at_rest();
    read
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comes {
    Read,
    Truncate,
}

#[test]
fn a_read_in_line_behind_a_truncate_reads_nothing() {
    assert_eq!(read_beside_a_second_truncate(Comes::Truncate), 0);
}

#[test]
fn a_read_in_line_before_a_truncate_reads_what_the_file_held() {
    assert_eq!(read_beside_a_second_truncate(Comes::Read), 4096);
}
