//! Locks that are taken in the wrong order are told beside the verdict, and end no execution.
#![allow(clippy::unwrap_used)]

mod failing;

use std::fs;
use std::path::PathBuf;

use failing::scenario;
use pgmap_explore::catalogue::CATALOGUE;
use pgmap_explore::{Ends, Scenario, Verdict, WrongOrder, explore};
use pgmap_program::{Era, Recording};
use pgmap_sched::{Control, Plan};

fn within(text: &str, era: Era, rules: &[&str], bound: u32) -> Verdict {
    let plan = Plan { bound: Some(bound), ..Plan::default() };
    explore(&scenario(text, era, rules), &plan, Ends::News, &mut |_| Control::Go).unwrap()
}

fn classes(orders: &[WrongOrder]) -> Vec<(&str, &str)> {
    orders.iter().map(|order| (order.wrong.outer, order.wrong.inner)).collect()
}

/// The program that the catalogue has for a rule.
fn program(rule: &str) -> &'static str {
    &CATALOGUE.known.iter().find(|known| known.race.name == rule).unwrap().program
}

#[test]
fn a_lock_kept_too_long_shows_a_wrong_order_where_nobody_is_stuck_yet() {
    let verdict = within(program("iomap-lock"), Era::V6_15Sound, &["iomap-lock=until-end"], 0);
    assert!(matches!(verdict, Verdict::Exhausted { .. }), "{verdict:?}");
    let orders = &verdict.seen().lock_orders;
    assert_eq!(classes(orders), [("extent lock", "DAX entry")]);
    let order = &orders[0];
    assert!(order.wrong.by.ends_with("write"), "{order:?}");
    let right = order.right.as_ref().expect("the fault takes them the other way round");
    assert_eq!((right.outer, right.inner), ("DAX entry", "extent lock"));
    // One preemption more, and it is the deadlock.
    let verdict = within(program("iomap-lock"), Era::V6_15Sound, &["iomap-lock=until-end"], 1);
    assert!(matches!(verdict, Verdict::Found { .. }));
    assert_eq!(classes(&verdict.seen().lock_orders), [("extent lock", "DAX entry")]);
}

#[test]
fn right_rules_take_every_lock_in_order() {
    for known in &CATALOGUE.known {
        for era in [Era::V6_15, Era::V6_15Sound] {
            let verdict = within(&known.program, era, &[], 1);
            assert_eq!(verdict.seen().lock_orders, [], "{} under {era}", known.race.name);
        }
    }
}

#[test]
fn nor_does_any_program_that_was_recorded_take_one_out_of_order() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/traces/6.16");
    for entry in fs::read_dir(dir).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let recording = Recording::from_json(&text).unwrap();
        if recording.dev_dax.is_some() {
            // A program has no device-dax.
            continue;
        }
        let mut scenario = Scenario::new(recording.program().clone(), Era::V6_15);
        scenario.geometry.pmd_order = 9;
        scenario.geometry.pages = scenario.geometry.pages.next_multiple_of(512).max(2048);
        let plan = Plan { bound: Some(0), schedules_max: 4, ..Plan::default() };
        let verdict = explore(&scenario, &plan, Ends::Any, &mut |_| Control::Go).unwrap();
        assert_eq!(verdict.seen().lock_orders, [], "{}", recording.program());
    }
}
