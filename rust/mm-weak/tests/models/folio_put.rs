//! Putting a page (K§2.2): whoever brings the count to zero comes after every use under a reference, the
//! page is freed once, and a speculative reference is had before that or not at all.

use pgmap_mm_weak::pagemap::PagemapType;
use prim::Cpu;
use prim::model::Model;
use program::Rules;

use crate::rig::{FIRST, Rig};

/// Three tasks: all orders are too many.
pub(crate) const PREEMPTIONS: usize = 3;

/// Tasks 0 and 1 hold a reference each, use the page and put it; task 2 tries to get one.
pub(crate) struct TwoHolders {
    pub(crate) rules: Rules,
}

impl Model for TwoHolders {
    type State = Rig;
    const TASKS: u32 = 3;

    fn start(&self, cpu: &Cpu<'_>) -> Rig {
        let rig = Rig::new(cpu, self.rules, PagemapType::Private);
        rig.alloc(cpu, 1).page().refcount.add(1);
        rig
    }

    fn run(&self, rig: &Rig, cpu: &Cpu<'_>, task: u32) {
        if task < 2 {
            rig.uses.by(task);
            rig.put(cpu, rig.pagemaps.memmap.folio(FIRST));
        } else if let Some(folio) = rig.pagemaps.try_get_folio(cpu, FIRST, 1) {
            assert!(!rig.freed.yet(), "a reference on a freed page");
            rig.put(cpu, folio);
        }
    }

    fn finish(&self, rig: &Rig, _: &Cpu<'_>) {
        assert_eq!(rig.freed.times(), 1);
        assert_eq!(rig.pagemaps.memmap.folio(FIRST).refcount().get(), 0);
        // The pagemap's own reference is left, the page's is gone.
        assert_eq!(rig.pagemaps.ledger(rig.id), 1);
    }
}
