//! Which steps of the protocol a program meets: leaving out any other cannot break it.

use pgmap_prim::edits::{note, noted};
use pgmap_sched::{Control, Plan};

use crate::bounds::explore;
use crate::protocol::{Step, is_no_step, step_of};
use crate::scenario::{Scenario, ScenarioError};
use crate::verdict::Ends;

/// The steps that some execution of a search takes, set-up and the end included, in the order of the sources; and
/// calls of primitives with an effect that are no step, by their places: there should be none.
///
/// # Errors
/// Why there is nothing to explore.
pub fn steps_met(
    scenario: &Scenario,
    plan: &Plan,
) -> Result<(Vec<&'static Step>, Vec<String>), ScenarioError> {
    note();
    let searched = explore(scenario, plan, Ends::Any, &mut |_| Control::Go);
    let calls = noted();
    searched?;
    let mut steps: Vec<&Step> = calls.iter().filter_map(step_of).collect();
    steps.sort_by_key(|step| (step.edit.file, step.edit.line, step.edit.column, step.edit.op));
    let strange = calls.iter().filter(|call| step_of(call).is_none() && !is_no_step(call));
    let mut strange: Vec<String> = strange.map(|(site, op)| format!("{op} at {site}")).collect();
    strange.sort();
    Ok((steps, strange))
}
