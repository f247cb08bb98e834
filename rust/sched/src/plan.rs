//! The words of a search: what is searched, what a caller says to what is found, and what it came to.

use crate::failure::Failure;
use crate::schedule::Schedule;

/// What to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The bounds `0..=bound` are searched; `None` searches once, without any bound, one execution of
    /// each class of those that differ only by the order of steps that commute.
    pub bound: Option<u32>,
    /// Executions in all, cut ones included.
    pub schedules_max: u64,
    /// Events in one execution.
    pub steps_max: u32,
    /// Memory for the cache of visited states; 0: nothing is cut, every execution is run to its end.
    /// Without a bound there is no cache, and one execution of each class is run unless this is 0.
    pub cache_bytes: usize,
}

impl Plan {
    /// Whether others can take part: see [`Explorer::lead`](crate::Explorer::lead).
    #[must_use]
    pub fn can_be_helped(&self) -> bool {
        self.bound.is_some() && self.cache_bytes > 0 && self.schedules_max == u64::MAX
    }
}

impl Default for Plan {
    fn default() -> Self {
        Plan { bound: Some(2), schedules_max: u64::MAX, steps_max: 100_000, cache_bytes: 256 << 20 }
    }
}

/// What the caller makes of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// This is what was looked for.
    Stop,
    /// Known or unwanted: count it and go on.
    Continue,
}

/// How far the search has come within its present bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    pub bound: Option<u32>,
    pub schedules: u64,
    pub pruned: u64,
    pub points: u64,
    /// The most events of one execution.
    pub longest: u32,
    /// An estimate of the share of this bound's tree that is done, from 0 to 1.
    pub fraction: f64,
}

/// The numbers of one bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub bound: Option<u32>,
    /// Executions that were not cut, failed ones included.
    pub schedules: u64,
    /// Executions cut because they came to a known state; without a bound, because whoever could go on
    /// was asleep.
    pub pruned: u64,
    /// Executions that failed.
    pub failures: u64,
    /// Executions that hit the limit of events.
    pub too_long: u64,
    /// Events, of cut executions too.
    pub points: u64,
    /// Those of them that repeated what an execution before did, to come to where the search goes on; told
    /// within a bound.
    pub repeated: u64,
    /// Those that were new and led to a known state.
    pub cut: u64,
    pub longest: u32,
    /// States in the cache, and those it had no room for.
    pub states: u64,
    pub refused: u64,
}

/// Why a search ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `schedules_max` was reached.
    Schedules,
    /// The progress callback said so.
    Asked,
}

/// Why a search proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Some executions hit the limit of events.
    TooLong,
    /// The model behaved differently under the same choices; the event where it showed.
    Unsteady { step: u32 },
    /// There was no memory for the tasks' stacks.
    NoStacks(String),
}

/// What a search came to. `stats` has one entry for each bound begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A failure that the judge stopped at.
    Found {
        failure: Failure,
        schedule: Schedule,
        bound: Option<u32>,
        stats: Vec<Stats>,
    },
    /// Every execution within the bound has been covered. Failures that the judge let pass are in
    /// the numbers.
    Exhausted {
        stats: Vec<Stats>,
    },
    /// Not all has been seen; what has been seen was right, or let pass.
    Stopped {
        limit: Limit,
        stats: Vec<Stats>,
    },
    Inconclusive {
        why: Doubt,
        stats: Vec<Stats>,
    },
}

impl Stats {
    /// What another thread has done of the same bound. States are those of the table that both share.
    pub(crate) fn absorb(&mut self, other: &Self) {
        let Self { schedules, pruned, failures, too_long, points, repeated, cut, longest, .. } =
            *other;
        self.schedules += schedules;
        self.pruned += pruned;
        self.failures += failures;
        self.too_long += too_long;
        self.points += points;
        self.repeated += repeated;
        self.cut += cut;
        self.longest = self.longest.max(longest);
    }
}

impl Outcome {
    /// The numbers of each bound begun.
    #[must_use]
    pub fn stats(&self) -> &[Stats] {
        match self {
            Outcome::Found { stats, .. }
            | Outcome::Exhausted { stats }
            | Outcome::Stopped { stats, .. }
            | Outcome::Inconclusive { stats, .. } => stats,
        }
    }
}

impl Progress {
    /// So many points of the execution under way included, and what others have done.
    pub(crate) fn of(stats: &Stats, others: &Stats, under_way: u64, fraction: f64) -> Self {
        let mut all = stats.clone();
        all.absorb(others);
        let Stats { bound, schedules, pruned, points, longest, .. } = all;
        Self { bound, schedules, pruned, points: points + under_way, longest, fraction }
    }
}
