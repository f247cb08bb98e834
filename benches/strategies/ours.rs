//! Executions to the first failure on pgmap's own explorer.

use std::iter::successors;

use pgmap_explore::catalogue::Known;
use pgmap_explore::{ExploredWorld, Finding};
use pgmap_sched::{
    Control, Explorer, Failure, Judgement, Model, Outcome, Plan, Sampled, Sampling, Strategy,
};

use crate::LIMIT;
use crate::table::{BOUNDS, DEFAULT, First, ONE_EACH, PORTFOLIO, Row, SINGLE};

/// What `explore` covers before it samples.
const BOUND: u32 = 2;
/// Bounds beyond which nobody looks.
const HIGHEST: u32 = 8;
/// The turns that `explore` takes: the first, and how much longer each next one is.
const FIRST_TURN: u64 = 256;
const LONGER: u64 = 16;
/// Events in one execution. The longest of any subject is a tenth of it.
const STEPS: u32 = 5_000;

/// Which failures are the mistake.
type Counts<'a> = &'a dyn Fn(&Failure) -> bool;

/// All our ways on one subject.
pub(crate) fn row<M: Model>(model: &mut M, seeds: u64, counts: Counts<'_>) -> Result<Row, String> {
    let bounds = Bounds::of(model, counts)?;
    let mut row = Row::default();
    let mut portfolio = Vec::new();
    for (name, strategy) in SINGLE.into_iter().chain([(PORTFOLIO, Strategy::Portfolio)]) {
        let runs = (0..seeds).map(|seed| sampled(model, strategy, seed, counts));
        let runs: Vec<First> = runs.collect::<Result<_, _>>()?;
        if strategy == Strategy::Portfolio {
            portfolio.clone_from(&runs);
        }
        row.push(name, runs);
    }
    row.push(BOUNDS, vec![bounds.first; portfolio.len()]);
    row.push(DEFAULT, portfolio.iter().map(|&first| bounds.in_turns_with(first)).collect());
    row.push(ONE_EACH, portfolio.iter().map(|&first| bounds.one_each_with(first)).collect());
    Ok(row)
}

/// The same for a wrong rule and its program.
pub(crate) fn rule(known: &Known, seeds: u64) -> Result<Row, String> {
    let scenario = known.wrong();
    let explored =
        ExploredWorld::new(&scenario, &mut || Control::Go).map_err(|error| error.to_string())?;
    row(&mut &explored, seeds, &|failure| Finding::of(&scenario, &explored, failure).is_some())
}

/// One run of a strategy.
fn sampled<M: Model>(
    model: &mut M,
    strategy: Strategy,
    seed: u64,
    counts: Counts<'_>,
) -> Result<First, String> {
    let sampling = Sampling { strategy, seed, first: 0, until: LIMIT, steps_max: STEPS };
    let mut explorer = Explorer::new();
    let profile = explorer.survey(model, &sampling, &mut || Control::Go);
    let mut judge = |failure: &_, _: &_| judgement(counts, failure);
    let sampled = explorer.sample(model, &sampling, &profile, &mut judge, &mut |_| Control::Go);
    match sampled {
        Sampled::Found { execution, .. } => Ok(Some(execution + 1)),
        Sampled::Spent { .. } => Ok(None),
        Sampled::Stopped { .. } | Sampled::Inconclusive { .. } => {
            Err(format!("{strategy} cannot tell: {sampled:?}"))
        }
    }
}

fn judgement(counts: Counts<'_>, failure: &Failure) -> Judgement {
    if counts(failure) { Judgement::Stop } else { Judgement::Continue }
}

/// A search by bounds, the same for every seed.
struct Bounds {
    /// With any bound.
    first: First,
    /// Executions within the bounds that `explore` covers, up to and with the one found, if it is found there.
    within: First,
    /// Executions within those bounds, if they can be spent.
    whole: First,
}

impl Bounds {
    fn of<M: Model>(model: &mut M, counts: Counts<'_>) -> Result<Self, String> {
        let plan = Plan {
            bound: Some(HIGHEST),
            schedules_max: LIMIT,
            steps_max: STEPS,
            ..Plan::default()
        };
        let mut judge = |failure: &_, _: &_| judgement(counts, failure);
        let outcome = Explorer::new().search(model, &plan, &mut judge, &mut |_| Control::Go);
        let executions = |highest: u32| -> u64 {
            let begun = outcome.stats().iter().filter(|stats| stats.bound <= Some(highest));
            begun.map(|stats| stats.schedules + stats.pruned).sum()
        };
        let begun = outcome.stats().len() as u32;
        match outcome {
            Outcome::Found { bound: Some(bound), .. } => {
                let first = Some(executions(HIGHEST));
                let within = first.filter(|_| bound <= BOUND);
                let whole = (bound > BOUND).then(|| executions(BOUND));
                Ok(Self { first, within, whole })
            }
            Outcome::Stopped { .. } | Outcome::Exhausted { .. } => {
                let whole = (begun > BOUND + 1).then(|| executions(BOUND));
                Ok(Self { first: None, within: None, whole })
            }
            Outcome::Found { .. } | Outcome::Inconclusive { .. } => {
                Err(format!("the bounds cannot tell: {outcome:?}"))
            }
        }
    }

    /// What it takes when the bounds, each time from the start, and a strategy take turns that grow. Bounds that are
    /// spent leave the rest to the strategy.
    fn in_turns_with(&self, first: First) -> First {
        let (mut bounded, mut drawn) = (0, 0);
        for turn in successors(Some(FIRST_TURN), |turn| Some(turn * LONGER)) {
            if let Some(within) = self.within.filter(|&within| within <= turn) {
                return limited(Some(bounded + drawn + within));
            }
            if let Some(whole) = self.whole.filter(|&whole| whole <= turn) {
                return limited(first.map(|first| bounded + whole + first));
            }
            bounded += turn;
            if first.is_some_and(|first| first <= drawn + turn) {
                return limited(first.map(|first| bounded + first));
            }
            drawn += turn;
            if bounded + drawn > LIMIT {
                break;
            }
        }
        None
    }

    /// What it takes when the two take turns of one execution, the bounds first, each going on where it was.
    fn one_each_with(&self, first: First) -> First {
        let by_bounds = self.within.map(|within| within + (within - 1));
        let spent = self.within.or(self.whole).unwrap_or(u64::MAX);
        let by_strategy = first.map(|first| first + first.min(spent));
        limited(match (by_bounds, by_strategy) {
            (Some(bounds), Some(strategy)) => Some(bounds.min(strategy)),
            (one, other) => one.or(other),
        })
    }
}

fn limited(first: First) -> First {
    first.filter(|&first| first <= LIMIT)
}
