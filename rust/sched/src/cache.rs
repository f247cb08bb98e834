//! Which states the search is done with: signature to fewest preemptions spent on the way, and to what tasks may do
//! from there on (`ahead`).
//!
//! A state comes in when everything that can be reached from it has been, and not before: whoever finds it here need
//! not look. (A search that is alone would not notice the difference: a state has all that led to it in its
//! signature, so nobody comes to it again before that.)
//!
//! The table never forgets and never evicts, so what it answers is always true. When it is as
//! large as it may be it refuses newcomers, and counts them: the search then repeats work, but
//! loses nothing. Of what tasks may do there are few different sets, each of which is kept once.

use std::collections::HashMap;

use crate::accesses::Accesses;
use crate::hash::Folding;

const FIRST_CAPACITY: usize = 1 << 10;
/// One of so many bytes may go into sets of accesses.
const FOR_SETS: usize = 8;
/// The low byte of an entry is the count; a digest that is zero above it stands for "empty".
const COUNT: u128 = 0xff;

/// A state as the cache knows it, and the preemptions spent on the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) state: u128,
    pub(crate) spent: u32,
}

/// A set of states with the preemptions spent; 16 bytes a state, and 4 for each task.
pub(crate) struct Table {
    entries: Vec<u128>,
    tasks: usize,
    /// For each entry and task the number of a set.
    ahead: Vec<u32>,
    used: usize,
    most: usize,
}

/// What a table made of a state that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    New,
    /// It was there, now or before.
    Again,
    /// There is no room.
    Refused,
}

/// Different sets of accesses, by number.
pub(crate) struct Sets {
    numbers: HashMap<Accesses, u32, Folding>,
    sets: Vec<Accesses>,
    most: usize,
}

/// The number of the set of all accesses.
const ALL: u32 = 0;

impl Sets {
    /// As many as a cache of so many bytes may have.
    pub(crate) fn new(bytes: usize) -> Self {
        let most = bytes / FOR_SETS / (2 * size_of::<Accesses>());
        Sets { numbers: HashMap::default(), sets: vec![Accesses::ALL], most }
    }

    /// The number of a set, if it has one or can have none.
    pub(crate) fn known(&self, set: &Accesses) -> Option<u32> {
        let full = (self.sets.len() >= self.most).then_some(ALL);
        self.numbers.get(set).copied().or(full)
    }

    /// The number of a set; without room for it that of all accesses.
    pub(crate) fn number(&mut self, set: &Accesses) -> u32 {
        if let Some(number) = self.known(set) {
            return number;
        }
        let number = self.sets.len() as u32;
        self.sets.push(*set);
        self.numbers.insert(*set, number);
        number
    }

    pub(crate) fn get(&self, number: u32) -> &Accesses {
        &self.sets[number as usize]
    }
}

impl Table {
    /// For states of so many tasks, in its part of a cache of so many bytes.
    pub(crate) fn new(bytes: usize, tasks: usize) -> Self {
        let most = (bytes - bytes / FOR_SETS) / (size_of::<u128>() + tasks * size_of::<u32>());
        // While the table grows the old one is there as well.
        let first = most.min(FIRST_CAPACITY);
        Table { entries: vec![0; first], tasks, ahead: vec![ALL; first * tasks], used: 0, most }
    }

    /// Whether there is no room for any state.
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        self.entries.is_empty()
    }

    /// If whatever can be reached from here has been: for each task the number of the set of what others may do
    /// before its next step.
    pub(crate) fn known(&self, visit: Visit) -> Option<&[u32]> {
        if self.is_off() {
            return None;
        }
        let spent = u128::from(visit.spent.min(COUNT as u32));
        let at = place(&self.entries, digest(visit.state));
        let entry = self.entries[at];
        // 255 stands for "255 or more", and those are not comparable.
        let known = entry != 0 && (entry & COUNT) <= spent && spent < COUNT;
        known.then(|| &self.ahead[at * self.tasks..][..self.tasks])
    }

    /// Everything that can be reached from a state has been, and this is what others may do before the next
    /// step of each task.
    pub(crate) fn complete(&mut self, visit: Visit, ahead: impl Iterator<Item = u32>) -> Taken {
        if self.is_off() {
            return Taken::Refused;
        }
        let spent = u128::from(visit.spent.min(COUNT as u32));
        let digest = digest(visit.state);
        let mut at = place(&self.entries, digest);
        let there = self.entries[at];
        if there == 0 && (self.used + 1) * 8 > self.entries.len() * 7 {
            if !self.grow() {
                return Taken::Refused;
            }
            at = place(&self.entries, digest);
        }
        // What was noted by somebody who had spent less is for those who have, too.
        if there == 0 || (there & COUNT) > spent {
            self.entries[at] = digest | spent;
            let numbers = &mut self.ahead[at * self.tasks..][..self.tasks];
            numbers.iter_mut().zip(ahead).for_each(|(mine, number)| *mine = number);
        }
        if there != 0 {
            return Taken::Again;
        }
        self.used += 1;
        Taken::New
    }

    fn grow(&mut self) -> bool {
        let length = self.most.min(self.entries.len() * 2);
        if length == self.entries.len() {
            return false;
        }
        let mut wider = vec![0; length];
        let mut ahead = vec![ALL; wider.len() * self.tasks];
        for (from, &entry) in self.entries.iter().enumerate().filter(|&(_, &entry)| entry != 0) {
            let at = place(&wider, entry & !COUNT);
            wider[at] = entry;
            ahead[at * self.tasks..][..self.tasks]
                .copy_from_slice(&self.ahead[from * self.tasks..][..self.tasks]);
        }
        (self.entries, self.ahead) = (wider, ahead);
        true
    }
}

/// A state without the byte for the count, and never zero.
fn digest(state: u128) -> u128 {
    match state & !COUNT {
        0 => COUNT + 1,
        digest => digest,
    }
}

fn place(entries: &[u128], digest: u128) -> usize {
    let length = entries.len();
    // The high half as a fraction of the table.
    let mut at = (((digest >> 64) * length as u128) >> 64) as usize;
    while entries[at] != 0 && entries[at] & !COUNT != digest {
        at = if at + 1 == length { 0 } else { at + 1 };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    /// Comes to a state and goes through all that can be reached from it, unless it is known.
    fn is_known(table: &mut Table, state: u128, spent: u32) -> (bool, Option<Taken>) {
        let visit = Visit { state, spent };
        match table.known(visit) {
            Some(_) => (true, None),
            None => (false, Some(table.complete(visit, [ALL, ALL].into_iter()))),
        }
    }

    #[test]
    fn a_state_is_known_only_to_those_who_spent_as_much() {
        let mut table = Table::new(1 << 16, 2);
        assert_eq!(is_known(&mut table, 77 << 64, 2), (false, Some(Taken::New)));
        assert!(is_known(&mut table, 77 << 64, 3).0);
        assert!(is_known(&mut table, 77 << 64, 2).0);
        assert_eq!(is_known(&mut table, 77 << 64, 1), (false, Some(Taken::Again)));
        assert!(is_known(&mut table, 77 << 64, 1).0);
    }

    #[test]
    fn a_state_is_not_known_before_it_is_complete() {
        let mut table = Table::new(1 << 16, 2);
        let visit = Visit { state: 77 << 64, spent: 0 };
        assert_eq!(table.known(visit), None);
        assert_eq!(table.known(visit), None);
        assert_eq!(table.complete(visit, [3, 4].into_iter()), Taken::New);
        assert_eq!(table.known(visit), Some(&[3, 4][..]));
    }

    #[test]
    fn what_is_noted_is_of_who_spent_least() {
        let mut table = Table::new(1 << 16, 1);
        let of = |spent| Visit { state: 77 << 64, spent };
        assert_eq!(table.complete(of(2), [2].into_iter()), Taken::New);
        assert_eq!(table.complete(of(1), [1].into_iter()), Taken::Again);
        // Two may be at work on one state, and the slower one is done last.
        assert_eq!(table.complete(of(2), [2].into_iter()), Taken::Again);
        assert_eq!(table.known(of(2)), Some(&[1][..]));
        assert_eq!(table.known(of(0)), None);
    }

    #[test]
    fn a_full_table_refuses_newcomers_and_keeps_what_it_has() {
        let mut table = Table::new(16 << 10, 2);
        let states: Vec<u128> = (0..5000).map(|n| mix(n, 0, 0)).collect();
        let taken: Vec<_> = states.iter().map(|&state| is_known(&mut table, state, 0)).collect();
        let refused = taken.iter().filter(|taken| **taken == (false, Some(Taken::Refused))).count();
        assert!(refused > 0);
        let known = states.iter().filter(|&&state| is_known(&mut table, state, 0).0).count();
        assert_eq!((known, known + refused), (table.used, 5000));
    }

    #[test]
    fn a_growing_table_forgets_nothing() {
        let mut table = Table::new(1 << 23, 2);
        for n in 0..50_000 {
            assert_eq!(is_known(&mut table, mix(n, 0, 0), 0), (false, Some(Taken::New)));
        }
        assert!((0..50_000).all(|n| is_known(&mut table, mix(n, 0, 0), 0).0));
    }

    #[test]
    fn what_is_ahead_of_a_state_stays_when_the_table_grows() {
        let mut table = Table::new(1 << 23, 2);
        let visit = |n: u32| Visit { state: mix(u128::from(n), 0, 0), spent: 0 };
        for n in 0..5_000 {
            assert_eq!(table.complete(visit(n), [n, n + 1].into_iter()), Taken::New);
        }
        for n in 0..5_000 {
            assert_eq!(table.known(visit(n)), Some(&[n, n + 1][..]));
        }
    }

    #[test]
    fn equal_sets_have_one_number_and_without_room_a_set_is_everything() {
        let set = |n: usize| {
            let mut set = Accesses::NONE;
            set.add(n % 7, n.is_multiple_of(2));
            set
        };
        let mut sets = Sets::new(1 << 20);
        for n in 0..5_000 {
            let number = sets.number(&set(n));
            assert_eq!(*sets.get(number), set(n));
            assert_eq!(sets.known(&set(n)), Some(number));
        }
        assert_eq!(sets.sets.len(), 1 + 14);
        let mut none = Sets::new(0);
        let number = none.number(&set(1));
        assert_eq!(*none.get(number), Accesses::ALL);
    }
}
