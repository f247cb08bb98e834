//! Toys of which stores may wait, at a price, and are let out by daemons; and random programs of them.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::Location;

use pgmap_sched::{
    Defect, Effect, Looks, Model, Object, Step, Task, Verb, Wait, WaitClass, current, foretell,
    goes_past, point_when, put_off, record, settles,
};

use super::random::Random;
use super::{Memory, WRITE, step};

const BUFFER: Verb = Verb(20);
const DRAIN: Verb = Verb(21);
const SLOTS: usize = 8;

/// One task's stores that wait, oldest first, from `from` up to `until`.
#[derive(Default)]
struct Buffer {
    stores: [Cell<(usize, u64)>; SLOTS],
    from: Cell<usize>,
    until: Cell<usize>,
    /// How many had been let out when the task last found it empty.
    known: Cell<usize>,
}

impl Buffer {
    fn waits(&self) -> bool {
        self.from.get() < self.until.get()
    }

    fn newest(&self, at: usize) -> Option<u64> {
        let waiting = (self.from.get()..self.until.get()).rev();
        waiting.map(|n| self.stores[n].get()).find(|store| store.0 == at).map(|store| store.1)
    }
}

/// One operation of a random program.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    Load(usize),
    /// A load, if the operation before found something.
    Follow(usize),
    Store(usize, u64),
    Add(usize),
    /// A store that goes past the buffer, as hardware's do.
    Past(usize, u64),
    Fence,
}

/// Tasks with store buffers over words.
pub struct Buffered {
    memory: Memory,
    programs: Vec<Vec<Op>>,
    buffers: Vec<Buffer>,
    pub finals: std::cell::RefCell<BTreeSet<Vec<u64>>>,
}

/// A program of two or three tasks.
pub fn buffered_toy(seed: u64) -> Buffered {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..10 {
        let _ = random.next();
    }
    let lengths: &[usize] = match random.below(3) {
        0 => &[3, 2],
        1 => &[2, 2],
        _ => &[2, 1, 1],
    };
    let mut op = || {
        let at = random.below(3) as usize;
        match random.below(12) {
            0..3 => Op::Load(at),
            3..5 => Op::Follow(at),
            5..9 => Op::Store(at, random.below(3)),
            9 => Op::Add(at),
            10 => Op::Past(at, random.below(3)),
            _ => Op::Fence,
        }
    };
    let programs: Vec<Vec<Op>> = lengths.iter().map(|&n| (0..n).map(|_| op()).collect()).collect();
    Buffered::of(programs)
}

impl Buffered {
    /// One task for each of these.
    pub fn of(programs: Vec<Vec<Op>>) -> Self {
        let buffers = programs.iter().map(|_| Buffer::default()).collect();
        Buffered { memory: Memory::default(), programs, buffers, finals: Default::default() }
    }

    #[track_caller]
    fn buffer(&self, task: usize) -> Step {
        // Beyond all words.
        step(BUFFER, 100 + task, Effect::Read)
    }

    fn object(&self, task: usize) -> Object {
        self.buffer(task).object
    }

    fn drainer(&self, task: usize) -> Task {
        Task((self.programs.len() + task) as u8)
    }

    #[track_caller]
    fn empty(&self, me: usize) {
        let buffer = &self.buffers[me];
        if buffer.waits() {
            let wait = Wait::unowned(WaitClass::named("buffer"), me as u64, Looks::AtItsObject);
            point_when(self.buffer(me), wait, &|| !buffer.waits());
            buffer.known.set(buffer.from.get());
        } else {
            self.find_empty(me);
        }
    }

    /// What the task does next depends on its buffer being empty again.
    #[track_caller]
    fn find_empty(&self, me: usize) {
        let buffer = &self.buffers[me];
        if buffer.known.replace(buffer.from.get()) != buffer.from.get() {
            record(self.buffer(me));
        }
    }

    fn store(&self, me: usize, at: usize, value: u64) {
        let buffer = &self.buffers[me];
        if !buffer.waits() {
            self.find_empty(me);
            let word = step(WRITE, at, Effect::Write).object;
            if !put_off(&|touch| touch(word)) {
                return self.memory.store(at, value);
            }
        }
        record(Step { effect: Effect::Write, ..self.buffer(me) });
        let first = !buffer.waits();
        buffer.stores[buffer.until.get()].set((at, value));
        buffer.until.set(buffer.until.get() + 1);
        if first {
            foretell(self.drainer(me), step(WRITE, at, Effect::Write));
        }
    }

    fn task(&self, me: usize) {
        let (mut seen, mut last) = (1u64, 0);
        let load = |at| {
            let found = self.memory.load(at);
            self.buffers[me].newest(at).unwrap_or(found)
        };
        for &op in &self.programs[me] {
            let got = match op {
                Op::Follow(_) if last == 0 => 0,
                Op::Load(at) | Op::Follow(at) => load(at),
                Op::Store(at, value) => {
                    self.store(me, at, value);
                    0
                }
                Op::Add(at) => {
                    self.empty(me);
                    let before = self.memory.add(at, 1);
                    settles();
                    before
                }
                Op::Past(at, value) => {
                    goes_past(true);
                    self.memory.store(at, value);
                    goes_past(false);
                    0
                }
                Op::Fence => {
                    self.empty(me);
                    0
                }
            };
            seen = seen.wrapping_mul(31).wrapping_add(got);
            last = got;
        }
        self.memory.result(seen);
    }

    fn drain(&self, owner: usize) {
        let buffer = &self.buffers[owner];
        loop {
            let next = buffer.stores[buffer.from.get()].get();
            let announced = match buffer.waits() {
                true => step(WRITE, next.0, Effect::Write),
                false => Step { verb: DRAIN, effect: Effect::Write, ..self.buffer(owner) },
            };
            let wait = Wait::unowned(
                WaitClass::named("store"),
                owner as u64,
                Looks::AlsoAt(self.object(owner)),
            );
            point_when(announced, wait, &|| buffer.waits());
            let (at, value) = buffer.stores[buffer.from.get()].get();
            self.memory.words[at].set(value);
            buffer.from.set(buffer.from.get() + 1);
            record(Step {
                verb: DRAIN,
                effect: Effect::Write,
                site: Location::caller(),
                ..self.buffer(owner)
            });
        }
    }
}

impl Model for Buffered {
    fn tasks(&self) -> usize {
        2 * self.programs.len()
    }

    fn daemons(&self) -> usize {
        self.programs.len()
    }

    fn puts_off(&self) -> bool {
        true
    }

    fn reset(&mut self) {
        self.memory = Memory::default();
        self.buffers.iter_mut().for_each(|buffer| *buffer = Buffer::default());
    }

    fn run(&self, task: Task) {
        debug_assert_eq!(current(), Some(task));
        match usize::from(task.0).checked_sub(self.programs.len()) {
            None => self.task(task.0.into()),
            Some(owner) => self.drain(owner),
        }
    }

    fn finish(&self) -> Result<(), Defect> {
        let memory = &self.memory;
        let all = memory.words.iter().chain(&memory.results).map(Cell::get);
        self.finals.borrow_mut().insert(all.collect());
        Ok(())
    }
}
