//! What a shape is written against: words, locks and condition variables, each known by its number.
//!
//! Every call but [`broken`](Face::broken) is one scheduling point, or two where a thread sleeps and wakes.
//! Memory is sequentially consistent. A plain variable of the original program is a word here: its
//! accesses are points as well, or the mistake could not show.

/// One shared word; all start at zero unless the shape says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub usize);

/// One mutex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock(pub usize);

/// One condition variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cond(pub usize);

/// How many of each a shape may use.
pub const WORDS: usize = 32;
pub const LOCKS: usize = 16;
pub const CONDS: usize = 2;

impl Word {
    /// The word `n` places on: arrays are words in a row.
    #[must_use]
    pub const fn at(self, n: usize) -> Self {
        Word(self.0 + n)
    }
}

impl Lock {
    #[must_use]
    pub const fn at(self, n: usize) -> Self {
        Lock(self.0 + n)
    }
}

/// A scheduler's primitives, as one task of a shape sees them.
pub trait Face {
    fn load(&self, word: Word) -> i64;
    fn store(&self, word: Word, new: i64);
    /// Adds in one step; the value before.
    fn add(&self, word: Word, by: i64) -> i64;
    /// Replaces in one step; the value before.
    fn swap(&self, word: Word, new: i64) -> i64;
    /// Replaces `old`, and only that, by `new` in one step; whether it did.
    fn cas(&self, word: Word, old: i64, new: i64) -> bool;

    fn lock(&self, lock: Lock);
    fn unlock(&self, lock: Lock);

    /// Lets go of the lock and sleeps, in one step, until somebody notifies; takes the lock again.
    fn wait(&self, cond: Cond, lock: Lock);
    /// Wakes one sleeper, any of them.
    fn notify_one(&self, cond: Cond);
    fn notify_all(&self, cond: Cond);

    /// One turn of a busy-wait.
    fn pause(&self);

    /// The mistake has shown: ends the execution.
    fn broken(&self, why: &'static str) -> !;

    /// What must hold here.
    fn expect(&self, holds: bool, why: &'static str) {
        if !holds {
            self.broken(why);
        }
    }

    /// Spins until a word has a value.
    fn spin_until(&self, word: Word, wanted: i64) {
        while self.load(word) != wanted {
            self.pause();
        }
    }
}
