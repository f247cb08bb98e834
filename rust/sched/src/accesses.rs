//! Sets of accesses: which objects were touched, and which of them written.
//!
//! Objects are numbered as they are met; numbers beyond the size of a set stand for several objects, so a set may
//! have too much and never too little.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::hash::{Folding, mix64};
use crate::step::Object;

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

    /// Whether some object is written by both.
    #[cfg(test)]
    pub(crate) fn overwrites(&self, other: &Self) -> bool {
        self.written.iter().zip(&other.written).any(|(mine, theirs)| mine & theirs != 0)
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
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
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
