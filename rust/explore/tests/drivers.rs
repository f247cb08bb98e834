//! Drivers of a program: a right one is exhausted, and each mistake that one can have is found as what it breaks.

use pgmap_explore::{Ends, Found, Scenario, Verdict, explore, report};
use pgmap_program::{Era, Invariant, Program};
use pgmap_sched::{Control, Plan};

const ALLOC: &str = "alloc lock(l) pop unlock(l) init_page pagemap_get set_count(1)";
const PAGE_FREE: &str = "page_free lock(l) push unlock(l)";
/// A page that is put while others allocate.
const PUT_AND_ALLOC: &str = "w0 drv_alloc d\nstart\nw0 drv_put\nw1 drv_alloc d\n";
/// Two that allocate at once.
const ALLOC_TWICE: &str = "start\nw0 drv_alloc d\nw1 drv_alloc d\n";

fn scenario(alloc: &str, page_free: &str, steps: &str) -> Scenario {
    let text = format!("driver d 2 {alloc} {page_free}\n{steps}");
    let program = Program::parse(&text).unwrap_or_else(|wrong| panic!("{wrong}"));
    Scenario::new(program, Era::V6_15Sound)
}

fn search(scenario: &Scenario, bound: u32) -> Verdict {
    let plan = Plan { bound: Some(bound), ..Plan::default() };
    explore(scenario, &plan, Ends::Any, &mut |_| Control::Go).expect("a program that can run")
}

fn found(scenario: &Scenario, bound: u32) -> Found {
    match search(scenario, bound) {
        Verdict::Found { found, .. } => *found,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_right_driver_is_exhausted() {
    for steps in [PUT_AND_ALLOC, ALLOC_TWICE] {
        let verdict = search(&scenario(ALLOC, PAGE_FREE, steps), 2);
        assert!(matches!(verdict, Verdict::Exhausted { .. }), "{verdict:?}");
    }
}

#[test]
fn each_mistake_is_found_as_what_it_breaks() {
    let mistakes = [
        // The count is stored when the page is on the list already: v5.18 (B04).
        (ALLOC, "page_free lock(l) push unlock(l) set_count(0)", PUT_AND_ALLOC, 1, Invariant::I02),
        // Two pops without the lock take one page.
        ("alloc pop init_page pagemap_get set_count(1)", PAGE_FREE, ALLOC_TWICE, 1, Invariant::I09),
        // A page that nobody pushes is lost.
        (ALLOC, "page_free", PUT_AND_ALLOC, 0, Invariant::I03),
        // Pushed twice it leads to itself, and is somebody's twice.
        (
            ALLOC,
            "page_free lock(l) push push unlock(l)",
            "w0 drv_alloc d\nw0 drv_put\nstart\nw0 drv_alloc d\nw1 drv_alloc d\n",
            0,
            Invariant::I09,
        ),
        // In use before it holds its pagemap.
        (
            "alloc lock(l) pop unlock(l) init_page set_count(1) pagemap_get",
            PAGE_FREE,
            ALLOC_TWICE,
            0,
            Invariant::I12,
        ),
        // The pagemap is put by the free path, and by the driver.
        (ALLOC, "page_free lock(l) push unlock(l) pagemap_put", PUT_AND_ALLOC, 0, Invariant::I12),
    ];
    for (alloc, page_free, steps, bound, invariant) in mistakes {
        let scenario = scenario(alloc, page_free, steps);
        let found = found(&scenario, bound);
        assert_eq!(found.finding.invariant, invariant, "{}: {:?}", scenario.program, found.finding);
    }
}

#[test]
fn locks_in_two_orders_are_a_deadlock() {
    let alloc = "alloc lock(a) lock(b) pop unlock(b) unlock(a) init_page pagemap_get set_count(1)";
    let page_free = "page_free lock(b) lock(a) push unlock(a) unlock(b)";
    let found = found(&scenario(alloc, page_free, PUT_AND_ALLOC), 1);
    assert_eq!(found.finding.invariant, Invariant::I20, "{:?}", found.finding);
}

#[test]
fn what_a_cell_held_is_what_alloc_returns_and_an_unlocked_sum_loses_one() {
    let steps = |alloc: &str| {
        let steps = "start\na: w0 drv_alloc d\nb: w1 drv_alloc d\nnever a = 1 and b = 1\n";
        scenario(alloc, PAGE_FREE, steps)
    };
    let counted = "alloc lock(l) pop add(n,1) load(n) unlock(l) init_page pagemap_get set_count(1)";
    assert!(matches!(search(&steps(counted), 2), Verdict::Exhausted { .. }));
    let lost = "alloc lock(l) pop unlock(l) add(n,1) load(n) init_page pagemap_get set_count(1)";
    let found = found(&steps(lost), 1);
    assert_eq!(found.finding.expectation, Some(0), "{:?}", found.finding);
}

#[test]
fn a_report_speaks_of_the_primitives_and_names_of_the_driver() {
    let page_free = "page_free lock(free) push unlock(free) set_count(0)";
    let alloc = ALLOC.replace("(l)", "(free)");
    let scenario = scenario(&alloc, page_free, PUT_AND_ALLOC);
    let found = found(&scenario, 1);
    let told = report(&scenario, &found, &mut || Control::Go).expect("it can be run again");
    let text = told.to_string();
    for said in ["push: free list of d", "pop: free list of d", "set_page_count", "drv_put"] {
        assert!(text.contains(said), "{said}:\n{text}");
    }
}
