//! The schedules of one scenario, as long as whoever looks at each failure says so.

use pgmap_sched::{Control, Doubt, Explorer, Judgement, Limit, Outcome, Plan, Progress, Schedule};

use crate::explored::ExploredWorld;
use crate::finding::Finding;
use crate::found::Found;
use crate::lock_order::wrong_orders;
use crate::outcomes::Outcomes;
use crate::scenario::{Scenario, ScenarioError, Unfinished};
use crate::verdict::{Seen, Unproven, Verdict};

/// Searches for the first failure that is wanted.
pub(crate) fn first(
    scenario: &Scenario,
    plan: &Plan,
    wanted: &dyn Fn(&Finding) -> bool,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Verdict, ScenarioError> {
    let mut look = |finding: &Finding, _: &Schedule| match wanted(finding) {
        true => Judgement::Stop,
        false => Judgement::Continue,
    };
    within(scenario, plan, &mut look, progress)
}

/// Searches the schedules of a scenario as long as whoever looks at each failure says so.
pub(crate) fn within(
    scenario: &Scenario,
    plan: &Plan,
    look: &mut dyn FnMut(&Finding, &Schedule) -> Judgement,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Verdict, ScenarioError> {
    let explored = match ExploredWorld::new(scenario, &mut || progress(&Progress::default())) {
        Ok(explored) => explored,
        Err(Unfinished::Scenario(wrong)) => return Err(wrong),
        Err(Unfinished::Stopped) => {
            let outcomes = Outcomes::none_yet(scenario);
            let seen = Seen { outcomes, ..Seen::default() };
            return Ok(Verdict::NotFound { why: Limit::Asked, seen });
        }
    };
    let mut finding = None;
    let mut waiting = 0;
    let mut judge = |failure: &_, schedule: &Schedule| {
        let Some(now) = Finding::of(scenario, &explored, failure) else {
            waiting += 1;
            return Judgement::Continue;
        };
        let judgement = look(&now, schedule);
        if judgement == Judgement::Stop {
            finding = Some(now);
        }
        judgement
    };
    let outcome = Explorer::new().search(&mut &explored, plan, &mut judge, progress);
    let outcomes = explored.step_results().take();
    let lock_orders = wrong_orders(&explored.machine().nestings());
    let seen = |stats| Seen { stats, waiting, outcomes, lock_orders, ..Seen::default() };
    Ok(match (outcome, finding) {
        (Outcome::Found { schedule, bound, stats, .. }, Some(finding)) => {
            let (preemptions, drawn, mends) = (bound, None, Vec::new());
            let found = Box::new(Found { finding, schedule, preemptions, drawn, mends });
            Verdict::Found { found, seen: seen(stats) }
        }
        (Outcome::Found { stats, .. }, None) => {
            // The judge stops only at a finding.
            let why = Unproven::Doubt(Doubt::Unsteady { step: 0 });
            Verdict::Inconclusive { why, seen: seen(stats) }
        }
        (Outcome::Exhausted { stats }, _) => {
            Verdict::Exhausted { bound: plan.bound, seen: seen(stats) }
        }
        (Outcome::Stopped { limit, stats }, _) => {
            Verdict::NotFound { why: limit, seen: seen(stats) }
        }
        (Outcome::Inconclusive { why, stats }, _) => {
            Verdict::Inconclusive { why: Unproven::Doubt(why), seen: seen(stats) }
        }
    })
}
