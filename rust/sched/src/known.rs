//! The states that a search is done with, of one search alone or of several threads together.
//!
//! Threads that search the same tree tell each other what they are done with (`crew` says why that is sound). Their
//! table is in parts, each under a lock of its own, by some bits of the signature; the sets of accesses are few and
//! hardly ever new, so they are read by all at once. Locks order everything; the counts that are not under one are
//! numbers for whoever looks and steer nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::accesses::Accesses;
use crate::ahead::{MOST_NOTES, Notes};
use crate::cache::{Sets, Table, Taken, Visit};
use crate::engine::guide::States;

/// A power of two, so large that two threads seldom want the same part.
const PARTS: usize = 64;

/// The states that are known.
pub(crate) enum Known {
    Mine { table: Table, sets: Sets, states: States },
    Ours(Arc<Common>),
}

/// The states that several threads know.
pub(crate) struct Common {
    parts: Vec<Mutex<Table>>,
    sets: RwLock<Sets>,
    kept: AtomicU64,
    refused: AtomicU64,
    notes: Notes,
}

impl Known {
    /// For a search that is alone.
    pub(crate) fn mine(bytes: usize, notes: Notes) -> Self {
        let (table, sets) = (Table::new(bytes, notes.count()), Sets::new(bytes));
        Known::Mine { table, sets, states: States::default() }
    }

    /// Whether there is no room for any state.
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        match self {
            Known::Mine { table, .. } => table.is_off(),
            // Nobody shares what has no room.
            Known::Ours(_) => false,
        }
    }

    /// Whether all that can be reached from a state has been; `arrive` hears its notes.
    pub(crate) fn look(
        &self,
        visit: Visit,
        arrive: impl FnOnce(&dyn Fn(usize) -> Accesses),
    ) -> bool {
        match self {
            Known::Mine { table, sets, .. } => {
                let Some(numbers) = table.known(visit) else { return false };
                arrive(&|nth| *sets.get(numbers[nth]));
            }
            Known::Ours(common) => {
                let Some(numbers) = common.known(visit) else { return false };
                let sets = common.sets.read().unwrap_or_else(PoisonError::into_inner);
                arrive(&|nth| *sets.get(numbers[nth]));
            }
        }
        true
    }

    /// Everything that can be reached from a state has been.
    pub(crate) fn complete(&mut self, visit: Visit, ahead: &[Accesses]) {
        match self {
            Known::Mine { table, sets, states } => {
                let numbers = ahead.iter().map(|set| sets.number(set));
                match table.complete(visit, numbers) {
                    Taken::New => states.kept += 1,
                    Taken::Again => {}
                    Taken::Refused => states.refused += 1,
                }
            }
            Known::Ours(common) => common.complete(visit, ahead),
        }
    }

    pub(crate) fn states(&self) -> States {
        match self {
            Known::Mine { states, .. } => *states,
            // Relaxed, both: numbers for whoever looks.
            Known::Ours(common) => States {
                kept: common.kept.load(Ordering::Relaxed),
                refused: common.refused.load(Ordering::Relaxed),
            },
        }
    }
}

impl Common {
    pub(crate) fn new(bytes: usize, notes: Notes) -> Self {
        let part = || Mutex::new(Table::new(bytes / PARTS, notes.count()));
        Common {
            parts: (0..PARTS).map(|_| part()).collect(),
            sets: RwLock::new(Sets::new(bytes)),
            kept: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            notes,
        }
    }

    /// The part that a state is in. A table goes by the high half.
    fn part(&self, visit: Visit) -> &Mutex<Table> {
        &self.parts[(visit.state >> 32) as usize % PARTS]
    }

    fn known(&self, visit: Visit) -> Option<[u32; MOST_NOTES]> {
        let part = self.part(visit).lock().unwrap_or_else(PoisonError::into_inner);
        let known = part.known(visit)?;
        let mut numbers = [0; MOST_NOTES];
        numbers[..self.notes.count()].copy_from_slice(known);
        Some(numbers)
    }

    fn complete(&self, visit: Visit, ahead: &[Accesses]) {
        let mut numbers = [0; MOST_NOTES];
        for (number, set) in numbers.iter_mut().zip(ahead) {
            let known = self.sets.read().unwrap_or_else(PoisonError::into_inner).known(set);
            *number = known.unwrap_or_else(|| {
                self.sets.write().unwrap_or_else(PoisonError::into_inner).number(set)
            });
        }
        let mut part = self.part(visit).lock().unwrap_or_else(PoisonError::into_inner);
        let taken = part.complete(visit, numbers.into_iter());
        drop(part);
        // Relaxed, both: as where they are read.
        match taken {
            Taken::New => self.kept.fetch_add(1, Ordering::Relaxed),
            Taken::Again => 0,
            Taken::Refused => self.refused.fetch_add(1, Ordering::Relaxed),
        };
    }
}

impl core::fmt::Debug for Common {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Common").finish_non_exhaustive()
    }
}
