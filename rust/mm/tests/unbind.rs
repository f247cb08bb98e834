//! An unbind under a file system that is told of it: what becomes of its pages, and where the walk over them ends.

mod common;

use std::time::Duration;

use common::*;
use pgmap_mm::dax::InodeId;
use pgmap_mm::world::Failure;
use prim::poison::{Poison, Stopped};
use prim::{Lease, TaskId, catch_abandon};
use program::op::{Align, FileRef, Layout, Pwrite};
use program::{Died, Era, Errno, Rules};

const PAGES: u32 = 16;

fn with(assignments: &[&str]) -> Rules {
    let mut rules = Era::V6_15.rules();
    assignments.iter().for_each(|it| rules.apply(it).expect("a rule and a value of it"));
    rules
}

/// A file that W0 has mapped and written a page of, and read another one.
fn mapped(rules: Rules, groups: u32) -> (Fixture, InodeId) {
    let fixture = Fixture::new(&COSY, rules);
    fixture.world.dax.set_allocation_groups(groups);
    let inode = {
        let cpu = fixture.cpu(1);
        let inode = fixture.file(&cpu, F, PAGES, Layout::Contiguous);
        fixture.start(&cpu, W0, F, PAGES, Align::Odd);
        assert_eq!((fixture.write(&cpu, W0, 0), fixture.read(&cpu, W0, 1)), (Ok(0), Ok(0)));
        inode
    };
    (fixture, inode)
}

#[test]
fn pages_are_taken_from_their_file_whether_it_is_in_the_last_group_or_the_walk_is_right() {
    for (groups, assignment) in [(1, "failed-range=wraps"), (2, "failed-range=exact")] {
        let (fixture, inode) = mapped(with(&[assignment]), groups);
        let cpu = fixture.cpu(1);
        assert_eq!(fixture.world.dax.unbind(&cpu), Ok(()));
        assert_eq!(fixture.world.dax.nrpages(&cpu, inode), 0, "{assignment}");
        assert_eq!(fixture.read(&cpu, W0, 0), Err(Failure::Died(Died::Sigbus)));
        assert_eq!(fixture.write(&cpu, W0, 0), Err(Failure::Died(Died::Sigbus)));
        let write = Pwrite { file: FileRef::File(F), page: 0, pages: 1 };
        assert_eq!(fixture.world.pwrite(&cpu, W0, &write), Err(Errno::EIO.into()));
        fixture.exit_all(&cpu);
        assert_eq!(fixture.take_complaints(), []);
    }
}

/// That reads go on meanwhile, writes wait and an umount leaves the file system behind is in the recordings.
#[test]
fn with_two_groups_the_walk_never_ends() {
    let (fixture, _) = mapped(with(&["failed-range=wraps"]), 2);
    let stopped = catch_abandon(|| {
        let deadline = Some(Duration::from_millis(100));
        let lease = Lease { task: TaskId(1), deadline, poll: None };
        let cpu = fixture.machine.lease(lease).expect("a CPU");
        fixture.world.dax.unbind(&cpu)
    });
    let Err(Stopped::Poisoned(Poison::Hang { waiters, .. })) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!(waiters.iter().map(|it| it.class.name).collect::<Vec<_>>(), ["cond_resched"]);
}
