//! Freezing and unfreezing (B30): a frozen folio gives no reference, and whoever has one afterwards sees
//! what the freezer did.

use pgmap_mm_weak::pagemap::PagemapType;
use prim::model::Model;
use prim::{Cpu, Strength};
use program::Rules;
use program::rules::Publication;

use crate::fixture::{FIRST, Fixture, Happened};

/// Task 0 freezes the folio, moves it to another file and thaws it; task 1 looks at it under a reference.
pub(crate) struct Moved {
    pub(crate) rules: Rules,
}

pub(crate) struct State {
    fixture: Fixture,
    frozen: Happened,
}

const OLD: (Option<u32>, u32) = (Some(1), 10);
const NEW: (Option<u32>, u32) = (Some(2), 20);

impl Model for Moved {
    type State = State;
    const TASKS: u32 = 2;

    fn start(&self, cpu: &Cpu<'_>) -> State {
        let fixture = Fixture::new(cpu, self.rules, PagemapType::FsDax);
        let folio = fixture.alloc(cpu, 1);
        folio.set_mapping(OLD.0);
        folio.set_index_or_share(OLD.1);
        State { fixture, frozen: Happened::default() }
    }

    fn run(&self, state: &State, cpu: &Cpu<'_>, task: u32) {
        let State { fixture, frozen } = state;
        if task == 0 {
            let folio = fixture.pagemaps.memmap.folio(FIRST);
            let count = &folio.page().refcount;
            if count.freeze(1) {
                frozen.now();
                folio.set_mapping(NEW.0);
                folio.set_index_or_share(NEW.1);
                let relaxed = || self.rules.folio_publish == Publication::Relaxed;
                assert!(count.unfreeze(Strength::relaxed_if(relaxed), 1));
            }
        } else if let Some(folio) = fixture.pagemaps.try_get_folio(cpu, FIRST, 1) {
            // Under a reference no freeze can begin, so it is over or will not be while we look.
            let expected = if frozen.yet() { NEW } else { OLD };
            let seen = (folio.mapping(), folio.index_or_share());
            assert_eq!(seen, expected, "an old field under a new reference");
            fixture.put(cpu, folio);
        }
    }

    fn finish(&self, State { fixture, .. }: &State, _: &Cpu<'_>) {
        assert_eq!(fixture.pagemaps.memmap.folio(FIRST).refcount().get(), 1);
    }
}
