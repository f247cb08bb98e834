//! Publishing a folio (B10, B24): its head and its order are in place before its count is not zero.
//!
//! A page keeps the words of an earlier life. Here the second frame still says "tail of the first" when the
//! first is allocated alone; a reader that starts at the second gets a reference on the first, and the
//! order, read under that reference, must tell it that it is in the wrong folio.

use pgmap_mm_weak::page::{Order, Pfn};
use pgmap_mm_weak::pagemap::PagemapType;
use prim::Cpu;
use prim::model::Model;
use program::Rules;

use crate::fixture::{FIRST, Fixture, SECOND};

/// Task 0 allocates the first of two frames that were one folio; task 1 asks for the second, which is free.
pub(crate) struct StaleTail {
    pub(crate) rules: Rules,
}

impl Model for StaleTail {
    type State = Fixture;
    const TASKS: u32 = 2;

    fn start(&self, cpu: &Cpu<'_>) -> Fixture {
        let fixture = Fixture::new(cpu, self.rules, PagemapType::Private);
        let pair = fixture.alloc(cpu, 2);
        assert_eq!(pair.order(), Order(1));
        fixture.put(cpu, pair);
        fixture
    }

    fn run(&self, fixture: &Fixture, cpu: &Cpu<'_>, task: u32) {
        if task == 0 {
            assert_eq!(fixture.alloc(cpu, 1).order(), Order::PAGE);
        } else {
            let got = fixture.pagemaps.folio_get(cpu, fixture.id, SECOND).map(|folio| folio.pfn());
            assert_eq!(got, None::<Pfn>, "a reference through a stale tail");
        }
    }

    fn finish(&self, fixture: &Fixture, _: &Cpu<'_>) {
        let counts =
            [FIRST, SECOND].map(|pfn| fixture.pagemaps.memmap.page(pfn).refcount.count().get());
        assert_eq!(counts, [1, 0]);
    }
}
