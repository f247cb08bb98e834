//! Names, users and the end of a file, on threads.

mod common;

use std::sync::Barrier;

use common::*;
use program::Era;
use program::op::{FdNo, Layout};

#[test]
fn a_close_and_an_unlink_that_race_evict_the_file_once() {
    let rig = Rig::new(&COSY, Era::V6_15Sound.rules());
    let world = &rig.world;
    for _ in 0..300 {
        {
            let cpu = rig.cpu(1);
            rig.file(&cpu, F, 4, Layout::Contiguous);
            world.spawn(&cpu, W0).expect("a process");
            open(world, &cpu, W0, F);
        }
        let start = Barrier::new(2);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let cpu = rig.cpu(1);
                start.wait();
                world.close(&cpu, W0, FdNo(0)).expect("close");
            });
            threads.spawn(|| {
                let cpu = rig.cpu(2);
                start.wait();
                world.unlink(&cpu, F).expect("unlink");
            });
        });
        let cpu = rig.cpu(1);
        world.exit(&cpu, W0).expect("exit");
        assert_eq!(world.dax.live_inodes().count(), 0);
        assert_eq!(world.dax.blocks.used(&cpu), 0);
    }
    rig.assert_at_rest();
}
