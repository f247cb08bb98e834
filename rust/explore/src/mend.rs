//! Known races of an era, mended: the scenario without them, to see what they hide and which of them a failure is.

use pgmap_program::Rules;
use pgmap_program::era::KnownRace;

use crate::scenario::Scenario;

/// A rule at its sound value, and the known races which that mends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    pub rule: &'static str,
    pub value: &'static str,
    pub races: Vec<&'static KnownRace>,
}

impl Mend {
    /// `RULE=VALUE`.
    #[must_use]
    pub fn assignment(&self) -> String {
        format!("{}={}", self.rule, self.value)
    }
}

/// The mends of the known races that can happen in a scenario: those whose rule is in force.
#[must_use]
pub fn mends(scenario: &Scenario) -> Vec<Mend> {
    let mut all: Vec<Mend> = Vec::new();
    for race in scenario.era.known().iter().filter(|race| race.is_in_force(&scenario.rules)) {
        let (rule, value) = race.mended();
        match all.iter_mut().find(|mend| mend.rule == rule) {
            Some(mend) => mend.races.push(race),
            None => all.push(Mend { rule, value, races: vec![race] }),
        }
    }
    all
}

/// The scenario with these mends on.
#[must_use]
pub fn mended(scenario: &Scenario, mends: &[Mend]) -> Scenario {
    Scenario { rules: with(scenario.rules, mends), ..scenario.clone() }
}

fn with(mut rules: Rules, mends: &[Mend]) -> Rules {
    for mend in mends {
        // Both come out of the table of rules.
        let _ = rules.set(mend.rule, mend.value);
    }
    rules
}
