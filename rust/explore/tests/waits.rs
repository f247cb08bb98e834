//! Whose doing a wait is: held past the end of the program, or given back by a step still to come.

mod failing;

use pgmap_explore::{Blame, Ends, Finding, Sort, Verdict, explore};
use pgmap_program::{Era, Invariant};
use pgmap_sched::{Control, Plan};

use failing::scenario;

/// Everything within the bound: what fails, or how many executions wait for the program's own holds, of how many.
fn judged(text: &str, wrong: &[&str]) -> Result<(u64, u64), Box<Finding>> {
    let plan = Plan { bound: Some(2), ..Plan::default() };
    let scenario = scenario(text, Era::V6_15Sound, wrong);
    let verdict = explore(&scenario, &plan, Ends::Any, &mut |_| Control::Go).expect("a scenario");
    match verdict {
        Verdict::Found { found, .. } => Err(Box::new(found.finding)),
        Verdict::Exhausted { seen, .. } => Ok((seen.waiting, seen.schedules())),
        other => panic!("{text}{other:?}"),
    }
}

fn deadlock(text: &str) -> Finding {
    let finding = *judged(text, &[]).expect_err(text);
    assert_eq!((finding.sort, finding.invariant), (Sort::Deadlock, Invariant::I20), "{finding:?}");
    finding
}

fn all_wait(text: &str) {
    let (waiting, all) = judged(text, &[]).expect("no ring");
    assert!(waiting == all && all > 0, "{waiting} of {all}: {text}");
}

const TWO: &str = "file f 1\nfile g 1\nw0 mmap 0 f 0 1 rw shared\nw1 mmap 0 g 0 1 rw shared\n";

#[test]
fn two_who_each_wait_for_the_others_pin_before_their_own_unpin_are_a_deadlock() {
    let text = format!(
        "{TWO}w0 pin 0 0\nw1 pin 0 0\nstart\nw0 ftruncate g 0 | w0 unpin\nw1 ftruncate f 0 | w1 unpin\n"
    );
    let finding = deadlock(&text);
    assert_eq!(finding.parties, ["w0", "w1"]);
    let held = |n: usize| {
        let held = format!("held by w{n} pin 0 until \"w{n} unpin\"");
        finding.waits.iter().any(|wait| wait.ends_with(&held))
    };
    assert!(held(0) && held(1), "{:?}", finding.waits);
    assert_eq!(finding.blame, Blame::Program);
}

#[test]
fn who_waits_for_its_own_pin_before_it_unpins_is_a_deadlock_of_one() {
    let one = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 pin 0 0\nstart\n";
    for call in ["unbind", "ftruncate f 0", "punch f 0 1"] {
        let finding = deadlock(&format!("{one}w0 {call} | w0 unpin\n"));
        assert_eq!(finding.parties, ["w0", "w0"], "{call}");
        deadlock(&format!("{one}w0 {call} | w0 exit\n"));
        // Nobody gives it back, so that is what the program is for.
        all_wait(&format!("{one}w0 {call}\n"));
    }
}

#[test]
fn an_unpin_still_to_come_gives_back_the_pin_it_would_take() {
    let two = "file f 2\nw0 mmap 0 f 0 2 rw shared\nw0 pin 0 0\nw0 pin 0 1\nstart\n";
    // The later pin goes, and truncate waits for both.
    all_wait(&format!("{two}w0 ftruncate f 0 | w0 unpin\n"));
    deadlock(&format!("{two}w0 ftruncate f 0 | w0 unpin | w0 unpin\n"));
    deadlock(&format!("{two}w0 ftruncate f 0 | w0 unpin 0 | w0 unpin 1\n"));
    // It gives back what it has yet to take.
    let again = "w1 ftruncate f 0 | w1 pin 0 0 | w1 unpin\n";
    let text = "file f 1\nw1 mmap 0 f 0 1 rw shared\nw1 pin 0 0\nstart\n";
    all_wait(&format!("{text}{again}"));
}

#[test]
fn who_waits_behind_what_nobody_gives_back_is_in_no_ring() {
    // w1 waits for ever for w0's pin of f, and keeps its own of g so long: w2 waits for w1.
    let text = format!(
        "{TWO}w0 pin 0 0\nw1 pin 0 0\nstart\nw1 ftruncate f 0 | w1 unpin\nw2 ftruncate g 0\n"
    );
    all_wait(&text);
    // With a release it ends, in every order.
    let (waiting, _) = judged(&text.replace("start\n", "start\nw0 unpin\n"), &[]).expect("no ring");
    assert_eq!(waiting, 0);
}

#[test]
fn a_ring_is_one_beside_a_wait_of_the_programs_own() {
    let text = "file f 1\nfile g 1\nfile h 1\nw0 mmap 0 f 0 1 rw shared\nw1 mmap 0 g 0 1 rw shared\n\
                w2 mmap 0 h 0 1 rw shared\nw0 pin 0 0\nw1 pin 0 0\nw2 pin 0 0\nstart\n\
                w0 ftruncate g 0 | w0 unpin\nw1 ftruncate f 0 | w1 unpin\nw2 ftruncate h 0\n";
    deadlock(text);
}

#[test]
fn io_in_flight_is_waited_for_by_who_can_end_it() {
    let io = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 r 0 0\nw0 open 1 /dev/nullb0 rw\nstart\n\
              w0 dio_write 1 0 0 1\n";
    // Nobody lets time pass; truncated before it began, it fails and nobody waits.
    all_wait(io);
    let (waiting, all) = judged(&format!("{io}w1 ftruncate f 0\n"), &[]).expect("no ring");
    assert!(waiting > 0 && waiting < all, "{waiting} of {all}");
    // Somebody else does, and may do so too early.
    let (waiting, all) = judged(&format!("{io}w1 ftruncate f 0\nsleep\n"), &[]).expect("no ring");
    assert!(waiting < all, "{waiting} of {all}");
}

#[test]
fn a_pipe_is_emptied_by_who_drains_it_or_leaves() {
    let pipe =
        "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 r 0 0\nw0 pipe 0\nw0 vmsplice 0 0 0 1\nstart\n";
    all_wait(&format!("{pipe}w0 ftruncate f 0\n"));
    deadlock(&format!("{pipe}w0 ftruncate f 0 | w0 drain 0 1\n"));
    deadlock(&format!("{pipe}w0 ftruncate f 0 | w0 exit\n"));
}

#[test]
fn who_asks_with_pages_in_its_own_pipe_for_what_waits_for_them_is_to_blame_itself() {
    let pipe =
        "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 pipe 0\nw0 vmsplice 0 0 0 1\nw0 munmap 0\nstart\n";
    for call in ["unlink f", "ftruncate f 0", "unbind"] {
        let finding = deadlock(&format!("{pipe}w0 {call} | w0 exit\n"));
        assert_eq!(finding.blame, Blame::Program, "{call}");
    }
}

/// A process that exits while its pipe holds a page of a file without a name; `{}` is what comes before that.
fn leaving(opened: &str, before: &str) -> String {
    format!("file f 1\n{opened}w0 vmsplice 0 0 0 1\n{before}w0 unlink f\nstart\nw0 exit\n")
}

#[test]
fn a_task_waits_for_its_own_pipe_only_if_the_file_is_above_it_and_the_kernel_goes_newest_first() {
    let kernel = ["exit-fput=newest-first"];
    let maps = "w0 mmap 0 0 0 1 rw shared\n";
    let above = format!("w0 pipe 0\nw0 open 0 f rw\n{maps}");
    let below = format!("w0 open 0 f rw\nw0 pipe 0\n{maps}");
    let moved = format!("{below}w0 dupto 0 9\n");
    let back = format!("{above}w0 dupto 0 2\n");
    let (fd_only, mapping_only) = ("w0 munmap 0\n", "w0 close 0\n");
    let waits = [(&above, ""), (&above, fd_only), (&moved, ""), (&moved, fd_only)];
    for (opened, before) in waits {
        let text = leaving(opened, before);
        let finding = judged(&text, &kernel).expect_err(&text);
        assert_eq!((finding.sort, finding.invariant), (Sort::Deadlock, Invariant::I20), "{text}");
        assert_eq!(finding.parties, ["w0", "w0"], "{text}");
        assert_eq!(finding.blame, Blame::Rules, "nobody asked for that: {text}");
        assert_eq!(judged(&text, &[]).map(|(waiting, _)| waiting), Ok(0), "{text}");
    }
    let leaves = [(&below, ""), (&below, fd_only), (&back, ""), (&above, mapping_only)];
    for (opened, before) in leaves {
        let text = leaving(opened, before);
        assert_eq!(judged(&text, &kernel).map(|(waiting, _)| waiting), Ok(0), "{text}");
    }
}

#[test]
fn a_task_that_leaves_waits_for_a_pipe_that_somebody_else_has_and_that_is_no_ring() {
    let opened = "w0 pipe 0\nw0 open 0 f rw\nw0 mmap 0 0 0 1 rw shared\n";
    let forked = "w0 fork 1\nw1 close 0\nw1 munmap 0\n";
    let text = leaving(opened, forked);
    let (kernel, mended) = (&["exit-fput=newest-first"][..], &[][..]);
    for rules in [kernel, mended] {
        // The child keeps it past its end, which is what the program is for.
        let (waiting, all) = judged(&text, rules).expect("no ring");
        assert!(waiting == all && all > 0, "{waiting} of {all}");
        let (waiting, _) = judged(&format!("{text}w1 drain 0 1\n"), rules).expect("no ring");
        assert_eq!(waiting, 0);
    }
    // If the child leaves first, the pipe is the parent's own again.
    let both = format!("{text}w1 exit\n");
    assert_eq!(judged(&both, mended).map(|(waiting, _)| waiting), Ok(0));
    assert_eq!(judged(&both, kernel).expect_err("a ring of one").parties, ["w0", "w0"]);
}

#[test]
fn the_rules_are_to_blame_for_a_ring_that_others_would_not_close() {
    let text = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0 | w0 pin 0 0\nstart\n\
                w0 w 0 0 | w0 unpin\nw1 ftruncate f 0\n";
    let finding = judged(text, &["wait-drops-lock=off"]).expect_err("a ring");
    assert_eq!((finding.sort, finding.blame), (Sort::Deadlock, Blame::Rules));
}

#[test]
fn an_unbind_that_unmaps_nothing_waits_for_whoever_has_pages_mapped() {
    let mapped = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\n";
    let judged = |steps: &str| judged(&format!("{mapped}{steps}"), &["holder=none"]);
    // Nobody unmaps it, which is what the program is for.
    let (waiting, all) = judged("w1 unbind\n").expect("no ring");
    assert_eq!(waiting, all);
    let (waiting, _) = judged("w0 munmap 0\nw1 unbind\n").expect("no ring");
    assert_eq!(waiting, 0, "and somebody does");
    for unmaps in ["munmap 0", "exit"] {
        let finding = judged(&format!("w0 unbind | w0 {unmaps}\n")).expect_err("a ring of one");
        assert_eq!((finding.sort, finding.invariant), (Sort::Deadlock, Invariant::I20), "{unmaps}");
        assert_eq!(finding.blame, Blame::Program, "it asks for what it keeps from going");
    }
}
