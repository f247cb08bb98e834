//! Order: somebody comes before, or after, he was thought to.

use super::{Form, Shape};
use crate::face::{Face, Lock, Word};

pub(super) const SHAPES: &[Shape] = &[
    Shape::new("reorder_3", 3, 1, reorder::<3>),
    Shape::new("reorder_5", 5, 1, reorder::<5>),
    Shape::new("reorder_10", 10, 1, reorder::<10>),
    Shape::new("reorder_16", 16, 1, reorder::<16>),
    Shape::new("twostage", 2, 1, twostage::<2>),
    Shape::new("twostage_5", 5, 1, twostage::<5>),
    Shape::new("twostage_16", 16, 1, twostage::<16>),
    Shape::new("token_ring", 4, 0, token_ring).starting(&[1, 2, 1]),
    Shape::new("lazy01", 3, 1, lazy),
    Shape::new("late_start", 2, 0, late_start),
    Shape::new("stairs_2", 2, 2, stairs::<2>),
    Shape::new("stairs_3", 2, 4, stairs::<3>),
];

const GUARD: Lock = Lock(0);

/// All tasks but the last set two words, one after the other; the last looks whether both are set or
/// neither. The more set them, the fewer schedules show one alone (SCTBench `CS.reorder_3` … `_20`).
fn reorder<const TASKS: usize>(face: &dyn Face, task: usize, form: Form) {
    const A: Word = Word(0);
    const B: Word = Word(1);
    let guarded = form == Form::Right;
    if guarded {
        face.lock(GUARD);
    }
    if task + 1 < TASKS {
        face.store(A, 1);
        face.store(B, -1);
    } else {
        let (a, b) = (face.load(A), face.load(B));
        face.expect(a + b == 0, "one of two words set");
    }
    if guarded {
        face.unlock(GUARD);
    }
}

/// All tasks but the last set a word under one lock and, from it, another under a second; the last reads them
/// likewise and expects the second to follow from the first (SCTBench `CS.twostage`, `_100`).
fn twostage<const TASKS: usize>(face: &dyn Face, task: usize, form: Form) {
    const FIRST: Word = Word(0);
    const SECOND: Word = Word(1);
    const OTHER: Lock = Lock(1);
    let apart = form == Form::Wrong;
    let hand_over = || {
        if apart {
            face.unlock(GUARD);
            face.lock(OTHER);
        }
    };
    let release = || face.unlock(if apart { OTHER } else { GUARD });
    face.lock(GUARD);
    if task + 1 < TASKS {
        face.store(FIRST, 1);
        hand_over();
        face.store(SECOND, face.load(FIRST) + 1);
        return release();
    }
    let first = face.load(FIRST);
    if first == 0 {
        return face.unlock(GUARD);
    }
    hand_over();
    face.expect(face.load(SECOND) == first + 1, "the second stage lags behind");
    release();
}

/// Three stations hand a value round, and a fourth task looks whether all have the same once all have had
/// their turn. Nobody makes them take turns (SCTBench `CS.token_ring`).
fn token_ring(face: &dyn Face, task: usize, form: Form) {
    const VALUES: Word = Word(0);
    const DONE: Word = Word(3);
    const TURN: Word = Word(4);
    if task < 3 && form == Form::Right {
        face.spin_until(TURN, task as i64);
    }
    face.lock(GUARD);
    let value = |n| face.load(VALUES.at(n));
    if task < 3 {
        let from = value((task + 2) % 3);
        face.store(VALUES.at(task), if task == 0 { (from + 1) % 4 } else { from });
        face.store(DONE, face.load(DONE) + 1);
    } else if face.load(DONE) == 3 {
        let (a, b, c) = (value(0), value(1), value(2));
        face.expect(a == b && b == c, "the ring does not agree");
    }
    face.unlock(GUARD);
    if task < 3 && form == Form::Right {
        face.store(TURN, task as i64 + 1);
    }
}

/// An object is said to be ready in one critical section and made ready in the next; two tasks use it once it
/// is said to be (SCTBench `CS.lazy01`, with a cause added).
fn lazy(face: &dyn Face, task: usize, form: Form) {
    const READY: Word = Word(0);
    const DATA: Word = Word(1);
    face.lock(GUARD);
    if task == 0 {
        face.store(READY, 1);
        if form == Form::Wrong {
            face.unlock(GUARD);
            face.lock(GUARD);
        }
        face.store(DATA, 3);
    } else if face.load(READY) == 1 {
        face.expect(face.load(DATA) == 3, "used before it was made");
    }
    face.unlock(GUARD);
}

/// One task does much and then uses what the other makes in its very first step. All it takes is that the
/// other begins late, which tossing a coin at each step makes all but impossible (the ordering bug with
/// which Burckhardt et al., ASPLOS 2010, begin).
fn late_start(face: &dyn Face, task: usize, form: Form) {
    const MADE: Word = Word(0);
    const OWN: Word = Word(1);
    if task == 1 {
        return face.store(MADE, 1);
    }
    for n in 0..40 {
        face.store(OWN.at(n % 4), n as i64);
    }
    if form == Form::Right {
        face.spin_until(MADE, 1);
    }
    face.expect(face.load(MADE) == 1, "used before it was made");
}

/// One task writes 1, 2, …; the other reads as often, and fails if each time it sees the newest. Every stair
/// but the last takes two preemptions, each at one place: a bug as deep as one likes (the chains with which the
/// bounds of randomized schedulers are shown to be tight).
fn stairs<const STAIRS: usize>(face: &dyn Face, task: usize, form: Form) {
    const STAIR: Word = Word(0);
    let guarded = form == Form::Right;
    if guarded {
        face.lock(GUARD);
    }
    if task == 0 {
        (1..=STAIRS).for_each(|n| face.store(STAIR, n as i64));
    } else {
        let on_each = (1..=STAIRS).filter(|&n| face.load(STAIR) == n as i64).count();
        face.expect(on_each < STAIRS, "every stair was seen");
    }
    if guarded {
        face.unlock(GUARD);
    }
}
