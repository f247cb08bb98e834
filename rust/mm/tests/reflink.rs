//! Blocks that several files have: what a page counts, who gets a copy, and when a block goes back.

mod common;

use common::*;
use pgmap_mm::dax::InodeId;
use pgmap_mm::warn::Complaint;
use pgmap_mm::world::Return;
use prim::Cpu;
use program::op::{
    Advice, Align, FdNo, FileRef, Ftruncate, Layout, Load, Madvise, Munmap, Open, OpenMode, Pread,
    Pwrite, Reflink, Store, Target, Unpin, Zerorange,
};
use program::{Era, Errno, Rules};

const PAGES: u32 = 16;

fn with(assignments: &[&str]) -> Rules {
    let mut rules = Era::V6_15Sound.rules();
    assignments.iter().for_each(|it| rules.apply(it).expect("a rule and a value of it"));
    rules
}

fn reflink(fixture: &Fixture, cpu: &Cpu<'_>, file: FileRef, source: FileRef) -> Return {
    fixture.world.reflink(cpu, W0, &Reflink { file, source })
}

/// A file of written pages that W0 has mapped, an empty one that W1 has mapped; each is open as fd 0.
fn two_files(rules: Rules, layout: Layout, align: Align) -> (Fixture, InodeId, InodeId) {
    let fixture = Fixture::new(&COSY, rules);
    let (f, g) = {
        let cpu = fixture.cpu(1);
        let f = fixture.file(&cpu, F, PAGES, layout);
        let g = fixture.file_as(&cpu, G, 0, None, layout);
        fixture.start(&cpu, W0, F, PAGES, align);
        fixture.start(&cpu, W1, G, PAGES, align);
        (f, g)
    };
    (fixture, f, g)
}

/// The same, and the second file is a clone of the first.
fn clone(rules: Rules, layout: Layout, align: Align) -> (Fixture, InodeId, InodeId) {
    let (fixture, f, g) = two_files(rules, layout, align);
    assert_eq!(reflink(&fixture, &fixture.cpu(1), FileRef::File(G), FileRef::File(F)), Ok(0));
    (fixture, f, g)
}

/// Of a page of the first file's blocks at the start: references, mapcount, share, whether it is in a file.
fn told(fixture: &Fixture, pfn: pgmap_mm::page::Pfn) -> (i32, i32, u32, bool) {
    let page = fixture.world.observe(pfn);
    (page.refcount, page.mapcount, page.share, page.mapping)
}

fn store(fixture: &Fixture, cpu: &Cpu<'_>, worker: program::op::WorkerId, page: u32, value: u64) {
    assert_eq!(fixture.world.store(cpu, worker, &Store { map: M, page, value }), Ok(0));
}

fn load(fixture: &Fixture, cpu: &Cpu<'_>, worker: program::op::WorkerId, page: u32) -> Return {
    fixture.world.load(cpu, worker, &Load { map: M, page })
}

#[test]
fn a_page_counts_the_entries_of_files_that_share_its_block_as_recorded() {
    // Clone, read through the first, through the second, the second page through the second, write through the first.
    let recorded = [
        (
            "counted",
            "normal",
            [(1, 1, 0, true), (2, 2, 2, false), (1, 1, 1, false)],
            (1, 1, 0, true),
        ),
        (
            "marked",
            "devmap",
            [(1, 0, 1, false), (1, 0, 2, false), (1, 0, 1, false)],
            (1, 0, 1, false),
        ),
        (
            "on-write",
            "devmap",
            [(1, 0, 0, true), (1, 0, 0, true), (1, 0, 0, false)],
            (1, 0, 0, true),
        ),
    ];
    for (share, pages, first, second) in recorded {
        let rules = with(&[&format!("share-count={share}"), &format!("dax-pages={pages}")]);
        let (fixture, f, _) = clone(rules, Layout::Contiguous, Align::Odd);
        let cpu = &fixture.cpu(1);
        let frames = [0, 1].map(|index| fixture.frame(f, index));
        assert_eq!(fixture.read(cpu, W0, 0), Ok(0));
        assert_eq!(told(&fixture, frames[0]), first[0], "{share}: the first file");
        assert_eq!(fixture.read(cpu, W1, 0), Ok(0));
        assert_eq!(told(&fixture, frames[0]), first[1], "{share}: both");
        assert_eq!(fixture.read(cpu, W1, 1), Ok(0));
        assert_eq!(told(&fixture, frames[1]), second, "{share}: only the second");
        assert_eq!(fixture.write(cpu, W0, 0), Ok(0));
        assert_eq!(told(&fixture, frames[0]), first[2], "{share}: the first has a copy");
        assert_ne!(fixture.frame(f, 0), frames[0]);
        let overwritten = fixture.take_complaints();
        let wrong = share == "on-write";
        assert_eq!(overwritten.contains(&Complaint::MappingOverwritten), wrong, "{overwritten:?}");
    }
}

#[test]
fn a_clone_unmaps_the_file_that_it_is_made_of_and_keeps_its_contents() {
    let (fixture, f, g) = two_files(with(&[]), Layout::Contiguous, Align::Odd);
    let cpu = &fixture.cpu(1);
    store(&fixture, cpu, W0, 2, 7);
    let frame = fixture.frame(f, 2);
    assert_eq!(reflink(&fixture, cpu, FileRef::File(G), FileRef::File(F)), Ok(0));
    assert_eq!(told(&fixture, frame), (0, 0, 0, false));
    assert_eq!((fixture.frame(g, 2), fixture.world.dax.inode(g).size()), (frame, PAGES));
    assert_eq!((load(&fixture, cpu, W0, 2), load(&fixture, cpu, W1, 2)), (Ok(7), Ok(7)));
    fixture.exit_all(cpu);
    fixture.assert_at_rest();
}

#[test]
fn who_writes_a_shared_block_gets_a_copy_and_the_other_file_keeps_what_it_had() {
    for copies in ["mapping", "descriptor", "descriptor, the kernel's order"] {
        let assignments: &[&str] = match copies {
            "descriptor, the kernel's order" => &["write-invalidate=delete-then-unmap"],
            _ => &[],
        };
        let (fixture, f, g) = two_files(with(assignments), Layout::Contiguous, Align::Odd);
        let cpu = &fixture.cpu(1);
        for page in 0..3 {
            store(&fixture, cpu, W0, page, 7);
        }
        assert_eq!(reflink(&fixture, cpu, FileRef::File(G), FileRef::File(F)), Ok(0));
        let used = fixture.world.dax.blocks.used(cpu);
        // The first page is read before, by the file that is written, or by nobody, or by the other.
        assert_eq!((load(&fixture, cpu, W1, 1), load(&fixture, cpu, W1, 2)), (Ok(7), Ok(7)));
        match copies {
            "mapping" => (0..3).for_each(|page| store(&fixture, cpu, W1, page, 9)),
            _ => {
                // A mapped page is taken from its file only in the kernel's order: it is unmapped here.
                let whole = Munmap { map: M, range: None };
                assert_eq!(fixture.world.munmap(cpu, W1, &whole), Ok(0));
                let write = Pwrite { file: FileRef::File(G), page: 0, pages: 3 };
                assert_eq!(fixture.world.pwrite_each(cpu, W1, &write, |_| 9), Ok(3 * 4096));
            }
        }
        let read = |file| {
            let mut all = Vec::new();
            let op = Pread { file: FileRef::File(file), page: 0, pages: 4 };
            fixture.world.pread_each(cpu, W0, &op, |word| all.push(word)).expect("a file");
            all
        };
        assert_eq!((read(F), read(G)), (vec![7, 7, 7, 0], vec![9, 9, 9, 0]), "{copies}");
        assert_eq!(load(&fixture, cpu, W0, 1), Ok(7));
        assert_eq!(fixture.world.dax.blocks.used(cpu), used + 3);
        for (index, same) in [(2, false), (3, true)] {
            assert_eq!(fixture.frame(f, index) == fixture.frame(g, index), same);
        }
        assert_eq!(fixture.take_complaints(), [], "{copies}");
    }
}

#[test]
fn a_block_goes_back_with_the_last_file_that_has_it() {
    let (fixture, _, g) = clone(with(&[]), Layout::Contiguous, Align::Odd);
    let cpu = &fixture.cpu(1);
    assert_eq!((fixture.read(cpu, W0, 0), fixture.read(cpu, W1, 0)), (Ok(0), Ok(0)));
    let truncate = |file| fixture.world.ftruncate(cpu, W0, &Ftruncate { file, pages: 0 });
    assert_eq!(truncate(FileRef::File(F)), Ok(0));
    assert_eq!(fixture.world.dax.blocks.used(cpu), PAGES);
    assert_eq!(told(&fixture, fixture.frame(g, 0)), (1, 1, 1, false));
    // What nobody else has is no copy any more.
    let frame = fixture.frame(g, 0);
    assert_eq!(fixture.write(cpu, W1, 0), Ok(0));
    assert_eq!(fixture.frame(g, 0), frame);
    assert_eq!(truncate(FileRef::File(G)), Ok(0));
    assert_eq!(fixture.world.dax.blocks.used(cpu), 0);
    fixture.exit_all(cpu);
    fixture.assert_at_rest();
}

#[test]
fn a_huge_page_of_shared_blocks_is_read_whole_and_copied_page_by_page() {
    let (fixture, f, _) = clone(with(&[]), Layout::Huge, Align::Natural);
    let cpu = &fixture.cpu(1);
    assert_eq!(fixture.read(cpu, W0, 1), Ok(0));
    let frame = fixture.frame(f, 0);
    assert_eq!(fixture.world.observe(frame).order, Some(3));
    assert_eq!(fixture.write(cpu, W0, 1), Ok(0));
    assert_eq!(fixture.world.observe(frame).order, Some(0), "it came apart");
    assert_eq!((fixture.frame(f, 0), fixture.frame(f, 1) == frame.add(1)), (frame, false));
    // One page of the range is the second file's alone by now.
    assert_eq!(fixture.read(cpu, W1, 0), Ok(0));
    assert_eq!(fixture.world.observe(frame).order, Some(0));
    assert_eq!(fixture.read(cpu, W1, 8), Ok(0));
    assert_eq!(fixture.world.observe(frame.add(8)).order, Some(3));
    fixture.exit_all(cpu);
    fixture.assert_at_rest();
}

#[test]
fn a_clone_waits_for_references_on_either_file() {
    // The file of the lower number is locked first, and waited for in another way.
    for (to, from) in [(G, F), (F, G)] {
        let (fixture, ..) = two_files(with(&[]), Layout::Contiguous, Align::Odd);
        let cpu = &fixture.cpu(1);
        let held =
            fixture.world.ftruncate(cpu, W1, &Ftruncate { file: FileRef::File(G), pages: PAGES });
        assert_eq!(held, Ok(0));
        for worker in [W0, W1] {
            assert_eq!(fixture.write(cpu, worker, 0), Ok(0));
            assert_eq!(fixture.pin(cpu, worker, 0, 1), Ok(1));
        }
        std::thread::scope(|threads| {
            let clone = threads.spawn(|| {
                reflink(&fixture, &fixture.cpu(2), FileRef::File(to), FileRef::File(from))
            });
            for worker in [W0, W1] {
                fixture.until_waits_for(2, "page to become idle");
                assert_eq!(fixture.world.unpin(cpu, worker, &Unpin { pin: None }), Ok(1));
            }
            assert_eq!(clone.join().expect("no panic"), Ok(0));
        });
        assert_eq!(fixture.take_complaints(), []);
    }
}

#[test]
fn what_cannot_be_shared_is_refused_and_what_is_shared_stays_the_others() {
    let (fixture, f, g) = clone(with(&[]), Layout::Contiguous, Align::Odd);
    let cpu = &fixture.cpu(1);
    let (to_f, to_g) = (FileRef::File(F), FileRef::File(G));
    assert_eq!(reflink(&fixture, cpu, to_f, to_f), Err(Errno::EINVAL.into()));
    let open = Open { fd: FdNo(1), target: Target::File(G), mode: OpenMode::Read };
    assert_eq!(fixture.world.open(cpu, W0, &open), Ok(0));
    assert_eq!(reflink(&fixture, cpu, FileRef::Fd(FdNo(1)), to_f), Err(Errno::EBADF.into()));
    assert_eq!(fixture.read(cpu, W0, 0), Ok(0));
    let offline = Madvise { map: M, advice: Advice::SoftOffline, page: 0 };
    assert_eq!(fixture.world.madvise(cpu, W0, &offline), Err(Errno::EBUSY.into()));
    store(&fixture, cpu, W0, 1, 7);
    let frame = fixture.frame(g, 1);
    assert_eq!(reflink(&fixture, cpu, to_g, to_f), Ok(0), "once more: it lets go of what it had");
    assert_eq!(load(&fixture, cpu, W1, 1), Ok(7));
    assert_ne!(fixture.frame(g, 1), frame);
    let zero = Zerorange { file: to_f, page: 1, pages: 1 };
    assert_eq!(fixture.world.zerorange(cpu, W0, &zero), Ok(0));
    assert_eq!((load(&fixture, cpu, W0, 1), load(&fixture, cpu, W1, 1)), (Ok(0), Ok(7)));
    assert_eq!(fixture.frame(f, 2), fixture.frame(g, 2));
    fixture.exit_all(cpu);
    fixture.assert_at_rest();
}
