//! The steps of the protocol by name: the table has every call of a primitive with an effect, and each is one.
//!
//! `PGMAP_STEP_PROGRAMS=10000` draws that many programs.

mod drawn;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use drawn::{asked, change_a_rule, draw, report};
use pgmap_explore::catalogue::CATALOGUE;
use pgmap_explore::{Scenario, protocol, steps_met};
use pgmap_program::{Era, Program};
use pgmap_sched::Plan;

/// Enough schedules to come through most branches that a program has.
fn some() -> Plan {
    Plan { bound: Some(1), schedules_max: 100, ..Plan::default() }
}

#[test]
fn every_call_with_an_effect_that_is_made_is_a_step_of_the_table() {
    let known = CATALOGUE.known.iter().flat_map(|known| [known.right(), known.wrong()]);
    let (programs, mut random) = asked("PGMAP_STEP_PROGRAMS", 60);
    let drawn = (0..programs).filter_map(|_| {
        let program = Program::parse(&draw(&mut random, 6)).ok()?;
        let mut scenario = Scenario::new(program, Era::V6_15Sound);
        change_a_rule(&mut scenario, &mut random);
        Some(scenario)
    });
    let (mut steps, mut strange) = (BTreeSet::new(), BTreeSet::new());
    for scenario in known.chain(drawn) {
        // A program that cannot be set up calls nothing of interest.
        if let Ok((met, odd)) = steps_met(&scenario, &some()) {
            steps.extend(met.iter().map(|step| step.name));
            strange.extend(odd);
        }
    }
    assert!(strange.is_empty(), "no step of the table: {strange:#?}");
    report(&format!("{} of {} steps were taken", steps.len(), protocol::steps().len()));
}

#[test]
fn every_step_is_a_call_in_the_sources_and_goes_by_a_name_of_its_own() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut names = BTreeSet::new();
    for protocol::Step { name, function, edit, .. } in protocol::steps() {
        assert!(names.insert(name) && name.ends_with(&format!("@{function}")), "{name}");
        let text = fs::read_to_string(sources.join(edit.file)).expect("a source");
        let line = text.lines().nth(edit.line as usize - 1).expect("a line");
        let called = &line[edit.column as usize - 1..];
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        assert!(called.trim_start_matches(word).starts_with('('), "{name}: {called}");
    }
    assert!(protocol::calls() <= names.len(), "a helper's call is a step of each caller");
}
