//! Where an execution is said to repeat one before it, all that has happened in it has happened before; and most of
//! what is repeated is said to be.

mod toy;

use std::cell::RefCell;
use std::collections::HashSet;

use pgmap_sched::{
    Control, Defect, Explorer, Judgement, Model, Plan, Strategy, Task, choose, current, repeats,
};
use toy::{Memory, Toy, by_class, cached};

/// What each operation found, by task, in the order of their ends.
type Past = Vec<(u8, u64)>;

/// A toy that remembers the pasts of all its operations, in all executions.
struct Remembering {
    toy: Toy,
    now: RefCell<Past>,
    before: RefCell<HashSet<Past>>,
    /// Ends of operations that were said to be repeated, and that were.
    said: RefCell<(u64, u64)>,
}

impl Remembering {
    fn end_of_operation(&self, found: u64) {
        let mut now = self.now.borrow_mut();
        now.push((current().map_or(u8::MAX, |task| task.0), found));
        let new = self.before.borrow_mut().insert(now.clone());
        assert!(!(new && repeats()), "{now:?} is new");
        let mut said = self.said.borrow_mut();
        said.0 += u64::from(repeats());
        said.1 += u64::from(!new);
    }
}

impl Model for Remembering {
    fn tasks(&self) -> usize {
        3
    }

    fn reset(&mut self) {
        self.toy.reset();
        self.now.get_mut().clear();
    }

    fn run(&self, task: Task) {
        let memory: &Memory = &self.toy.memory;
        for round in 0..2 {
            let at = usize::from(task.0 + round) % 3;
            let found = memory.load(at);
            let more = u64::from(choose(2)) * u64::from(task.0 == 0);
            self.end_of_operation(found * 2 + more);
            memory.store((at + 1) % 3, found + more + u64::from(task.0));
            self.end_of_operation(0);
        }
    }

    fn finish(&self) -> Result<(), Defect> {
        Ok(())
    }
}

fn remembering() -> Remembering {
    Remembering {
        toy: Toy::new(),
        now: RefCell::default(),
        before: RefCell::default(),
        said: RefCell::default(),
    }
}

fn said(plan: &Plan) -> (u64, u64) {
    let mut model = remembering();
    let plan = Plan { schedules_max: 3_000, ..*plan };
    let mut judge = |_: &_, _: &_| Judgement::Continue;
    let _ = Explorer::new().search(&mut model, &plan, &mut judge, &mut |_| Control::Go);
    model.said.into_inner()
}

#[test]
fn what_is_said_to_repeat_has_happened_before_and_most_of_that_is_said() {
    for plan in [cached(Some(2)), by_class()] {
        let (said, repeated) = said(&plan);
        assert!(said * 2 > repeated, "{said} of {repeated}");
    }
}

#[test]
fn what_is_drawn_repeats_nothing() {
    let mut model = remembering();
    let sampling = pgmap_sched::Sampling {
        strategy: Strategy::Random,
        seed: 1,
        first: 0,
        until: 200,
        steps_max: 1_000,
    };
    let mut judge = |_: &_, _: &_| Judgement::Continue;
    let profile = pgmap_sched::Profile::default();
    let _ =
        Explorer::new().sample(&mut model, &sampling, &profile, &mut judge, &mut |_| Control::Go);
    let (said, repeated) = model.said.into_inner();
    assert!(said == 0 && repeated > 0, "{said} of {repeated}");
}
