//! Which preemptions need never begin, within a bound.
//!
//! Task `t` is at a step `a` and could go on; leaving it here costs one of the budget. First the search lets it go
//! on, and goes through all that can come of that. Then it knows what others may do between `a` and the next step
//! of `t`: all that was done there by anybody else, or waited for. Where none of this conflicts with what `a` did,
//! leaving `t` before `a` shows nothing: all others could do before `t` comes back they can do just as well
//! after `a`, at no higher price, and that has been seen. So the other tasks are not tried.
//!
//! # Why that is so
//! Let an execution leave `t` before `a`, go on with steps `w` of others, and come back to `t` or end.
//!
//! * *`a` conflicts with no step of `w`.* Else let `b` be the first that it does conflict with, `w = v b ..`. Then `a v`
//!   is an execution, too: nothing in `v` depends on `a`, and `b`'s task is at the same step `b` after it. It costs no
//!   more: leaving `t` after `a` costs one at most, as leaving it before does; every later change of tasks costs
//!   the same as it did, for whether a task can go on is changed by `a` only if `a` conflicts with what it waits for,
//!   and who waits has been noted like who steps. So after `a`, before the next step of `t`, somebody else does `b`
//!   or waits to: it has been noted, and conflicts with `a`.
//! * *The execution has a twin that costs no more*, `a w ..` in place of `w a ..`, and ends in the same state
//!   or fails alike. When `t` comes back and leaves again at once, the twin saves even that. It begins with
//!   `a` and has thus been seen, by induction on the steps that are left.
//!
//! What is noted of a state is noted of all executions that go on from there, also of those that were left out
//! or cut: by the same argument these do nothing before `t`'s next step that others did not do, and where the cache
//! cuts, what was noted of the known state counts. So the cache keeps it, with each state.
//!
//! # Where nothing is known
//! * An execution that fails in its midst, or is cut at the limit of events, hides what others would have done:
//!   they may do anything.
//! * A wait says what it looks at besides its step's object ([`Looks`]). If it cannot say, it conflicts with everything.
//! * Sets of accesses are kept by number of the object, and numbers beyond the sets' size stand for several objects.
//!
//! In doubt there are too many accesses in a set, and a task is tried in vain.
//!
//! # Steps that are put off
//! A task may put a step `s` off, at the price of a preemption; a daemon takes it later, and at the latest before
//! the task's next step that *settles* ([`settles`](crate::settles)): a store that waits in a buffer until a locked
//! instruction. First the search lets the task take the step itself. Then it knows what others may do before the
//! task next settles, and if none of that conflicts with `s`, nobody can tell when `s` happened. So it is not put off.
//!
//! * *Nobody comes upon it.* Let an execution put `s` off, and let `c` be the first step of somebody else that conflicts
//!   with `s` before it is taken. Up to `c` the same execution with `s` taken at once does the same, and costs no more:
//!   the price of putting off is saved, and only one change of tasks can be dearer, where the task has to wait for `s`
//!   before it settles, and for others that still wait it would have paid. So `c` has been noted.
//! * *What the task itself does in between* comes after `s` for it either way, and shows to nobody before `s` does; but for
//!   what [goes past](crate::goes_past), which counts as somebody else's.
//! * *The execution has a twin that costs no more*: `s` at once, and the daemon's part left out. Steps that were put off behind
//!   `s` for nothing pay in its stead, and only the first of them has to.
//!
//! Who waits until such steps have been taken says that it looks for them, with an object of its own; else a wait for
//! `s` could be used to change tasks for nothing.
//!
//! What a model owes the search without a bound (`dpor`) it owes this one: what decides a block's course, or is
//! changed by it, is touched.

use crate::accesses::Accesses;
use crate::step::{MOST_TASKS, Task};

/// Which sets are noted of a state: what others may do before each task's next step, and where tasks put steps off
/// also before it settles. The sets are numbered in this order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notes {
    tasks: usize,
    put_off: bool,
}

/// Most of them.
pub(crate) const MOST_NOTES: usize = 2 * MOST_TASKS;

impl Notes {
    /// Of a model of so many tasks, which may put steps off or not.
    pub(crate) fn new(tasks: usize, put_off: bool) -> Self {
        Notes { tasks, put_off }
    }

    /// How many there are.
    pub(crate) fn count(self) -> usize {
        if self.put_off { 2 * self.tasks } else { self.tasks }
    }

    fn until_step(self, task: Task) -> usize {
        task.0.into()
    }

    fn until_settled(self, task: Task) -> Option<usize> {
        self.put_off.then(|| self.tasks + usize::from(task.0))
    }

    /// Whether a set is about what others do than this task.
    fn is_of_others_than(self, task: Task, nth: usize) -> bool {
        nth % self.tasks != usize::from(task.0)
    }
}

/// What is noted at the decisions of the path, the last one on top.
#[derive(Default)]
pub(crate) struct Ahead {
    notes: Notes,
    levels: Vec<Level>,
    /// For each level its notes.
    others: Vec<Accesses>,
    #[cfg(test)]
    pub(crate) faults: crate::faults::Tree,
}

/// A decision, and the branch of it that is under way.
struct Level {
    chosen: Task,
    /// What the chosen task has done up to the next decision, in all variants.
    block: Accesses,
    /// What others may do after that and before the next step of the chosen task.
    after: Accesses,
    /// And before it settles, if it has not.
    unsettled: Accesses,
    /// The block settles, before anything in it could have gone another way.
    settles: bool,
    /// Something in it can.
    varies: bool,
    /// Something in it went past what the task has put off.
    passes: bool,
}

impl Level {
    fn of(chosen: Task) -> Self {
        Level {
            chosen,
            block: Accesses::NONE,
            after: Accesses::NONE,
            unsettled: Accesses::NONE,
            settles: false,
            varies: false,
            passes: false,
        }
    }
}

impl Ahead {
    pub(crate) fn new(notes: Notes) -> Self {
        Ahead { notes, ..Ahead::default() }
    }

    #[cfg(test)]
    pub(crate) fn notes(&self) -> Notes {
        self.notes
    }

    /// Where the notes of the last level begin.
    fn from(&self) -> usize {
        self.others.len().saturating_sub(self.notes.count())
    }

    /// A new decision.
    pub(crate) fn enter(&mut self, chosen: Task) {
        self.levels.push(Level::of(chosen));
        self.others.resize(self.levels.len() * self.notes.count(), Accesses::NONE);
    }

    /// At the last decision this task waits for something that lies here.
    pub(crate) fn waits(&mut self, task: Task, accesses: &Accesses) {
        #[cfg(test)]
        if self.faults.forgets_waits {
            return;
        }
        let (from, notes) = (self.from(), self.notes);
        for (nth, others) in self.others[from..].iter_mut().enumerate() {
            if notes.is_of_others_than(task, nth) {
                others.join(accesses);
            }
        }
    }

    /// The chosen task does this.
    #[inline]
    pub(crate) fn touch(&mut self, number: usize, write: bool) {
        if let Some(level) = self.levels.last_mut() {
            level.block.add(number, write);
        }
    }

    /// It does all this.
    pub(crate) fn touch_all(&mut self, accesses: &Accesses) {
        if let Some(level) = self.levels.last_mut() {
            level.block.join(accesses);
        }
    }

    /// Another branch of the last decision begins.
    pub(crate) fn turn_to(&mut self, chosen: Task) {
        if let Some(level) = self.levels.last_mut() {
            *level = Level::of(chosen);
        }
    }

    /// The branch is done: it was more than others may do before their next step.
    pub(crate) fn end_branch(&mut self) {
        #[cfg(test)]
        let forgets = self.faults.forgets_what_is_unsettled;
        #[cfg(not(test))]
        let forgets = false;
        let (from, notes) = (self.from(), self.notes);
        let Some(level) = self.levels.last() else { return };
        for (nth, others) in self.others[from..].iter_mut().enumerate() {
            if notes.is_of_others_than(level.chosen, nth) {
                others.join(&level.block);
            } else if Some(nth) == notes.until_settled(level.chosen) {
                if !level.settles && !forgets {
                    others.join(&level.unsettled);
                }
                if level.passes {
                    others.join(&level.block);
                }
            }
        }
    }

    /// The chosen task has settled: nothing that it has put off is still to be taken.
    pub(crate) fn settles(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.settles |= !level.varies;
        }
    }

    /// The chosen task does something that goes past what it has put off: as somebody else's it is noted.
    pub(crate) fn passes(&mut self) {
        #[cfg(test)]
        if self.faults.forgets_what_goes_past {
            return;
        }
        if let Some(level) = self.levels.last_mut() {
            level.passes = true;
        }
    }

    /// What the chosen task does in this block from here on may vary.
    pub(crate) fn varies(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.varies = true;
        }
    }

    /// Whether somebody else may notice if the task that was chosen last puts this off instead of doing it.
    pub(crate) fn notices(&self, put_off: &Accesses) -> bool {
        #[cfg(test)]
        if self.faults.puts_nothing_off {
            return false;
        }
        #[cfg(test)]
        if self.faults.puts_all_off {
            return true;
        }
        self.levels.last().is_none_or(|level| {
            let passes = level.passes && put_off.conflicts(&level.block);
            passes || put_off.conflicts(&level.unsettled)
        })
    }

    /// Whether the chosen task need not be left before its step: what follows commutes with that. Then others may do
    /// before it what they may do after it, and that is noted.
    pub(crate) fn commutes(&mut self) -> bool {
        let Some(level) = self.levels.last() else { return false };
        #[cfg(test)]
        if self.faults.leaves_nothing_out {
            return false;
        }
        #[cfg(test)]
        if self.faults.reads_commute {
            return !level.block.overwrites(&level.after);
        }
        if level.block.conflicts(&level.after) {
            return false;
        }
        let (from, notes, after) = (self.from(), self.notes, level.after);
        let settled = notes.until_settled(level.chosen);
        for nth in [Some(notes.until_step(level.chosen)), settled].into_iter().flatten() {
            self.others[from + nth].join(&after);
        }
        true
    }

    /// The execution comes to a state of which this is known, by number, and ends or is cut there.
    pub(crate) fn arrive(&mut self, known: &dyn Fn(usize) -> Accesses) {
        #[cfg(test)]
        if self.faults.forgets_what_is_ahead {
            return;
        }
        let (from, notes) = (self.from(), self.notes);
        let Some(level) = self.levels.last_mut() else { return };
        for (nth, others) in self.others[from..].iter_mut().enumerate() {
            if notes.is_of_others_than(level.chosen, nth) {
                others.join(&known(nth));
            }
        }
        level.after.join(&known(notes.until_step(level.chosen)));
        if let Some(settled) = notes.until_settled(level.chosen) {
            level.unsettled.join(&known(settled));
        }
    }

    /// The last decision is done.
    pub(crate) fn leave(&mut self) {
        let from = self.from();
        let mut known = [Accesses::NONE; MOST_NOTES];
        known[..self.others.len() - from].copy_from_slice(&self.others[from..]);
        self.others.truncate(from);
        let _ = self.levels.pop();
        self.arrive(&|nth| known[nth]);
    }

    /// For each decision of the path whether it is certain already, whatever is still to come, that the chosen
    /// task's step does not commute with what follows, so that others will be tried in its place.
    pub(crate) fn certain(&self) -> Vec<bool> {
        let mut certain = vec![false; self.levels.len()];
        // What is known so far of the state after the branch that is under way; sets only grow.
        let mut below = [Accesses::NONE; MOST_TASKS];
        for (nth, level) in self.levels.iter().enumerate().rev() {
            let chosen = usize::from(level.chosen.0);
            let mut after = level.after;
            after.join(&below[chosen]);
            certain[nth] = level.block.conflicts(&after);
            let others = &self.others[nth * self.notes.count()..][..self.notes.tasks];
            for (of, (below, others)) in below.iter_mut().zip(others).enumerate() {
                if of == chosen {
                    *below = *others;
                } else {
                    below.join(others);
                    below.join(&level.block);
                }
            }
        }
        certain
    }

    /// What is noted of the last decision, by number.
    pub(crate) fn noted(&self) -> &[Accesses] {
        &self.others[self.from()..]
    }
}
