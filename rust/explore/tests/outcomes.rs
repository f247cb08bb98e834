//! What steps came to is counted, told, and held against what the program expects.
#![allow(clippy::unwrap_used)]

mod failing;

use std::num::NonZeroUsize;

use failing::scenario;
use pgmap_explore::{
    Ends, Outcome as Replayed, Outcomes, RandomSearch, Scenario, Search, ShrinkBudget, Sort, Token,
    Verdict, replay, report, search, shrink, strangers, warnings,
};
use pgmap_program::{Era, Invariant};
use pgmap_sched::{Control, Plan, Strategy};

fn sound(text: &str) -> Scenario {
    scenario(text, Era::V6_15Sound, &[])
}

fn bounds(bound: Option<u32>) -> Search {
    Search {
        bounds: Some(Plan { bound, ..Plan::default() }),
        random: None,
        schedules_max: u64::MAX,
        threads: NonZeroUsize::MIN,
        ends: Ends::News,
    }
}

fn drawn(executions: u64, threads: usize) -> Search {
    let threads = NonZeroUsize::new(threads).unwrap();
    let (strategy, seed, steps_max) = (Strategy::Random, 7, 100_000);
    let random = Some(RandomSearch { strategy, seed, executions, steps_max, threads });
    Search { bounds: None, random, schedules_max: u64::MAX, threads, ends: Ends::News }
}

fn run(scenario: &Scenario, how: &Search) -> Verdict {
    search(scenario, how, &mut |_| Control::Go).unwrap()
}

fn outcomes(scenario: &Scenario, how: &Search) -> Outcomes {
    run(scenario, how).seen().outcomes.clone()
}

/// `w0.1: 0 in 3, EFAULT in 2`
fn lines(scenario: &Scenario, outcomes: &Outcomes) -> Vec<String> {
    let line = |row: pgmap_explore::outcomes::Row| {
        let each: Vec<String> =
            row.results.results.iter().map(|(it, times)| format!("{it} in {times}")).collect();
        format!("{}: {}", row.place, each.join(", "))
    };
    outcomes.rows(scenario).into_iter().map(line).collect()
}

const MAPPED: &str = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\n";

#[test]
fn a_step_that_fails_in_all_schedules_is_told_and_one_that_fails_in_some_is_not() {
    let text = format!("{MAPPED}w0 pin 0 5\nw0 r 0 0\nw1 ftruncate f 0\n");
    let scenario = sound(&text);
    let seen = outcomes(&scenario, &bounds(Some(1)));
    let n = seen.executions;
    let told = warnings(&scenario, &seen);
    assert_eq!(told, [format!("w0.1 pin 0 5: EFAULT in all {n} schedules")]);
    // The touch finds the page, or comes too late.
    let touch = &seen.steps[1].results;
    assert_eq!(touch.len(), 2, "{:?}", lines(&scenario, &seen));
    assert_eq!(touch.iter().map(|(_, times)| times).sum::<u64>(), n);
    assert!(strangers(&scenario, &seen).is_empty());
}

#[test]
fn executions_that_came_to_their_end_count_and_cut_ones_do_not() {
    let scenario = sound(&format!("{MAPPED}w0 munmap 0\nw1 ftruncate f 0\n"));
    let verdict = run(&scenario, &bounds(Some(2)));
    let seen = verdict.seen();
    assert!(seen.stats.iter().any(|bound| bound.pruned > 0));
    assert_eq!(seen.outcomes.executions, seen.schedules());
    for results in &seen.outcomes.steps {
        assert_eq!(results.results.iter().map(|it| it.1).sum::<u64>(), seen.schedules());
    }
}

#[test]
fn what_is_cut_hides_no_result() {
    let scenario = sound(&format!("{MAPPED}w0 r 0 0\nw1 ftruncate f 0\n"));
    let results = |plan: Plan| {
        let search = Search { bounds: Some(plan), ..bounds(None) };
        let seen = outcomes(&scenario, &search);
        let step =
            |it: &pgmap_explore::Results| it.results.iter().map(|it| it.0).collect::<Vec<_>>();
        seen.steps.iter().map(step).collect::<Vec<_>>()
    };
    let plan = Plan { bound: Some(1), ..Plan::default() };
    let (cut, whole) = (results(plan), results(Plan { cache_bytes: 0, ..plan }));
    assert_eq!(cut, whole);
    assert!(cut.iter().any(|results| results.len() > 1), "{cut:?}");
}

#[test]
fn drawn_outcomes_do_not_depend_on_the_number_of_threads() {
    let scenario = sound(&format!("{MAPPED}w0 r 0 0\nw0 munmap 0\nw1 ftruncate f 0\n"));
    let one = outcomes(&scenario, &drawn(400, 1));
    assert_eq!(one.executions, 400, "a survey is no part of the sample");
    assert_eq!(outcomes(&scenario, &drawn(400, 3)), one);
    let both = Search { bounds: bounds(Some(1)).bounds, ..drawn(400, 2) };
    let within = outcomes(&scenario, &bounds(Some(1)));
    assert_eq!(outcomes(&scenario, &both).executions, within.executions + 400);
}

#[test]
fn a_wait_that_is_the_programs_own_is_an_outcome() {
    let scenario = sound(
        "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 pin 0 0\nstart\nw0 nop\nw1 ftruncate f 0 | w1 nop\n",
    );
    let verdict = run(&scenario, &bounds(Some(1)));
    let seen = verdict.seen();
    let n = seen.waiting;
    assert!(n > 0, "{verdict:?}");
    let told = lines(&scenario, &seen.outcomes);
    assert_eq!(
        told,
        [
            format!("w0.1: 0 in {n}"),
            format!("w1.1: waits in {n}"),
            format!("w1.2: not begun in {n}")
        ]
    );
}

/// A program and whether somebody meets somebody in it.
const MEETINGS: &[(&str, bool)] = &[
    // Two files: inodes, pages, page tables and entries are each worker's own.
    ("file f 1\nfile g 1\nstart\nw0 ftruncate f 0\nw1 ftruncate g 0\n", false),
    ("file f 1\nfile g 1\nstart\nw0 pwrite f 0 1\nw1 pread g 0 1\n", false),
    (
        "file f 1\nfile g 1\nstart\nw0 mmap 0 f 0 1 rw shared | w0 w 0 0\n\
         w1 mmap 0 g 0 1 rw shared | w1 w 0 0\n",
        false,
    ),
    ("start\nw0 nop\nw1 nop\nw2 nop\n", false),
    ("file f 1\nstart\nw0 pread f 0 1\nw1 nop\n", false),
    // Holes are the zero page, which is nobody's.
    (
        "file f 1 unwritten\nfile g 1 unwritten\nstart\nw0 mmap 0 f 0 1 r shared | w0 r 0 0\n\
         w1 mmap 0 g 0 1 r shared | w1 r 0 0\n",
        false,
    ),
    // Different pages of one file: its locks order who comes first.
    (
        "file f 2\nstart\nw0 mmap 0 f 0 1 rw shared | w0 w 0 0\nw1 mmap 0 f 1 1 rw shared | w1 w 0 0\n",
        true,
    ),
    ("file f 1\nstart\nw0 ftruncate f 0\nw1 pread f 0 1\n", true),
    // A file against the device below it.
    ("file f 1\nw0 mmap 0 f 0 1 rw shared\nstart\nw0 r 0 0\nw1 unbind\n", true),
    ("w0 dev_alloc 0 1\nstart\nw0 dev_put 0\nw1 dev_get 0\n", true),
    // A process's own memory, seen by another.
    (
        "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\nw0 munmap 0\nw1 pvmread 0 0 0 1\n",
        true,
    ),
    // The third has nothing to do with the other two, but those have.
    ("file f 1\nstart\nw0 ftruncate f 0\nw1 pread f 0 1\nw2 nop\n", true),
];

#[test]
fn workers_with_nothing_in_common_have_tested_nothing() {
    for (text, meet) in MEETINGS {
        let scenario = sound(text);
        for how in [bounds(Some(0)), bounds(Some(1)), drawn(50, 1)] {
            let seen = outcomes(&scenario, &how);
            assert_eq!(seen.met(), *meet, "{text}");
            assert_eq!(strangers(&scenario, &seen).is_empty(), *meet, "{text}");
        }
    }
    let three = sound(MEETINGS[3].0);
    let told = warnings(&three, &outcomes(&three, &bounds(Some(0))));
    assert_eq!(told, ["nothing was tested: w0, w1 and w2 touched nothing in common"]);
}

#[test]
fn one_worker_alone_is_no_stranger() {
    for text in [
        "file f 1\nw0 mmap 0 f 0 1 rw shared\nstart\nw0 w 0 0\n",
        "file f 1\nw0 mmap 0 f 0 1 rw shared\nw1 nop\nstart\nw0 w 0 0\nsleep\n",
        "w0 nop\n",
    ] {
        let scenario = sound(text);
        let seen = outcomes(&scenario, &bounds(Some(1)));
        assert_eq!(warnings(&scenario, &seen), [""; 0], "{text}");
    }
}

#[test]
fn meetings_under_store_buffers_are_the_owners_of_the_buffers() {
    for (text, meet) in [MEETINGS[0], MEETINGS[7]] {
        let scenario = Scenario { memory: pgmap_program::Memory::Tso, ..sound(text) };
        assert_eq!(outcomes(&scenario, &bounds(Some(1))).met(), meet, "{text}");
    }
}

#[test]
fn a_program_that_races_its_set_up_says_so() {
    let without = sound("file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nw1 ftruncate f 0\n");
    let told = warnings(&without, &outcomes(&without, &bounds(Some(0))));
    assert_eq!(told[0], "no line \"start\": all steps run at the same time, set-up included");
    let with = sound(&format!("{MAPPED}w0 munmap 0\nw1 ftruncate f 0\n"));
    assert_eq!(warnings(&with, &outcomes(&with, &bounds(Some(0)))), [""; 0]);
}

#[test]
fn a_huge_file_in_a_machine_of_small_pmds_says_so() {
    let about = |pages: u32, order: u8| {
        let text = format!("file f {pages} huge\nw0 mmap 0 f 0 1 rw shared\nstart\nw0 w 0 0\n");
        let mut scenario = sound(&text);
        scenario.geometry.pmd_order = order;
        scenario.geometry.pages = scenario.geometry.pages.next_multiple_of(1 << order);
        warnings(&scenario, &Outcomes::default())
    };
    assert_eq!(
        about(512, 2),
        [
            "file f is huge, and a PMD here is of order 2 (4 pages), not of order 9 as on x86-64: --geometry pmd_order=9"
        ]
    );
    assert_eq!(about(1024, 8).len(), 1);
    assert!(about(512, 9).is_empty());
    // Made for the small machine.
    assert!(about(4, 2).is_empty() && about(8, 2).is_empty());
    assert!(about(4, 3)[0].ends_with("nothing of it is mapped huge"));
}

// -- expectations --

const REFUSED: &str = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\nw0 nop\na: w0 pin 0 0\nw0 unpin\n\
                       w1 nop | w1 nop\nw1 ftruncate f 0\n";

fn expecting(lines: &str) -> Scenario {
    sound(&format!("{REFUSED}{lines}\n"))
}

#[test]
fn a_broken_expectation_is_a_finding_that_is_told_replayed_and_shrunk() {
    let scenario = expecting("expect w1.3 = ok\nnever w0.1 = EBUSY\nexpect a = ok");
    let Verdict::Found { found, .. } = run(&scenario, &bounds(Some(2))) else {
        panic!("the pin may come after the truncate")
    };
    assert_eq!((found.finding.sort, found.finding.invariant), (Sort::Expectation, Invariant::P1));
    assert_eq!(found.finding.detail, "\"expect a = ok\", but a = EFAULT");
    assert_eq!(found.finding.parties, ["w0"]);
    assert_eq!(found.preemptions, Some(0));
    let text = report(&scenario, &found, &mut || Control::Go).unwrap().to_string();
    assert!(text.contains("P1 \"The steps of a program come to"), "{text}");
    assert!(text.contains("detail: \"expect a = ok\", but a = EFAULT"), "{text}");
    let token: Token = found.token(&scenario).to_string().parse().unwrap();
    assert_eq!(token.scenario.program.expectations.len(), 3);
    assert_eq!(
        replay(&token, None, &mut || Control::Go).unwrap().outcome,
        Replayed::Reproduced(found.finding.clone())
    );

    let (small, found) =
        shrink(&scenario, &found, Ends::Any, &ShrinkBudget::default(), &mut |_| Control::Go)
            .unwrap();
    let text = small.program.to_string();
    assert!(text.ends_with("expect a = ok\n"), "{text}");
    assert!(text.contains("a: w0 pin 0 0\n"), "{text}");
    assert_eq!(small.program.expectations.len(), 1, "{text}");
    assert!(!text.contains("nop") && !text.contains("unpin"), "{text}");
    assert_eq!(found.finding.expectation, Some(0));
}

#[test]
fn a_race_is_shrunk_without_what_the_program_expects() {
    let text = format!("{MAPPED}w0 munmap 0\nw1 ftruncate f 0\nexpect w0.1 = ok or w0.1 != ok\n");
    let scenario = scenario(&text, Era::V6_15Sound, &["zap-put=before-flush"]);
    let found = failing::find(&scenario);
    assert_eq!(found.finding.sort, Sort::Violation);
    let budget = ShrinkBudget::default();
    let (small, _) = shrink(&scenario, &found, Ends::Any, &budget, &mut |_| Control::Go).unwrap();
    assert!(small.program.expectations.is_empty());
}

#[test]
fn expectations_that_hold_say_nothing_and_what_they_name_is_no_warning() {
    let scenario = expecting(
        "expect a = ok or a = EFAULT\nnever a = ok and w1.3 != 0\nnever a = EFAULT and w0.3 = ok\n\
         sometimes a = ok\nsometimes a = EFAULT",
    );
    let verdict = run(&scenario, &bounds(Some(1)));
    assert!(matches!(verdict, Verdict::Exhausted { .. }), "{verdict:?}");
    assert!(verdict.seen().outcomes.unseen(&scenario.program).is_empty());

    let named =
        sound(&format!("{MAPPED}w0 pin 0 5 | w0 r 0 0\nw1 ftruncate f 0\nexpect w0.1 = EFAULT\n"));
    assert_eq!(warnings(&named, &outcomes(&named, &bounds(Some(1)))), [""; 0]);
}

#[test]
fn what_never_happens_is_not_seen_in_bounds_nor_drawn_with_any_threads() {
    let scenario = expecting("sometimes a = EBUSY\nsometimes a = EFAULT");
    for how in [bounds(Some(1)), drawn(100, 1), drawn(100, 3)] {
        let unseen = outcomes(&scenario, &how).unseen(&scenario.program);
        assert_eq!(unseen, ["sometimes a = EBUSY"]);
    }
}

#[test]
fn an_execution_that_ends_in_the_programs_own_wait_is_held_to_its_expectations() {
    let text = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 pin 0 0\nstart\nw0 nop\nw1 ftruncate f 0\n";
    let may = sound(&format!("{text}expect w1.1 = waits\nsometimes w1.1 = waits\n"));
    let verdict = run(&may, &bounds(Some(1)));
    assert!(verdict.seen().outcomes.unseen(&may.program).is_empty(), "{verdict:?}");
    let must_not = sound(&format!("{text}never w1.1 = waits\n"));
    let Verdict::Found { found, .. } = run(&must_not, &bounds(Some(1))) else { panic!("it waits") };
    assert_eq!(found.finding.detail, "\"never w1.1 = waits\", but w1.1 = waits");
    let token = found.token(&must_not).to_string().parse().unwrap();
    assert_eq!(
        replay(&token, None, &mut || Control::Go).unwrap().outcome,
        Replayed::Reproduced(found.finding.clone())
    );
}

#[test]
fn data_words_are_compared_as_they_were_stored() {
    let text = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 store 0 0 7\nstart\n\
                w0 store 0 0 0xfffffffffffffff2\nw0 load 0 0\nw0 nop\n";
    // All bits set but a few is a word, and no errno.
    let scenario = sound(&format!("{text}expect w0.2 = 0xfffffffffffffff2\nexpect w0.2 = ok\n"));
    let verdict = run(&scenario, &bounds(Some(0)));
    assert!(matches!(verdict, Verdict::Exhausted { .. }), "{verdict:?}");
}
