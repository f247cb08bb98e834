//! Protocols of references, as block queues, md and io_uring have them, written down and searched.

mod failing;

use pgmap_explore::{Ends, Found, Verdict, explore};
use pgmap_program::{Era, Invariant};
use pgmap_sched::{Control, Plan};

use failing::scenario;

fn searched(program: &str) -> Verdict {
    let plan = Plan { bound: Some(2), ..Plan::default() };
    let scenario = scenario(program, Era::V6_15Sound, &[]);
    explore(&scenario, &plan, Ends::Any, &mut |_| Control::Go).expect("a scenario")
}

fn found(program: &str) -> Found {
    match searched(program) {
        Verdict::Found { found, .. } => *found,
        other => panic!("{program}: {other:#?}"),
    }
}

fn holds(program: &str) {
    let verdict = searched(program);
    assert!(matches!(verdict, Verdict::Exhausted { .. }), "{program}: {verdict:#?}");
}

/// A submitter takes a reference for each request; who freezes the queue kills it, drains it and lets it live again.
const FREEZE: &str = "start\nw0 ref_tryget_live 0 | w0 ref_put 0\n\
                      w1 ref_kill 0 | w1 ref_wait 0 | w1 ref_resurrect 0\n";

#[test]
fn a_queue_that_is_frozen_is_drained_and_lives_again() {
    // The submitter who is refused puts nothing: of a reference that it never had it would be somebody else's.
    let found = found(FREEZE);
    assert_eq!(
        (found.finding.invariant, found.finding.title.as_str()),
        (Invariant::I14, "a reference put that nobody had")
    );
    holds(
        "start\nw0 ref_tryget 0\nw1 ref_kill 0\nexpect w0.1 = ok or w0.1 = ENODEV\n\
         sometimes w0.1 = ENODEV\nsometimes w0.1 = ok\n",
    );
    holds(
        "w0 ref_tryget_live 0\nstart\nw0 ref_put 0\n\
         w1 ref_kill 0 | w1 ref_wait 0 | w1 ref_resurrect 0 | w1 ref_tryget_live 0\n\
         expect w1.4 = ok\n",
    );
}

#[test]
fn who_waits_for_its_own_reference_sleeps_for_ever() {
    let found =
        found("start\nw0 ref_tryget_live 0 | w0 ref_wait 0 | w0 ref_put 0\nw1 ref_kill 0\n");
    assert_eq!(found.finding.invariant, Invariant::I20, "{found:#?}");
    // As long as somebody else has it to put, it is waited for.
    holds("w0 ref_get 0\nstart\nw0 ref_wait 0\nw1 ref_kill 0 | w1 ref_put 0\n");
}

#[test]
fn a_nested_request_needs_no_live_reference() {
    // What a request that has one submits in turn must not ask whether the queue is alive: it would wait for itself.
    let nested = |get: &str| {
        format!(
            "w0 ref_get 0\nstart\na: w0 {get} 0\nw0 ref_put 0\nw1 ref_kill 0 | w1 ref_wait 0\nnever a = ENODEV\n"
        )
    };
    assert_eq!(found(&nested("ref_tryget_live")).finding.invariant, Invariant::P1);
    holds(&nested("ref_tryget").replace("w0 ref_put 0\n", "w0 ref_put 0 | w0 ref_put 0\n"));
}

#[test]
fn a_reference_taken_without_having_one_may_come_after_the_release() {
    let found = found("start\nw0 ref_get 0 | w0 ref_put 0\nw1 ref_kill 0\n");
    assert_eq!((found.finding.invariant, found.preemptions), (Invariant::I14, Some(0)));
}
