//! Threads of one process: what one of them maps, moves, unmaps or leaves the other one has, too.

use pgmap_explore::{Ends, Scenario, Verdict, Without, explore};
use pgmap_program::{Era, Invariant, Program};
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
    // A thread is counted before it can leave.
    ("w1 exit\nexpect w0.2 = ok\n", ""),
    // A mapping that one makes the other one has by its number; or it is too early for that.
    (
        "start\nw0 mmap 1 f 0 1 rw shared\nw1 w 1 0\nexpect w1.1 = ok or w1.1 = EINVAL\nsometimes w1.1 = ok\n",
        "",
    ),
    ("start\nw0 w 0 0\nw1 w 0 0\n", "lock-page_table_lock@pte_alloc"),
    ("start\nw0 mmap 1 f 0 1 rw shared\nw0 w 1 0\nw1 munmap 0\n", "down_write-mmap_lock@mmap"),
    ("start\nw0 w 0 0\nw1 munmap 0\n", "down_read-mmap_lock@do_user_addr_fault"),
    (
        "w0 w 0 0\nstart\nw0 load 0 0\nw1 munmap 0\nw1 ftruncate f 0\n",
        "inc_return-generation@flush_tlb",
    ),
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

/// A thread that truncates while its process has the page in a pipe waits for that process: the program asks for it. Its
/// own exit would give the page back, if it is the last; and so does another thread that empties the pipe.
#[test]
fn a_thread_waits_for_what_its_process_has_in_a_pipe() {
    let pipe = "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nw0 thread 1\nw0 w 0 0\nw0 pipe 0\n\
                w0 vmsplice 0 0 0 1\nstart\nw1 ftruncate f 0\n";
    for rest in ["w0 load 0 0\n", "w0 exit\n", "w1 exit\nw0 load 0 0\n"] {
        let verdict = search(&of_text(&format!("{pipe}{rest}")));
        let Verdict::Exhausted { seen, .. } = &verdict else { panic!("{rest}: {verdict:?}") };
        assert!(seen.waiting > 0 && seen.waiting == seen.schedules(), "{rest}: {verdict:?}");
    }
    let verdict = search(&of_text(&format!("{pipe}w1 exit\nw0 exit\n")));
    let Verdict::Found { found, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(found.finding.invariant, Invariant::I20);
    let verdict = search(&of_text(&format!("{pipe}w0 drain 0 1\n")));
    assert!(matches!(verdict, Verdict::Exhausted { .. }), "{verdict:?}");
}
