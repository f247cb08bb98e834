//! Every wrong rule is found with its program, at its least bound; the sound era is exhausted with the same.

use pgmap_explore::catalogue::{CATALOGUE, Race};
use pgmap_explore::{Ends, Scenario, Verdict, explore};
use pgmap_program::rules::RULES;
use pgmap_program::{Era, Memory};
use pgmap_sched::{Control, Plan};

fn within(bound: u32) -> Plan {
    Plan { bound: Some(bound), ..Plan::default() }
}

#[test]
fn each_wrong_rule_is_found_at_its_least_bound() {
    for known in CATALOGUE.known.iter().filter(|known| known.race.kind.fails()) {
        let verdict = explore(&known.wrong(), &within(2), Ends::Any, &mut |_| Control::Go)
            .expect("a scenario");
        let Verdict::Found { found, .. } = verdict else {
            panic!("{}: {verdict:?}", known.race.name);
        };
        assert_eq!(Some(found.finding.invariant), known.race.invariant, "{}", known.race.name);
        assert_eq!(found.preemptions, Some(known.preemptions), "{}", known.race.name);
    }
}

#[test]
fn the_sound_era_is_exhausted_with_the_same_programs() {
    for known in &CATALOGUE.known {
        let verdict = explore(&known.right(), &within(2), Ends::Any, &mut |_| Control::Go)
            .expect("a scenario");
        assert!(
            matches!(verdict, Verdict::Exhausted { bound: Some(2), .. }),
            "{}: {verdict:?}",
            known.race.name
        );
    }
}

#[test]
fn a_wrong_rule_that_needs_weaker_memory_is_silent_without() {
    let weak: Vec<_> = CATALOGUE.known.iter().filter(|known| known.needs != Memory::Sc).collect();
    assert!(!weak.is_empty());
    for known in weak {
        let scenario = Scenario { memory: Memory::Sc, ..known.wrong() };
        let verdict =
            explore(&scenario, &within(2), Ends::Any, &mut |_| Control::Go).expect("a scenario");
        assert!(matches!(verdict, Verdict::Exhausted { .. }), "{}", known.race.name);
    }
}

#[test]
fn every_value_that_the_sound_era_does_not_have_is_in_one_of_the_lists() {
    let wrong =
        RULES.iter().flat_map(|rule| rule.values.iter().map(move |value| (rule, value.name)));
    for (rule, value) in wrong.filter(|(rule, value)| Era::V6_15Sound.value_of(rule) != *value) {
        let of = |race: &Race| race.is_of(rule.name, value);
        let lists = [
            CATALOGUE.known.iter().any(|it| of(&it.race)),
            CATALOGUE.not_on_x86.iter().any(|it| of(&it.race)),
            CATALOGUE.not_shown.iter().any(|it| of(&it.race)),
        ];
        assert_eq!(lists.into_iter().filter(|it| *it).count(), 1, "{}={value}", rule.name);
    }
}
