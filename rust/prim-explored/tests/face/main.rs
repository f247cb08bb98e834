//! The statements that hold of every face of `prim`, on the explored one: every order of steps within a
//! bound of two preemptions.
#![forbid(unsafe_code)]

use pgmap_prim_explored as prim;

#[path = "../../../prim/tests/face/statements/mod.rs"]
mod statements;

mod model {
    //! Runs a model under the scheduler.

    use std::sync::Arc;

    use pgmap_sched::{Control, Defect, Explorer, Judgement, Model, Outcome, Plan, Task};

    use crate::prim::{Cpu, Lease, Machine, TaskId};

    /// Does every order come about?
    pub(crate) const EXPLORED: bool = true;

    /// Runs what nobody else takes part in.
    pub(crate) fn alone(body: impl FnOnce()) {
        body();
    }

    pub(crate) fn set_up(task: u32, machine: &Machine) -> Cpu<'_> {
        machine.lease(Lease::of(TaskId(task))).expect("a free CPU")
    }

    struct Body<S, Start, Run, Check> {
        tasks: u32,
        machine: Arc<Machine>,
        state: S,
        start: Start,
        run: Run,
        check: Check,
    }

    impl<S, Start, Run, Check> Model for Body<S, Start, Run, Check>
    where
        Start: Fn() -> S,
        Run: Fn(&S, &Cpu<'_>, u32),
        Check: Fn(&S),
    {
        fn tasks(&self) -> usize {
            self.tasks as usize
        }

        fn reset(&mut self) {
            self.machine.reset();
            self.state = (self.start)();
        }

        fn run(&self, task: Task) {
            let task = u32::from(task.0);
            (self.run)(&self.state, &set_up(task, &self.machine), task);
        }

        fn finish(&self) -> Result<(), Defect> {
            (self.check)(&self.state);
            Ok(())
        }
    }

    /// Runs `body` as that many tasks over what `start` makes, then `check`, in every order. What went
    /// wrong, if something did.
    pub(crate) fn run<S: Sync>(
        tasks: u32,
        start: impl Fn() -> S,
        body: impl Fn(&S, &Cpu<'_>, u32) + Sync,
        check: impl Fn(&S),
    ) -> Result<(), String> {
        let machine = Machine::new(tasks as usize);
        let mut model = Body { tasks, machine, state: start(), start, run: body, check };
        let plan = Plan { cache_bytes: 1 << 20, steps_max: 2_000, ..Plan::default() };
        let outcome =
            Explorer::new()
                .search(&mut model, &plan, &mut |_, _| Judgement::Stop, &mut |_| Control::Go);
        match outcome {
            Outcome::Exhausted { .. } => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }
}
