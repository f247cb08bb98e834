//! The real program on shuttle and loom: the protocol's own sources over `yard/sched`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pgmap_explore::catalogue::Known;
use pgmap_program::{Era, Program};
use pgmap_yard_lab::{Lab, Scenario};
use pgmap_yard_sched::{Control, looms, shuttles};

use crate::looms::builder;
use crate::ours::PIN_TRUNCATE;
use crate::rounds::Work;
use crate::shuttles::{Kind, config, repeat};

/// The world in which the program runs. Made once and kept: a thread's steps are about one world.
pub(crate) fn pin_truncate() -> Result<&'static Lab, String> {
    let program = Program::parse(PIN_TRUNCATE).map_err(|error| error.to_string())?;
    enter(&Scenario::new(program, Era::V6_15Sound))
}

fn enter(scenario: &Scenario) -> Result<&'static Lab, String> {
    Lab::new(scenario, &mut || Control::Go)
        .map(|lab| &*Box::leak(Box::new(lab)))
        .map_err(|error| error.to_string())
}

/// Runs that many executions on shuttle.
pub(crate) fn on_shuttle(kind: Kind, executions: u64, lab: &'static Lab) -> Work {
    repeat(kind, executions, |scheduler| shuttles::explore(lab, scheduler, config()))
}

/// Runs that many executions on loom.
pub(crate) fn on_loom(bound: Option<usize>, executions: u64, lab: &'static Lab) -> Work {
    let mut work = Work::default();
    while work.executions < executions {
        let left = usize::try_from(executions - work.executions).unwrap_or(usize::MAX - 1);
        let (done, points) = looms::explore(lab, &builder(bound, left));
        work.executions += done;
        work.points += points;
    }
    work
}

/// Whether an engine passes a wrong rule of the catalogue with its program; an error when it stumbles over
/// something else.
pub(crate) fn passes(
    (rule, value): (&str, &str),
    run: impl FnOnce(&'static Lab) -> Work,
) -> Result<bool, String> {
    let known = Known::find(rule, value).ok_or("no such rule in the catalogue")?;
    // The same data for the sources as they are compiled over there.
    let pgmap_explore::Scenario { program, era, rules, geometry, memory, tlb } = known.wrong();
    let lab = enter(&Scenario { program, era, rules, geometry, memory, tlb })?;
    match catch_unwind(AssertUnwindSafe(|| run(lab))) {
        Ok(_) => Ok(true),
        Err(said) => match said.downcast::<String>() {
            Ok(said) if said.starts_with("found: ") => Ok(false),
            _ => Err("another panic".to_owned()),
        },
    }
}
