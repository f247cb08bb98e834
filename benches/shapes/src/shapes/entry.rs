//! Who may come in: mutual exclusion made of words, and objects that go away.

use super::{Form, Shape, claim};
use crate::face::{Face, Lock, Word};

pub(super) const SHAPES: &[Shape] = &[
    Shape::new("peterson", 2, 2, peterson),
    Shape::new("ticket", 2, 1, ticket),
    Shape::new("bakery", 2, 2, bakery),
    Shape::new("bluetooth", 2, 1, bluetooth).starting(&[1]),
    Shape::new("double_checked_lock", 2, 1, double_checked),
    Shape::new("refcount", 3, 1, refcount)
        .starting(&[1])
        .ending(|end| claim(end(FREED) == 1, "freed other than once")),
    Shape::new("hazard", 2, 1, hazard),
    Shape::new("seqlock", 2, 1, seqlock),
];

/// Nobody else may be where the task is now.
fn alone(face: &dyn Face) {
    const INSIDE: Word = Word(31);
    let others = face.add(INSIDE, 1);
    face.expect(others == 0, "two inside");
    face.add(INSIDE, -1);
}

/// Peterson's algorithm with its first two steps exchanged: the turn is given away before the wish is known
/// (what a weak memory does to it, written out; the example of most model checkers).
fn peterson(face: &dyn Face, task: usize, form: Form) {
    const WISH: Word = Word(0);
    const TURN: Word = Word(2);
    let other = 1 - task;
    if form == Form::Wrong {
        face.store(TURN, other as i64);
        face.store(WISH.at(task), 1);
    } else {
        face.store(WISH.at(task), 1);
        face.store(TURN, other as i64);
    }
    while face.load(WISH.at(other)) == 1 && face.load(TURN) == other as i64 {
        face.pause();
    }
    alone(face);
    face.store(WISH.at(task), 0);
}

/// A ticket lock (Reed and Kanodia 1979) whose tickets are drawn by load and store: two draw the same, and either
/// both are inside, or the number of who comes last is never called.
fn ticket(face: &dyn Face, _: usize, form: Form) {
    const NEXT: Word = Word(0);
    const SERVED: Word = Word(1);
    let mine = if form == Form::Wrong {
        let next = face.load(NEXT);
        face.store(NEXT, next + 1);
        next
    } else {
        face.add(NEXT, 1)
    };
    face.spin_until(SERVED, mine);
    alone(face);
    face.store(SERVED, mine + 1);
}

/// Lamport's bakery (1974) without the word that says that a number is being chosen.
fn bakery(face: &dyn Face, task: usize, form: Form) {
    const NUMBER: Word = Word(0);
    const CHOOSING: Word = Word(2);
    let other = 1 - task;
    if form == Form::Right {
        face.store(CHOOSING.at(task), 1);
    }
    let mine = face.load(NUMBER.at(other)) + 1;
    face.store(NUMBER.at(task), mine);
    if form == Form::Right {
        face.store(CHOOSING.at(task), 0);
        face.spin_until(CHOOSING.at(other), 0);
    }
    loop {
        let theirs = face.load(NUMBER.at(other));
        if theirs == 0 || (mine, task) < (theirs, other) {
            break;
        }
        face.pause();
    }
    alone(face);
    face.store(NUMBER.at(task), 0);
}

/// A driver is stopped while a request comes in: the request asks whether the driver is stopping and counts
/// itself afterwards (SCTBench `CS.bluetooth_driver`, from Qadeer and Wu's KISS, PLDI 2004).
fn bluetooth(face: &dyn Face, task: usize, form: Form) {
    const PENDING: Word = Word(0);
    const STOPPING: Word = Word(1);
    const IDLE: Word = Word(2);
    const STOPPED: Word = Word(3);
    let done = || {
        if face.add(PENDING, -1) == 1 {
            face.store(IDLE, 1);
        }
    };
    if task == 0 {
        face.store(STOPPING, 1);
        done();
        face.spin_until(IDLE, 1);
        return face.store(STOPPED, 1);
    }
    if form == Form::Wrong && face.load(STOPPING) == 1 {
        return;
    }
    face.add(PENDING, 1);
    if form == Form::Wrong || face.load(STOPPING) == 0 {
        face.expect(face.load(STOPPED) == 0, "a request to a driver that has stopped");
    }
    done();
}

/// Double-checked initialisation (Schmidt and Harrison 1996) that raises the flag before the object is made, as
/// compilers were found to do.
fn double_checked(face: &dyn Face, _: usize, form: Form) {
    const READY: Word = Word(0);
    const DATA: Word = Word(1);
    const GUARD: Lock = Lock(0);
    if face.load(READY) == 0 {
        face.lock(GUARD);
        if face.load(READY) == 0 {
            if form == Form::Wrong {
                face.store(READY, 1);
                face.store(DATA, 42);
            } else {
                face.store(DATA, 42);
                face.store(READY, 1);
            }
        }
        face.unlock(GUARD);
    }
    face.expect(face.load(DATA) == 42, "used before it was made");
}

const FREED: Word = Word(1);

/// A count that starts at one; two tasks look whether it is zero and, if not, add one and use the object, while
/// the third drops the first reference. The look and the addition are two steps (a kernel's `kref_get` where it
/// should be `kref_get_unless_zero`).
fn refcount(face: &dyn Face, task: usize, form: Form) {
    const COUNT: Word = Word(0);
    let put = || {
        if face.add(COUNT, -1) == 1 {
            face.add(FREED, 1);
        }
    };
    if task == 0 {
        return put();
    }
    let mut seen = face.load(COUNT);
    while seen > 0 {
        if form == Form::Wrong {
            face.add(COUNT, 1);
        } else if !face.cas(COUNT, seen, seen + 1) {
            seen = face.load(COUNT);
            continue;
        }
        face.expect(face.load(FREED) == 0, "used after it was freed");
        return put();
    }
}

/// A reader says which object it uses but does not look again whether that is still the one; who
/// replaces it has found nobody and frees it (hazard pointers, Michael 2004, without the second look).
fn hazard(face: &dyn Face, task: usize, form: Form) {
    const CURRENT: Word = Word(0);
    const USED: Word = Word(1);
    const DEAD: Word = Word(2);
    if task == 0 {
        let old = face.swap(CURRENT, 1);
        while face.load(USED) == old + 1 {
            face.pause();
        }
        return face.store(DEAD.at(old as usize), 1);
    }
    let mut object = face.load(CURRENT);
    loop {
        face.store(USED, object + 1);
        let again = if form == Form::Wrong { object } else { face.load(CURRENT) };
        if again == object {
            break;
        }
        object = again;
    }
    face.expect(face.load(DEAD.at(object as usize)) == 0, "used after it was freed");
    face.store(USED, 0);
}

/// A reader of two words that change together looks at the sequence number before, and not after (the sequence
/// lock of Linux 2.5).
fn seqlock(face: &dyn Face, task: usize, form: Form) {
    const SEQUENCE: Word = Word(0);
    const A: Word = Word(1);
    const B: Word = Word(2);
    if task == 0 {
        for n in 1..=2 {
            face.add(SEQUENCE, 1);
            face.store(A, n);
            face.store(B, n);
            face.add(SEQUENCE, 1);
        }
        return;
    }
    loop {
        let before = face.load(SEQUENCE);
        if before % 2 == 1 {
            face.pause();
            continue;
        }
        let (a, b) = (face.load(A), face.load(B));
        if form == Form::Wrong || face.load(SEQUENCE) == before {
            return face.expect(a == b, "two halves of different values");
        }
    }
}
