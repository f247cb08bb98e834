//! POS, partial-order sampling (Yuan, Yang, Gu, CAV 2018).
//!
//! Each announced operation gets a random priority, and the highest that can run goes on. After it
//! has run, the operations that race with it (same object, one of the two writes) get new priorities;
//! the others keep theirs. So the order of steps that commute is not drawn again and again, and a pair of
//! racing operations is seen in both orders about as often, however much else the tasks do between.
//! Every operation draws anew, so nobody starves.

use super::{Crossroads, Walk};
use crate::place::tasks_of;
use crate::splitmix::SplitMix64;
use crate::step::{MOST_TASKS, Task};

#[derive(Default)]
pub(super) struct Pos {
    priorities: [u64; MOST_TASKS],
    /// The tasks whose announced operation has a priority.
    drawn: u16,
}

impl Walk for Pos {
    fn next(&mut self, at: &Crossroads<'_>, random: &mut SplitMix64) -> Task {
        for task in tasks_of(at.runnable() & !self.drawn) {
            self.priorities[usize::from(task.0)] = random.next_u64();
            self.drawn |= task.bit();
        }
        let priority = |task: &Task| self.priorities[usize::from(task.0)];
        let next = at.tasks().max_by_key(priority).unwrap_or(Task(0));
        // Those that wait are asked too: what they wait for may be what has just run.
        let raced = tasks_of(self.drawn).filter(|&task| task == next || at.race(next, task));
        self.drawn = raced.fold(self.drawn, |drawn, task| drawn & !task.bit());
        next
    }
}
