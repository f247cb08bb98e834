//! Rounds: everybody in order, then everybody in the opposite order, so that what drifts during a round
//! drifts for all; ratios are taken within a round.

use std::time::{Duration, Instant};

use pgmap_native::bench::Spread;

/// How long one turn lasts.
const TURN: Duration = Duration::from_millis(60);

/// What was done in a turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    pub(crate) executions: u64,
    pub(crate) points: u64,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Executions,
    Points,
}

impl Unit {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Executions => "executions/s",
            Self::Points => "points/s",
        }
    }
}

/// One engine on one model.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    run: Box<dyn FnMut(u64) -> Work>,
    /// Executions of one turn.
    turn: u64,
    /// Of each round.
    pub(crate) rates: Vec<f64>,
}

impl Contestant {
    pub(crate) fn new(
        name: &'static str,
        unit: Unit,
        mut run: impl FnMut(u64) -> Work + 'static,
    ) -> Self {
        // Twice as many until it takes long enough to say how many make a turn. This warms up, too.
        let mut executions = 8;
        let turn = loop {
            let start = Instant::now();
            run(executions);
            let elapsed = start.elapsed();
            if elapsed * 4 >= TURN {
                let each = elapsed.as_secs_f64() / executions as f64;
                break ((TURN.as_secs_f64() / each) as u64).max(1);
            }
            executions *= 2;
        };
        Self { name, unit, run: Box::new(run), turn, rates: Vec::new() }
    }

    fn turn(&mut self) -> (f64, f64) {
        let start = Instant::now();
        let work = (self.run)(self.turn);
        let elapsed = start.elapsed().as_secs_f64();
        let done = match self.unit {
            Unit::Executions => work.executions,
            Unit::Points => work.points,
        };
        (done as f64, elapsed)
    }

    /// Median and quartiles of the rates.
    pub(crate) fn rate(&self) -> Spread {
        Spread::of(self.rates.iter().copied()).expect("at least one round")
    }

    /// How much faster than another, round by round.
    pub(crate) fn over(&self, other: &Self) -> Spread {
        let ratios = self.rates.iter().zip(&other.rates).map(|(ours, theirs)| ours / theirs);
        Spread::of(ratios).expect("at least one round")
    }
}

/// One round of all.
pub(crate) fn round(contestants: &mut [Contestant]) {
    let mut turns = vec![(0.0, 0.0); contestants.len()];
    let there = 0..contestants.len();
    for at in there.clone().chain(there.rev()) {
        let (done, seconds) = contestants[at].turn();
        turns[at].0 += done;
        turns[at].1 += seconds;
    }
    for (contestant, (done, seconds)) in contestants.iter_mut().zip(turns) {
        contestant.rates.push(done / seconds);
    }
}
