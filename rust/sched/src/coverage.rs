//! How much of a model's behaviour random executions have shown, and how much they have not.
//!
//! Executions that order their dependent steps alike are one *class*: they do the same thing. Each
//! execution is told here by the signature of its happens-before, and the table counts how often each
//! class was seen. The share of executions whose class was seen only once estimates the chance that
//! the next execution, drawn likewise, shows a new one (Good 1953, after Turing).
//!
//! The table has a limit. When it is full, half of the signatures, by one of their bits, are dropped and no
//! longer taken, and so on; what is left stands for all (Wegman's adaptive sampling, Flajolet 1990). Which
//! classes are left depends on the set of executions alone, so tables can be filled apart and merged.

use std::collections::HashMap;

use crate::hash::Folding;

/// Classes kept at most, in a table of some 4 MiB.
const ROOM: usize = 1 << 17;

/// The classes that executions have shown.
#[derive(Clone)]
pub struct Coverage {
    /// How often each class was seen.
    seen: HashMap<u64, u32, Folding>,
    executions: u64,
    /// So many low bits of a signature must be zero for it to be kept.
    level: u32,
    room: usize,
}

impl Default for Coverage {
    fn default() -> Self {
        Coverage { seen: HashMap::default(), executions: 0, level: 0, room: ROOM }
    }
}

impl core::fmt::Debug for Coverage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (executions, classes) = (self.executions(), self.classes());
        write!(f, "Coverage({classes} classes in {executions}, {} once)", self.singletons())
    }
}

impl Coverage {
    /// Takes an execution that came to its end.
    pub(crate) fn add(&mut self, signature: u128) {
        self.executions += 1;
        // Either half will do; a sum of digests is as even in both.
        self.take(signature as u64, 1);
    }

    /// Takes what another table was told.
    pub fn merge(&mut self, other: &Coverage) {
        self.executions += other.executions;
        self.raise(other.level);
        for (&signature, &times) in &other.seen {
            self.take(signature, times);
        }
    }

    fn take(&mut self, signature: u64, times: u32) {
        if !keeps(self.level, signature) {
            return;
        }
        let seen = self.seen.entry(signature).or_insert(0);
        *seen = seen.saturating_add(times);
        while self.seen.len() > self.room {
            self.raise(self.level + 1);
        }
    }

    fn raise(&mut self, level: u32) {
        if level > self.level {
            self.level = level;
            self.seen.retain(|&signature, _| keeps(level, signature));
        }
    }

    /// Executions that came to their end.
    #[must_use]
    pub fn executions(&self) -> u64 {
        self.executions
    }

    /// Classes seen; an estimate once the table has been full.
    #[must_use]
    pub fn classes(&self) -> u64 {
        (self.seen.len() as u64) << self.level
    }

    /// Classes seen once; an estimate once the table has been full.
    #[must_use]
    pub fn singletons(&self) -> u64 {
        (self.seen.values().filter(|&&times| times == 1).count() as u64) << self.level
    }

    /// Whether the counts are exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.level == 0
    }

    /// The estimated chance that one more execution shows a new class.
    #[must_use]
    pub fn unseen(&self) -> f64 {
        if self.executions == 0 {
            return 1.0;
        }
        (self.singletons() as f64 / self.executions as f64).min(1.0)
    }
}

fn keeps(level: u32, signature: u64) -> bool {
    signature.trailing_zeros() >= level
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splitmix::SplitMix64;

    /// The signature of one of many classes.
    fn signature(class: u64) -> u128 {
        u128::from(SplitMix64::new(class).next_u64())
    }

    /// A table with room for so many classes, told of these.
    fn told(room: usize, classes: impl IntoIterator<Item = u64>) -> Coverage {
        let mut coverage = Coverage { room, ..Coverage::default() };
        classes.into_iter().for_each(|class| coverage.add(signature(class)));
        coverage
    }

    fn numbers(coverage: &Coverage) -> (u64, u64, u64, u32) {
        (coverage.executions(), coverage.classes(), coverage.singletons(), coverage.level)
    }

    #[test]
    fn classes_and_those_seen_once_are_counted() {
        let coverage = told(100, [1, 2, 2, 3, 3, 3, 4]);
        assert_eq!(numbers(&coverage), (7, 4, 2, 0));
        assert!((coverage.unseen() - 2.0 / 7.0).abs() < 1e-12);
        assert!(coverage.is_exact());
    }

    #[test]
    fn the_unseen_share_is_near_the_truth() {
        // 4,000 draws from 1,000 classes that are equally likely: 1,000 (1 - 1/1,000)^4,000 = 18
        // classes are still unseen.
        let mut random = SplitMix64::new(7);
        let coverage = told(10_000, (0..4_000).map(|_| u64::from(random.below(1_000))));
        let truth = (1_000 - coverage.classes()) as f64 / 1_000.0;
        assert!((0.012..0.025).contains(&truth), "{truth}");
        assert!((coverage.unseen() - truth).abs() < 0.01, "{}", coverage.unseen());
    }

    #[test]
    fn nothing_run_leaves_everything_unseen() {
        assert!((Coverage::default().unseen() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_full_table_estimates_from_a_part() {
        let coverage = told(256, (0..20_000).chain(0..10_000));
        assert!(coverage.seen.len() <= 256 && !coverage.is_exact());
        let (classes, once) = (coverage.classes() as f64, coverage.singletons() as f64);
        assert!((classes / 20_000.0 - 1.0).abs() < 0.25, "{classes}");
        assert!((once / 10_000.0 - 1.0).abs() < 0.3, "{once}");
    }

    #[test]
    fn tables_filled_apart_and_merged_are_as_one_filled_at_once() {
        let classes: Vec<u64> = (0..3_000).map(|n| n * n % 1_777).collect();
        for room in [64, 10_000] {
            let whole = told(room, classes.iter().copied());
            let mut merged = Coverage { room, ..Coverage::default() };
            for part in 0..3 {
                let mine = classes.iter().copied().skip(part).step_by(3);
                merged.merge(&told(room, mine));
            }
            assert_eq!(numbers(&merged), numbers(&whole));
            assert_eq!(merged.seen, whole.seen);
        }
    }
}
