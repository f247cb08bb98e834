//! Random programs over a few words: reads, writes, read-modify-writes, locks, waits, choices.

use super::{Memory, Toy, WORDS};
use pgmap_sched::choose;

/// One operation of a random program.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    Read(usize),
    Write(usize),
    Add(usize),
    Cas(usize),
    Lock(usize),
    Unlock(usize),
    Spin(usize),
    Sleep(usize),
    Choose,
}

fn random_op(random: &mut Random) -> Op {
    let word = random.below(3) as usize;
    match random.below(20) {
        0..=5 => Op::Read(word),
        6..=10 => Op::Write(word),
        11..=13 => Op::Add(word),
        14..=16 => Op::Cas(word),
        17 => Op::Choose,
        18 => Op::Spin(word),
        _ => Op::Sleep(word),
    }
}

/// `length` operations, every other time with a part of them under a lock.
fn random_ops(random: &mut Random, length: usize) -> Vec<Op> {
    let mut ops: Vec<Op> = (0..length).map(|_| random_op(random)).collect();
    if random.below(2) == 0 {
        let from = random.below(length as u64) as usize;
        let lock = random.below(2) as usize;
        ops.insert(from, Op::Lock(lock));
        ops.truncate(length - 1);
        ops.push(Op::Unlock(lock));
    }
    ops
}

/// A program of two or three tasks, small enough to be run in every order.
pub fn random_toy(seed: u64) -> Toy {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..10 {
        let _ = random.next();
    }
    let lengths: &[usize] = match random.below(3) {
        0 => &[3, 3, 3],
        1 => &[4, 3, 2],
        _ => &[5, 5],
    };
    lengths.iter().fold(Toy::new(), |toy, &n| toy.task(body(random_ops(&mut random, n))))
}

/// A body that runs operations, folding all it sees into what it writes and gives back.
fn body(ops: Vec<Op>) -> impl Fn(&Memory) {
    move |memory| {
        let mut seen = 1u64;
        for &op in &ops {
            let got = match op {
                Op::Read(at) => memory.load(at),
                Op::Write(at) => {
                    memory.store(at, seen % 3);
                    0
                }
                Op::Add(at) => memory.add(at, 1),
                Op::Cas(at) => u64::from(memory.cas(at, 0, 2)),
                Op::Lock(at) => {
                    memory.lock(WORDS - 1 - at);
                    0
                }
                Op::Unlock(at) => {
                    memory.unlock(WORDS - 1 - at);
                    0
                }
                Op::Spin(at) => {
                    memory.spin_until(at, 1);
                    0
                }
                Op::Sleep(at) => {
                    memory.sleep_until(at, 2);
                    0
                }
                Op::Choose => u64::from(choose(2)),
            };
            seen = seen.wrapping_mul(31).wrapping_add(got);
        }
        memory.result(seen);
    }
}

/// A small pseudo-random source (xorshift), the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }
}
