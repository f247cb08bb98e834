//! Every wrong rule is found with its program, at its least bound; the sound era is exhausted with the same.

use pgmap_explore::catalogue::{CATALOGUE, Known, NOT_SHOWN, NotOnX86};
use pgmap_explore::{Ends, Scenario, Verdict, explore};
use pgmap_program::rules::RULES;
use pgmap_program::{Era, Memory};
use pgmap_sched::{Control, Plan};

fn within(bound: u32) -> Plan {
    Plan { bound: Some(bound), ..Plan::default() }
}

#[test]
fn each_wrong_rule_is_found_at_its_least_bound() {
    for known in CATALOGUE {
        let mut scenario = known.right().expect("a program");
        scenario.rules.apply(&known.assignment()).expect("a rule");
        assert_eq!(scenario.broken(), [(known.rule, known.value)], "a wrong rule");
        let verdict =
            explore(&scenario, &within(2), Ends::Any, &mut |_| Control::Go).expect("a scenario");
        let Verdict::Found { found, .. } = verdict else {
            panic!("{}: {verdict:?}", known.assignment());
        };
        assert_eq!(found.finding.invariant, known.invariant, "{}", known.assignment());
        assert_eq!(found.preemptions, Some(known.preemptions), "{}", known.assignment());
    }
}

#[test]
fn the_sound_era_is_exhausted_with_the_same_programs() {
    for known in CATALOGUE {
        let scenario = known.right().expect("a program");
        let verdict =
            explore(&scenario, &within(2), Ends::Any, &mut |_| Control::Go).expect("a scenario");
        assert!(
            matches!(verdict, Verdict::Exhausted { bound: Some(2), .. }),
            "{}: {verdict:?}",
            known.assignment()
        );
    }
}

#[test]
fn a_wrong_rule_that_needs_weaker_memory_is_silent_without() {
    let weak: Vec<_> = CATALOGUE.iter().filter(|known| known.needs != Memory::Sc).collect();
    assert!(!weak.is_empty());
    for known in weak {
        let right = known.right().expect("a program");
        let mut scenario = Scenario { memory: Memory::Sc, ..right };
        scenario.rules.apply(&known.assignment()).expect("a rule");
        let verdict =
            explore(&scenario, &within(2), Ends::Any, &mut |_| Control::Go).expect("a scenario");
        assert!(matches!(verdict, Verdict::Exhausted { .. }), "{}", known.assignment());
    }
}

#[test]
fn every_value_that_the_sound_era_does_not_have_is_in_one_of_the_lists() {
    let wrong =
        RULES.iter().flat_map(|rule| rule.values.iter().map(move |value| (rule, value.name)));
    for (rule, value) in wrong.filter(|(rule, value)| rule.default_in(Era::V6_15Sound) != *value) {
        let shown = Known::find(rule.name, value).is_some();
        let excused = NOT_SHOWN.iter().any(|(name, what, _)| (*name, *what) == (rule.name, value));
        let elsewhere = NotOnX86::find(rule.name, value).is_some();
        let times = [shown, excused, elsewhere].into_iter().filter(|it| *it).count();
        assert_eq!(times, 1, "{}={value}", rule.name);
    }
}
