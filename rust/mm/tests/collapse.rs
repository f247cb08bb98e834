//! Single pages of anonymous memory become a huge one (`madvise collapse`).

mod common;

use common::*;
use pgmap_mm::vm::Pte;
use pgmap_mm::world::Return;
use prim::Cpu;
use program::op::{
    Advice, Align, Anon, AnonKind, Fork, Layout, Load, Madvise, Munmap, PageRange, SplitHugePages,
    Store, Unpin,
};
use program::{Era, Errno};

/// Pages of a huge page of the world of these tests.
const PMD: u32 = 8;

impl Fixture {
    fn collapse(&self, cpu: &Cpu<'_>, page: u32) -> Return {
        self.world.madvise(cpu, W0, &Madvise { map: M, advice: Advice::Collapse, page })
    }

    fn store(&self, cpu: &Cpu<'_>, page: u32, value: u64) -> Return {
        self.world.store(cpu, W0, &Store { map: M, page, value })
    }

    /// Order, references and mappings of the folio of a page.
    fn counts(&self, cpu: &Cpu<'_>, page: u32) -> (u8, i32, i32) {
        let Ok(Pte::Page(page)) = self.world.entry_of(cpu, W0, M, page) else { panic!("unmapped") };
        let folio = self.world.dax.vm.pagemaps.memmap.folio(page.pfn());
        (folio.order().0, folio.refcount().get(), folio.mapcount())
    }

    fn holds(&self, cpu: &Cpu<'_>, pages: u32) {
        for page in 0..pages {
            let held = self.world.load(cpu, W0, &Load { map: M, page });
            assert_eq!(held, Ok(i64::from(page) + 100), "page {page}");
        }
    }

    fn unpin(&self, cpu: &Cpu<'_>) -> Return {
        self.world.unpin(cpu, W0, &Unpin { pin: None })
    }
}

/// A test with a worker of so many single pages, each holding its number plus 100; at rest in the end.
fn with_pages(pages: u32, test: impl FnOnce(&Fixture, &Cpu<'_>)) {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    fixture.world.spawn(&cpu, W0).expect("a process");
    let anon = Anon { kind: AnonKind::Pages, map: M, pages };
    assert_eq!(fixture.world.anon(&cpu, W0, &anon), Ok(0));
    for page in 0..pages {
        assert_eq!(fixture.store(&cpu, page, u64::from(page) + 100), Ok(0));
    }
    test(&fixture, &cpu);
    fixture.leave(cpu);
}

#[test]
fn single_pages_become_a_huge_one_that_holds_what_they_held() {
    with_pages(2 * PMD, |fixture, cpu| {
        assert_eq!(fixture.collapse(cpu, 3), Ok(0));
        assert_eq!((fixture.counts(cpu, 3), fixture.counts(cpu, PMD)), ((3, 1, 1), (0, 1, 1)));
        fixture.holds(cpu, 2 * PMD);
        assert_eq!(fixture.world.dax.vm.pagemaps.ram.used(cpu), 2 * PMD, "theirs are free");
        assert_eq!(fixture.collapse(cpu, 3), Ok(0), "it is one already");
        let split = SplitHugePages { map: M, page: 3 };
        assert_eq!(fixture.world.split_huge_pages(cpu, W0, &split), Ok(PMD.into()));
        assert_eq!((fixture.collapse(cpu, 0), fixture.counts(cpu, 3)), (Ok(0), (3, 1, 1)));
        fixture.holds(cpu, 2 * PMD);
    });
}

#[test]
fn what_was_not_mapped_is_zero_in_the_huge_page() {
    with_pages(PMD, |fixture, cpu| {
        let dontneed = Madvise { map: M, advice: Advice::DontNeed, page: 5 };
        assert_eq!(fixture.world.madvise(cpu, W0, &dontneed), Ok(0));
        assert_eq!(fixture.collapse(cpu, 0), Ok(0));
        let load = |page| fixture.world.load(cpu, W0, &Load { map: M, page });
        assert_eq!((load(5), load(6)), (Ok(0), Ok(106)));
    });
}

#[test]
fn pages_that_somebody_refers_to_or_shares_stay_single() {
    with_pages(PMD, |fixture, cpu| {
        assert_eq!(fixture.pin(cpu, W0, 6, 1), Ok(1));
        assert_eq!(fixture.collapse(cpu, 0), Err(Errno::EAGAIN.into()));
        assert_eq!(fixture.counts(cpu, 0), (0, 1, 1), "as it was");
        fixture.holds(cpu, PMD);
        assert_eq!(fixture.unpin(cpu), Ok(1));
        assert_eq!(fixture.world.fork(cpu, W0, &Fork { child: W1 }), Ok(0));
        assert_eq!(fixture.collapse(cpu, 0), Err(Errno::EAGAIN.into()));
        fixture.world.exit(cpu, W1).expect("exit");
        assert_eq!(fixture.collapse(cpu, 0), Ok(0));
        fixture.holds(cpu, PMD);
    });
}

#[test]
fn where_no_huge_page_fits_there_is_none() {
    with_pages(2 * PMD, |fixture, cpu| {
        let part = Munmap { map: M, range: Some(PageRange { page: PMD + 1, pages: 1 }) };
        assert_eq!(fixture.world.munmap(cpu, W0, &part), Ok(0));
        assert_eq!(fixture.collapse(cpu, PMD), Err(Errno::EINVAL.into()), "too short");
        assert_eq!(fixture.collapse(cpu, PMD + 1), Err(Errno::EFAULT.into()), "unmapped");
        assert_eq!(fixture.collapse(cpu, 0), Ok(0));
    });
    in_a_world(|fixture, cpu| {
        fixture.file(cpu, F, PMD, Layout::Contiguous);
        fixture.start(cpu, W0, F, PMD, Align::Natural);
        assert_eq!(fixture.collapse(cpu, 0), Err(Errno::EINVAL.into()), "of a file");
    });
}
