//! Wrong orderings that x86 does not tell from the right ones: the explorer is silent, and its searches with
//! the wrong rule and the right one are the same search.

use pgmap_explore::catalogue::NOT_ON_X86;
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
    for (weak, memory) in NOT_ON_X86.iter().flat_map(on_each) {
        let right = Scenario { memory, ..weak.right().expect("a program") };
        let mut wrong = right.clone();
        wrong.rules.apply(&weak.assignment()).expect("a rule");
        assert_eq!(wrong.broken(), [(weak.rule, weak.value)], "a wrong rule");
        assert_eq!(schedules(&wrong), schedules(&right), "{} on {memory}", weak.assignment());
    }
}

#[test]
fn each_wrong_ordering_names_a_model() {
    for weak in NOT_ON_X86 {
        assert!(!weak.models.is_empty() && !weak.program().is_empty(), "{}", weak.assignment());
    }
}
