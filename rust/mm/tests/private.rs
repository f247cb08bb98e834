//! Private mappings: copies, who keeps what, and fork.

mod common;

use common::*;
use pgmap_mm::dax::InodeId;
use pgmap_mm::world::Failure;
use program::op::{Align, Fork, Layout, Load, MapNo, Mmap, Munmap, PageRange, Prot, Sharing};
use program::{Died, Era};

/// A file of eight pages, each holding its number plus 100, and a private mapping of it.
fn private(era: Era, align: Align) -> (Fixture, InodeId) {
    let fixture = Fixture::new(&COSY, era.rules());
    let inode = {
        let cpu = fixture.cpu(1);
        let inode = fixture.file(&cpu, F, 8, Layout::Huge);
        for index in 0..8 {
            fixture
                .world
                .dax
                .write_pages(&cpu, inode, PageRange { page: index, pages: 1 }, |page, _| {
                    u64::from(page) + 100
                })
                .expect("written");
        }
        fixture.start_with(&cpu, W0, F);
        let op = Mmap {
            map: MapNo(0),
            file: fd(),
            offset: 0,
            pages: 8,
            prot: Prot::ReadWrite,
            sharing: Sharing::Private,
            align,
        };
        assert_eq!(fixture.world.mmap(&cpu, W0, &op), Ok(0));
        inode
    };
    (fixture, inode)
}

fn load(fixture: &Fixture, worker: program::op::WorkerId, page: u32) -> Result<i64, Failure> {
    fixture.world.load(&fixture.cpu(1), worker, &Load { map: MapNo(0), page })
}

fn in_file(fixture: &Fixture, inode: InodeId, page: u32) -> u64 {
    fixture.world.dax.vm.pagemaps.memmap.contents(fixture.frame(inode, page)).read()
}

fn copies(fixture: &Fixture) -> u32 {
    fixture.world.dax.vm.pagemaps.ram.used(&fixture.cpu(1))
}

const BOTH: [Align; 2] = [Align::Natural, Align::Odd];

#[test]
fn a_write_goes_to_a_copy_and_the_file_keeps_what_it_had() {
    for era in Era::ALL {
        for align in BOTH {
            let (fixture, inode) = private(era, align);
            // Read first, and not.
            assert_eq!(load(&fixture, W0, 1), Ok(101));
            for page in [1, 2] {
                assert_eq!(fixture.write(&fixture.cpu(1), W0, page), Ok(0));
                assert_eq!(load(&fixture, W0, page), Ok(7), "{era} {align:?}");
                assert_eq!(in_file(&fixture, inode, page), u64::from(page) + 100);
                assert_eq!(fixture.world.observe(fixture.frame(inode, page)).mapcount, 0);
            }
            assert_eq!((load(&fixture, W0, 3), copies(&fixture)), (Ok(103), 2));
            fixture.exit_all(&fixture.cpu(1));
            assert_eq!(copies(&fixture), 0);
            fixture.assert_at_rest();
        }
    }
}

#[test]
fn a_punch_leaves_copies_and_a_truncate_takes_them() {
    let (fixture, inode) = private(Era::V6_15Sound, Align::Odd);
    assert_eq!(fixture.write(&fixture.cpu(1), W0, 1), Ok(0));
    let hole = program::op::PageRange { page: 1, pages: 1 };
    fixture.world.dax.punch(&fixture.cpu(1), inode, hole).expect("punch");
    assert_eq!(load(&fixture, W0, 1), Ok(7));
    fixture.world.dax.truncate(&fixture.cpu(1), inode, 0).expect("truncate");
    assert_eq!(load(&fixture, W0, 1), Err(Failure::Died(Died::Sigbus)));
    fixture.exit_all(&fixture.cpu(1));
    fixture.assert_at_rest();
}

#[test]
fn fork_shares_copies_until_somebody_writes() {
    let (fixture, _) = private(Era::V6_15Sound, Align::Odd);
    assert_eq!(fixture.write(&fixture.cpu(1), W0, 1), Ok(0));
    assert_eq!(load(&fixture, W0, 3), Ok(103));
    assert_eq!(fixture.world.fork(&fixture.cpu(1), W0, &Fork { child: W1 }), Ok(0));
    assert_eq!((load(&fixture, W1, 1), copies(&fixture)), (Ok(7), 1));
    let store = program::op::Store { map: MapNo(0), page: 1, value: 9 };
    assert_eq!(fixture.world.store(&fixture.cpu(1), W1, &store), Ok(0));
    assert_eq!((load(&fixture, W1, 1), load(&fixture, W0, 1), copies(&fixture)), (Ok(9), Ok(7), 2));
    // The parent is alone with its copy now, and writes it where it is.
    assert_eq!(fixture.write(&fixture.cpu(1), W0, 1), Ok(0));
    assert_eq!(copies(&fixture), 2);
    fixture.exit_all(&fixture.cpu(1));
    assert_eq!(copies(&fixture), 0);
    fixture.assert_at_rest();
}

#[test]
fn a_reference_on_the_files_page_is_on_the_files_page_after_the_copy() {
    let (fixture, inode) = private(Era::V6_15Sound, Align::Odd);
    let cpu = fixture.cpu(1);
    assert_eq!(fixture.get(&cpu, W0, 1, 1), Ok(1));
    assert_eq!(fixture.write(&cpu, W0, 1), Ok(0));
    let page = fixture.world.observe(fixture.frame(inode, 1));
    assert_eq!((page.refcount, page.mapcount), (1, 0));
    let whole = Munmap { map: MapNo(0), range: None };
    assert_eq!(fixture.world.munmap(&cpu, W0, &whole), Ok(0));
    assert_eq!(fixture.world.unpin(&cpu, W0, &program::op::Unpin { pin: None }), Ok(1));
    fixture.leave(cpu);
}
