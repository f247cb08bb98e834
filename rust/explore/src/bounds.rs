//! The search within bounds, and what known races hide from it.

use std::num::NonZeroUsize;

use pgmap_sched::{Control, Judgement, Plan, Progress, Schedule};

use crate::finding::Finding;
use crate::known::Passed;
use crate::mend::mended;
use crate::replay::{fails_alike, if_asked};
use crate::scenario::{Scenario, ScenarioError};
use crate::verdict::{Ends, Verdict};
use crate::within::{first, within};

/// Searches the schedules of a scenario, bound after bound, on this thread.
///
/// # Errors
/// Why there is nothing to explore.
pub fn explore(
    scenario: &Scenario,
    plan: &Plan,
    ends: Ends,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Verdict, ScenarioError> {
    explore_on(NonZeroUsize::MIN, scenario, plan, ends, progress)
}

/// Searches the schedules of a scenario, bound after bound, on so many threads. Any number comes to the same, but for
/// the numbers.
///
/// Where the era is known to have races, an execution ends at one and the search does not. What known races may
/// hide is seen with all of them mended, which also decides what is one: a failure that does not go away is news.
///
/// # Errors
/// Why there is nothing to explore.
pub fn explore_on(
    threads: NonZeroUsize,
    scenario: &Scenario,
    plan: &Plan,
    ends: Ends,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Verdict, ScenarioError> {
    let wanted = |finding: &Finding| ends.wants(finding);
    let mends = ends.mends(scenario);
    let (found, seen) = match first(scenario, plan, threads, &wanted, progress)? {
        Verdict::Found { found, seen } => (found, seen),
        nothing => return Ok(nothing),
    };
    let again = mended(scenario, &mends);
    if mends.is_empty() || fails_alike(&again, &found.finding, &found.schedule).is_some() {
        return Ok(Verdict::Found { found, seen });
    }
    let behind = match first(&again, plan, threads, &wanted, progress) {
        Ok(Verdict::Found { mut found, seen }) => {
            found.mends = mends;
            return Ok(Verdict::Found { found: Box::new(if_asked(*found, scenario)), seen });
        }
        Ok(nothing) => Some(nothing),
        // What cannot be set up with the mends on has nothing to hide.
        Err(_) => None,
    };
    let mut passed = Passed::default();
    let mut all = |finding: &Finding, schedule: &Schedule| {
        if ends.wants(finding) {
            passed.add(finding.clone(), schedule, plan.bound);
        }
        Judgement::Continue
    };
    let mut last = Progress::default();
    let verdict = within(scenario, plan, threads, &mut all, &mut |now| {
        last = *now;
        progress(now)
    })?;
    let mut verdict = verdict.weakened(behind.as_ref());
    let seen = verdict.seen_mut();
    seen.again = behind.as_ref().map_or(0, |behind| behind.seen().executions());
    seen.known = passed.named(scenario, &mends, &mut || progress(&last));
    Ok(verdict)
}
