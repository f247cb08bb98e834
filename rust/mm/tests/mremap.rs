//! mremap: entries go to other addresses with their references, whole tables and leaves by their PMD.

mod common;

use common::*;
use pgmap_mm::dax::InodeId;
use pgmap_mm::tally;
use prim::Cpu;
use program::op::{Align, FileRef, Layout, Load, MapNo, Mmap, Mremap, Munmap, PageRange, Store};
use program::{Era, Errno, Geometry};

const ALL: Munmap = Munmap { map: M, range: None };

fn mremap(fixture: &Fixture, cpu: &Cpu<'_>) {
    assert_eq!(fixture.world.mremap(cpu, W0, &Mremap { map: M }), Ok(0));
}

fn counts(fixture: &Fixture, inode: InodeId, page: u32) -> (i32, i32) {
    let page = fixture.world.observe(fixture.frame(inode, page));
    (page.refcount, page.mapcount)
}

#[test]
fn what_was_mapped_is_mapped_elsewhere_with_the_same_counts_and_without_a_fault() {
    for layout in [Layout::Contiguous, Layout::Huge] {
        for pages in [1, 3, 8, 13, 24] {
            with_mapped(pages, layout, |fixture, cpu, inode| {
                for page in 0..pages {
                    let store = Store { map: M, page, value: u64::from(page) + 100 };
                    fixture.world.store(cpu, W0, &store).expect("a store");
                }
                let before: Vec<_> = (0..pages).map(|page| counts(fixture, inode, page)).collect();
                let faults = fixture.machine.tally(tally::FAULT);
                mremap(fixture, cpu);
                let load = |page| fixture.world.load(cpu, W0, &Load { map: M, page });
                // A huge entry that a part of goes is not moved, but cut, and faults rebuild it.
                let moved = layout == Layout::Contiguous || pages % 8 == 0;
                if moved {
                    let after: Vec<_> =
                        (0..pages).map(|page| counts(fixture, inode, page)).collect();
                    assert_eq!(after, before, "{layout:?}, {pages}");
                }
                (0..pages).for_each(|page| assert_eq!(load(page), Ok(i64::from(page) + 100)));
                if moved {
                    assert_eq!(fixture.machine.tally(tally::FAULT), faults, "{layout:?}, {pages}");
                }
                fixture.world.dax.truncate(cpu, inode, 0).expect("truncate");
                (0..pages).for_each(|page| assert!(load(page).is_err()));
            });
        }
    }
}

#[test]
fn the_old_addresses_are_free_and_the_tlb_knows_it() {
    with_mapped(8, Layout::Huge, |fixture, cpu, inode| {
        assert_eq!(fixture.write(cpu, W0, 0), Ok(0));
        mremap(fixture, cpu);
        // Mapped again where the first one was: of another file.
        fixture.file(cpu, G, 8, Layout::Huge);
        let other =
            Mmap { map: MapNo(1), file: FileRef::File(G), pages: 8, align: Align::Natural, ..MMAP };
        fixture.world.mmap(cpu, W0, &other).expect("a mapping");
        let load = Load { map: MapNo(1), page: 0 };
        let store = Store { map: MapNo(1), page: 0, value: 3 };
        fixture.world.store(cpu, W0, &store).expect("a store");
        assert_eq!(fixture.world.load(cpu, W0, &load), Ok(3));
        assert_eq!(fixture.world.load(cpu, W0, &Load { map: M, page: 0 }), Ok(7));
        assert_eq!(counts(fixture, inode, 0).0, 1);
    });
}

#[test]
fn a_number_that_is_not_mapped_whole_does_not_move() {
    with_mapped(4, Layout::Contiguous, |fixture, cpu, _| {
        let mremap = |map| fixture.world.mremap(cpu, W0, &Mremap { map });
        assert_eq!(mremap(MapNo(1)), Err(Errno::EINVAL.into()));
        let range = Some(PageRange { page: 1, pages: 1 });
        fixture.world.munmap(cpu, W0, &Munmap { map: M, range }).expect("munmap");
        assert_eq!(mremap(M), Err(Errno::EFAULT.into()));
        assert_eq!(fixture.write(cpu, W0, 0), Ok(0));
        fixture.world.munmap(cpu, W0, &ALL).expect("munmap");
        assert_eq!(mremap(M), Err(Errno::EINVAL.into()));
    });
}

#[test]
fn without_a_page_table_everything_stays_where_it_was() {
    for nth in 0..8 {
        let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
        let cpu = fixture.cpu(1);
        let inode = fixture.file(&cpu, F, 13, Layout::Contiguous);
        fixture.start(&cpu, W0, F, 13, Align::Odd);
        (0..13).for_each(|page| assert_eq!(fixture.write(&cpu, W0, page), Ok(0)));
        fixture.arena.faults().fail_after(nth);
        let moved = fixture.world.mremap(&cpu, W0, &Mremap { map: M });
        fixture.arena.faults().off();
        assert!(moved == Ok(0) || moved == Err(Errno::ENOMEM.into()), "{moved:?}");
        for page in 0..13 {
            assert_eq!(counts(&fixture, inode, page), (1, 1), "{nth}: page {page}");
            assert_eq!(fixture.write(&cpu, W0, page), Ok(0));
        }
        fixture.leave(cpu);
    }
}

#[test]
fn a_mapping_moves_beside_truncates_pins_and_faults() {
    let geometry = Geometry { gather_batch: 2, ..COSY };
    for layout in [Layout::Contiguous, Layout::Huge] {
        let fixture = Fixture::new(&geometry, Era::V6_15Sound.rules());
        let world = &fixture.world;
        let inode = {
            let cpu = fixture.cpu(1);
            let inode = fixture.file(&cpu, F, 16, layout);
            let align = if layout == Layout::Huge { Align::Natural } else { Align::Odd };
            fixture.start(&cpu, W0, F, 16, align);
            world.clone_thread(&cpu, W0, W1).expect("a thread");
            inode
        };
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let cpu = fixture.cpu(1);
                for _ in 0..400 {
                    let _ = world.mremap(&cpu, W0, &Mremap { map: M });
                }
            });
            threads.spawn(|| {
                let cpu = fixture.cpu(2);
                for round in 0..400 {
                    let _ = fixture.write(&cpu, W1, round % 16);
                    if fixture.pin(&cpu, W1, round % 16, 1).is_ok() {
                        world.unpin(&cpu, W1, &program::op::Unpin { pin: None }).expect("a pin");
                    }
                }
            });
            threads.spawn(|| {
                let cpu = fixture.cpu(3);
                for _ in 0..200 {
                    world.dax.truncate(&cpu, inode, 0).expect("truncate");
                    world.dax.truncate(&cpu, inode, 16).expect("truncate");
                }
            });
        });
        let cpu = fixture.cpu(1);
        fixture.leave(cpu);
    }
}
