//! At the real size of a huge page loops run 512 times over memory that stays the same, and nobody is accused
//! of it; what really goes round in circles is found there too.
#![allow(clippy::unwrap_used)]

mod failing;

use std::fs;
use std::path::PathBuf;

use pgmap_explore::catalogue::CATALOGUE;
use pgmap_explore::{Ends, Found, Scenario, Verdict, explore};
use pgmap_program::{Era, Invariant, Program, Recording};
use pgmap_sched::{Control, Plan};

/// A few executions of a program under an era's rules, on huge pages of this order.
fn few(program: &Program, era: Era, order: u8, schedules_max: u64) -> (Scenario, Verdict) {
    let mut scenario = Scenario::new(program.clone(), era);
    let huge = 1u32 << order;
    scenario.geometry.pmd_order = order;
    scenario.geometry.pages = scenario.geometry.pages.next_multiple_of(huge).max(4 * huge);
    let plan = Plan { bound: Some(1), schedules_max, cache_bytes: 1 << 24, ..Plan::default() };
    let verdict = explore(&scenario, &plan, Ends::Any, &mut |_| Control::Go);
    let verdict = verdict.unwrap_or_else(|wrong| panic!("{wrong} in\n{program}"));
    (scenario, verdict)
}

fn is_clean(program: &str, order: u8) {
    let program = Program::parse(program).unwrap();
    let (_, verdict) = few(&program, Era::V6_15Sound, order, u64::MAX);
    assert!(matches!(verdict, Verdict::Exhausted { .. }), "{verdict:?} of\n{program}");
}

fn no_storm(program: &Program, era: Era, schedules_max: u64) {
    if let (_, Verdict::Found { found, .. }) = few(program, era, 9, schedules_max) {
        assert_ne!(found.finding.invariant, Invariant::L3, "{:?} of\n{program}", found.finding);
    }
}

#[test]
fn whatever_walks_over_a_huge_page_is_no_storm() {
    for order in [8, 9] {
        let huge = 1 << order;
        let mapped =
            format!("file f {huge} huge\nw0 mmap 0 f 0 {huge} rw shared\nw0 w 0 0\nstart\n");
        let calls = [
            "w0 punch f 0 1".to_owned(),
            "w0 ftruncate f 0".to_owned(),
            format!("w0 zerorange f 0 {huge}"),
            "w0 unlink f".to_owned(),
            "w0 munmap 0\nw0 unlink f".to_owned(),
            "w0 munmap 0\nw0 umount".to_owned(),
            "w0 unbind".to_owned(),
        ];
        calls.iter().for_each(|call| is_clean(&format!("{mapped}{call}\n"), order));
    }
}

#[test]
fn no_known_program_is_a_storm_on_real_huge_pages() {
    for known in &CATALOGUE.known {
        let program = Program::parse(&known.program).unwrap();
        no_storm(&program, Era::V6_15Sound, 40);
    }
}

#[test]
fn no_recording_is_a_storm_on_real_huge_pages() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/traces/6.16");
    let mut seen = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let recording = Recording::from_json(&text).unwrap();
        // A program has no device-dax.
        if recording.dev_dax.is_none() {
            no_storm(recording.program(), Era::V6_15, 4);
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn a_scan_that_starts_over_is_a_storm_on_huge_pages_of_any_order() {
    let known = CATALOGUE.known.iter().find(|known| known.race.name == "busy-scan").unwrap();
    for order in [2, 9] {
        let huge = 1u32 << order;
        // The known program has huge pages of the small machine.
        let program = known.program.replace('4', &huge.to_string());
        let program = Program::parse(&program).unwrap();
        let mut scenario = Scenario::new(program, Era::V6_15Sound);
        scenario.geometry.pmd_order = order;
        scenario.geometry.pages = scenario.geometry.pages.next_multiple_of(huge).max(4 * huge);
        scenario.rules.apply("busy-scan=next-index").unwrap();
        let Found { finding, schedule, .. } = failing::find(&scenario);
        assert_eq!(finding.invariant, Invariant::L3, "{finding:?}");
        assert!(finding.detail.contains("again after"), "{}", finding.detail);
        assert!(schedule.events() < 100_000);
    }
}
