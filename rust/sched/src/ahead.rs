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
//! What a model owes the search without a bound (`dpor`) it owes this one: what decides a block's course, or is
//! changed by it, is touched.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::hash::{Folding, mix64};
use crate::step::{MOST_TASKS, Object, Task};

const WORDS: usize = 8;

/// A set of accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accesses {
    touched: [u64; WORDS],
    written: [u64; WORDS],
}

impl core::hash::Hash for Accesses {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.touched.iter().chain(&self.written).for_each(|&word| state.write_u64(word));
    }
}

impl Accesses {
    pub(crate) const NONE: Self = Self { touched: [0; WORDS], written: [0; WORDS] };
    /// Anything.
    pub(crate) const ALL: Self = Self { touched: [u64::MAX; WORDS], written: [u64::MAX; WORDS] };

    /// Adds an access to the object of this number.
    #[inline]
    pub(crate) fn add(&mut self, number: usize, write: bool) {
        let (word, bit) = (number / 64 % WORDS, 1 << (number % 64));
        self.touched[word] |= bit;
        if write {
            self.written[word] |= bit;
        }
    }

    pub(crate) fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.touched.iter_mut().zip(&other.touched) {
            *mine |= theirs;
        }
        for (mine, theirs) in self.written.iter_mut().zip(&other.written) {
            *mine |= theirs;
        }
    }

    /// Whether some object is touched by both and written by one.
    fn conflicts(&self, other: &Self) -> bool {
        let one = self.touched.iter().zip(&other.written);
        let other = self.written.iter().zip(&other.touched);
        one.chain(other).any(|(mine, theirs)| mine & theirs != 0)
    }
}

/// Objects as they are numbered in sets of accesses. Threads that read each other's sets number them alike.
pub(crate) struct Numbers {
    all: HashMap<u64, u32, Folding>,
    /// Those asked for last, at their places.
    recent: Vec<(u64, u32)>,
    common: Option<Arc<CommonNumbers>>,
}

/// The numbers that several threads have given out: the first who meets an object gives it one.
#[derive(Debug, Default)]
pub(crate) struct CommonNumbers(Mutex<HashMap<u64, u32, Folding>>);

/// A power of two.
const RECENT: usize = 1 << 10;

impl Numbers {
    pub(crate) fn new(common: Option<Arc<CommonNumbers>>) -> Self {
        // Nothing has this number.
        Numbers { all: HashMap::default(), recent: vec![(0, u32::MAX); RECENT], common }
    }

    #[inline]
    pub(crate) fn of(&mut self, object: Object) -> usize {
        let place = mix64(object.0, 0) as usize % RECENT;
        let (known, number) = self.recent[place];
        if known == object.0 && number != u32::MAX {
            return number as usize;
        }
        self.look_up(object, place)
    }

    #[cold]
    fn look_up(&mut self, object: Object, place: usize) -> usize {
        let next = self.all.len() as u32;
        let common = self.common.as_deref();
        let new = || common.map_or(next, |common| common.of(object));
        let number = *self.all.entry(object.0).or_insert_with(new);
        self.recent[place] = (object.0, number);
        number as usize
    }
}

impl CommonNumbers {
    fn of(&self, object: Object) -> u32 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = all.len() as u32;
        *all.entry(object.0).or_insert(next)
    }
}

/// What is noted at the decisions of the path, the last one on top.
#[derive(Default)]
pub(crate) struct Ahead {
    tasks: usize,
    levels: Vec<Level>,
    /// For each level and task what others may do before the next step of that task.
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
}

impl Ahead {
    pub(crate) fn new(tasks: usize) -> Self {
        Ahead { tasks, ..Ahead::default() }
    }

    /// A new decision.
    pub(crate) fn enter(&mut self, chosen: Task) {
        self.levels.push(Level { chosen, block: Accesses::NONE, after: Accesses::NONE });
        self.others.resize(self.levels.len() * self.tasks, Accesses::NONE);
    }

    /// At the last decision this task waits for something that lies here.
    pub(crate) fn waits(&mut self, task: Task, accesses: &Accesses) {
        #[cfg(test)]
        if self.faults.forgets_waits {
            return;
        }
        let from = self.others.len().saturating_sub(self.tasks);
        for (of, others) in (0..).zip(&mut self.others[from..]) {
            if of != task.0 {
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
            *level = Level { chosen, block: Accesses::NONE, after: Accesses::NONE };
        }
    }

    /// The branch is done: it was more than others may do before their next step.
    pub(crate) fn end_branch(&mut self) {
        let from = self.others.len().saturating_sub(self.tasks);
        if let Some(level) = self.levels.last() {
            for (of, others) in (0..).zip(&mut self.others[from..]) {
                if of != level.chosen.0 {
                    others.join(&level.block);
                }
            }
        }
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
            let writes = level.block.written.iter().zip(&level.after.written);
            return writes.into_iter().all(|(mine, theirs)| mine & theirs == 0);
        }
        if level.block.conflicts(&level.after) {
            return false;
        }
        let from = self.others.len() - self.tasks;
        self.others[from + usize::from(level.chosen.0)].join(&level.after);
        true
    }

    /// The execution comes to a state of which this is known, by task, and ends or is cut there.
    pub(crate) fn arrive(&mut self, known: &dyn Fn(Task) -> Accesses) {
        #[cfg(test)]
        if self.faults.forgets_what_is_ahead {
            return;
        }
        let from = self.others.len().saturating_sub(self.tasks);
        let Some(level) = self.levels.last_mut() else { return };
        for (of, others) in (0..).zip(&mut self.others[from..]) {
            if of != level.chosen.0 {
                others.join(&known(Task(of)));
            }
        }
        level.after.join(&known(level.chosen));
    }

    /// The last decision is done.
    pub(crate) fn leave(&mut self) {
        let from = self.others.len().saturating_sub(self.tasks);
        let mut known = [Accesses::NONE; MOST_TASKS];
        known[..self.tasks].copy_from_slice(&self.others[from..]);
        self.others.truncate(from);
        let _ = self.levels.pop();
        self.arrive(&|task| known[usize::from(task.0)]);
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
            let others = &self.others[nth * self.tasks..][..self.tasks];
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

    /// What is noted of the last decision, by task.
    pub(crate) fn noted(&self) -> &[Accesses] {
        &self.others[self.others.len().saturating_sub(self.tasks)..]
    }
}
