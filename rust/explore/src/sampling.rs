//! Executions drawn at random.
//!
//! What is drawn depends on strategy and seed alone, not on the number of threads: executions are numbered,
//! threads take them by the block, each with an [`ExploredWorld`] of its own, and the blocks are looked at in
//! order. So the failure reported is the one with the lowest number.

use std::num::NonZeroUsize;
use std::ops::Range;

use pgmap_sched::{
    Control, Doubt, Explorer, Judgement, Limit, Profile, SampleStats, Sampled, Sampling, Schedule,
    Strategy,
};

use crate::explored::ExploredWorld;
use crate::finding::Finding;
use crate::found::{Drawn, Found};
use crate::known::Passed;
use crate::lock_order::wrong_orders;
use crate::mend::mended;
use crate::parallel::{Enough, in_order};
use crate::replay::{fails_alike, if_asked};
use crate::scenario::{Scenario, ScenarioError, Unfinished};
use crate::verdict::{Ends, Seen, join};

/// Executions that a thread takes at a time.
const BLOCK: u64 = 64;

/// What to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomSearch {
    pub strategy: Strategy,
    pub seed: u64,
    /// Executions at most.
    pub executions: u64,
    /// Events in one execution.
    pub steps_max: u32,
    pub threads: NonZeroUsize,
}

/// What came of one block.
struct Block {
    seen: Seen,
    passed: Passed,
    end: End,
}

pub(crate) enum End {
    Through,
    Found(Box<Found>),
    Doubt(Doubt),
}

impl Block {
    fn nothing() -> Self {
        Self { seen: Seen::default(), passed: Passed::default(), end: End::Through }
    }
}

/// What a thread needs for its blocks.
struct Bench {
    explored: ExploredWorld,
    explorer: Explorer,
    profile: Profile,
}

impl Bench {
    fn new(scenario: &Scenario, sampling: &Sampling, enough: &Enough) -> Result<Self, Unfinished> {
        let explored = ExploredWorld::new(scenario, &mut || enough.control())?;
        let mut explorer = Explorer::new();
        let profile = explorer.survey(&mut &explored, sampling, &mut || enough.control());
        // Those executions are run again when their turn comes.
        explored.step_results().take();
        Ok(Self { explored, explorer, profile })
    }

    fn run(
        &mut self,
        scenario: &Scenario,
        sampling: &Sampling,
        over: &dyn Fn(&Finding) -> Over,
        enough: &Enough,
    ) -> Block {
        let mut block = Block::nothing();
        let mut next = sampling.first;
        // One more turn for each failure that is passed over.
        while next < sampling.until && matches!(block.end, End::Through) {
            let rest = Sampling { first: next, ..*sampling };
            next = self.until_failure(scenario, &rest, over, enough, &mut block);
        }
        block.seen.outcomes = self.explored.step_results().take();
        block.seen.lock_orders = wrong_orders(&self.explored.machine().nestings());
        block
    }

    /// Up to the next failure that somebody wants to know of; the number of the execution after it.
    fn until_failure(
        &mut self,
        scenario: &Scenario,
        sampling: &Sampling,
        over: &dyn Fn(&Finding) -> Over,
        enough: &Enough,
        block: &mut Block,
    ) -> u64 {
        let Self { explored, explorer, profile } = self;
        let explored = &*explored;
        let mut finding = None;
        let waiting = &mut block.seen.waiting;
        let mut judge = |failure: &_, _: &Schedule| {
            finding = Finding::of(scenario, explored, failure);
            *waiting += u64::from(finding.is_none());
            match finding.as_ref().map(over) {
                Some(Over::Passed | Over::Wanted) => Judgement::Stop,
                Some(Over::Ignored) | None => Judgement::Continue,
            }
        };
        let mut progress = |_: &_| enough.control();
        let sampled =
            explorer.sample(&mut &*explored, sampling, profile, &mut judge, &mut progress);
        let numbers = Seen { sample: Some(sampled.stats().clone()), ..Seen::default() };
        block.seen.absorb(numbers);
        match (sampled, finding) {
            (Sampled::Found { schedule, execution, .. }, Some(finding)) => {
                let Sampling { strategy, seed, .. } = *sampling;
                let drawn = Some(Drawn { strategy, seed, execution });
                let wanted = over(&finding) == Over::Wanted;
                let (preemptions, mends) = (None, Vec::new());
                let found = Found { finding, schedule, preemptions, drawn, mends };
                if wanted {
                    block.end = End::Found(Box::new(found));
                } else {
                    block.passed.add_drawn(found);
                }
                execution + 1
            }
            (Sampled::Found { .. }, None) => {
                // The judge stops only at a finding.
                block.end = End::Doubt(Doubt::Unsteady { step: 0 });
                sampling.until
            }
            (Sampled::Spent { .. } | Sampled::Stopped { .. }, _) => sampling.until,
            (Sampled::Inconclusive { why, .. }, _) => {
                block.end = End::Doubt(why);
                sampling.until
            }
        }
    }
}

/// What becomes of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// It ends the sample.
    Wanted,
    /// It is kept, and the sample goes on.
    Passed,
    /// It is nothing that anybody wants to know.
    Ignored,
}

/// What came of all blocks.
pub(crate) struct Sample {
    pub(crate) seen: Seen,
    passed: Passed,
    pub(crate) end: End,
    /// Why it ended, if by nothing else.
    pub(crate) why: Limit,
}

/// Executions that are drawn before those that ended in known races are looked at.
const SHARE: u64 = 2048;

/// Draws these executions of a scenario; what they show is added to what earlier ones did.
///
/// As within bounds: where known races are passed over, the same numbers are drawn with those races mended, and
/// executions that ended in one are followed there too. What fails there is news.
pub(crate) fn draw(
    scenario: &Scenario,
    wanted: &RandomSearch,
    ends: Ends,
    numbers: Range<u64>,
    before: Seen,
    progress: &mut dyn FnMut(&SampleStats) -> Control,
) -> Result<Sample, ScenarioError> {
    let mends = ends.mends(scenario);
    let one = |finding: &Finding| if ends.wants(finding) { Over::Wanted } else { Over::Ignored };
    if mends.is_empty() {
        let mut sample = Sample::after(before);
        sample.draw(scenario, wanted, numbers, &one, progress)?;
        return Ok(sample);
    }
    let all = |finding: &Finding| if ends.wants(finding) { Over::Passed } else { Over::Ignored };
    let again = mended(scenario, &mends);
    let mut sample = Sample::after(before);
    let mut met = Passed::default();
    let mut first = numbers.start;
    while first < numbers.end && sample.goes_on() {
        let share = first..first.saturating_add(SHARE).min(numbers.end);
        first = share.end;
        sample.draw(scenario, wanted, share.clone(), &all, progress)?;
        let passed = core::mem::take(&mut sample.passed);
        if passed.is_empty() {
            continue;
        }
        let stays = |found: &&Found| fails_alike(&again, &found.finding, &found.schedule).is_some();
        if let Some(news) = passed.kept().find(stays) {
            sample.end = End::Found(Box::new(news.clone()));
            return Ok(sample);
        }
        met.absorb(passed);
        if !sample.goes_on() {
            break;
        }
        let mut behind = Sample::after(Seen::default());
        let told = sample.seen.sample.clone().unwrap_or_default();
        // What cannot be set up with the mends on has nothing to hide.
        if behind.draw(&again, wanted, share, &one, &mut |_| progress(&told)).is_ok() {
            sample.seen.again += behind.seen.drawn();
            sample.why = behind.why;
            sample.end = match behind.end {
                End::Found(mut found) => {
                    found.mends = mends.clone();
                    End::Found(Box::new(if_asked(*found, scenario)))
                }
                end @ (End::Through | End::Doubt(_)) => end,
            };
        }
    }
    let told = sample.seen.sample.clone().unwrap_or_default();
    for one in met.named(scenario, &mends, &mut || progress(&told)) {
        join(&mut sample.seen.known, one);
    }
    Ok(sample)
}

impl Sample {
    fn after(seen: Seen) -> Self {
        Self { seen, passed: Passed::default(), end: End::Through, why: Limit::Schedules }
    }

    fn goes_on(&self) -> bool {
        matches!(self.end, End::Through) && self.why != Limit::Asked
    }

    fn draw(
        &mut self,
        scenario: &Scenario,
        wanted: &RandomSearch,
        numbers: Range<u64>,
        over: &(dyn Fn(&Finding) -> Over + Sync),
        progress: &mut dyn FnMut(&SampleStats) -> Control,
    ) -> Result<(), ScenarioError> {
        let RandomSearch { strategy, seed, steps_max, threads, .. } = *wanted;
        let block = |first: u64| {
            let until = first.saturating_add(BLOCK).min(numbers.end);
            Sampling { strategy, seed, first, until, steps_max }
        };
        let count = (numbers.end - numbers.start).div_ceil(BLOCK);
        let blocks = (0..count).map(|nth| block(numbers.start + nth * BLOCK));
        // Each thread sets up a world, so none is made for nothing.
        let most = usize::try_from(count).ok().and_then(NonZeroUsize::new).unwrap_or(threads);
        let (mut wrong, mut late) = (None, Vec::new());
        in_order(
            threads.min(most),
            blocks,
            |enough| Bench::new(scenario, &block(numbers.start), enough),
            |bench, sampling, enough| match bench {
                Ok(bench) => Ok(bench.run(scenario, &sampling, over, enough)),
                Err(Unfinished::Scenario(wrong)) => Err(wrong.clone()),
                Err(Unfinished::Stopped) => Ok(Block::nothing()),
            },
            &mut |block: Option<Result<Block, ScenarioError>>| {
                match block {
                    Some(Ok(block)) => {
                        self.seen.absorb(block.seen);
                        self.passed.absorb(block.passed);
                        self.end = block.end;
                    }
                    Some(Err(why)) => wrong = Some(why),
                    None => {}
                }
                if wrong.is_some() || !matches!(self.end, End::Through) {
                    return Control::Stop;
                }
                let control = progress(self.seen.sample.get_or_insert_default());
                if control == Control::Stop {
                    self.why = Limit::Asked;
                }
                control
            },
            &mut |block| late.extend(block.ok()),
        );
        // Who stops a sample wants what there is, so what was under way counts. After a failure nothing does:
        // which blocks were under way would depend on the threads.
        if self.why == Limit::Asked {
            for block in late {
                self.seen.absorb(block.seen);
                self.passed.absorb(block.passed);
                if matches!(self.end, End::Through) {
                    self.end = block.end;
                }
            }
        }
        wrong.map_or(Ok(()), Err)
    }
}
