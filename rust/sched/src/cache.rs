//! Which states the search has been in: signature to fewest preemptions spent on the way, and to what tasks may do
//! from there on (`ahead`).
//!
//! The table never forgets and never evicts, so what it answers is always true. When it is as
//! large as it may be it refuses newcomers, and counts them: the search then repeats work, but
//! loses nothing. Of what tasks may do there are few different sets, each of which is kept once.

use std::collections::HashMap;

use crate::ahead::Accesses;
use crate::hash::Folding;
use crate::step::Task;

const FIRST_CAPACITY: usize = 1 << 10;
/// One of so many bytes may go into sets of accesses.
const FOR_SETS: usize = 8;
/// The low byte of an entry is the count; a digest that is zero above it stands for "empty".
const COUNT: u128 = 0xff;

/// What the table says about a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// Nobody came here with so few preemptions.
    First,
    /// Whatever can be reached from here has been, or is on the list. The place is for [`Cache::ahead`].
    Known(usize),
}

/// A set of states with the preemptions spent; 16 bytes a state, and 4 for each task.
pub(crate) struct Cache {
    entries: Vec<u128>,
    tasks: usize,
    /// For each entry and task the number of a set.
    ahead: Vec<u32>,
    sets: Sets,
    used: usize,
    most: usize,
    refused: u64,
}

/// Different sets of accesses, by number.
struct Sets {
    numbers: HashMap<Accesses, u32, Folding>,
    sets: Vec<Accesses>,
    most: usize,
}

/// The number of the set of all accesses.
const ALL: u32 = 0;

impl Sets {
    fn new(bytes: usize) -> Self {
        let most = bytes / (2 * size_of::<Accesses>());
        Sets { numbers: HashMap::default(), sets: vec![Accesses::ALL], most }
    }

    /// The number of a set; without room for it that of all accesses.
    fn number(&mut self, set: &Accesses) -> u32 {
        if let Some(&number) = self.numbers.get(set) {
            return number;
        }
        if self.sets.len() >= self.most {
            return ALL;
        }
        let number = self.sets.len() as u32;
        self.sets.push(*set);
        self.numbers.insert(*set, number);
        number
    }
}

impl Cache {
    /// A table for states of so many tasks that never takes more than `bytes`.
    pub(crate) fn new(bytes: usize, tasks: usize) -> Self {
        let for_sets = bytes / FOR_SETS;
        let most = (bytes - for_sets) / (size_of::<u128>() + tasks * size_of::<u32>());
        // While the table grows the old one is there as well.
        let first = most.min(FIRST_CAPACITY);
        Cache {
            entries: vec![0; first],
            tasks,
            ahead: vec![ALL; first * tasks],
            sets: Sets::new(for_sets),
            used: 0,
            most,
            refused: 0,
        }
    }

    /// Whether there is no room for any state.
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.used
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Comes to a state after `spent` preemptions.
    pub(crate) fn visit(&mut self, state: u128, spent: u32) -> Visit {
        if self.is_off() {
            return Visit::First;
        }
        let spent = u128::from(spent.min(COUNT as u32));
        let digest = digest(state);
        let at = place(&self.entries, digest);
        let entry = self.entries[at];
        if entry != 0 {
            // 255 stands for "255 or more", and those are not comparable.
            if (entry & COUNT) <= spent && spent < COUNT {
                return Visit::Known(at);
            }
            self.entries[at] = digest | spent.min(entry & COUNT);
            return Visit::First;
        }
        if (self.used + 1) * 8 > self.entries.len() * 7 && !self.grow() {
            self.refused += 1;
            return Visit::First;
        }
        let at = place(&self.entries, digest);
        self.entries[at] = digest | spent;
        self.used += 1;
        Visit::First
    }

    /// Everything that can be reached from a state has been, and this is what others may do before the next
    /// step of each task.
    pub(crate) fn complete(&mut self, state: u128, ahead: &[Accesses]) {
        if self.is_off() {
            return;
        }
        let at = place(&self.entries, digest(state));
        if self.entries[at] != 0 {
            for (number, set) in self.ahead[at * self.tasks..].iter_mut().zip(ahead) {
                *number = self.sets.number(set);
            }
        }
    }

    /// What others may do before a task's next step, from the state at this place.
    pub(crate) fn ahead(&self, place: usize, task: Task) -> &Accesses {
        &self.sets.sets[self.ahead[place * self.tasks + usize::from(task.0)] as usize]
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

    #[test]
    fn a_state_is_known_only_to_those_who_spent_as_much() {
        let mut cache = Cache::new(1 << 16, 2);
        assert_eq!(cache.visit(77 << 64, 2), Visit::First);
        assert!(matches!(cache.visit(77 << 64, 3), Visit::Known(_)));
        assert!(matches!(cache.visit(77 << 64, 2), Visit::Known(_)));
        assert_eq!(cache.visit(77 << 64, 1), Visit::First);
        assert!(matches!(cache.visit(77 << 64, 1), Visit::Known(_)));
    }

    #[test]
    fn a_full_table_refuses_newcomers_and_keeps_what_it_has() {
        let mut cache = Cache::new(16 << 10, 2);
        let states: Vec<u128> = (0..5000).map(|n| mix(n, 0, 0)).collect();
        for &state in &states {
            assert_eq!(cache.visit(state, 0), Visit::First);
        }
        assert_eq!(cache.len() as u64 + cache.refused(), 5000);
        assert!(cache.refused() > 0);
        let knows = |&&state: &&u128| matches!(cache.visit(state, 0), Visit::Known(_));
        let known = states.iter().filter(knows).count();
        assert_eq!(known, cache.len());
    }

    #[test]
    fn a_growing_table_forgets_nothing() {
        let mut cache = Cache::new(1 << 23, 2);
        for n in 0..50_000 {
            assert_eq!(cache.visit(mix(n, 0, 0), 0), Visit::First);
        }
        assert_eq!(cache.refused(), 0);
        assert!((0..50_000).all(|n| matches!(cache.visit(mix(n, 0, 0), 0), Visit::Known(_))));
    }

    #[test]
    fn what_is_ahead_of_a_state_is_anything_until_it_is_complete_and_stays_when_the_table_grows() {
        let set = |n: usize| {
            let mut set = Accesses::NONE;
            set.add(n % 7, n.is_multiple_of(2));
            set
        };
        let mut cache = Cache::new(1 << 23, 2);
        for n in 0..5_000usize {
            assert_eq!(cache.visit(mix(n as u128, 0, 0), 0), Visit::First);
            let Visit::Known(at) = cache.visit(mix(n as u128, 0, 0), 0) else { panic!("{n}") };
            assert_eq!(*cache.ahead(at, Task(1)), Accesses::ALL);
            cache.complete(mix(n as u128, 0, 0), &[set(n), set(n + 1)]);
        }
        for n in 0..5_000usize {
            let Visit::Known(at) = cache.visit(mix(n as u128, 0, 0), 0) else { panic!("{n}") };
            assert_eq!(
                [*cache.ahead(at, Task(0)), *cache.ahead(at, Task(1))],
                [set(n), set(n + 1)]
            );
        }
        assert_eq!(cache.sets.sets.len(), 1 + 14);
    }
}
