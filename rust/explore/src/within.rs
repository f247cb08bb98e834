//! The schedules of one scenario, as long as whoever looks at each failure says so, on one thread or on several.
//!
//! Where several may take part, each has a world of its own, made once there is something to do for it. What they come
//! to is what one comes to, but for the numbers (`pgmap_sched::crew`).

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::thread;

use pgmap_sched::{
    Control, Crew, Doubt, Explorer, Failure, Judgement, Limit, Outcome, Plan, Progress, Schedule,
};

use crate::explored::ExploredWorld;
use crate::finding::Finding;
use crate::found::Found;
use crate::lock_order::wrong_orders;
use crate::outcomes::Outcomes;
use crate::parallel::processors;
use crate::scenario::{Scenario, ScenarioError, Unfinished};
use crate::verdict::{Seen, Unproven, Verdict};

/// Searches for the first failure that is wanted.
pub(crate) fn first(
    scenario: &Scenario,
    plan: &Plan,
    threads: NonZeroUsize,
    wanted: &dyn Fn(&Finding) -> bool,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Verdict, ScenarioError> {
    let mut look = |finding: &Finding, _: &Schedule| match wanted(finding) {
        true => Judgement::Stop,
        false => Judgement::Continue,
    };
    within(scenario, plan, threads, &mut look, progress)
}

/// Searches the schedules of a scenario as long as whoever looks at each failure says so.
///
/// There are no more threads than processors, whatever was asked for: more would do the same work.
pub(crate) fn within(
    scenario: &Scenario,
    plan: &Plan,
    threads: NonZeroUsize,
    look: &mut dyn FnMut(&Finding, &Schedule) -> Judgement,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Verdict, ScenarioError> {
    let helpers = if plan.can_be_helped() { threads.min(processors()).get() - 1 } else { 0 };
    let crew = Crew::new();
    thread::scope(|scope| {
        let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(|| help(scenario, &crew))).collect();
        let led = {
            let _over = Over(&crew);
            lead(scenario, plan, &crew, look, progress)
        };
        let mut verdict = led?;
        for helper in helpers {
            let seen = helper.join().unwrap_or_else(|panic| resume_unwind(panic));
            verdict.seen_mut().absorb(seen);
        }
        Ok(verdict)
    })
}

/// Dismisses a crew, also when its leader panics: helpers would wait for ever.
struct Over<'a>(&'a Crew);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.dismiss();
    }
}

/// Helps with what somebody else leads; what was seen.
fn help(scenario: &Scenario, crew: &Crew) -> Seen {
    if !crew.is_wanted() {
        return Seen::default();
    }
    // What is wrong with the scenario the leader says.
    let Ok(explored) = ExploredWorld::new(scenario, &mut || crew.control()) else {
        return Seen::default();
    };
    let mut waiting = 0;
    let mut judge = |failure: &Failure| match Finding::of(scenario, &explored, failure) {
        Some(_) => Judgement::Stop,
        None => {
            waiting += 1;
            Judgement::Continue
        }
    };
    Explorer::new().help(&mut &explored, crew, &mut judge);
    let outcomes = explored.step_results().take();
    let lock_orders = wrong_orders(&explored.machine().nestings());
    Seen { waiting, outcomes, lock_orders, ..Seen::default() }
}

fn lead(
    scenario: &Scenario,
    plan: &Plan,
    crew: &Crew,
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
    let outcome =
        Explorer::kept(|explorer| explorer.lead(&mut &explored, plan, crew, &mut judge, progress));
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
