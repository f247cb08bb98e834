//! All programs of a few words, by length.
//!
//! A program is a set-up, which runs in order, and what two workers then do at the same time. Workers are
//! interchangeable, so the first to act is worker 0; and between workers only the order of the set-up matters, the rest
//! being the scheduler's.

use std::fmt::Write as _;

use pgmap_program::op::Hunted;

use crate::random_program::WORKERS;

/// The texts of all programs, each with its number of operations.
pub(crate) fn enumerated(
    words: &[Hunted],
    ops_max: usize,
) -> impl Iterator<Item = (usize, String)> + Send {
    // Longest set-up first: fewest operations at once, hence the cheapest to explore.
    let shapes = (1..=ops_max).flat_map(|ops| (0..ops).rev().map(move |set_up| (ops, set_up)));
    shapes.flat_map(move |(ops, set_up)| {
        Sequences::new(words.len(), ops, set_up)
            .map(move |digits| (ops, program(words, &digits, set_up)))
    })
}

/// All sequences of (worker, word), each as a digit, that are no other one's mirror image. From one to the next it
/// takes no longer than to write it down, however many there are between them that are.
struct Sequences {
    words: usize,
    set_up: usize,
    /// The next one to look at; none: all were.
    digits: Option<Vec<usize>>,
}

impl Sequences {
    fn new(words: usize, ops: usize, set_up: usize) -> Self {
        Self { words, set_up, digits: (words > 0).then(|| vec![0; ops]) }
    }

    fn who(&self, digit: usize) -> usize {
        digit / self.words
    }

    /// The first place that is wrong whatever follows, with the least digit that would not be; none: nothing is.
    fn wrong(&self, digits: &[usize]) -> Option<(usize, Option<usize>)> {
        let first = digits[self.set_up];
        let last = digits.len() - 1;
        for (at, &digit) in digits.iter().enumerate() {
            // Worker 0 acts first, and after the set-up the steps are listed by worker.
            if at == 0 && self.who(digit) > 0 {
                return Some((at, None));
            }
            if at == self.set_up && at < last && self.who(digit) == WORKERS - 1 {
                return Some((at, None));
            }
            if at > self.set_up && self.who(digit) < self.who(digits[at - 1]) {
                return Some((at, Some(self.who(digits[at - 1]) * self.words)));
            }
            // Nothing happens at once if one worker is left; the same steps are a longer set-up's program.
            if at == last && at > self.set_up && self.who(digit) == self.who(first) {
                let next = (self.who(first) + 1) * self.words;
                return Some((at, (next < self.words * WORKERS).then_some(next)));
            }
        }
        None
    }
}

impl Iterator for Sequences {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let base = self.words * WORKERS;
        loop {
            let mut digits = self.digits.take()?;
            match self.wrong(&digits) {
                None => {
                    let mut after = digits.clone();
                    self.digits = up(&mut after, digits.len(), base).then_some(after);
                    return Some(digits);
                }
                Some((at, Some(least))) => {
                    digits[at] = least;
                    digits[at + 1..].fill(0);
                    self.digits = Some(digits);
                }
                Some((at, None)) => self.digits = up(&mut digits, at, base).then_some(digits),
            }
        }
    }
}

/// Counts up at the last of so many places, and begins anew behind them; false after the last.
fn up(digits: &mut [usize], places: usize, base: usize) -> bool {
    digits[places..].fill(0);
    for digit in digits[..places].iter_mut().rev() {
        *digit += 1;
        if *digit < base {
            return true;
        }
        *digit = 0;
    }
    false
}

/// The text of a sequence of (worker, word).
fn program(words: &[Hunted], digits: &[usize], set_up: usize) -> String {
    let who = |digit: usize| digit / words.len();
    let mut text = String::from("file f 1\n");
    for (at, digit) in digits.iter().enumerate() {
        if at == set_up && set_up > 0 {
            text.push_str("start\n");
        }
        // Writing to a string does not fail.
        let _ = writeln!(text, "w{} {}", who(*digit), words[digit % words.len()].text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_all_those_that_are_no_mirror_image_in_order() {
        // As it is said, of all there are.
        let sensible = |digits: &[usize], words: usize, set_up: usize| {
            let who = |digit: usize| digit / words;
            let at_once = &digits[set_up..];
            let by_worker = at_once.windows(2).all(|two| who(two[0]) <= who(two[1]));
            let both = who(at_once[0]) != who(at_once[at_once.len() - 1]) || at_once.len() == 1;
            who(digits[0]) == 0 && by_worker && both
        };
        for (words, ops) in [(1, 1), (1, 4), (2, 3), (3, 4)] {
            for set_up in 0..ops {
                let base = words * WORKERS;
                let mut digits = vec![0; ops];
                let mut expected = Vec::new();
                loop {
                    if sensible(&digits, words, set_up) {
                        expected.push(digits.clone());
                    }
                    if !up(&mut digits, ops, base) {
                        break;
                    }
                }
                let all: Vec<_> = Sequences::new(words, ops, set_up).collect();
                assert_eq!(all, expected, "{words} words, {ops} operations, {set_up} before");
            }
        }
    }

    #[test]
    fn the_next_sequence_is_never_far() {
        // Between these lie more that are none than anybody could wait for.
        let (words, ops) = (Hunted::all().len(), 12);
        for set_up in 0..ops {
            let mut sequences = Sequences::new(words, ops, set_up);
            assert!(sequences.by_ref().take(10).count() == 10, "{set_up}");
            // The last that begins with worker 0, and what is behind it.
            sequences.digits = Some([vec![words - 1], vec![words * WORKERS - 1; ops - 1]].concat());
            assert!(sequences.count() <= 1, "{set_up}");
        }
    }
}
