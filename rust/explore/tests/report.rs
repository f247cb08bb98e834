//! What a report says, and that it can be pasted anywhere.

mod failing;

use failing::{Numbers, find, lost, scenario, torn};
use pgmap_explore::catalogue::Known;
use pgmap_explore::report::{ROWS_MAX, Row, Tells, WIDTH};
use pgmap_explore::{
    Ends, ExploredWorld, Found, Report, Scenario, Sort, Token, Verdict, Who, attribute, explore,
    names, report,
};
use pgmap_program::{Era, Program, RULES};
use pgmap_sched::{Control, Explorer, Plan, Trace};

fn told(scenario: &Scenario) -> Report {
    let mut found = find(scenario);
    let known = attribute(scenario, &found, &mut || Control::Go).expect("a scenario");
    found.finding = found.finding.clone().attributed(known);
    report(scenario, &found, &mut || Control::Go).expect("what was found can be run again")
}

/// The program that the catalogue has for a wrong rule, under that rule.
fn wrong(rule: &str, value: &str) -> Scenario {
    Known::find(rule, value).expect("in the catalogue").wrong()
}

fn row(report: &Report, function: &str, what: &str) -> Row {
    let text = format!("{function}: {what}");
    let found = report.rows.iter().find(|row| row.text == text);
    found.unwrap_or_else(|| panic!("no row \"{text}\" in\n{report}")).clone()
}

#[track_caller]
fn can_be_pasted(report: &Report) {
    let text = report.to_string();
    for line in text.lines() {
        assert!(line.len() <= WIDTH, "{} columns in\n{text}", line.len());
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
        assert_eq!(line.trim_end(), line);
    }
    let ruler = "=".repeat(66);
    assert!(text.starts_with(&format!("{ruler}\nBUG: pgmap: ")), "{text}");
    assert!(text.ends_with(&format!("{ruler}\n")), "{text}");
}

#[track_caller]
fn is_a_story(report: &Report) {
    let rows = &report.rows;
    assert!(rows.len() <= ROWS_MAX, "{} rows in\n{report}", rows.len());
    let last = rows.last().expect("a last row");
    assert_eq!(last.tells, Tells::Failure, "the last row is what went wrong:\n{report}");
    assert!(last.remark.is_some(), "{report}");
    assert_eq!(report.invariant.at, last.n);
    assert!(rows.is_sorted_by_key(|row| row.event), "time goes down:\n{report}");
    let numbers: Vec<u32> = rows.iter().filter_map(|row| row.n).collect();
    assert_eq!(numbers, (1..).take(numbers.len()).collect::<Vec<u32>>());
    for row in rows {
        assert_eq!(row.n.is_none(), row.tells == Tells::Fold);
    }
    let told = |two: &[Row]| (two[0].tells, two[1].tells) == (Tells::Step, Tells::Fold);
    let again = |two: &[Row]| told(two) && two[0].event == two[1].event;
    assert!(!rows.windows(2).any(again), "a step that is told is folded as well:\n{report}");
}

#[test]
fn a_torn_page_is_told_from_the_pin_to_the_truncate_that_does_not_wait() {
    let report = told(&torn());
    assert_eq!(report.signature, "busy page taken out of its file in ftruncate / pin");
    assert_eq!((report.invariant.id, report.sort), ("I18", Sort::Violation));
    let page = report.page.as_ref().expect("it is about a page");
    assert_eq!((page.refcount, page.mapcount, page.pins), (1024, 0, 1));

    // The pin's own reference, what it adds, and the mapping's that truncate takes away.
    let taken = row(&report, "folio_ref_add", "refcount");
    assert_eq!((taken.task, taken.margin.as_deref()), (Some(0), Some("[2 -> 1025]")));
    let cleared = row(&report, "ptep_get_and_clear", "PTE");
    assert_eq!(cleared.task, Some(1));
    assert_eq!(cleared.margin, Some(format!("[pfn {:#x} -> none]", page.pfn)));
    let put = row(&report, "folio_put_refs", "refcount");
    assert_eq!((put.task, put.margin.as_deref()), (Some(1), Some("[1025 -> 1024]")));
    assert_eq!(report.rows.last().and_then(|row| row.remark.as_deref()), Some(&*report.title));

    let by = report.taken_by.as_ref().expect("somebody took a reference");
    assert_eq!(
        (&*by.who, by.row, &*by.function, &*by.call),
        ("w0", taken.n, "folio_ref_add", "pin 0 0")
    );
    assert_eq!(report.freed_by, None);
    let held: Vec<&str> = report.held[0].what.iter().map(String::as_str).collect();
    assert_eq!((&*report.held[0].who, &held[..2]), ("w1", &["i_rwsem W", "invalidate_lock W"][..]));

    let text = report.to_string();
    assert!(text.contains("\nvalue changed: refcount 1025 -> 1024\n"), "{text}");
    assert!(text.contains(", rule truncate-break-layout=off (era: on), 1 preemption\n"), "{text}");
}

#[test]
fn a_lost_wake_up_prints_who_waits_instead_of_a_value() {
    let report = told(&lost());
    assert_eq!(report.signature, "asleep for a page that is idle in ftruncate / unpin");
    assert_eq!((report.sort, report.known.as_deref()), (Sort::LostWakeup, Some("B33")));
    assert_eq!(report.goes_away_with.as_deref(), Some("idle-pred=ref-equals-map"));
    let text = report.to_string();
    assert!(text.contains("\nwaiting: w1 waits for page to become idle (pfn 0x4)\n"), "{text}");
    assert!(text.contains("\nKnown: B33"), "{text}");
    assert!(!text.contains("value changed"), "{text}");
    let last = report.rows.last().expect("a last row");
    assert_eq!(
        (last.task, last.remark.as_deref()),
        (Some(1), Some("waits for page to become idle"))
    );
    // The reference that nobody reckoned with, and the put that tells nobody.
    let again = row(&report, "vmf_insert_page_mkwrite", "PTE");
    assert!(again.margin.is_some_and(|margin| margin.starts_with("[none -> ")));
    assert_eq!(row(&report, "folio_ref_inc", "refcount").margin.as_deref(), Some("[1024 -> 1025]"));
}

#[test]
fn of_two_readers_the_one_who_left_holds_nothing() {
    let report = told(&wrong("entry-wait-key", "unrounded"));
    let shared = |holds: &&report::Holds| holds.what.iter().any(|it| it == "invalidate_lock R");
    let readers: Vec<&str> = report.held.iter().filter(shared).map(|it| it.who.as_str()).collect();
    let asleep = report.rows.last().and_then(|row| row.task).expect("the one who sleeps");
    assert_eq!(readers, [format!("w{asleep}")], "{report}");
}

#[test]
fn a_deadlock_ends_with_a_row_for_everybody_who_waits() {
    let report = told(&wrong("wait-drops-lock", "off"));
    assert_eq!(report.sort, Sort::Deadlock);
    let stuck: Vec<_> = report.rows.iter().filter(|row| row.tells == Tells::Failure).collect();
    assert_eq!(stuck.iter().map(|row| row.task).collect::<Vec<_>>(), [Some(0), Some(1)]);
    assert_eq!(report.waits.len(), 2);
    // What the others wait for was taken somewhere, and that is told whatever else gives way.
    let lock = row(&report, "filemap_invalidate_lock", "down_write invalidate_lock");
    assert_eq!(lock.task, Some(1));
    is_a_story(&report);
}

#[test]
fn a_cycle_of_locks_is_told_with_each_lock_and_its_holder() {
    let report = told(&wrong("iomap-lock", "until-end"));
    assert_eq!((report.sort, report.invariant.id), (Sort::Deadlock, "I20"));
    let waits = ["w0 waits for extent lock, held by w1", "w1 waits for DAX entry, held by w0"];
    assert_eq!(report.waits, waits);
    // Where each took what the other wants.
    assert_eq!(row(&report, "grab_mapping_entry", "DAX entry").task, Some(0));
    assert_eq!(row(&report, "iomap_begin", "down_write extent lock").task, Some(1));
    is_a_story(&report);
    can_be_pasted(&report);
}

#[test]
fn a_storm_is_told_with_the_step_that_comes_round() {
    let report = told(&wrong("busy-scan", "next-index"));
    assert_eq!((report.sort, report.invariant.id), (Sort::Livelock, "L3"));
    let text = report.to_string();
    assert!(
        text.contains("  <- retries get nowhere")
            && text.contains("steps, with everything as it was"),
        "{text}"
    );
    // It comes round in the middle of a truncate.
    assert!(text.contains("held at failure: w0 { i_rwsem W, invalidate_lock W"), "{text}");
    is_a_story(&report);
    can_be_pasted(&report);
}

#[test]
fn a_pagemap_held_twice_by_one_page_is_told_with_who_holds_it() {
    let report = told(&wrong("request-folio", "by-inspection"));
    assert_eq!((report.sort, report.invariant.id), (Sort::Violation, "I12"));
    let text = report.to_string();
    assert!(text.contains("16 by memremap, 2 by pages in use"), "{text}");
    is_a_story(&report);
    can_be_pasted(&report);
}

#[test]
fn a_count_that_is_wiped_is_told_in_the_step_that_wipes_it() {
    let report = told(&wrong("free-push", "before-settled"));
    assert_eq!((report.sort, report.invariant.id), (Sort::Violation, "I02"));
    // The first such store publishes the page, the one that comes too late wipes its count.
    let stores = report.rows.iter().filter(|row| row.function == Some("set_page_count"));
    let told: Vec<_> = stores.map(|row| (row.task, row.margin.as_deref())).collect();
    assert_eq!(told, [(Some(1), Some("[0 -> 1]")), (Some(0), Some("[1 -> 0]"))]);
    is_a_story(&report);
}

/// No wrong rule leaves the books unbalanced without an earlier complaint, so a plain execution serves.
#[test]
fn books_that_do_not_balance_are_told_when_all_have_left() {
    let mut found = find(&torn());
    found.finding.sort = Sort::Leak;
    found.schedule = pgmap_sched::Schedule::default();
    let known = Known::find("free-push", "before-settled").expect("in the catalogue");
    let report = report(&known.right(), &found, &mut || Control::Go).expect("a report");
    let last = report.rows.last().expect("a last row");
    assert_eq!((last.task, &*last.text), (None, "all tasks have left"));
}

#[test]
fn the_signature_is_the_same_for_another_execution_of_the_race() {
    let one = told(&torn());
    let text = failing::TORN.replace("w1 ftruncate", "w1 pread f 0 1 | w1 ftruncate");
    let other = told(&scenario(&text, Era::V6_15Sound, &["truncate-break-layout=off"]));
    assert_ne!(one.rows, other.rows, "two executions");
    assert_eq!(one.signature, other.signature);
    assert!(!one.signature.contains(|c: char| c.is_ascii_digit()));
}

#[test]
fn one_execution_is_always_told_in_the_same_way() {
    let scenario = lost();
    let found = find(&scenario);
    let [one, again] =
        [(); 2].map(|()| report(&scenario, &found, &mut || Control::Go).expect("a report"));
    assert_eq!(one, again);
}

#[test]
fn the_command_that_is_printed_is_the_token_of_the_execution() {
    let scenario = torn();
    let found = find(&scenario);
    let text = report(&scenario, &found, &mut || Control::Go).expect("a report").to_string();
    let (_, command) = text.split_once("\nReproduce: ").expect("a command");
    let (command, _) = command.split_once("\nFound by: ").expect("its end");
    // As a shell reads it.
    let command = command.replace("\\\n", "");
    let token = command.strip_prefix("python -m pgmap.replay ").expect("the module");
    assert_eq!(token.parse::<Token>(), Ok(found.token(&scenario)));
}

#[test]
fn json_has_what_the_text_has() {
    let report = told(&torn());
    let json = serde_json::to_value(&report).expect("plain data");
    assert_eq!(json["signature"], report.signature.as_str());
    assert_eq!(json["invariant"]["id"], "I18");
    assert_eq!(json["page"]["pfn"], "0x4");
    assert_eq!(json["rows"].as_array().map(Vec::len), Some(report.rows.len()));
    assert_eq!(json["rows"][0]["tells"], "call");
    assert_eq!(json["taken_by"]["who"], "w0");
    assert_eq!(json["scenario"]["era"], "v6.15-sound");
    assert_eq!(json["scenario"]["rules"][0]["value"], "off");
    assert_eq!(json["reproduce"], report.reproduce.as_str());
}

#[test]
fn three_tasks_have_columns_and_of_more_only_the_guilty() {
    let set_up = "file f 1 written\nfile g 1 written\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\n";
    let race = "start\nw0 pin 0 0 | w0 dma_write | w0 unpin\nw1 ftruncate f 0\n";
    let broken = ["truncate-break-layout=off"];
    let with =
        |others: &str| scenario(&format!("{set_up}{race}{others}"), Era::V6_15Sound, &broken);
    let three = told(&with("w2 pread g 0 1\n"));
    let text = three.to_string();
    assert!(text.contains("      CPU0 (w0)     CPU1 (w1)     CPU2 (w2)\n"), "{text}");
    can_be_pasted(&three);

    let four = told(&with("w2 pread g 0 1\nw3 pread g 0 1\n"));
    let text = four.to_string();
    assert!(text.contains("      CPU0 (w0)           CPU1 (w1)\n"), "{text}");
    assert!(text.contains("\nothers: w2: pread g 0 1; w3: pread g 0 1\n"), "{text}");
    can_be_pasted(&four);
}

#[test]
fn every_place_of_long_traces_is_in_a_function_with_a_name() {
    for scenario in
        [torn(), lost(), wrong("gup-pte-recheck", "off"), wrong("free-push", "before-settled")]
    {
        let found = find(&scenario);
        let explored = ExploredWorld::new(&scenario, &mut || Control::Go).expect("a world");
        let trace = Explorer::new()
            .replay(&mut &explored, &found.schedule, Trace::Keep, &mut || Control::Go)
            .trace;
        assert!(trace.len() > 20);
        for site in trace.iter().filter_map(|event| event.site) {
            assert!(names::function(site).is_some(), "{site}");
        }
    }
}

/// What workers say in programs drawn at random.
const WORDS: &[&str] = &[
    "w 0 0",
    "r 0 1",
    "pin 0 0",
    "pin 0 0 2 w",
    "get 0 0",
    "dma_write",
    "unpin",
    "munmap 0",
    "munmap 0 0 1",
    "ftruncate f 0",
    "ftruncate f 1",
    "punch f 0 1",
    "pwrite f 0 1",
    "pread f 0 1",
    "unlink f",
    "unbind",
    "exit",
    "dev_alloc 0 1",
    "dev_get 0",
    "dev_put 0",
    "madvise 0 4 0",
];

/// A program drawn at random, under a rule drawn at random, if it makes sense.
fn drawn(numbers: &mut Numbers) -> Option<Scenario> {
    let huge = ["", " huge"][numbers.below(2)];
    let mut text = format!(
        "file f 4 written{huge}\nw0 mmap 0 f 0 4 rw shared\nw1 mmap 0 f 0 4 rw shared\nw0 w 0 0\n"
    );
    let mut say = |text: &mut String, workers: usize, times: usize| {
        for _ in 0..times {
            let (who, word) = (numbers.below(workers), numbers.below(WORDS.len()));
            *text += &format!("w{who} {}\n", WORDS[word]);
        }
    };
    say(&mut text, 2, 2);
    text += "start\n";
    say(&mut text, 4, 4);
    let mut scenario = Scenario::new(Program::parse(&text).ok()?, Era::V6_15Sound);
    let rule = &RULES[numbers.below(RULES.len())];
    let other = rule.values.iter().find(|value| value.name != Era::V6_15Sound.value_of(rule))?;
    scenario.rules.set(rule.name, other.name).expect("a value of that rule");
    Some(scenario)
}

/// A failure of the scenario, if there is one close at hand.
fn stumbled_on(scenario: &Scenario) -> Option<Found> {
    let plan = Plan { bound: Some(1), schedules_max: 60, cache_bytes: 1 << 20, ..Plan::default() };
    match explore(scenario, &plan, Ends::Any, &mut |_| Control::Go) {
        Ok(Verdict::Found { found, .. }) => Some(*found),
        _ => None,
    }
}

#[test]
fn whatever_is_found_in_programs_drawn_at_random_can_be_pasted() {
    let mut numbers = Numbers::new(7);
    let mut reports = 0;
    for _ in 0..5_000 {
        let Some(scenario) = drawn(&mut numbers) else { continue };
        let Some(found) = stumbled_on(&scenario) else { continue };
        let report = report(&scenario, &found, &mut || Control::Go).expect("a report");
        can_be_pasted(&report);
        is_a_story(&report);
        reports += 1;
    }
    assert!(reports >= 15, "only {reports} failures were found");
}

#[test]
fn no_text_however_long_or_foreign_is_too_wide() {
    let texts: [String; 5] = [
        String::new(),
        "w".repeat(200),
        "short and long words to be wrapped ".repeat(5),
        "\u{2192} caf\u{e9}\ttab\nline".to_owned(),
        "x".to_owned(),
    ];
    let plain = told(&lost());
    let mut numbers = Numbers::new(3);
    for _ in 0..300 {
        let mut any = || texts[numbers.below(texts.len())].clone();
        let mut report = plain.clone();
        report.signature = format!("x{}", any());
        report.detail = any();
        report.waits = vec![any(), any()];
        report.scenario.program = any();
        report.reproduce = format!("python {}", any().replace(' ', ""));
        report.columns[0].who = Who::Environment;
        report.columns[1].calls = vec![any(), any()];
        for row in &mut report.rows {
            row.text = any();
            row.margin = Some(any());
            row.remark = Some(any());
        }
        if let Some(by) = &mut report.taken_by {
            by.call = any();
        }
        for wider in 2..numbers.below(5) as u8 {
            let column = report.columns[0].clone();
            report.columns.push(pgmap_explore::report::Column { task: wider, ..column });
        }
        for row in &mut report.rows {
            row.task = Some(numbers.below(5) as u8);
        }
        can_be_pasted(&report);
    }
}
