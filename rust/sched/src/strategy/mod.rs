//! Past the bound: strategies that draw one execution after another.
//!
//! A search within a bound sees every schedule with few preemptions and none with more. What lies
//! beyond is too much to see whole, so it is sampled. The strategies differ in what they draw
//! evenly, and therefore in which bugs they meet often; each has its own file:
//!
//! | strategy | evenly over | meets |
//! |---|---|---|
//! | `random` | the next step | anything shallow, in short programs |
//! | `pct:D` | the order of tasks, and D-1 places to change it | a bug of depth D, with a known chance |
//! | `pos` | the order of operations that race | bugs among much code that does not matter |
//! | `urw` | whole interleavings | bugs in programs whose tasks differ in length |
//! | `surw` | interleavings of the operations on a few objects | bugs about few objects |
//! | `portfolio` | the strategies above, in turns | |
//!
//! Executions are numbered, and the n-th of a strategy and a seed is a function of those three alone:
//! one that failed can be run again, and several OS threads may share the numbers among them. Strategies
//! that must know how long tasks are take it from a [`Profile`], of the first few executions; those are
//! drawn by `pos`, which need not know, under every such strategy.

mod pct;
mod portfolio;
mod pos;
mod profile;
mod random;
mod sampler;
mod surw;
mod urw;

use core::fmt;
use core::str::FromStr;

use crate::place::{Place, State, tasks_of};
use crate::splitmix::SplitMix64;
use crate::step::{Effect, MOST_TASKS, Object, Task};

pub(crate) use pct::Pct;
use pos::Pos;
pub use profile::Profile;
pub(crate) use profile::Survey;
use random::Random;
pub(crate) use sampler::Sampler;
use surw::Surw;
use urw::Urw;

/// The deepest bug that PCT can be set on.
pub const DEEPEST: u8 = 16;
/// So many executions come before those of a strategy that needs a profile.
pub(crate) const SURVEYED: u64 = 8;

/// How executions are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// All of the others, in turns.
    Portfolio,
    /// Each task that can run is as likely to go on as any other.
    Random,
    /// Random priorities that change at `depth - 1` random places.
    Pct { depth: u8 },
    /// Random priorities of operations, drawn again after a race.
    Pos,
    /// All interleavings alike.
    Urw,
    /// All interleavings of the operations on a few objects alike.
    Surw,
}

impl Strategy {
    /// Who draws an execution: a portfolio's member, or the strategy itself; `pos`, if it is one of those
    /// from which the profile is learnt.
    #[must_use]
    pub fn of(self, execution: u64) -> Strategy {
        let member = match self {
            Strategy::Portfolio => portfolio::member(execution),
            alone => alone,
        };
        if execution < self.surveyed() { Strategy::Pos } else { member }
    }

    /// How many executions, from the first, are run to learn the profile.
    pub(crate) fn surveyed(self) -> u64 {
        match self {
            Strategy::Random | Strategy::Pos => 0,
            Strategy::Portfolio | Strategy::Pct { .. } | Strategy::Urw | Strategy::Surw => SURVEYED,
        }
    }

    fn walk(self, profile: &Profile, random: &mut SplitMix64) -> Box<dyn Walk> {
        match self {
            Strategy::Portfolio | Strategy::Random => Box::new(Random),
            Strategy::Pct { depth } => Box::new(Pct::new(depth, profile, random)),
            Strategy::Pos => Box::new(Pos::default()),
            Strategy::Urw => Box::new(Urw::new(profile)),
            Strategy::Surw => Box::new(Surw::new(profile, random)),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Strategy::Portfolio => f.write_str("portfolio"),
            Strategy::Random => f.write_str("random"),
            Strategy::Pct { depth } => write!(f, "pct:{depth}"),
            Strategy::Pos => f.write_str("pos"),
            Strategy::Urw => f.write_str("urw"),
            Strategy::Surw => f.write_str("surw"),
        }
    }
}

/// A word that names no strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadStrategy(String);

impl fmt::Display for BadStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(word) = self;
        write!(
            f,
            "no strategy is \"{word}\"; strategies are: portfolio, random, pct:1 to pct:{DEEPEST}, pos, urw, surw"
        )
    }
}

impl core::error::Error for BadStrategy {}

impl FromStr for Strategy {
    type Err = BadStrategy;

    fn from_str(word: &str) -> Result<Self, BadStrategy> {
        let bad = || BadStrategy(word.to_owned());
        match word {
            "portfolio" => Ok(Strategy::Portfolio),
            "random" => Ok(Strategy::Random),
            "pct" => Ok(Strategy::Pct { depth: 3 }),
            "pos" => Ok(Strategy::Pos),
            "urw" => Ok(Strategy::Urw),
            "surw" => Ok(Strategy::Surw),
            _ => {
                let depth = word.strip_prefix("pct:").ok_or_else(bad)?;
                let depth = depth.parse().ok().filter(|depth| (1..=DEEPEST).contains(depth));
                Ok(Strategy::Pct { depth: depth.ok_or_else(bad)? })
            }
        }
    }
}

/// What a strategy sees where a step is to be taken.
pub(crate) struct Crossroads<'a> {
    runnable: u16,
    places: &'a [Place; MOST_TASKS],
}

impl<'a> Crossroads<'a> {
    /// At least one task can run.
    pub(crate) fn new(runnable: u16, places: &'a [Place; MOST_TASKS]) -> Self {
        Crossroads { runnable, places }
    }

    /// The tasks that can run, as a mask.
    pub(crate) fn runnable(&self) -> u16 {
        self.runnable
    }

    /// The tasks that can run, in ascending order.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = Task> + use<> {
        tasks_of(self.runnable)
    }

    /// What a task is about to do; none if it goes round once more in a busy-wait.
    pub(crate) fn announced(&self, task: Task) -> Option<(Object, Effect)> {
        let Place { state, step, .. } = &self.places[usize::from(task.0)];
        (*state != State::Relaxing).then_some((step.object, step.effect))
    }

    /// Whether what two tasks are about to do does not commute.
    pub(crate) fn race(&self, one: Task, other: Task) -> bool {
        let (Some(one), Some(other)) = (self.announced(one), self.announced(other)) else {
            return false;
        };
        one.0 == other.0 && (one.1 == Effect::Write || other.1 == Effect::Write)
    }
}

/// One execution of a strategy.
pub(crate) trait Walk {
    /// Which task takes the next step. It is asked before every step, also where one task alone can
    /// run.
    fn next(&mut self, at: &Crossroads<'_>, random: &mut SplitMix64) -> Task;
}

/// One task of a mask, each as likely as its weight says; weights are above 0.
fn draw(mask: u16, random: &mut SplitMix64, weight: impl Fn(Task) -> u32) -> Task {
    let total = tasks_of(mask).fold(0u32, |sum, task| sum.saturating_add(weight(task)));
    let mut at = random.below(total.max(1));
    let mut last = Task(0);
    for task in tasks_of(mask) {
        last = task;
        match at.checked_sub(weight(task)) {
            Some(rest) => at = rest,
            None => break,
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_is_read_as_it_is_written() {
        use Strategy::{Pct, Portfolio, Pos, Random, Surw, Urw};
        let depths = (1..=DEEPEST).map(|depth| Pct { depth });
        for strategy in [Portfolio, Random, Pos, Urw, Surw].into_iter().chain(depths) {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
        }
        assert_eq!("pct".parse(), Ok(Pct { depth: 3 }));
    }

    #[test]
    fn a_word_that_is_no_strategy_is_refused_with_those_that_are() {
        for word in ["", "PCT", "pct:", "pct:0", "pct:17", "pct:2x", "uniform"] {
            let said = word.parse::<Strategy>().expect_err(word).to_string();
            assert!(said.contains(&format!("\"{word}\"")) && said.contains("portfolio"), "{said}");
        }
    }

    #[test]
    fn a_draw_follows_the_weights_and_stays_in_the_mask() {
        let mut random = SplitMix64::new(1);
        let mut hits = [0u32; MOST_TASKS];
        for _ in 0..8_000 {
            let task = draw(0b10_0110, &mut random, |task| u32::from(task.0));
            hits[usize::from(task.0)] += 1;
        }
        // 1 : 2 : 5 of 8,000.
        assert_eq!(hits.iter().sum::<u32>(), hits[1] + hits[2] + hits[5]);
        assert!(hits[1].abs_diff(1_000) < 130 && hits[2].abs_diff(2_000) < 170, "{hits:?}");
    }
}
