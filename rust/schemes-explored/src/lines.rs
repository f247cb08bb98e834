//! Which CPU has which line: MESI, as far as who must be asked goes.
//!
//! A load wants the line shared, a store or a locked instruction wants it alone. Whoever has it so already asks nobody;
//! each other access is a hand-off: somebody's cache must answer, or give the line up. So a look and then an exchange
//! hand over a line twice, first shared and then alone, where an addition does it once.

use std::collections::BTreeMap;

/// Bytes of a line.
pub const LINE: u64 = 64;

/// Who has a line.
#[derive(Clone, Copy, Debug)]
enum Held {
    /// One CPU, which may write it.
    Alone(u8),
    /// These CPUs, a bit each, for reading.
    Shared(u64),
}

/// What an access wants of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// A load.
    Shared,
    /// A store or a locked instruction, also one that fails.
    Alone,
}

/// All lines, by their number.
#[derive(Debug, Default)]
pub struct Lines(BTreeMap<u64, Held>);

impl Lines {
    /// An access to a line; whether it had to be handed over.
    pub fn access(&mut self, cpu: u8, line: u64, wants: Wants) -> bool {
        let ours = 1 << cpu;
        let (next, asked) = match (self.0.get(&line).copied(), wants) {
            (Some(Held::Alone(owner)), _) if owner == cpu => return false,
            (Some(Held::Shared(cpus)), Wants::Shared) => {
                (Held::Shared(cpus | ours), cpus & ours == 0)
            }
            (Some(Held::Alone(owner)), Wants::Shared) => (Held::Shared(ours | 1 << owner), true),
            (None, Wants::Shared) | (_, Wants::Alone) => (Held::Alone(cpu), true),
        };
        self.0.insert(line, next);
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accesses to one line, in order; whether each was handed over.
    fn asked(accesses: &[(u8, Wants)]) -> Vec<bool> {
        let mut lines = Lines::default();
        accesses.iter().map(|&(cpu, wants)| lines.access(cpu, 0, wants)).collect()
    }

    #[test]
    fn whoever_has_a_line_alone_asks_nobody() {
        let own = [(0, Wants::Shared), (0, Wants::Alone), (0, Wants::Shared), (0, Wants::Alone)];
        assert_eq!(asked(&own), [true, false, false, false]);
    }

    #[test]
    fn a_look_and_a_store_after_another_cpu_are_two_hand_offs_and_a_store_is_one() {
        let begin = (1, Wants::Alone);
        assert_eq!(asked(&[begin, (0, Wants::Shared), (0, Wants::Alone)]), [true, true, true]);
        assert_eq!(asked(&[begin, (0, Wants::Alone), (0, Wants::Shared)]), [true, true, false]);
    }

    #[test]
    fn readers_share_a_line_until_somebody_writes_it() {
        let reads = [(0, Wants::Shared), (1, Wants::Shared), (0, Wants::Shared)];
        assert_eq!(asked(&reads), [true, true, false]);
        let written =
            [reads[0], reads[1], (2, Wants::Alone), (0, Wants::Shared), (1, Wants::Shared)];
        assert_eq!(asked(&written), [true; 5]);
    }

    #[test]
    fn lines_have_nothing_to_do_with_each_other() {
        let mut lines = Lines::default();
        assert!(lines.access(0, 0, Wants::Alone) && lines.access(1, 1, Wants::Alone));
        assert!(!lines.access(0, 0, Wants::Alone));
    }
}
