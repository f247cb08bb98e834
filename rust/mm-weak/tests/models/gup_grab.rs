//! The rule that GUP rests on (K§4.1): take the reference, then read the entry again; clear the entry, then
//! read the count. Store buffering: one of the two must see the other.

use pgmap_mm_weak::page::Pfn;
use pgmap_mm_weak::pagemap::PagemapType;
use prim::model::Model;
use prim::{AtomicU64, Cpu};
use program::Rules;

use crate::fixture::{FIRST, Fixture, Happened};

/// Task 0 pins the page that an entry maps, task 1 unmaps it and asks whether it is idle.
pub(crate) struct PinnerAndUnmapper {
    pub(crate) rules: Rules,
}

pub(crate) struct State {
    fixture: Fixture,
    /// The page-table entry: a frame, or 0.
    entry: AtomicU64,
    pinned: Happened,
    found_idle: Happened,
}

impl Model for PinnerAndUnmapper {
    type State = State;
    const TASKS: u32 = 2;

    fn start(&self, cpu: &Cpu<'_>) -> State {
        let fixture = Fixture::new(cpu, self.rules, PagemapType::FsDax);
        // The one reference is the mapping's.
        fixture.alloc(cpu, 1);
        let entry = AtomicU64::new(FIRST.0.into());
        State { fixture, entry, pinned: Happened::default(), found_idle: Happened::default() }
    }

    fn run(&self, state: &State, cpu: &Cpu<'_>, task: u32) {
        let State { fixture, entry, pinned, found_idle } = state;
        if task == 0 {
            let seen = entry.read_acquire();
            if seen == 0 {
                return;
            }
            let Some(folio) = fixture.pagemaps.try_get_folio(cpu, Pfn(seen as u32), 1) else {
                return;
            };
            if entry.read() == seen { pinned.now() } else { fixture.put(cpu, folio) }
        } else {
            assert_eq!(entry.xchg(0), u64::from(FIRST.0));
            // Busy is "more references than mappings".
            if fixture.pagemaps.memmap.folio(FIRST).refcount().get() == 1 {
                found_idle.now();
            }
        }
    }

    fn finish(&self, state: &State, _: &Cpu<'_>) {
        let State { fixture, pinned, found_idle, .. } = state;
        assert!(!(pinned.yet() && found_idle.yet()), "both missed: a pinned page is called idle");
        let references = 1 + i32::from(pinned.yet());
        assert_eq!(fixture.pagemaps.memmap.folio(FIRST).refcount().get(), references);
    }
}
