//! Condition variables: a wake-up that nobody hears, that the wrong one hears, or that is believed too much.

use super::{Form, Shape};
use crate::face::{Cond, Face, Lock, Word};

pub(super) const SHAPES: &[Shape] = &[
    Shape::new("lost_wakeup", 2, 1, lost_wakeup),
    Shape::new("sync01", 3, 0, sync01),
    Shape::new("sync02", 3, 0, sync02),
    Shape::new("bounded_buffer", 4, 0, bounded_buffer),
    Shape::new("rw_starve", 3, 2, rw_starve),
    Shape::new("pool", 3, 2, pool),
];

const GUARD: Lock = Lock(0);
const CHANGED: Cond = Cond(0);

/// The sleeper looks under the lock, the waker changes the word without it: between the look and the sleep
/// nobody hears the call (the lost wake-up of Inspect's `qsort_mt` in SCTBench, reduced).
fn lost_wakeup(face: &dyn Face, task: usize, form: Form) {
    const READY: Word = Word(0);
    if task == 0 {
        face.lock(GUARD);
        while face.load(READY) == 0 {
            face.wait(CHANGED, GUARD);
        }
        return face.unlock(GUARD);
    }
    if form == Form::Right {
        face.lock(GUARD);
    }
    face.store(READY, 1);
    if form == Form::Right {
        face.unlock(GUARD);
    }
    face.notify_one(CHANGED);
}

/// A consumer that has been woken does not look again, and two are woken for one thing (SCTBench
/// `CS.sync01`, with `if` in the place of `while`).
fn sync01(face: &dyn Face, task: usize, form: Form) {
    const THINGS: Word = Word(0);
    const CLOSED: Word = Word(1);
    face.lock(GUARD);
    if task == 0 {
        face.store(THINGS, 1);
        face.store(CLOSED, 1);
        face.notify_all(CHANGED);
        return face.unlock(GUARD);
    }
    let mut things = face.load(THINGS);
    while things == 0 {
        if face.load(CLOSED) == 1 {
            return face.unlock(GUARD);
        }
        face.wait(CHANGED, GUARD);
        things = face.load(THINGS);
        if form == Form::Wrong {
            break;
        }
    }
    face.expect(things > 0, "woken for nothing");
    face.store(THINGS, things - 1);
    face.unlock(GUARD);
}

/// A producer of two things calls only when there was nothing before, and there are two sleepers (SCTBench
/// `CS.sync02`, with the call made conditional).
fn sync02(face: &dyn Face, task: usize, form: Form) {
    const THINGS: Word = Word(0);
    if task == 0 {
        for _ in 0..2 {
            face.lock(GUARD);
            let before = face.load(THINGS);
            face.store(THINGS, before + 1);
            face.unlock(GUARD);
            if form == Form::Right || before == 0 {
                face.notify_one(CHANGED);
            }
        }
        return;
    }
    face.lock(GUARD);
    while face.load(THINGS) == 0 {
        face.wait(CHANGED, GUARD);
    }
    face.store(THINGS, face.load(THINGS) - 1);
    face.unlock(GUARD);
}

/// A buffer of one place, two producers and two consumers, and one condition variable for both "there is
/// something" and "there is room": a call meant for a consumer wakes a producer, who goes back to sleep
/// (Inspect's `boundedBuffer`; the example with which the TOPLAS and Java literature teaches `notifyAll`).
fn bounded_buffer(face: &dyn Face, task: usize, form: Form) {
    const FILLED: Word = Word(0);
    let (full, after) = if task < 2 { (1, 1) } else { (0, 0) };
    for _ in 0..2 {
        face.lock(GUARD);
        while face.load(FILLED) == full {
            face.wait(CHANGED, GUARD);
        }
        face.store(FILLED, after);
        match form {
            Form::Wrong => face.notify_one(CHANGED),
            Form::Right => face.notify_all(CHANGED),
        }
        face.unlock(GUARD);
    }
}

/// A writer asks whether there are readers in one critical section and goes to sleep in another; the last
/// reader calls in between, and the writer sleeps for ever (the readers-writers lock of CHESS's examples, with
/// the mistake of the previous shapes in its usual disguise).
fn rw_starve(face: &dyn Face, task: usize, form: Form) {
    const READERS: Word = Word(0);
    face.lock(GUARD);
    if task < 2 {
        face.add(READERS, 1);
        face.unlock(GUARD);
        face.lock(GUARD);
        let last = face.add(READERS, -1) == 1;
        face.unlock(GUARD);
        if last {
            face.notify_all(CHANGED);
        }
        return;
    }
    let mut busy = face.load(READERS) > 0;
    while busy {
        if form == Form::Wrong {
            face.unlock(GUARD);
            face.lock(GUARD);
        }
        face.wait(CHANGED, GUARD);
        busy = face.load(READERS) > 0;
    }
    face.unlock(GUARD);
}

/// A pool of two workers, one job, and a master who says that it is over: the word is set, and the sleepers are
/// called, without the lock (Inspect's `thread-pool`).
fn pool(face: &dyn Face, task: usize, form: Form) {
    const JOBS: Word = Word(0);
    const OVER: Word = Word(1);
    if task == 0 {
        face.lock(GUARD);
        face.store(JOBS, 1);
        face.notify_one(CHANGED);
        face.unlock(GUARD);
        if form == Form::Right {
            face.lock(GUARD);
        }
        face.store(OVER, 1);
        face.notify_all(CHANGED);
        if form == Form::Right {
            face.unlock(GUARD);
        }
        return;
    }
    face.lock(GUARD);
    loop {
        let jobs = face.load(JOBS);
        if jobs > 0 {
            face.store(JOBS, jobs - 1);
        } else if face.load(OVER) == 1 {
            return face.unlock(GUARD);
        } else {
            face.wait(CHANGED, GUARD);
        }
    }
}
