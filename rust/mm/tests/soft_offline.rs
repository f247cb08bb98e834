//! `madvise(MADV_SOFT_OFFLINE)`: a page moves to another block unless somebody refers to it.

mod common;

use common::*;
use pgmap_mm::dax::InodeId;
use pgmap_mm::tally;
use program::op::{Advice, Align, Layout, Load, Madvise, Mmap, Munmap, Unpin};
use program::{Era, Errno, Rules};

fn rules(clear: &str) -> Rules {
    let mut rules = Era::V6_15Sound.rules();
    rules.apply(&format!("zap-clear={clear}")).expect("a rule");
    rules
}

/// A file of four pages, mapped by W0 and W1, with page 1 written and mapped by both.
fn shared(rules: Rules) -> (Fixture, InodeId) {
    let fixture = Fixture::new(&COSY, rules);
    let inode = {
        let cpu = fixture.cpu(1);
        let inode = fixture.file(&cpu, F, 4, Layout::Contiguous);
        fixture.start(&cpu, W0, F, 4, Align::Odd);
        fixture.start(&cpu, W1, F, 4, Align::Odd);
        assert_eq!(fixture.write(&cpu, W0, 1), Ok(0));
        assert_eq!(fixture.read(&cpu, W1, 1), Ok(0));
        inode
    };
    (fixture, inode)
}

fn offline(fixture: &Fixture, page: u32) -> Result<i64, pgmap_mm::world::Failure> {
    fixture.world.madvise(
        &fixture.cpu(2),
        W1,
        &Madvise { map: M, advice: Advice::SoftOffline, page },
    )
}

#[test]
fn a_page_that_only_mappings_hold_moves_and_keeps_its_contents() {
    for clear in ["xchg", "load-store"] {
        let (fixture, inode) = shared(rules(clear));
        let old = fixture.frame(inode, 1);
        let held =
            fixture.world.load(&fixture.cpu(1), W0, &Load { map: M, page: 1 }).expect("mapped");
        assert_eq!(offline(&fixture, 1), Ok(0));
        let new = fixture.frame(inode, 1);
        assert_ne!(new, old, "{clear}");
        let left = fixture.world.observe(old);
        assert_eq!((left.refcount, left.mapcount, left.mapping), (0, 0, false), "{clear}");
        assert_eq!(
            fixture.world.load(&fixture.cpu(1), W0, &Load { map: M, page: 1 }),
            Ok(held),
            "{clear}"
        );
        assert_eq!(fixture.complaints(), []);
        fixture.leave(fixture.cpu(1));
    }
}

#[test]
fn a_page_that_somebody_refers_to_stays_where_it_is() {
    for clear in ["xchg", "load-store"] {
        let (fixture, inode) = shared(rules(clear));
        let page = fixture.frame(inode, 1);
        assert_eq!(fixture.pin(&fixture.cpu(1), W0, 1, 1), Ok(1));
        let used = fixture.world.dax.blocks.used(&fixture.cpu(1));
        assert_eq!(offline(&fixture, 1), Err(Errno::EBUSY.into()), "{clear}");
        assert_eq!(fixture.frame(inode, 1), page);
        assert_eq!(fixture.world.observe(page).refcount, 1024 + 2, "a pin and two mappings");
        assert_eq!(fixture.world.dax.blocks.used(&fixture.cpu(1)), used, "no block is lost");
        assert_eq!(fixture.world.unpin(&fixture.cpu(1), W0, &Unpin { pin: None }), Ok(1));
        assert_eq!(offline(&fixture, 1), Ok(0), "and moves when it is let go");
        fixture.exit_all(&fixture.cpu(1));
        assert_eq!(fixture.machine.tally(tally::NESTED_FLUSH), 0, "no gather is left unfinished");
        fixture.assert_at_rest();
    }
}

#[test]
fn a_page_is_found_where_a_mapping_from_the_middle_of_the_file_has_it() {
    let (fixture, inode) = shared(rules("xchg"));
    let world = &fixture.world;
    world.munmap(&fixture.cpu(1), W1, &Munmap { map: M, range: None }).expect("munmap");
    world.mmap(&fixture.cpu(1), W1, &Mmap { offset: 1, pages: 3, ..MMAP }).expect("from page 1 on");
    assert_eq!(fixture.read(&fixture.cpu(1), W1, 0), Ok(0));
    let old = fixture.frame(inode, 1);
    assert_eq!(offline(&fixture, 0), Ok(0), "page 1 of the file");
    assert_eq!((world.observe(old).refcount, world.observe(old).mapcount), (0, 0));
    assert_ne!(fixture.frame(inode, 1), old);
    fixture.leave(fixture.cpu(1));
}

#[test]
fn a_page_that_only_its_user_still_knows_stays_too() {
    let (fixture, inode) = shared(rules("xchg"));
    let page = fixture.frame(inode, 1);
    assert_eq!(fixture.get(&fixture.cpu(1), W0, 1, 1), Ok(1));
    for worker in [W0, W1] {
        fixture
            .world
            .munmap(&fixture.cpu(1), worker, &Munmap { map: M, range: None })
            .expect("munmap");
    }
    let again = Mmap { pages: 4, ..MMAP };
    fixture.world.mmap(&fixture.cpu(1), W1, &again).expect("mmap");
    assert_eq!(offline(&fixture, 1), Err(Errno::EBUSY.into()));
    assert_eq!(fixture.frame(inode, 1), page);
    assert_eq!(fixture.world.unpin(&fixture.cpu(1), W0, &Unpin { pin: None }), Ok(1));
    assert_eq!(offline(&fixture, 1), Ok(0), "and moves when it is let go");
    fixture.leave(fixture.cpu(1));
}

#[test]
fn what_is_no_page_cannot_move() {
    let (fixture, _) = shared(rules("xchg"));
    assert_eq!(offline(&fixture, 4), Err(Errno::EINVAL.into()), "outside the mapping");
    fixture.leave(fixture.cpu(1));
}

#[test]
fn a_part_of_a_huge_page_does_not_move() {
    // Up to v6.14 its pages are no folio, and are in their file by one entry all the same, mapped or not.
    for era in [Era::V6_15Sound, Era::V6_12Sound] {
        let fixture = Fixture::new(&COSY, era.rules());
        let pages = 1 << COSY.pmd_order;
        {
            let cpu = fixture.cpu(1);
            fixture.file(&cpu, F, pages, Layout::Huge);
            fixture.start(&cpu, W0, F, pages, Align::Natural);
            fixture.start(&cpu, W1, F, pages, Align::Odd);
            assert_eq!(fixture.write(&cpu, W0, 0), Ok(0));
        }
        assert_eq!(offline(&fixture, 1), Err(Errno::EINVAL.into()), "{era}");
        let unmap = Munmap { map: M, range: None };
        fixture.world.munmap(&fixture.cpu(1), W0, &unmap).expect("munmap");
        assert_eq!(offline(&fixture, 1), Err(Errno::EINVAL.into()), "{era}, not mapped");
        assert_eq!(fixture.complaints(), [], "{era}");
        fixture.leave(fixture.cpu(1));
    }
}
