//! A search: within bounds, at random beyond them, or both in turns.
//!
//! Bounds that are exhausted come first: what fails within them fails with the fewest preemptions, and what is
//! beyond is sampled afterwards. Bounds that are not exhausted after a turn share what is left with the sample,
//! because no number of executions says how far they still are from a failure that needs many preemptions. A
//! program of which nothing can be reordered is not drawn again and again: see `one_class`. Each
//! time the bounds are searched anew, and longer: all searches before the last together cost a fifteenth of it.

use std::num::NonZeroUsize;

use pgmap_sched::{Control, Doubt, Limit, Plan, Progress, SampleStats};

use crate::bounds::{explore, explore_on};
use crate::sampling::{End, RandomSearch, draw};
use crate::scenario::{Scenario, ScenarioError};
use crate::verdict::{Ends, Seen, Unproven, Verdict};

/// Executions of the first turn, and how much longer each next one is.
const FIRST_TURN: u64 = 256;
const LONGER: u64 = 16;

/// A search: within bounds, beyond them, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    pub bounds: Option<Plan>,
    pub random: Option<RandomSearch>,
    /// Executions in all, cut ones included.
    pub schedules_max: u64,
    /// OS threads within the bounds. They all take part once nothing but the search itself ends it: in turns, and with a
    /// limit on executions, how far it comes must not depend on them.
    pub threads: NonZeroUsize,
    /// What ends it.
    pub ends: Ends,
}

/// How far a search has come.
#[derive(Clone, Copy, Debug)]
pub enum Look<'a> {
    Bounds(&'a Progress),
    Drawn(&'a SampleStats),
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
    let verdict = loop {
        if let Some(verdict) = so_far.bounds(scenario, search, turn, progress)? {
            break verdict;
        }
        if let Some(verdict) = so_far.sample(scenario, search, turn, progress)? {
            break verdict;
        }
        if let Some(verdict) = so_far.one_class(scenario, search, turn, progress)? {
            break verdict;
        }
        if so_far.is_over(search) {
            break so_far.verdict();
        }
        turn = turn.saturating_mul(LONGER);
    };
    Ok(verdict.honest())
}

/// A search that has come this far without a verdict.
#[derive(Default)]
struct SoFar {
    /// Executions that may still be run.
    left: u64,
    /// The bound that is exhausted.
    exhausted: Option<u32>,
    /// Of the last search of the bounds.
    within: Seen,
    /// Of all that was drawn.
    drawn: Seen,
    /// Whether one class was all, and the search without a bound was tried.
    tried: bool,
    asked: bool,
}

impl SoFar {
    /// How many executions may be drawn all in all.
    fn to_draw(&self, search: &Search) -> u64 {
        let most = search.random.map_or(0, |random| random.executions);
        most.min(self.drawn.drawn().saturating_add(self.left))
    }

    /// The bounds, from the start, for a turn if something is to be drawn as well. A verdict, if there is one.
    fn bounds(
        &mut self,
        scenario: &Scenario,
        search: &Search,
        turn: u64,
        progress: &mut dyn FnMut(&Look<'_>) -> Control,
    ) -> Result<Option<Verdict>, ScenarioError> {
        let Some(plan) = search.bounds.filter(|_| self.exhausted.is_none()) else {
            return Ok(None);
        };
        // Without a bound there is nothing beyond.
        let alone = plan.bound.is_none() || self.drawn.drawn() >= self.to_draw(search);
        let most = self.left.min(if alone { u64::MAX } else { turn });
        let plan = Plan { schedules_max: plan.schedules_max.min(most), ..plan };
        let verdict = explore_on(search.threads, scenario, &plan, search.ends, &mut |at| {
            progress(&Look::Bounds(at))
        })?;
        let used = verdict.seen();
        self.left = self.left.saturating_sub(used.executions() + used.again);
        match verdict {
            Verdict::Exhausted { bound: Some(bound), seen } => {
                (self.exhausted, self.within) = (Some(bound), seen);
                Ok(None)
            }
            // Some executions were cut, but all were begun: what is beyond may still fail.
            Verdict::Inconclusive { why: Unproven::Doubt(Doubt::TooLong), seen }
                if plan.bound.is_some() =>
            {
                (self.exhausted, self.within) = (plan.bound, seen);
                Ok(None)
            }
            Verdict::NotFound { why: Limit::Schedules, seen } if !alone => {
                self.within = seen;
                Ok(None)
            }
            Verdict::NotFound { why, seen } => {
                // Each turn begins anew, so one that is cut short may have seen less than the one before.
                let before = core::mem::take(&mut self.within);
                let seen = if before.schedules() > seen.schedules() { before } else { seen };
                let verdict = Verdict::NotFound { why, seen };
                Ok(Some(verdict.after(core::mem::take(&mut self.drawn))))
            }
            other => Ok(Some(other.after(core::mem::take(&mut self.drawn)))),
        }
    }

    /// A turn of the sample; after the first all of it, if the bounds have nothing more to do.
    fn sample(
        &mut self,
        scenario: &Scenario,
        search: &Search,
        turn: u64,
        progress: &mut dyn FnMut(&Look<'_>) -> Control,
    ) -> Result<Option<Verdict>, ScenarioError> {
        let Some(random) = search.random else { return Ok(None) };
        let first = self.drawn.drawn();
        let shared = search.bounds.is_some() && self.exhausted.is_none();
        let until = if shared || first == 0 { first.saturating_add(turn) } else { u64::MAX };
        let until = until.min(self.to_draw(search));
        if until <= first {
            return Ok(None);
        }
        let before = core::mem::take(&mut self.drawn);
        let drawn = draw(scenario, &random, search.ends, first..until, before, &mut |now| {
            progress(&Look::Drawn(now))
        })?;
        self.drawn = drawn.seen;
        self.left = self.left.saturating_sub(self.drawn.drawn() - first);
        self.asked = drawn.why == Limit::Asked;
        Ok(match drawn.end {
            End::Through => None,
            End::Found(found) => Some(Verdict::Found { found, seen: self.seen() }),
            End::Doubt(why) => {
                let why = Unproven::Doubt(why);
                Some(Verdict::Inconclusive { why, seen: self.seen() })
            }
        })
    }

    /// Where all that was drawn is of one class, there may be no other: then a search without a bound, which runs
    /// one execution of each class, ends soon, and nothing is left to draw. If it does not, that was no proof.
    fn one_class(
        &mut self,
        scenario: &Scenario,
        search: &Search,
        turn: u64,
        progress: &mut dyn FnMut(&Look<'_>) -> Control,
    ) -> Result<Option<Verdict>, ScenarioError> {
        let Some(random) = search.random else { return Ok(None) };
        let one = self.drawn.sample.as_ref().is_some_and(|sample| sample.coverage.classes() == 1);
        if !one || self.tried || self.asked || self.left == 0 {
            return Ok(None);
        }
        self.tried = true;
        let plan = Plan {
            bound: None,
            schedules_max: self.left.min(turn),
            steps_max: random.steps_max,
            ..Plan::default()
        };
        let verdict = explore(scenario, &plan, search.ends, &mut |at| progress(&Look::Bounds(at)))?;
        let used = verdict.seen();
        self.left = self.left.saturating_sub(used.executions() + used.again);
        Ok(match verdict {
            Verdict::NotFound { why, .. } => {
                self.asked = why == Limit::Asked;
                None
            }
            other => Some(other.after(self.seen())),
        })
    }

    /// All that was seen, within the bounds and beyond them.
    fn seen(&mut self) -> Seen {
        let mut seen = core::mem::take(&mut self.within);
        seen.absorb(core::mem::take(&mut self.drawn));
        seen
    }

    fn is_over(&self, search: &Search) -> bool {
        let drawn = self.drawn.drawn() >= self.to_draw(search);
        let bounds_are_over = self.exhausted.is_some() || search.bounds.is_none();
        self.asked || self.left == 0 || bounds_are_over && drawn
    }

    fn verdict(mut self) -> Verdict {
        let seen = self.seen();
        match self.exhausted {
            Some(bound) => Verdict::Exhausted { bound: Some(bound), seen },
            None => {
                let why = if self.asked { Limit::Asked } else { Limit::Schedules };
                Verdict::NotFound { why, seen }
            }
        }
    }
}
