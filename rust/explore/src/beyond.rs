//! Executions drawn at random.
//!
//! What is drawn depends on strategy and seed alone, not on the number of threads: executions are numbered,
//! threads take them by the block, each with a [`Lab`] of its own, and the blocks are looked at in
//! order. So the failure reported is the one with the lowest number.

use std::num::NonZeroUsize;
use std::ops::Range;

use pgmap_sched::{
    Control, Doubt, Explorer, Judgement, Limit, Profile, SampleStats, Sampled, Sampling, Schedule,
    Strategy,
};

use crate::finding::Finding;
use crate::lab::Lab;
use crate::parallel::{Enough, in_order};
use crate::scenario::{Scenario, ScenarioError};
use crate::verdict::{Found, Seen};

/// Executions that a thread takes at a time.
const BLOCK: u64 = 64;

/// What to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beyond {
    pub strategy: Strategy,
    pub seed: u64,
    /// Executions at most.
    pub executions: u64,
    /// Events in one execution.
    pub steps_max: u32,
    pub threads: NonZeroUsize,
}

/// Where a drawn execution comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// What was asked for.
    pub strategy: Strategy,
    pub seed: u64,
    /// Its number. So many executions came before it.
    pub execution: u64,
}

impl Drawn {
    /// The strategy that drew it: a portfolio's member, or the one asked for.
    #[must_use]
    pub fn by(&self) -> Strategy {
        self.strategy.of(self.execution)
    }
}

/// What came of one block.
struct Block {
    seen: Seen,
    end: End,
}

pub(crate) enum End {
    Through,
    Found(Box<Found>),
    Doubt(Doubt),
}

/// What a thread needs for its blocks.
struct Bench {
    lab: Lab,
    explorer: Explorer,
    profile: Profile,
}

impl Bench {
    fn new(scenario: &Scenario, sampling: &Sampling) -> Result<Self, ScenarioError> {
        let lab = Lab::new(scenario)?;
        let mut explorer = Explorer::new();
        let profile = explorer.survey(&mut &lab, sampling);
        Ok(Self { lab, explorer, profile })
    }

    fn run(&mut self, scenario: &Scenario, sampling: &Sampling, enough: &Enough) -> Block {
        let Self { lab, explorer, profile } = self;
        let lab = &*lab;
        let mut finding = None;
        let mut waiting = 0;
        let mut judge = |failure: &_, _: &Schedule| {
            finding = Finding::of(scenario, lab, failure);
            if finding.is_some() {
                return Judgement::Stop;
            }
            waiting += 1;
            Judgement::Continue
        };
        let mut progress = |_: &_| enough.control();
        let sampled = explorer.sample(&mut &*lab, sampling, profile, &mut judge, &mut progress);
        let (stats, end) = match (sampled, finding) {
            (Sampled::Found { schedule, execution, stats, .. }, Some(finding)) => {
                let Sampling { strategy, seed, .. } = *sampling;
                let drawn = Some(Drawn { strategy, seed, execution });
                (stats, End::Found(Box::new(Found { finding, schedule, preemptions: None, drawn })))
            }
            (Sampled::Found { stats, .. }, None) => {
                // The judge stops only at a finding.
                (stats, End::Doubt(Doubt::Unsteady { step: 0 }))
            }
            (Sampled::Spent { stats } | Sampled::Stopped { stats }, _) => (stats, End::Through),
            (Sampled::Inconclusive { why, stats }, _) => (stats, End::Doubt(why)),
        };
        Block { seen: Seen { sample: Some(stats), waiting, ..Seen::default() }, end }
    }
}

/// What came of all blocks.
pub(crate) struct Sample {
    pub(crate) seen: Seen,
    pub(crate) end: End,
    /// Why it ended, if by nothing else.
    pub(crate) why: Limit,
}

/// Draws these executions of a scenario; what they show is added to what earlier ones did.
pub(crate) fn draw(
    scenario: &Scenario,
    beyond: &Beyond,
    numbers: Range<u64>,
    before: Seen,
    progress: &mut dyn FnMut(&SampleStats) -> Control,
) -> Result<Sample, ScenarioError> {
    let Beyond { strategy, seed, steps_max, threads, .. } = *beyond;
    let block = |first: u64| {
        let until = first.saturating_add(BLOCK).min(numbers.end);
        Sampling { strategy, seed, first, until, steps_max }
    };
    let count = (numbers.end - numbers.start).div_ceil(BLOCK);
    let blocks = (0..count).map(|nth| block(numbers.start + nth * BLOCK));
    // Each thread sets up a lab, so none is made for nothing.
    let most = usize::try_from(count).ok().and_then(NonZeroUsize::new).unwrap_or(threads);
    let mut seen = before;
    let (mut why, mut end) = (Limit::Schedules, Ok(End::Through));
    in_order(
        threads.min(most),
        blocks,
        || Bench::new(scenario, &block(numbers.start)),
        |bench, sampling, enough| match bench {
            Ok(bench) => Ok(bench.run(scenario, &sampling, enough)),
            Err(wrong) => Err(wrong.clone()),
        },
        &mut |block: Option<Result<Block, ScenarioError>>| {
            if let Some(block) = block {
                end = block.map(|block| {
                    seen.absorb(block.seen);
                    block.end
                });
                if !matches!(end, Ok(End::Through)) {
                    return Control::Stop;
                }
            }
            let control = progress(seen.sample.get_or_insert_default());
            if control == Control::Stop {
                why = Limit::Asked;
            }
            control
        },
    );
    Ok(Sample { seen, end: end?, why })
}
