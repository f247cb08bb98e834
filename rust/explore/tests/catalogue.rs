//! Every wrong rule is found with its program, at its least bound; the sound era is exhausted with the same.

use pgmap_explore::catalogue::CATALOGUE;
use pgmap_explore::{Verdict, explore};
use pgmap_program::Era;
use pgmap_program::rules::RULES;
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
        let verdict = explore(&scenario, &within(2), &mut |_| Control::Go).expect("a scenario");
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
        let verdict = explore(&scenario, &within(2), &mut |_| Control::Go).expect("a scenario");
        assert!(
            matches!(verdict, Verdict::Exhausted { bound: Some(2), .. }),
            "{}: {verdict:?}",
            known.assignment()
        );
    }
}

#[test]
fn every_value_that_the_sound_era_does_not_have_is_in_the_catalogue() {
    let missing: Vec<String> = RULES
        .iter()
        .flat_map(|rule| rule.values.iter().map(move |value| (rule, value.name)))
        .filter(|(rule, value)| rule.default_in(Era::V6_15Sound) != *value)
        .filter(|(rule, value)| pgmap_explore::catalogue::Known::find(rule.name, value).is_none())
        .map(|(rule, value)| format!("{}={value}", rule.name))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}
