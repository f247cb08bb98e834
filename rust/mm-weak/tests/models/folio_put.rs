//! Putting a page (K§2.2): whoever brings the count to zero comes after every use under a reference, the
//! page is freed once, and a speculative reference is had before that or not at all.

use pgmap_mm_weak::pagemap::PagemapType;
use prim::Cpu;
use prim::model::Model;
use program::Rules;

use crate::fixture::{FIRST, Fixture};

/// Three tasks: all orders are too many.
pub(crate) const PREEMPTIONS: usize = 3;

/// Tasks 0 and 1 hold a reference each, use the page and put it; task 2 tries to get one.
pub(crate) struct TwoHolders {
    pub(crate) rules: Rules,
}

impl Model for TwoHolders {
    type State = Fixture;
    const TASKS: u32 = 3;

    fn start(&self, cpu: &Cpu<'_>) -> Fixture {
        let fixture = Fixture::new(cpu, self.rules, PagemapType::Private);
        fixture.alloc(cpu, 1).page().refcount.add(1);
        fixture
    }

    fn run(&self, fixture: &Fixture, cpu: &Cpu<'_>, task: u32) {
        if task < 2 {
            fixture.uses.by(task);
            fixture.put(cpu, fixture.pagemaps.memmap.folio(FIRST));
        } else if let Some(folio) = fixture.pagemaps.try_get_folio(cpu, FIRST, 1) {
            assert!(!fixture.freed.yet(), "a reference on a freed page");
            fixture.put(cpu, folio);
        }
    }

    fn finish(&self, fixture: &Fixture, _: &Cpu<'_>) {
        assert_eq!(fixture.freed.times(), 1);
        assert_eq!(fixture.pagemaps.memmap.folio(FIRST).refcount().get(), 0);
        // The pagemap's own reference is left, the page's is gone.
        assert_eq!(fixture.pagemaps.ledger(fixture.id), 1);
    }
}
