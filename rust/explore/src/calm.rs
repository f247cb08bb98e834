//! A failure that was drawn, with the fewest preemptions near the schedule it has.
//!
//! A search goes from few preemptions to many, so what it finds needs those it has. What was drawn has many that it does not
//! need, and may need more than can be searched for. So blocks of its schedule are joined as long as it fails likewise, and then
//! all schedules are searched that leave tasks only where it left them, with fewer preemptions than that came to
//! (`pgmap_sched`: `calm`, `near`). What comes out is the least number of these, and an upper bound of the least of all.

use pgmap_sched::{Control, Explorer, Failure, Judgement, Outcome, Plan, Redone, Schedule};

use crate::explored::ExploredWorld;
use crate::finding::Finding;
use crate::found::Found;
use crate::scenario::{Scenario, Unfinished};

/// The same failure, calmer; none if its schedule does not fail so. In so many executions at most for each of the two.
pub(crate) fn calmer(
    scenario: &Scenario,
    found: &Found,
    plan: &Plan,
    control: &mut dyn FnMut() -> Control,
) -> Result<Option<Found>, Unfinished> {
    let explored = ExploredWorld::new(scenario, control)?;
    let mut explorer = Explorer::new();
    let finding = |failure: &Failure| {
        let now = Finding::of(scenario, &explored, failure)?;
        now.is_same(&found.finding).then_some(now)
    };
    let most = plan.schedules_max;
    let mut same = |failure: &Failure| finding(failure).is_some();
    let joined = explorer.calm(&mut &explored, &found.schedule, most, &mut same, control);
    let Some(Redone { schedule, preemptions, .. }) = joined else { return Ok(None) };
    let (mut schedule, mut preemptions) = (schedule, preemptions);
    if let Some(fewer) = preemptions.checked_sub(1) {
        let plan = Plan { bound: Some(fewer), ..*plan };
        let mut judge = |failure: &Failure, _: &Schedule| match finding(failure) {
            Some(_) => Judgement::Stop,
            None => Judgement::Continue,
        };
        let near =
            explorer.near(&mut &explored, &found.schedule, &plan, &mut judge, &mut |_| control());
        if let Outcome::Found { schedule: calmer, bound: Some(bound), .. } = near {
            (schedule, preemptions) = (calmer, bound);
        }
    }
    // What the failure is told from is the world as its own execution left it.
    let again = explorer.redo(&mut &explored, &schedule, control);
    let again = again.and_then(|redone| finding(&redone.failure));
    Ok(again.map(|finding| Found {
        finding,
        schedule,
        preemptions: Some(preemptions),
        ..found.clone()
    }))
}
