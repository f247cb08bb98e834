//! Operations of which one step touches several words, waits for other words than their step's own,
//! failures in the midst of an execution; and random programs of them.

use pgmap_sched::{
    Defect, Effect, Looks, Wait, WaitClass, choose, fail, point, point_when, record,
};

use super::random::Random;
use super::{AWAIT, MARK, Memory, READ, Toy, WRITE, step};

/// Words that are raised and never lowered.
const FLAGS: [usize; 2] = [4, 5];
const SUM: u64 = 12;
const SCATTER: u64 = 13;
const RAISE: u64 = 22;

impl Memory {
    /// Exchanges two words in one step.
    #[track_caller]
    pub fn swap(&self, a: usize, b: usize) {
        point(step(WRITE, a, Effect::Write));
        record(step(MARK, b, Effect::Write));
        self.words[a].swap(&self.words[b]);
    }

    /// The sum of two words in one step.
    #[track_caller]
    pub fn sum(&self, a: usize, b: usize) -> u64 {
        point(step(READ, a, Effect::Read));
        record(step(MARK, b, Effect::Read));
        self.words[a].get().wrapping_add(self.words[b].get())
    }

    /// Raises a word in the step that finds another at zero.
    #[track_caller]
    pub fn raise_unless(&self, at: usize, to: usize) {
        point(step(READ, at, Effect::Read));
        if self.words[at].get() == 0 {
            record(step(MARK, to, Effect::Write));
            self.words[to].set(7);
        }
    }

    /// Sleeps until two words satisfy a condition; the step's own is a third.
    #[track_caller]
    pub fn sleep_for(&self, own: usize, [a, b]: [usize; 2], ready: impl Fn(u64, u64) -> bool) {
        let ready = || ready(self.words[a].get(), self.words[b].get());
        let wait = Wait::unowned(WaitClass::named("event"), own as u64, Looks::Anywhere);
        point_when(step(AWAIT, own, Effect::Read), wait, &ready);
        record(step(MARK, a, Effect::Read));
        record(step(MARK, b, Effect::Read));
    }

    /// Fails if the word has the value.
    #[track_caller]
    pub fn refuse(&self, at: usize, value: u64) {
        if self.load(at) == value {
            fail(Defect { code: 1, object: at as u64, value: value as i64 });
        }
    }

    /// Writes one of two other words in the step that reads this one.
    #[track_caller]
    pub fn scatter(&self, at: usize) {
        point(step(READ, at, Effect::Read));
        let value = self.words[at].get();
        let to = (at + 1 + choose(2) as usize) % 3;
        record(step(MARK, to, Effect::Write));
        self.words[to].set(value);
    }
}

/// A program of two to four tasks, small enough to be run in every order. Those of odd seeds have steps of
/// which a choice says what they touch.
pub fn wide_toy(seed: u64) -> Toy {
    let scatters = seed % 2 == 1;
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..10 {
        let _ = random.next();
    }
    let lengths: &[usize] = match random.below(4) {
        0 => &[2, 2, 1, 1],
        1 => &[3, 2, 2],
        2 => &[2, 2, 2],
        _ => &[4, 3],
    };
    lengths.iter().fold(Toy::new(), |toy, &n| {
        let ops: Vec<(u64, usize, u64)> =
            (0..n).map(|_| (random.below(24), random.below(3) as usize, random.below(3))).collect();
        toy.task(move |memory| {
            let mut seen = 1;
            for &(op, at, value) in &ops {
                let op = if op == SCATTER && !scatters { SUM } else { op };
                seen = seen * 31 + run(memory, op, at, value);
            }
            memory.result(seen);
        })
    })
}

fn run(memory: &Memory, op: u64, at: usize, value: u64) -> u64 {
    let (next, other) = ((at + 1) % 3, (at + 2) % 3);
    match op {
        0..3 => return memory.load(at),
        3..6 => memory.store(at, value),
        6..8 => return memory.add(at, 1),
        8..10 => return memory.cas(at, value, 2).into(),
        10..12 => memory.swap(at, next),
        SUM => return memory.sum(at, other),
        SCATTER => memory.scatter(at),
        RAISE.. => memory.raise_unless(at, next),
        14..17 => memory.store(FLAGS[at % 2], 1),
        18 => memory.sleep_for(at, FLAGS, |a, b| a + b > 0),
        19 => memory.sleep_for(at, FLAGS, |a, b| a + b == 2),
        17 | 20 => memory.refuse(at, value + 1),
        _ => memory.sleep_until(at, value),
    }
    0
}
