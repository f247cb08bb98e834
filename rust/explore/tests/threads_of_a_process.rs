//! Threads of one process: what one of them maps, moves, unmaps or leaves the other one has, too.

use pgmap_explore::{Ends, Scenario, Verdict, Without, explore};
use pgmap_program::{Era, Program};
use pgmap_sched::{Control, Plan};

fn of_text(text: &str) -> Scenario {
    Scenario::new(Program::parse(text).expect("a program"), Era::V6_15Sound)
}

fn search(scenario: &Scenario) -> Verdict {
    let plan = Plan { bound: Some(2), schedules_max: 60_000, ..Plan::default() };
    explore(scenario, &plan, Ends::Any, &mut |_| Control::Go).expect("a scenario")
}

const MAPPED: &str = "file f 2 written\nw0 mmap 0 f 0 2 rw shared\nw0 thread 1\n";

/// Programs of two threads, with a lock or a wait that only they need.
const RIGHT: &[(&str, &str)] = &[
    // Who leaves first takes nothing with it.
    ("w0 w 0 0\nstart\nw0 exit\nw1 load 0 0\nexpect w1.1 = 0\n", ""),
    (
        "w0 pipe 0\nw0 w 0 0\nw0 vmsplice 0 0 0 1\nstart\nw0 exit\nw1 drain 0 1\nexpect w1.1 = 4096\n",
        "",
    ),
    // A mapping that one makes the other one has by its number; or it is too early for that.
    (
        "start\nw0 mmap 1 f 0 1 rw shared\nw1 w 1 0\nexpect w1.1 = ok or w1.1 = EINVAL\nsometimes w1.1 = ok\n",
        "",
    ),
    ("start\nw0 w 0 0\nw1 w 0 0\n", "lock-page_table_lock@pte_alloc"),
    ("start\nw0 mmap 1 f 0 1 rw shared\nw1 munmap 0\n", "down_write-mmap_lock@mmap"),
    ("w0 w 0 0 2\nstart\nw0 w 0 1\nw1 munmap 0\n", "inc_return-generation@flush_tlb"),
];

#[test]
fn what_threads_have_in_common_is_there_until_the_last_one_leaves() {
    for (rest, _) in RIGHT {
        let verdict = search(&of_text(&format!("{MAPPED}{rest}")));
        assert!(matches!(verdict, Verdict::Exhausted { .. }), "{rest}: {verdict:?}");
    }
}

#[test]
fn a_lock_of_the_mm_is_missed_by_two_threads() {
    for (rest, step) in RIGHT.iter().filter(|(_, step)| !step.is_empty()) {
        let left = Without::named(step).unwrap_or_else(|wrong| panic!("{wrong}"));
        let scenario = Scenario { without: vec![left], ..of_text(&format!("{MAPPED}{rest}")) };
        let verdict = search(&scenario);
        assert!(matches!(verdict, Verdict::Found { .. }), "{step}: {verdict:?}");
    }
}

/// A thread that truncates while its process has the page in a pipe, or another one that has exited before has, waits for
/// itself: the program asks for that.
#[test]
fn a_thread_that_waits_for_its_process_has_asked_for_it() {
    let pipe = "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nw0 thread 1\nw0 w 0 0\nw0 pipe 0\n\
                w0 vmsplice 0 0 0 1\nstart\n";
    for rest in ["w1 ftruncate f 0\nw0 load 0 0\n", "w1 ftruncate f 0\nw0 exit\n"] {
        let verdict = search(&of_text(&format!("{pipe}{rest}")));
        let Verdict::Found { found, .. } = verdict else { panic!("{rest}: {verdict:?}") };
        assert!(found.finding.title.contains("wait"), "{rest}: {}", found.finding.title);
    }
    // Emptied by the other one, it ends.
    let verdict = search(&of_text(&format!("{pipe}w1 ftruncate f 0\nw0 drain 0 1\n")));
    assert!(matches!(verdict, Verdict::Exhausted { .. }), "{verdict:?}");
}
