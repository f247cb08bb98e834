//! What people see and ask beyond a search: every step of an execution, sizes that cannot be.

use pgmap_explore::catalogue::Known;
use pgmap_explore::report::steps;
use pgmap_explore::{Ends, Scenario, ScenarioError, Verdict, explore};
use pgmap_sched::{Control, Plan};

fn scenario() -> Scenario {
    Known::find("zap-put", "before-flush").expect("in the catalogue").right()
}

#[test]
fn every_event_of_an_execution_is_told_with_its_function_and_its_object() {
    let mut wrong = scenario();
    wrong.rules.apply("zap-put=before-flush").expect("a rule");
    let Verdict::Found { found, .. } =
        explore(&wrong, &Plan::default(), Ends::Any, &mut |_| Control::Go).expect("it runs")
    else {
        panic!("not found");
    };
    let told = steps(&wrong, &found.schedule, &mut || Control::Go).expect("it runs");
    let is_event = |kind| ["step", "section", "spin", "choice"].contains(&kind);
    let events: Vec<u32> = told.iter().filter(|it| is_event(it.kind)).map(|it| it.n).collect();
    assert_eq!(events, (0..found.schedule.events()).collect::<Vec<_>>());
    for step in told.iter().filter(|it| it.kind == "step") {
        assert!(!step.function.is_empty() && !step.operation.is_empty(), "{step:?}");
    }
    let cleared = |it: &&pgmap_explore::report::Told| {
        it.object == "PTE"
            && it.before.as_deref() == Some("pfn 0x4")
            && it.after.as_deref() == Some("none")
    };
    assert_eq!(told.iter().find(cleared).map(|it| it.who.as_str()), Some("w0"));
    let calls: Vec<&str> =
        told.iter().filter(|it| it.kind == "call").map(|it| it.operation.as_str()).collect();
    assert_eq!(calls, ["munmap 0", "ftruncate f 0"]);
}

#[test]
fn each_task_needs_a_cpu_of_its_own() {
    let mut small = scenario();
    small.geometry.cpus = 1;
    assert_eq!(small.validate(), Err(ScenarioError::Cpus { cpus: 1, tasks: 2 }));
}

#[test]
fn a_machine_too_large_to_put_back_is_refused() {
    let mut large = scenario();
    large.geometry.pages = 1 << 15;
    assert_eq!(large.validate(), Err(ScenarioError::TooLarge(1 << 15)));
}
