//! What each step came to, and in how many executions; whether the program's tasks ever met.
//!
//! A search that finds nothing says little about steps that always failed, and nothing about tasks that have nothing to
//! do with each other. So each execution that comes to its end is counted here, step by step: one comparison a
//! step, because the result of a step is nearly always one that was seen before.
//!
//! Only executions that were run to their end count, with everybody gone or everybody waiting for what the program
//! holds on purpose. One that was cut because it came to a known state has a twin that was not: what the steps had
//! returned by then they returned there, too, and what follows is the same. So the *results* are complete within the
//! bound, and the numbers are of executions that were run; each bound runs those of the one before it again.
//!
//! Tasks have *met* if one wrote what another one touched in the same execution, cut or not; `common` says at
//! what.

use pgmap_program::expect::ENVIRONMENT;
use pgmap_program::{Demand, Outcome, Program};

use crate::scenario::Scenario;

/// What one step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// The step, by its number in the program.
    pub n: u32,
    /// Each result, and the executions in which the step had it; in order of results.
    pub results: Vec<(Outcome, u64)>,
}

/// The outcomes of a step, with its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub n: u32,
    /// `w0.2`.
    pub place: String,
    pub label: Option<String>,
    /// `pin 0 5`
    pub text: String,
    pub results: Results,
}

/// What all steps after `start` came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Executions that were run to their end.
    pub executions: u64,
    pub steps: Vec<Results>,
    /// The program's expectations that held at the end of one of them, as a set of their places.
    pub(crate) held: u64,
    /// Two tasks met.
    pub(crate) met: bool,
}

impl Outcomes {
    /// None yet, for steps with these numbers.
    pub(crate) fn of(steps: impl Iterator<Item = u32>) -> Self {
        let steps = steps.map(|n| Results { n, results: Vec::new() }).collect();
        Self { steps, ..Self::default() }
    }

    /// None yet, of any step after `start`.
    pub(crate) fn none_yet(scenario: &Scenario) -> Self {
        let roles = scenario.roles();
        Self::of(roles.iter().flat_map(|role| role.steps.iter().map(|(n, _)| *n)))
    }

    /// None, of tasks that are taken to have met.
    #[must_use]
    pub fn together() -> Self {
        Self { met: true, ..Self::default() }
    }

    /// Not all executions came to their end, so nobody can say that tasks never met.
    pub(crate) fn take_as_met(&mut self) {
        self.met = true;
    }

    /// One execution has come to its end: what its steps came to, in the order of `steps`, and which expectations
    /// hold.
    pub(crate) fn count(&mut self, outcomes: impl Iterator<Item = Outcome>, held: u64) {
        self.executions += 1;
        self.held |= held;
        for (step, outcome) in self.steps.iter_mut().zip(outcomes) {
            step.add(outcome, 1);
        }
    }

    /// What another search of the same program has seen, too.
    pub(crate) fn absorb(&mut self, other: Self) {
        let Self { executions, steps, held, met } = other;
        self.executions += executions;
        self.held |= held;
        self.met |= met;
        if self.steps.is_empty() {
            self.steps = steps;
            return;
        }
        for (mine, theirs) in self.steps.iter_mut().zip(steps) {
            debug_assert_eq!(mine.n, theirs.n, "outcomes of another program");
            theirs.results.into_iter().for_each(|(outcome, times)| mine.add(outcome, times));
        }
    }

    /// Forgets what was counted.
    pub(crate) fn take(&mut self) -> Self {
        let fresh = Self::of(self.steps.iter().map(|step| step.n));
        core::mem::replace(self, fresh)
    }

    /// All of it, with the names that steps have in their program.
    #[must_use]
    pub fn rows(&self, scenario: &Scenario) -> Vec<Row> {
        self.rows_of(scenario, &|_| true)
    }

    /// What is wanted of it, with the names that steps have in their program.
    pub(crate) fn rows_of(
        &self,
        scenario: &Scenario,
        wanted: &dyn Fn(&Results) -> bool,
    ) -> Vec<Row> {
        let roles = scenario.roles();
        let places = roles.iter().flat_map(|role| {
            let who = role.worker.map_or_else(|| ENVIRONMENT.to_owned(), |who| who.to_string());
            (1..=role.steps.len()).map(move |nth| format!("{who}.{nth}"))
        });
        let named = self.steps.iter().zip(places).filter(|(results, _)| wanted(results));
        let program = &scenario.program;
        named
            .filter_map(|(results, place)| {
                let step = program.steps.get(results.n as usize)?;
                let text = program.op_text(&step.op).to_string();
                let (n, label) = (results.n, step.label.clone());
                Some(Row { n, place, label, text, results: results.clone() })
            })
            .collect()
    }

    /// Whether one task wrote what another one touched, in any execution.
    #[must_use]
    pub fn met(&self) -> bool {
        self.met
    }

    /// What should sometimes hold and has not held yet.
    #[must_use]
    pub fn unseen(&self, program: &Program) -> Vec<String> {
        let all = program.expectations.iter().enumerate();
        all.filter(|(nth, it)| it.demand == Demand::Sometimes && self.held & 1 << nth == 0)
            .map(|(_, it)| program.expectation_text(it).to_string())
            .collect()
    }
}

impl Results {
    fn add(&mut self, outcome: Outcome, times: u64) {
        match self.results.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, count)) => *count += times,
            None => {
                let at = self.results.partition_point(|(known, _)| *known < outcome);
                self.results.insert(at, (outcome, times));
            }
        }
    }

    /// Its failures, if it failed whenever it was done.
    pub(crate) fn failures(&self) -> Option<&[(Outcome, u64)]> {
        // In order of results those of a step that was not begun come first.
        let begun = match self.results.as_slice() {
            [(Outcome::NotBegun, _), begun @ ..] => begun,
            begun => begun,
        };
        let all = !begun.is_empty() && begun.iter().all(|(outcome, _)| outcome.failed());
        all.then_some(begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgmap_program::Errno;

    #[test]
    fn counts_add_up_in_any_order_and_in_parts() {
        let fault = Outcome::Errno(Errno::EFAULT);
        let ends =
            [[Outcome::Value(0), fault], [fault, fault], [Outcome::Value(0), Outcome::Waits]];
        let of = |ends: &[[Outcome; 2]]| {
            let mut outcomes = Outcomes::of([3, 5].into_iter());
            ends.iter().for_each(|end| outcomes.count(end.iter().copied(), 0b10));
            outcomes
        };
        let whole = of(&ends);
        let mut parts = Outcomes::default();
        for end in ends.iter().rev() {
            parts.absorb(of(&[*end]));
        }
        assert_eq!(parts, whole);
        assert_eq!(whole.executions, 3);
        assert_eq!(whole.steps[0].results, [(Outcome::Value(0), 2), (fault, 1)]);
        assert_eq!(whole.steps[1].results, [(Outcome::Waits, 1), (fault, 2)]);
        assert_eq!(whole.clone().take(), whole);
    }
}
