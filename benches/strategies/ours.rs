//! Executions to the first failure on pgmap's own explorer.

use std::iter::{repeat, successors};

use pgmap_explore::catalogue::Known;
use pgmap_explore::{Finding, Lab};
use pgmap_sched::{
    Control, Explorer, Failure, Judgement, Model, Outcome, Plan, Sampled, Sampling, Strategy,
};

use crate::LIMIT;
use crate::table::{BOUNDS, DEFAULT, DOUBLING, First, ONE_EACH, PORTFOLIO, Row, SINGLE};

/// What `explore` covers before it samples.
const BOUND: u32 = 2;
/// Bounds beyond which nobody looks.
const HIGHEST: u32 = 8;
/// The bounds' first turn, where turns double.
const HEAD_START: u64 = 256;
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
    row.push(DEFAULT, portfolio.iter().map(|&first| bounds.then(first)).collect());
    let one_each = |&first: &First| bounds.in_turns_with(first, repeat(1));
    row.push(ONE_EACH, portfolio.iter().map(one_each).collect());
    let doubling = |&first: &First| {
        bounds.in_turns_with(first, successors(Some(HEAD_START), |slice| Some(slice * 2)))
    };
    row.push(DOUBLING, portfolio.iter().map(doubling).collect());
    Ok(row)
}

/// The same for a wrong rule and its program.
pub(crate) fn rule(known: &Known, seeds: u64) -> Result<Row, String> {
    let mut scenario = known.right().map_err(|error| error.to_string())?;
    scenario.rules.apply(&known.assignment()).map_err(|error| error.to_string())?;
    let lab = Lab::new(&scenario).map_err(|error| error.to_string())?;
    row(&mut &lab, seeds, &|failure| Finding::of(&scenario, &lab, failure).is_some())
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
    let profile = explorer.survey(model, &sampling);
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

    /// What it takes when a strategy begins once the bounds are spent.
    fn then(&self, first: First) -> First {
        let after = || Some(self.whole? + first?);
        limited(self.within.or_else(after))
    }

    /// What it takes when the two take turns, each going on where it was: the bounds first, with as many
    /// executions as the iterator says, then the strategy with as many, and so on. Who is through is passed over.
    fn in_turns_with(&self, first: First, slices: impl Iterator<Item = u64>) -> First {
        let end = self.within.or(self.whole).unwrap_or(u64::MAX);
        let (mut bounds, mut strategy) = (0, 0);
        for slice in slices {
            let next = end.min(bounds + slice);
            if self.within == Some(next) {
                return limited(Some(next + strategy));
            }
            bounds = next;
            if first.is_some_and(|first| first <= strategy + slice) {
                return limited(first.map(|first| bounds + first));
            }
            strategy += slice;
            if bounds + strategy > LIMIT {
                break;
            }
        }
        None
    }
}

fn limited(first: First) -> First {
    first.filter(|&first| first <= LIMIT)
}
