//! Atomicity: what should be one step is two, and somebody comes in between.

use super::{Form, Shape, claim};
use crate::face::{Face, Lock, Word};

pub(super) const SHAPES: &[Shape] = &[
    Shape::new("lost_update", 2, 1, lost_update)
        .ending(|end| claim(end(COUNT) == 2, "an increment was lost")),
    Shape::new("counter_floor", 2, 4, counter_floor)
        .ending(|end| claim(end(COUNT) > 2, "four of six increments were lost")),
    Shape::new("account", 3, 1, account)
        .starting(&[10])
        .ending(|end| claim(end(BALANCE) == 8, "a movement was lost")),
    Shape::new("wronglock_3", 4, 1, wronglock),
    Shape::new("wronglock", 8, 1, wronglock),
    Shape::new("circular_buffer", 3, 1, circular_buffer),
    Shape::new("stack", 2, 1, stack),
    Shape::new("queue", 2, 1, queue),
    Shape::new("fsbench_8", 8, 1, fsbench),
];

const COUNT: Word = Word(0);

/// Two tasks add one by load and store (the textbook's first race).
fn lost_update(face: &dyn Face, _: usize, form: Form) {
    increment(face, form);
}

fn increment(face: &dyn Face, form: Form) {
    match form {
        Form::Wrong => face.store(COUNT, face.load(COUNT) + 1),
        Form::Right => {
            face.add(COUNT, 1);
        }
    }
}

/// Two tasks add one three times each; how small can the sum be? Two: the first to begin stores its 1 over
/// two increments, the other's last load sees that 1 and is stored over all that follows. Only this one
/// pattern counts as the mistake here, which makes a deep bug of a small program (the puzzle of concurrency
/// courses; Ben-Ari's version has ten rounds).
fn counter_floor(face: &dyn Face, _: usize, form: Form) {
    (0..3).for_each(|_| increment(face, form));
}

const BALANCE: Word = Word(0);
const GUARD: Lock = Lock(0);

/// A deposit and a withdrawal each read the balance in one critical section and write it in the next; a
/// clerk reads along (SCTBench `CS.account`, with the mistake made one of atomicity).
fn account(face: &dyn Face, task: usize, form: Form) {
    let by = [3, -5, 0][task];
    face.lock(GUARD);
    let balance = face.load(BALANCE);
    if task == 2 {
        face.unlock(GUARD);
        return;
    }
    if form == Form::Wrong {
        face.unlock(GUARD);
        face.lock(GUARD);
    }
    face.store(BALANCE, balance + by);
    face.unlock(GUARD);
}

/// One task looks twice under a lock, the others change the word under another (SCTBench
/// `CS.wronglock_3`, `CS.wronglock` with seven).
fn wronglock(face: &dyn Face, task: usize, form: Form) {
    const OTHER: Lock = Lock(1);
    if task == 0 {
        face.lock(GUARD);
        let before = face.load(COUNT);
        face.store(COUNT, before + 1);
        face.expect(face.load(COUNT) == before + 1, "changed under the lock");
        face.unlock(GUARD);
        return;
    }
    let lock = if form == Form::Wrong { OTHER } else { GUARD };
    face.lock(lock);
    face.store(COUNT, face.load(COUNT) + 1);
    face.unlock(lock);
}

/// Two producers put what they have into a buffer of one place, and a consumer takes. Whether there is
/// room is asked before the lock is taken (SCTBench `CS.circular_buffer`, reduced).
fn circular_buffer(face: &dyn Face, task: usize, form: Form) {
    const FILLED: Word = Word(0);
    if task == 2 {
        face.lock(GUARD);
        let filled = face.load(FILLED);
        if filled > 0 {
            face.store(FILLED, filled - 1);
        }
        face.unlock(GUARD);
        return;
    }
    if face.load(FILLED) > 0 {
        return;
    }
    face.lock(GUARD);
    if form == Form::Wrong || face.load(FILLED) == 0 {
        let filled = face.add(FILLED, 1);
        face.expect(filled == 0, "put into a full buffer");
    }
    face.unlock(GUARD);
}

/// Three pushes against three pops under one lock. A flag says that something has been pushed, and stays up
/// when the stack is empty again (SCTBench `CS.stack`).
fn stack(face: &dyn Face, task: usize, form: Form) {
    const TOP: Word = Word(0);
    const FLAG: Word = Word(1);
    for _ in 0..3 {
        face.lock(GUARD);
        if task == 0 {
            face.store(TOP, face.load(TOP) + 1);
            face.store(FLAG, 1);
        } else if face.load(FLAG) == 1 {
            let top = face.load(TOP);
            face.expect(top > 0, "popped from an empty stack");
            face.store(TOP, top - 1);
            if form == Form::Right && top == 1 {
                face.store(FLAG, 0);
            }
        }
        face.unlock(GUARD);
    }
}

/// A queue of one producer and one consumer, without locks. The producer moves the tail before the element
/// is there (SCTBench `CS.queue`, with the mistake made one of publication).
fn queue(face: &dyn Face, task: usize, form: Form) {
    const TAIL: Word = Word(0);
    const ITEMS: Word = Word(1);
    if task == 0 {
        for n in 0..3 {
            if form == Form::Wrong {
                face.store(TAIL, n + 1);
                face.store(ITEMS.at(n as usize), 7);
            } else {
                face.store(ITEMS.at(n as usize), 7);
                face.store(TAIL, n + 1);
            }
        }
        return;
    }
    let mut head = 0;
    for _ in 0..3 {
        if face.load(TAIL) > head {
            face.expect(face.load(ITEMS.at(head as usize)) == 7, "an element that is not there");
            head += 1;
        }
    }
}

/// Eight writers look for a free block for their inode, and some begin at the same one. Whether a block is
/// busy is asked before its lock is taken (SCTBench `CS.fsbench`, after Flanagan and Godefroid's example,
/// POPL 2005; the original's mistake is an index).
fn fsbench(face: &dyn Face, task: usize, form: Form) {
    const BUSY: Word = Word(0);
    const BLOCKS: usize = 12;
    let first = task * 2 % BLOCKS;
    for n in 0..BLOCKS {
        let block = (first + n) % BLOCKS;
        let (busy, lock) = (BUSY.at(block), Lock(block));
        if face.load(busy) != 0 {
            continue;
        }
        face.lock(lock);
        if form == Form::Wrong || face.load(busy) == 0 {
            let before = face.add(busy, 1);
            face.expect(before == 0, "one block for two inodes");
            face.unlock(lock);
            return;
        }
        face.unlock(lock);
    }
}
