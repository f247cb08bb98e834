//! A failed execution, as what can be run again.

use pgmap_sched::{Schedule, Strategy};

use crate::finding::Finding;
use crate::mend::{Mend, mended};
use crate::scenario::Scenario;

/// A failed execution that can be run again.
#[derive(Clone, Debug)]
pub struct Found {
    pub finding: Finding,
    pub schedule: Schedule,
    /// Preemptions it needs; none if the search had no bound. Of what was drawn they may be the fewest near what was drawn,
    /// and not of all.
    pub preemptions: Option<u32>,
    /// Where it came from, if it was drawn at random.
    pub drawn: Option<Drawn>,
    /// Known races that were mended, so that they do not hide it: it holds for the scenario with these on.
    pub mends: Vec<Mend>,
}

impl Found {
    /// The scenario that it is a failure of.
    #[must_use]
    pub fn scenario(&self, asked: &Scenario) -> Scenario {
        mended(asked, &self.mends)
    }
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
