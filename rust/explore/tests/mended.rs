//! Mistakes of this model that real threads once showed: the programs that show them, exhausted now.

use pgmap_explore::{Scenario, Verdict, explore};
use pgmap_program::{Era, Program};
use pgmap_sched::{Control, Plan};

fn exhausted(program: &str, bound: u32) {
    let scenario = Scenario::new(Program::parse(program).expect("a program"), Era::V6_15Sound);
    let plan = Plan { bound: Some(bound), ..Plan::default() };
    let verdict = explore(&scenario, &plan, &mut |_| Control::Go).expect("a scenario");
    assert!(matches!(verdict, Verdict::Exhausted { .. }), "{program}{verdict:#?}");
}

/// Zap must not pass over a leaf that another zap has cleared and not yet put: the page would read as
/// idle, since its count and its mapcount are equal for a moment.
#[test]
fn a_huge_mapping_that_is_half_gone_is_not_taken_for_idle() {
    exhausted(
        "file f 4 huge\nw0 mmap 0 f 0 4 rw shared\nw0 w 0 0\nstart\nw0 munmap 0\nw1 ftruncate f 0\n",
        2,
    );
}
