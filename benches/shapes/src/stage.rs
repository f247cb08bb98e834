//! The face over `pgmap_sched`: plain cells, with a point before each use, put back before every execution.

use std::cell::Cell;
use std::panic::Location;

use pgmap_sched::{
    Defect, Effect, Looks, Model, Object, Step, Task, Verb, Wait, WaitClass, choose, current, fail,
    point, point_when, record, relax, settle, value,
};

use crate::face::{CONDS, Cond, Face, LOCKS, Lock, WORDS, Word};
use crate::shapes::{Form, Shape};

const LOAD: Verb = Verb(1);
const STORE: Verb = Verb(2);
const ADD: Verb = Verb(3);
const SWAP: Verb = Verb(4);
const CAS: Verb = Verb(5);
const LOCK: Verb = Verb(6);
const UNLOCK: Verb = Verb(7);
const SLEEP: Verb = Verb(8);
const WAKE: Verb = Verb(9);
const NOTIFY: Verb = Verb(10);

/// Faults: a claim inside a task, and the check at the end.
pub const CLAIM: u32 = 1;
pub const AT_THE_END: u32 = 2;

/// One shape in one form, as a model.
#[derive(Debug)]
pub struct Stage {
    shape: &'static Shape,
    form: Form,
    words: [Cell<i64>; WORDS],
    owners: [Cell<Option<Task>>; LOCKS],
    /// Who sleeps at each condition variable, as a mask.
    asleep: [Cell<u16>; CONDS],
    /// What did not hold in the last execution that failed.
    why: Cell<Option<&'static str>>,
}

impl Stage {
    #[must_use]
    pub fn new(shape: &'static Shape, form: Form) -> Self {
        Stage {
            shape,
            form,
            words: Default::default(),
            owners: Default::default(),
            asleep: Default::default(),
            why: Cell::new(None),
        }
    }

    /// What did not hold, when an execution has just ended in a fault.
    #[must_use]
    pub fn why(&self) -> Option<&'static str> {
        self.why.get()
    }

    #[track_caller]
    fn step(verb: Verb, object: Object, effect: Effect) -> Step {
        Step { verb, object, effect, site: Location::caller() }
    }

    #[track_caller]
    fn access(&self, verb: Verb, word: Word, effect: Effect) -> &Cell<i64> {
        point(Stage::step(verb, Object(word.0 as u64), effect));
        &self.words[word.0]
    }

    /// Takes a lock when it is free and, for whoever comes from sleep, when somebody has woken the task.
    fn take(&self, lock: Lock, woken_at: Option<Cond>) {
        let me = current().unwrap_or(Task(0));
        let (owner, bit) = (&self.owners[lock.0], 1 << me.0);
        let asleep = || woken_at.is_some_and(|cond| self.asleep[cond.0].get() & bit != 0);
        let class = WaitClass::named(if woken_at.is_some() { "condition" } else { "lock" });
        let looks = woken_at.map_or(Looks::AtItsObject, |cond| Looks::AlsoAt(object_at(cond)));
        let wait = Wait { class, object: lock.0 as u64, owner: &|| owner.get(), looks };
        point_when(Stage::step(LOCK, object_of(lock), Effect::Write), wait, &|| {
            owner.get().is_none() && !asleep()
        });
        owner.set(Some(me));
        if let Some(cond) = woken_at {
            // After whoever woke it.
            record(Stage::step(WAKE, object_at(cond), Effect::Read));
        }
    }
}

fn object_of(lock: Lock) -> Object {
    Object((WORDS + lock.0) as u64)
}

fn object_at(cond: Cond) -> Object {
    Object((WORDS + LOCKS + cond.0) as u64)
}

/// The `n`-th lowest bit of a mask.
fn nth(mut mask: u16, n: u32) -> u16 {
    for _ in 0..n {
        mask &= mask - 1;
    }
    mask & mask.wrapping_neg()
}

impl Face for Stage {
    fn load(&self, word: Word) -> i64 {
        let found = self.access(LOAD, word, Effect::Read).get();
        value(found.cast_unsigned(), found.cast_unsigned());
        found
    }

    fn store(&self, word: Word, new: i64) {
        let old = self.access(STORE, word, Effect::Write).replace(new);
        value(old.cast_unsigned(), new.cast_unsigned());
    }

    fn add(&self, word: Word, by: i64) -> i64 {
        let cell = self.access(ADD, word, Effect::Write);
        let old = cell.replace(cell.get() + by);
        value(old.cast_unsigned(), cell.get().cast_unsigned());
        old
    }

    fn swap(&self, word: Word, new: i64) -> i64 {
        let old = self.access(SWAP, word, Effect::Write).replace(new);
        if old == new {
            settle(Effect::Read);
        }
        value(old.cast_unsigned(), new.cast_unsigned());
        old
    }

    fn cas(&self, word: Word, old: i64, new: i64) -> bool {
        let cell = self.access(CAS, word, Effect::Write);
        let found = cell.get();
        if found == old {
            cell.set(new);
        } else {
            settle(Effect::Read);
        }
        value(found.cast_unsigned(), cell.get().cast_unsigned());
        found == old
    }

    fn lock(&self, lock: Lock) {
        self.take(lock, None);
    }

    fn unlock(&self, lock: Lock) {
        point(Stage::step(UNLOCK, object_of(lock), Effect::Write));
        self.owners[lock.0].set(None);
    }

    fn wait(&self, cond: Cond, lock: Lock) {
        let me = current().unwrap_or(Task(0));
        self.unlock(lock);
        let asleep = &self.asleep[cond.0];
        asleep.set(asleep.get() | 1 << me.0);
        record(Stage::step(SLEEP, object_at(cond), Effect::Write));
        self.take(lock, Some(cond));
    }

    fn notify_one(&self, cond: Cond) {
        point(Stage::step(NOTIFY, object_at(cond), Effect::Write));
        let asleep = self.asleep[cond.0].get();
        let which = choose(asleep.count_ones());
        self.asleep[cond.0].set(asleep & !nth(asleep, which));
    }

    fn notify_all(&self, cond: Cond) {
        point(Stage::step(NOTIFY, object_at(cond), Effect::Write));
        self.asleep[cond.0].set(0);
    }

    fn pause(&self) {
        relax(Location::caller());
    }

    fn broken(&self, why: &'static str) -> ! {
        self.why.set(Some(why));
        fail(Defect { code: CLAIM, object: 0, value: 0 })
    }
}

impl Model for Stage {
    fn tasks(&self) -> usize {
        self.shape.tasks
    }

    fn reset(&mut self) {
        for (n, word) in self.words.iter().enumerate() {
            word.set(self.shape.start.get(n).copied().unwrap_or(0));
        }
        self.owners.iter().for_each(|owner| owner.set(None));
        self.asleep.iter().for_each(|mask| mask.set(0));
        self.why.set(None);
    }

    fn run(&self, task: Task) {
        (self.shape.run)(self, task.0.into(), self.form);
    }

    fn finish(&self) -> Result<(), Defect> {
        (self.shape.check)(&|word: Word| self.words[word.0].get()).map_err(|why| {
            self.why.set(Some(why));
            Defect { code: AT_THE_END, object: 0, value: 0 }
        })
    }
}
