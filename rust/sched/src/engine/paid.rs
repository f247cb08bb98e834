//! Choices that cost: what a machine may do but seldom does, a store that waits for instance.
//!
//! The first result is the ordinary one and costs nothing; every other costs one of the budget that
//! preemptions are paid from, so a bound limits both together. With the budget spent only the ordinary
//! one is left.
//!
//! An ordinary result is no event and leaves nothing in the history: a program with a hundred such choices
//! is no longer for them, and an execution in which nothing extraordinary happened has the signature that
//! it would have without them. That is sound because nobody can come between such a choice and the task's
//! next point. A schedule therefore names the extraordinary ones by number, counted over all that were asked.

use crate::engine::guide::End;
use crate::engine::{CHOSEN, Engine};
use crate::log::Kind;
use crate::step::{Task, Touches};

impl Engine {
    /// Who asks now, and how often it has before.
    pub(crate) fn asks(&self) -> (Task, u32) {
        let me = self.current();
        (me, self.asked_by[usize::from(me.0)])
    }

    /// The result of a choice of which all results but 0 are paid for, or the task that must stop because
    /// the execution is over.
    pub(crate) fn choose_paid(&mut self, n: u32) -> Result<u32, Task> {
        if n <= 1 {
            return Ok(0);
        }
        self.pay(n, |engine| engine.pick_paid(n))
    }

    /// Whether the current task pays and puts off a step that touches these objects.
    pub(crate) fn put_off(&mut self, touches: Touches<'_>) -> Result<bool, Task> {
        self.pay(2, |engine| engine.pick_put_off(touches).into()).map(|value| value != 0)
    }

    fn pay(&mut self, n: u32, pick: impl FnOnce(&mut Self) -> u32) -> Result<u32, Task> {
        self.commit();
        let me = self.current();
        if self.end.is_some() {
            return Err(me);
        }
        if self.history.events() >= self.steps_max {
            self.close(End::TooLong);
            return Err(me);
        }
        let value = pick(self);
        self.asked += 1;
        let mine = &mut self.asked_by[usize::from(me.0)];
        *mine += 1;
        // Which of a task's choices it was is part of its past; how many others asked is not.
        let what = CHOSEN | u64::from(value) << 8 | u64::from(*mine) << 32;
        if self.end.is_some() {
            return Err(me);
        }
        if value != 0 {
            self.preemptions += 1;
            let nth = self.asked - 1;
            self.local(me, what, Kind::Paid { value, of: n, nth }, None);
        }
        self.set_calm();
        Ok(value)
    }
}
