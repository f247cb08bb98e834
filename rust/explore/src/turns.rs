//! A search: within bounds, at random beyond them, or both in turns.
//!
//! Bounds that are exhausted come first: what fails within them fails with the fewest preemptions, and what is
//! beyond is sampled afterwards. Bounds that are not exhausted after a turn share what is left with the sample,
//! because no number of executions says how far they still are from a failure that needs many preemptions. Each
//! time the bounds are searched anew, and longer: all searches before the last together cost a fifteenth of it.

use pgmap_sched::{Control, Limit, Plan, Progress, SampleStats, Stats};

use crate::beyond::{Beyond, End, draw};
use crate::scenario::{Scenario, ScenarioError};
use crate::verdict::{Verdict, explore};

/// Executions of the first turn, and how much longer each next one is.
const FIRST_TURN: u64 = 256;
const LONGER: u64 = 16;

/// A search: within bounds, beyond them, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    pub bounds: Option<Plan>,
    pub beyond: Option<Beyond>,
    /// Executions in all, cut ones included.
    pub schedules_max: u64,
}

/// How far a search has come.
#[derive(Clone, Copy, Debug)]
pub enum Look<'a> {
    Bounds(&'a Progress),
    Beyond(&'a SampleStats),
}

/// Searches the schedules of a scenario within bounds, or at random, or both.
///
/// # Errors
/// Why there is nothing to explore.
pub fn search(
    scenario: &Scenario,
    search: &Search,
    progress: &mut dyn FnMut(&Look<'_>) -> Control,
) -> Result<Verdict, ScenarioError> {
    let mut so_far = SoFar { left: search.schedules_max, ..SoFar::default() };
    let mut turn = FIRST_TURN;
    loop {
        if let Some(verdict) = so_far.bounds(scenario, search, turn, progress)? {
            return Ok(verdict);
        }
        if let Some(verdict) = so_far.sample(scenario, search, turn, progress)? {
            return Ok(verdict);
        }
        if so_far.is_over(search) {
            return Ok(so_far.verdict());
        }
        turn = turn.saturating_mul(LONGER);
    }
}

/// A search that has come this far without a verdict.
#[derive(Default)]
struct SoFar {
    /// Executions that may still be run.
    left: u64,
    /// The bound that is exhausted.
    exhausted: Option<u32>,
    /// Of the last search of the bounds.
    stats: Vec<Stats>,
    waiting: u64,
    sample: Option<SampleStats>,
    waiting_beyond: u64,
    asked: bool,
}

impl SoFar {
    fn drawn(&self) -> u64 {
        self.sample.as_ref().map_or(0, |sample| sample.executions)
    }

    /// How many executions may be drawn all in all.
    fn to_draw(&self, search: &Search) -> u64 {
        let most = search.beyond.map_or(0, |beyond| beyond.executions);
        most.min(self.drawn().saturating_add(self.left))
    }

    /// The bounds, from the start, for a turn if something is to be drawn as well. A verdict, if there is one.
    fn bounds(
        &mut self,
        scenario: &Scenario,
        search: &Search,
        turn: u64,
        progress: &mut dyn FnMut(&Look<'_>) -> Control,
    ) -> Result<Option<Verdict>, ScenarioError> {
        let Some(plan) = search.bounds else { return Ok(None) };
        // Without a bound there is nothing beyond.
        let alone = plan.bound.is_none() || self.drawn() >= self.to_draw(search);
        let most = self.left.min(if alone { u64::MAX } else { turn });
        let plan = Plan { schedules_max: plan.schedules_max.min(most), ..plan };
        let verdict = explore(scenario, &plan, &mut |at| progress(&Look::Bounds(at)))?;
        let used: u64 = verdict.stats().iter().map(|now| now.schedules + now.pruned).sum();
        self.left = self.left.saturating_sub(used);
        match verdict {
            Verdict::Exhausted { bound: Some(bound), stats, waiting, .. } => {
                self.exhausted = Some(bound);
                (self.stats, self.waiting) = (stats, waiting);
                Ok(None)
            }
            Verdict::NotFound { why: Limit::Schedules, stats, waiting, .. } if !alone => {
                (self.stats, self.waiting) = (stats, waiting);
                Ok(None)
            }
            other => Ok(Some(other.after(self.sample.take(), self.waiting_beyond))),
        }
    }

    /// A turn of the sample, or all of it if the bounds have nothing more to do.
    fn sample(
        &mut self,
        scenario: &Scenario,
        search: &Search,
        turn: u64,
        progress: &mut dyn FnMut(&Look<'_>) -> Control,
    ) -> Result<Option<Verdict>, ScenarioError> {
        let Some(beyond) = search.beyond else { return Ok(None) };
        let first = self.drawn();
        let shared = search.bounds.is_some() && self.exhausted.is_none();
        let until = if shared { first.saturating_add(turn) } else { u64::MAX };
        let until = until.min(self.to_draw(search));
        if until <= first {
            return Ok(None);
        }
        let seen = self.sample.take().unwrap_or_default();
        let drawn =
            draw(scenario, &beyond, first..until, seen, &mut |now| progress(&Look::Beyond(now)))?;
        let seen = drawn.stats;
        self.left = self.left.saturating_sub(seen.executions - first);
        self.waiting_beyond += drawn.waiting;
        self.asked = drawn.why == Limit::Asked;
        let stats = core::mem::take(&mut self.stats);
        match drawn.end {
            End::Through => {
                (self.stats, self.sample) = (stats, Some(seen));
                Ok(None)
            }
            End::Found(found) => Ok(Some(Verdict::Found { found, stats, sample: Some(seen) })),
            End::Doubt(why) => Ok(Some(Verdict::Inconclusive { why, stats })),
        }
    }

    fn is_over(&self, search: &Search) -> bool {
        self.asked || self.left == 0 || self.exhausted.is_some() || search.bounds.is_none()
    }

    fn verdict(self) -> Verdict {
        let Self { stats, sample, .. } = self;
        let waiting = self.waiting + self.waiting_beyond;
        match self.exhausted {
            Some(bound) => Verdict::Exhausted { bound: Some(bound), stats, waiting, sample },
            None => {
                let why = if self.asked { Limit::Asked } else { Limit::Schedules };
                Verdict::NotFound { why, stats, waiting, sample }
            }
        }
    }
}
