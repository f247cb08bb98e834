//! Wrong orderings that x86 does not tell from the right ones: the explorer is silent, and its searches with
//! the wrong rule and the right one are the same search.

use pgmap_explore::catalogue::CATALOGUE;
use pgmap_explore::{Ends, Scenario, Verdict, explore};
use pgmap_program::Memory;
use pgmap_sched::{Control, Plan};

/// Schedules of the exhausted bounds.
fn schedules(scenario: &Scenario) -> Vec<u64> {
    let plan = Plan { bound: Some(2), ..Plan::default() };
    let verdict = explore(scenario, &plan, Ends::Any, &mut |_| Control::Go).expect("a scenario");
    let Verdict::Exhausted { bound: Some(2), seen } = verdict else {
        panic!("{:?}: {verdict:?}", scenario.broken())
    };
    seen.stats.iter().map(|bound| bound.schedules).collect()
}

#[test]
fn a_wrong_ordering_is_silent_where_the_weak_instruction_is_the_strong_one() {
    let on_each = |weak| Memory::ALL.iter().map(move |memory| (weak, *memory));
    for (weak, memory) in CATALOGUE.not_on_x86.iter().flat_map(on_each) {
        let right = Scenario { memory, ..weak.right() };
        let wrong = Scenario { memory, ..weak.wrong() };
        assert_ne!(wrong.rules, right.rules, "a wrong rule");
        assert_eq!(schedules(&wrong), schedules(&right), "{} on {memory}", weak.race.name);
    }
}
