//! What the steps of an execution come to, and the sum over all of them; part of an [`ExploredWorld`](crate::ExploredWorld).

use std::cell::{Cell, RefCell};

use pgmap_program::{Demand, Expectation, Outcome, Program};
use pgmap_sched::Task;

use crate::outcomes::Outcomes;
use crate::scenario::Role;

/// See the module's introduction.
#[derive(Debug)]
pub struct StepResults {
    /// What each step has come to so far, task after task.
    now: Box<[Cell<Outcome>]>,
    /// Where the steps of each task begin.
    first: Box<[usize]>,
    /// The number of each step in the program, in the order of `now`.
    numbers: Box<[u32]>,
    expected: Vec<Expectation>,
    all: RefCell<Outcomes>,
    met: Cell<bool>,
}

impl StepResults {
    pub(crate) fn new(program: &Program, roles: &[Role]) -> Self {
        let numbers: Box<[u32]> =
            roles.iter().flat_map(|role| role.steps.iter().map(|(n, _)| *n)).collect();
        let first = roles.iter().scan(0, |at, role| {
            let first = *at;
            *at += role.steps.len();
            Some(first)
        });
        Self {
            now: numbers.iter().map(|_| Cell::new(Outcome::NotBegun)).collect(),
            first: first.collect(),
            all: RefCell::new(Outcomes::of(numbers.iter().copied())),
            numbers,
            expected: program.expectations.clone(),
            met: Cell::new(false),
        }
    }

    /// Another execution begins.
    pub(crate) fn reset(&self) {
        self.now.iter().for_each(|outcome| outcome.set(Outcome::NotBegun));
    }

    /// What a task's step has come to.
    pub(crate) fn put(&self, task: Task, nth: usize, outcome: Outcome) {
        self.now[self.first[usize::from(task.0)] + nth].set(outcome);
    }

    /// What the step with this number has come to.
    #[must_use]
    pub fn outcome(&self, n: u32) -> Outcome {
        let at = self.numbers.iter().position(|number| *number == n);
        at.map_or(Outcome::NotBegun, |at| self.now[at].get())
    }

    /// The numbers of all steps, task after task.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.numbers.iter().copied()
    }

    /// What they have come to, in the same order.
    pub(crate) fn now(&self) -> impl Iterator<Item = Outcome> {
        self.now.iter().map(Cell::get)
    }

    /// The execution has come to its end: it counts, unless it is not what the program expects.
    ///
    /// # Errors
    /// The place of the expectation that is broken.
    pub(crate) fn close(&self) -> Result<(), usize> {
        let mut held = 0;
        for (nth, it) in self.expected.iter().enumerate() {
            let holds = it.condition.holds(&mut |n| self.outcome(n));
            match (it.demand, holds) {
                (Demand::Expect, false) | (Demand::Never, true) => return Err(nth),
                (Demand::Expect, true) | (Demand::Never, false) => {}
                (Demand::Sometimes, holds) => held |= u64::from(holds) << nth,
            }
        }
        self.all.borrow_mut().count(self.now(), held);
        Ok(())
    }

    /// What was counted since this was last asked.
    pub(crate) fn take(&self) -> Outcomes {
        let met = self.met.get();
        Outcomes { met, ..self.all.borrow_mut().take() }
    }

    /// Two tasks met.
    pub(crate) fn meet(&self) {
        self.met.set(true);
    }

    pub(crate) fn met(&self) -> bool {
        self.met.get()
    }
}
