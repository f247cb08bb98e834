//! The statements that hold of every face of `prim`, on the native one: real threads, many times.
#![forbid(unsafe_code)]

use pgmap_prim as prim;

mod statements;

mod model {
    //! Runs a model on threads.

    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::time::Duration;

    use crate::prim::{Cpu, Lease, Machine, TaskId, catch_abandon};

    /// Does every order come about?
    pub(crate) const EXPLORED: bool = false;
    const ROUNDS: u32 = 100;
    /// Long enough never to matter, short enough that a hang fails the test instead of hanging it.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Runs what nobody else takes part in.
    pub(crate) fn alone(body: impl FnOnce()) {
        body();
    }

    pub(crate) fn set_up(task: u32, machine: &Machine) -> Cpu<'_> {
        let lease = Lease { task: TaskId(task), deadline: Some(PATIENCE), poll: None };
        machine.lease(lease).expect("a free CPU")
    }

    /// Runs `body` as that many tasks over what `start` makes, then `check`, again and again. What went
    /// wrong, if something did.
    pub(crate) fn run<S: Sync>(
        tasks: u32,
        start: impl Fn() -> S,
        body: impl Fn(&S, &Cpu<'_>, u32) + Sync,
        check: impl Fn(&S),
    ) -> Result<(), String> {
        (0..ROUNDS).try_for_each(|_| {
            let (state, machine) = (start(), Machine::new(tasks as usize));
            let together = Barrier::new(tasks as usize);
            let one = |task| {
                together.wait();
                catch_abandon(|| body(&state, &set_up(task, &machine), task))
                    .map_err(|stopped| stopped.to_string())
            };
            let one = &one;
            std::thread::scope(|s| {
                let all: Vec<_> = (0..tasks).map(|task| s.spawn(move || one(task))).collect();
                let ended = all.into_iter().map(|it| it.join().expect("abandons are caught"));
                ended.fold(Ok(()), Result::and)
            })?;
            if machine.warnings_total() > 0 {
                return Err(format!("{:?}", machine.warnings()));
            }
            catch_unwind(AssertUnwindSafe(|| check(&state))).map_err(|_| "the check".to_owned())
        })
    }
}
