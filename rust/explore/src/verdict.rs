//! What a search came to.

use pgmap_sched::{Doubt, Limit, SampleStats, Stats};
use serde::Serialize;

use crate::finding::{Blame, Finding};
use crate::found::Found;
use crate::lock_order::{self, WrongOrder};
use crate::mend::{Mend, mends};
use crate::outcomes::Outcomes;
use crate::scenario::Scenario;

/// Which failures end a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Every one.
    Any,
    /// Those that are news: races that the era is known for are passed over, and counted.
    News,
    /// As `News`, and only those that the rules are to blame for.
    Blamed,
}

impl Ends {
    pub(crate) fn wants(self, finding: &Finding) -> bool {
        match self {
            Self::Any | Self::News => true,
            Self::Blamed => finding.blame == Blame::Rules,
        }
    }

    /// What is mended to see behind the known races.
    pub(crate) fn mends(self, scenario: &Scenario) -> Vec<Mend> {
        match self {
            Self::Any => Vec::new(),
            Self::News | Self::Blamed => mends(scenario),
        }
    }
}

/// What a search has seen, whatever it came to: what every verdict carries.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The numbers of each bound begun.
    pub stats: Vec<Stats>,
    /// Executions that were drawn at random, beyond the bounds or in their place; none if none were.
    pub sample: Option<SampleStats>,
    /// Executions, drawn or not, that end with everybody waiting for what the program never gives back.
    pub waiting: u64,
    /// Races of the era that executions ended in.
    pub known: Vec<Met>,
    /// Executions with those races mended, to see what they may hide.
    pub again: u64,
    /// What each step came to.
    pub outcomes: Outcomes,
    /// Locks that were waited for in the wrong order.
    pub lock_orders: Vec<WrongOrder>,
}

impl Seen {
    /// What another search of the same scenario has seen, too.
    pub(crate) fn absorb(&mut self, other: Self) {
        let Self { stats, sample, waiting, known, again, outcomes, lock_orders } = other;
        self.stats.extend(stats);
        match (&mut self.sample, sample) {
            (Some(mine), Some(theirs)) => mine.merge(&theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
        self.waiting += waiting;
        known.into_iter().for_each(|met| join(&mut self.known, met));
        self.again += again;
        self.outcomes.absorb(outcomes);
        lock_order::join(&mut self.lock_orders, lock_orders);
    }

    /// Executions that were drawn at random.
    #[must_use]
    pub fn drawn(&self) -> u64 {
        self.sample.as_ref().map_or(0, |sample| sample.executions)
    }

    /// Whether executions came to an end, and all of them in the program's own wait or in a known race.
    fn all_wait(&self) -> bool {
        let met: u64 = self.known.iter().map(|met| met.times).sum();
        self.waiting > 0 && self.waiting + met == self.schedules() + self.drawn()
    }

    /// Executions within bounds, cut ones included, and drawn ones.
    pub(crate) fn executions(&self) -> u64 {
        let within: u64 = self.stats.iter().map(|now| now.schedules + now.pruned).sum();
        within + self.drawn()
    }

    /// Executions that were cut at the limit of their events, so that nobody knows how they end.
    #[must_use]
    pub fn cut(&self) -> u64 {
        let within: u64 = self.stats.iter().map(|stats| stats.too_long).sum();
        within + self.sample.as_ref().map_or(0, |sample| sample.too_long)
    }

    /// Events, of cut executions too.
    #[must_use]
    pub fn points(&self) -> u64 {
        let within: u64 = self.stats.iter().map(|stats| stats.points).sum();
        within + self.sample.as_ref().map_or(0, |sample| sample.points)
    }

    /// Executions within bounds.
    #[must_use]
    pub fn schedules(&self) -> u64 {
        self.stats.iter().map(|stats| stats.schedules).sum()
    }
}

/// What a search came to. All of them hold for the scenario's memory and sizes. Where that memory has store
/// buffers or TLBs load ahead, each store that waits and each such load counts as a preemption.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// This is broken.
    Found { found: Box<Found>, seen: Seen },
    /// Nothing is, in any schedule of the program with at most so many preemptions.
    Exhausted { bound: Option<u32>, seen: Seen },
    /// Nothing was found before the budget was spent.
    NotFound { why: Limit, seen: Seen },
    /// The search proves nothing, and says why.
    Inconclusive { why: Unproven, seen: Seen },
}

/// Why a search proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// The executions cannot be trusted, or do not end.
    Doubt(Doubt),
    /// None of them ends otherwise than in a wait for what the program never gives back.
    AllWait,
}

impl Verdict {
    /// What the search has seen.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        match self {
            Self::Found { seen, .. }
            | Self::Exhausted { seen, .. }
            | Self::NotFound { seen, .. }
            | Self::Inconclusive { seen, .. } => seen,
        }
    }

    /// As good as the search with the known races mended, without which failures cannot be told from those.
    pub(crate) fn weakened(self, behind: Option<&Self>) -> Self {
        match (self, behind) {
            (Self::Exhausted { seen, .. }, Some(Self::NotFound { why, .. })) => {
                Self::NotFound { why: *why, seen }
            }
            (
                Self::Exhausted { seen, .. } | Self::NotFound { seen, .. },
                Some(Self::Inconclusive { why, .. }),
            ) => Self::Inconclusive { why: why.clone(), seen },
            (verdict, _) => verdict,
        }
    }

    /// Never green if executions were cut before their end, or nothing but the program's own waits was seen.
    pub(crate) fn honest(self) -> Self {
        match self {
            Self::Exhausted { mut seen, .. } | Self::NotFound { mut seen, .. }
                if seen.cut() > 0 =>
            {
                seen.outcomes.take_as_met();
                Self::Inconclusive { why: Unproven::Doubt(Doubt::TooLong), seen }
            }
            Self::Exhausted { seen, .. } | Self::NotFound { seen, .. } if seen.all_wait() => {
                Self::Inconclusive { why: Unproven::AllWait, seen }
            }
            other => other,
        }
    }

    /// The verdict, with what was seen before it fell.
    pub(crate) fn after(mut self, earlier: Seen) -> Self {
        let seen = self.seen_mut();
        let later = core::mem::replace(seen, earlier);
        seen.absorb(later);
        self
    }

    pub(crate) fn seen_mut(&mut self) -> &mut Seen {
        match self {
            Self::Found { seen, .. }
            | Self::Exhausted { seen, .. }
            | Self::NotFound { seen, .. }
            | Self::Inconclusive { seen, .. } => seen,
        }
    }
}

/// Known races that were met: each once, with how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Met {
    pub id: String,
    pub title: &'static str,
    /// Executions that ended in it.
    pub times: u64,
    pub goes_away_with: String,
    /// The first of them.
    pub token: String,
}

/// Adds a race to those that were met.
pub(crate) fn join(met: &mut Vec<Met>, one: Met) {
    match met.iter_mut().find(|met| met.id == one.id) {
        Some(met) => met.times += one.times,
        None => met.push(one),
    }
}
