//! A model on shuttle.
//!
//! Task 0 is shuttle's main thread and the others are spawned by it, so that an execution has as many
//! threads as ours. A point is one `switch` of shuttle's and nothing else: no atomic with its bookkeeping
//! stands for the step. A scheduler of shuttle's is asked exactly where our engine decides, and offered exactly
//! those tasks that can go on: [`Gate`] leaves out who waits, and answers by itself where there is nothing to
//! decide (on the way to the first points, in joins and exits). So the executions of shuttle's DFS
//! are those of our search without cache and bound, one for one.

use core::time::Duration;

use shuttle::scheduler::{self, Schedule, Scheduler, TaskId};
use shuttle::{Config, Runner, thread};

use crate::execution::{EXECUTION, Host, Next};
use crate::model::Model;
use crate::step::{MOST_TASKS, Task};

/// Runs the model under a scheduler, until that has enough; how many executions there were.
///
/// # Panics
///
/// When an execution fails.
pub fn explore(
    model: impl Model + 'static,
    scheduler: impl Scheduler + 'static,
    config: Config,
) -> usize {
    EXECUTION.with(|execution| execution.set_model(model));
    Runner::new(Gate { of: scheduler, stuck: false }, config).run(run_once)
}

fn run_once() {
    let tasks = EXECUTION.with(|execution| execution.begin(Host::Shuttle));
    let run_task = |task| EXECUTION.with(|execution| execution.run_task(Task(task)));
    let others: Vec<_> =
        (1..tasks as u8).map(|task| thread::spawn(move || run_task(task))).collect();
    if tasks > 0 {
        run_task(0);
    }
    others.into_iter().for_each(|other| other.join().expect("a task that returned"));
    EXECUTION.with(|execution| execution.end());
}

/// One decision of shuttle's. Its time stands still, so this is a switch and no more; `yield_now` would
/// tell the scheduler that the task gets nowhere.
#[inline]
pub(crate) fn switch() {
    thread::sleep(Duration::ZERO);
}

/// What stands between shuttle and one of its schedulers.
struct Gate<S> {
    of: S,
    /// The execution before this came to a deadlock. Told here, where no task is in the midst of a switch.
    stuck: bool,
}

impl<S: Scheduler> Scheduler for Gate<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        assert!(!self.stuck, "found: a deadlock");
        self.of.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&scheduler::Task],
        current: Option<TaskId>,
        yielding: bool,
    ) -> Option<TaskId> {
        // Shuttle numbers its threads as they are spawned, from the main one on.
        let number = |task: &&scheduler::Task| usize::from(task.id());
        match EXECUTION.with(|execution| execution.next()) {
            Next::This(task) => Some(TaskId::from(usize::from(task.0))),
            Next::Any(mask) => {
                let mut able = [*runnable.first()?; MOST_TASKS];
                let mut count = 0;
                for task in runnable.iter().filter(|task| mask & 1 << number(task) != 0) {
                    able[count] = task;
                    count += 1;
                }
                self.of.next_task(&able[..count], current, yielding)
            }
            Next::Over => runnable.first().map(|task| task.id()),
            Next::Stuck => {
                self.stuck = true;
                None
            }
        }
    }

    fn next_u64(&mut self) -> u64 {
        self.of.next_u64()
    }
}
