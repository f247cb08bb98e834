//! What breaks without a step: one of each kind that something misses, at the fewest preemptions, and one that
//! nothing does; and that a token of such an execution runs again.

use pgmap_explore::catalogue::CATALOGUE;
use pgmap_explore::{
    Ends, Found, Outcome, Scenario, Token, Verdict, Without, explore, replay, report,
};
use pgmap_program::{Era, Invariant, Program};
use pgmap_sched::{Control, Plan};

fn without(scenario: &Scenario, step: &str) -> Scenario {
    let step = Without::named(step).unwrap_or_else(|wrong| panic!("{wrong}"));
    Scenario { without: vec![step], ..scenario.clone() }
}

/// A program of the catalogue, under the sound rules.
fn of_race(name: &str) -> Scenario {
    let known = CATALOGUE.known.iter().find(|known| known.race.name == name).expect("a race");
    Scenario { era: Era::V6_15Sound, rules: Era::V6_15Sound.rules(), ..known.right() }
}

fn of_text(text: &str) -> Scenario {
    Scenario::new(Program::parse(text).expect("a program"), Era::V6_15Sound)
}

fn search(scenario: &Scenario) -> Verdict {
    let plan = Plan { bound: Some(2), schedules_max: 20_000, ..Plan::default() };
    explore(scenario, &plan, Ends::Any, &mut |_| Control::Go).expect("a scenario")
}

fn found(scenario: &Scenario) -> Found {
    match search(scenario) {
        Verdict::Found { found, .. } => *found,
        other => panic!("{:?}: {other:?}", scenario.without),
    }
}

/// Step, race whose program misses it, what it breaks then, with how many preemptions.
const MISSED: &[(&str, &str, Invariant, u32)] = &[
    ("set_mapping-folio@dax_associate_entry", "gup-pte-recheck", Invariant::I17, 0),
    ("down_read-invalidate_lock@dax_iomap_pte_fault", "gup-pte-recheck", Invariant::I18, 1),
    ("wake_up_one-slot@dax_unlock_entry", "gup-pte-recheck", Invariant::L4, 1),
    ("dec_and_test-count@iput", "gup-pte-recheck", Invariant::I03, 0),
];

#[test]
fn each_of_these_steps_is_missed() {
    for &(step, race, invariant, preemptions) in MISSED {
        let found = found(&without(&of_race(race), step));
        let told = (found.finding.invariant, found.preemptions);
        assert_eq!(told, (invariant, Some(preemptions)), "{step}: {}", found.finding.title);
    }
}

/// Steps that only the books at the end miss, or a folio's own counts of what maps it: step, program, invariant.
const LEFT_BEHIND: &[(&str, &str, Invariant)] = &[
    ("free-inodes@evict", "file f 1\nstart\nw0 unlink f\nw1 pread f 0 1\n", Invariant::I03),
    (
        "lock-block_allocator@free",
        "file f 1 written\nfile g 1 written\nstart\nw0 ftruncate f 0\nw1 ftruncate g 0\n",
        Invariant::I03,
    ),
    (
        "lock-directory@unlink",
        "file f 1 written\nstart\nw0 unlink f\nw1 unlink f\n",
        Invariant::I03,
    ),
    (
        "inc-users@get_file",
        "file f 1 written\nw0 open 0 f rw\nw0 thread 1\nstart\nw0 close 0\nw1 pread 0 0 1\n",
        Invariant::I03,
    ),
    ("free-refs@percpu_ref_exit", UNBOUND, Invariant::I03),
    ("free-maps@forget", UNBOUND, Invariant::I03),
    ("set-pages@pgmap_array_delete", UNBOUND, Invariant::I03),
    ("dec_return-entire_mapcount@folio_remove_rmap_pmd", HUGE, Invariant::I04),
    (
        "dec-nr_pages_mapped@folio_remove_rmap_pte",
        "file f 4 huge\nw0 mmap 0 f 0 4 rw shared\nw1 mmap 0 f 0 4 rw shared odd\nw0 w 0 0\nw1 w 0 0\n\
         start\nw0 munmap 0\nw1 munmap 0\n",
        Invariant::I04,
    ),
];
const UNBOUND: &str = "file f 1 written\nstart\nw0 unbind\nw1 pread f 0 1\n";
const HUGE: &str = "file f 4 huge\nw0 mmap 0 f 0 4 rw shared\nw0 w 0 0\nstart\nw0 munmap 0\n\
                    w1 pread f 0 1\n";

#[test]
fn what_is_left_behind_is_told_and_nothing_is_where_all_steps_are_done() {
    for &(step, program, invariant) in LEFT_BEHIND {
        let whole = of_text(program);
        let found = found(&without(&whole, step));
        assert_eq!(found.finding.invariant, invariant, "{step}: {}", found.finding.title);
        let verdict = search(&whole);
        assert!(!matches!(verdict, Verdict::Found { .. }), "{program}: {verdict:?}");
    }
}

#[test]
fn a_step_that_another_one_stands_for_is_not_missed() {
    // The pin's own barrier follows a locked instruction, which is one on x86.
    let right = of_race("gup-pte-recheck");
    let verdict = search(&without(&right, "smp_mb_after_atomic@try_grab_folio_fast"));
    assert!(matches!(verdict, Verdict::Exhausted { bound: Some(2), .. }), "{verdict:?}");
}

#[test]
fn the_token_and_the_report_say_what_was_left_out() {
    let scenario = without(&of_race("gup-pte-recheck"), MISSED[0].0);
    let found = found(&scenario);
    let token = found.token(&scenario);
    let again: Token = token.to_string().parse().expect("a token");
    assert_eq!(again, token);
    assert_eq!(again.scenario.without, scenario.without);
    let replayed = replay(&again, None, &mut || Control::Go).expect("a scenario");
    assert!(matches!(replayed.outcome, Outcome::Reproduced(_)), "{:?}", replayed.outcome);
    let text = report(&scenario, &found, &mut || Control::Go).expect("a report").to_string();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(line.contains(&format!("without {}", MISSED[0].0)), "{text}");
}

#[test]
fn a_search_with_a_step_left_out_leaves_no_trace_in_the_next_one() {
    let whole = of_text("file f 1\nw0 mmap 0 f 0 1 rw shared\nstart\nw0 w 0 0\n");
    assert!(matches!(search(&whole), Verdict::Exhausted { .. }));
    found(&without(&whole, MISSED[0].0));
    assert!(matches!(search(&whole), Verdict::Exhausted { .. }));
}

#[test]
fn an_unknown_step_is_told_with_those_that_there_are() {
    let of = |name: &str| Without::named(name).expect_err("no step").to_string();
    let there = of("lock-x@dax_unlock_entry");
    assert!(
        there.contains("dax_unlock_entry has") && there.contains("wake_up_one-slot"),
        "{there}"
    );
    let near = of("wake_up_on-slot@dax_unlock_entri");
    assert!(near.contains("wake_up_one-slot@dax_unlock_entry"), "{near}");
}
