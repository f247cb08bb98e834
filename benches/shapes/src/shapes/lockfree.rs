//! Structures without locks: an element taken twice.

use super::{Form, Shape};
use crate::face::{Face, Lock, Word};

pub(super) const SHAPES: &[Shape] = &[
    Shape::new("work_stealing_queue", 2, 1, work_stealing),
    Shape::new("work_stealing_cas", 3, 3, work_stealing_cas),
    Shape::new("aba_stack", 2, 1, aba_stack).starting(&[1, 2, 3]),
    Shape::new("safestack", 3, 5, safestack).starting(&[0, 3, 1, 2, -1]),
];

/// How often each element was taken.
const TAKEN: Word = Word(24);

fn take(face: &dyn Face, item: usize) {
    let before = face.add(TAKEN.at(item), 1);
    face.expect(before == 0, "taken twice");
}

const HEAD: Word = Word(0);
const TAIL: Word = Word(1);

/// The owner of a deque takes at the tail without a lock if it is far from the head; a thief takes at the head
/// with the lock. The owner looks at the head before it has moved the tail, as it would with a
/// fence forgotten (SCTBench `chess.WSQ`; the THE protocol of Cilk-5, PLDI 1998).
fn work_stealing(face: &dyn Face, task: usize, form: Form) {
    const GUARD: Lock = Lock(0);
    let pop = || {
        let tail = face.load(TAIL) - 1;
        let early = face.load(HEAD);
        face.store(TAIL, tail);
        let head = if form == Form::Wrong { early } else { face.load(HEAD) };
        if head <= tail {
            return take(face, tail as usize);
        }
        face.store(TAIL, tail + 1);
        face.lock(GUARD);
        if face.load(HEAD) <= tail {
            face.store(TAIL, tail);
            take(face, tail as usize);
        }
        face.unlock(GUARD);
    };
    let steal = || {
        face.lock(GUARD);
        let head = face.load(HEAD);
        face.store(HEAD, head + 1);
        if head < face.load(TAIL) {
            take(face, head as usize);
        } else {
            face.store(HEAD, head);
        }
        face.unlock(GUARD);
    };
    if task == 0 {
        (1..=2).for_each(|tail| face.store(TAIL, tail));
        pop();
        pop();
    } else {
        steal();
        steal();
    }
}

/// A deque whose thieves take by compare-and-exchange on the head; the owner must do so too for the last
/// element, and stores instead (SCTBench `chess.IWSQ`; Chase and Lev 2005).
fn work_stealing_cas(face: &dyn Face, task: usize, form: Form) {
    if task > 0 {
        let (head, tail) = (face.load(HEAD), face.load(TAIL));
        if head < tail && face.cas(HEAD, head, head + 1) {
            take(face, head as usize);
        }
        return;
    }
    (1..=2).for_each(|tail| face.store(TAIL, tail));
    for _ in 0..2 {
        let tail = face.load(TAIL) - 1;
        face.store(TAIL, tail);
        let head = face.load(HEAD);
        if head < tail {
            take(face, tail as usize);
            continue;
        }
        let last = head == tail
            && match form {
                Form::Wrong => {
                    face.store(HEAD, head + 1);
                    true
                }
                Form::Right => face.cas(HEAD, head, head + 1),
            };
        if last {
            take(face, tail as usize);
        }
        face.store(TAIL, tail + 1);
        return;
    }
}

/// Treiber's stack, with nodes that come back: the top is what it was, what lies below it is not (IBM
/// System/370 Principles of Operation; Michael 2004). Mended, the top carries a number that never comes back.
fn aba_stack(face: &dyn Face, task: usize, form: Form) {
    const TOP: Word = Word(0);
    /// Of the nodes 1, 2 and 3.
    const NEXT: Word = Word(0);
    const TAG: i64 = 8;
    let tag = if form == Form::Wrong { 0 } else { TAG };
    let pop = || {
        loop {
            let top = face.load(TOP);
            let node = top % TAG;
            if node == 0 {
                return 0;
            }
            let next = face.load(NEXT.at(node as usize)) % TAG;
            if face.cas(TOP, top, top - node + next + tag) {
                let before = face.add(TAKEN.at(node as usize), 1);
                face.expect(before == 0, "taken twice");
                return node;
            }
        }
    };
    let push = |node: i64| {
        face.add(TAKEN.at(node as usize), -1);
        loop {
            let top = face.load(TOP);
            face.store(NEXT.at(node as usize), top % TAG);
            if face.cas(TOP, top, top - top % TAG + node + tag) {
                return;
            }
        }
    };
    if task == 0 {
        pop();
        pop();
    } else {
        let node = pop();
        pop();
        if node != 0 {
            push(node);
        }
    }
}

/// A stack over an array whose pop marks the node it is about to take (Vyukov's question on the CHESS forum,
/// 2010; SCTBench `misc.safestack`, which no technique of the study found). Three tasks each take a node and
/// put it back, twice; two of them come to own one node, by five preemptions at the least.
fn safestack(face: &dyn Face, _: usize, form: Form) {
    const TOP: Word = Word(0);
    const COUNT: Word = Word(1);
    const NEXT: Word = Word(2);
    const GUARD: Lock = Lock(0);
    let pop = || {
        while face.load(COUNT) > 1 {
            let top = face.load(TOP);
            let next = face.swap(NEXT.at(top as usize), -1);
            if next < 0 {
                face.pause();
                continue;
            }
            if face.cas(TOP, top, next) {
                face.add(COUNT, -1);
                return Some(top as usize);
            }
            face.swap(NEXT.at(top as usize), next);
        }
        None
    };
    let push = |node: usize| {
        loop {
            let top = face.load(TOP);
            face.store(NEXT.at(node), top);
            if face.cas(TOP, top, node as i64) {
                break;
            }
        }
        face.add(COUNT, 1);
    };
    let guarded = |act: &dyn Fn() -> Option<usize>| {
        if form == Form::Right {
            face.lock(GUARD);
        }
        let got = act();
        if form == Form::Right {
            face.unlock(GUARD);
        }
        got
    };
    for _ in 0..2 {
        if let Some(node) = guarded(&pop) {
            take(face, node);
            face.add(TAKEN.at(node), -1);
            let _ = guarded(&|| {
                push(node);
                None
            });
        }
    }
}
