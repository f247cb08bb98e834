//! Which states the search has been in: signature to fewest preemptions spent on the way.
//!
//! The table never forgets and never evicts, so what it answers is always true. When it is as
//! large as it may be it refuses newcomers, and counts them: the search then repeats work, but
//! loses nothing.

const FIRST_CAPACITY: usize = 1 << 10;
/// The low byte of an entry is the count; a digest that is zero above it stands for "empty".
const COUNT: u128 = 0xff;

/// What the table says about a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// Nobody came here with so few preemptions.
    First,
    /// Whatever can be reached from here has been, or is on the list.
    Known,
}

/// A set of states with the preemptions spent; 16 bytes a state.
pub(crate) struct Cache {
    entries: Vec<u128>,
    used: usize,
    most: usize,
    refused: u64,
}

impl Cache {
    /// A table that never takes more than `bytes`.
    pub(crate) fn new(bytes: usize) -> Self {
        let most = bytes / size_of::<u128>();
        // Powers of two only, and while the table grows the old half is there as well.
        let most = if most == 0 { 0 } else { (most + 1).next_power_of_two() / 2 };
        Cache { entries: vec![0; most.min(FIRST_CAPACITY)], used: 0, most, refused: 0 }
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
        let digest = match state & !COUNT {
            0 => COUNT + 1,
            digest => digest,
        };
        let at = place(&self.entries, digest);
        let entry = self.entries[at];
        if entry != 0 {
            // 255 stands for "255 or more", and those are not comparable.
            if (entry & COUNT) <= spent && spent < COUNT {
                return Visit::Known;
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

    fn grow(&mut self) -> bool {
        if self.entries.len() * 2 > self.most {
            return false;
        }
        let mut wider = vec![0; self.entries.len() * 2];
        for entry in self.entries.iter().copied().filter(|&entry| entry != 0) {
            let at = place(&wider, entry & !COUNT);
            wider[at] = entry;
        }
        self.entries = wider;
        true
    }
}

fn place(entries: &[u128], digest: u128) -> usize {
    let mask = entries.len() - 1;
    let mut at = (digest >> 64) as usize & mask;
    while entries[at] != 0 && entries[at] & !COUNT != digest {
        at = (at + 1) & mask;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    #[test]
    fn a_state_is_known_only_to_those_who_spent_as_much() {
        let mut cache = Cache::new(1 << 16);
        assert_eq!(cache.visit(77 << 64, 2), Visit::First);
        assert_eq!(cache.visit(77 << 64, 3), Visit::Known);
        assert_eq!(cache.visit(77 << 64, 2), Visit::Known);
        assert_eq!(cache.visit(77 << 64, 1), Visit::First);
        assert_eq!(cache.visit(77 << 64, 1), Visit::Known);
    }

    #[test]
    fn a_full_table_refuses_newcomers_and_keeps_what_it_has() {
        let mut cache = Cache::new(16 << 10);
        let states: Vec<u128> = (0..5000).map(|n| mix(n, 0, 0)).collect();
        for &state in &states {
            assert_eq!(cache.visit(state, 0), Visit::First);
        }
        assert_eq!(cache.len() as u64 + cache.refused(), 5000);
        assert!(cache.refused() > 0);
        let known = states.iter().filter(|&&state| cache.visit(state, 0) == Visit::Known).count();
        assert_eq!(known, cache.len());
    }

    #[test]
    fn a_growing_table_forgets_nothing() {
        let mut cache = Cache::new(1 << 22);
        for n in 0..50_000 {
            assert_eq!(cache.visit(mix(n, 0, 0), 0), Visit::First);
        }
        assert_eq!(cache.refused(), 0);
        assert!((0..50_000).all(|n| cache.visit(mix(n, 0, 0), 0) == Visit::Known));
    }
}
