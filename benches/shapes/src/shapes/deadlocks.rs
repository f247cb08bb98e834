//! Deadlock: each waits for what another has.

use super::{Form, Shape};
use crate::face::{Face, Lock, Word};

pub(super) const SHAPES: &[Shape] = &[
    Shape::new("deadlock01", 2, 1, deadlock),
    Shape::new("carter01", 4, 1, carter),
    Shape::new("phase01", 3, 1, phase),
    Shape::new("dining_4", 4, 1, dining::<4>),
    Shape::new("dining_7", 7, 1, dining::<7>),
    Shape::new("upgrade", 2, 1, upgrade),
    Shape::new("barrier_reuse", 2, 0, barrier),
    Shape::new("mcs_release", 2, 1, mcs).starting(&[-1, -1, -1]),
];

/// Two locks, taken in opposite orders (SCTBench `CS.deadlock01`).
fn deadlock(face: &dyn Face, task: usize, form: Form) {
    let crossed = task == 1 && form == Form::Wrong;
    let (first, second) = if crossed { (Lock(1), Lock(0)) } else { (Lock(0), Lock(1)) };
    face.lock(first);
    face.lock(second);
    face.unlock(second);
    face.unlock(first);
}

/// Two classes of work exclude each other: the first of a class takes the common lock, the last gives it back,
/// and a lock guards the count. The classes share that lock, so who waits for the other class keeps it
/// from leaving (SCTBench `CS.carter01`). Two more tasks pass the lock for no other reason than to be there.
fn carter(face: &dyn Face, task: usize, form: Form) {
    const COMMON: Lock = Lock(2);
    if task >= 2 {
        face.lock(Lock(0));
        return face.unlock(Lock(0));
    }
    let counts = Word(task);
    let guard = if form == Form::Wrong { Lock(0) } else { Lock(task) };
    face.lock(guard);
    if face.add(counts, 1) == 0 {
        face.lock(COMMON);
    }
    face.unlock(guard);
    face.lock(guard);
    if face.add(counts, -1) == 1 {
        face.unlock(COMMON);
    }
    face.unlock(guard);
}

/// Three tasks pass a gate one by one, in a first phase without anything to fear; in the second each takes its
/// own lock and the next one's, in a ring (after SCTBench `CS.phase01`).
fn phase(face: &dyn Face, task: usize, form: Form) {
    const GATE: Lock = Lock(3);
    face.lock(GATE);
    face.unlock(GATE);
    let (own, next) = (task, (task + 1) % 3);
    let (first, second) = match form {
        Form::Wrong => (own, next),
        Form::Right => (own.min(next), own.max(next)),
    };
    face.lock(Lock(first));
    face.lock(Lock(second));
    face.unlock(Lock(second));
    face.unlock(Lock(first));
}

/// Philosophers who take the left fork first. All of them must have done so before one gets two; a single
/// preemption is enough, if his neighbours then sit down in the right order, each finding the next fork gone
/// (SCTBench `CS.din_phil2_sat` … `7`; Dijkstra). Mended, the last takes the right one first.
fn dining<const SEATS: usize>(face: &dyn Face, task: usize, form: Form) {
    let (left, right) = (Lock(task), Lock((task + 1) % SEATS));
    let last = form == Form::Right && task + 1 == SEATS;
    let (first, second) = if last { (right, left) } else { (left, right) };
    face.lock(first);
    face.lock(second);
    face.unlock(second);
    face.unlock(first);
}

/// Two readers both want to write and each waits for the other to stop reading. Mended, who comes second gives
/// up reading (the textbook's reason why locks cannot be upgraded).
fn upgrade(face: &dyn Face, _: usize, form: Form) {
    const READERS: Word = Word(0);
    const UPGRADING: Word = Word(1);
    face.add(READERS, 1);
    if form == Form::Right && !face.cas(UPGRADING, 0, 1) {
        face.add(READERS, -1);
        return;
    }
    face.spin_until(READERS, 1);
    face.add(READERS, -1);
    if form == Form::Right {
        face.store(UPGRADING, 0);
    }
}

/// A barrier that counts arrivals and is used twice: the last to arrive sets the count to zero, which the others
/// wait to see. Who is quick arrives at the next barrier before they have looked (SCTBench's
/// barriers in SPLASH-2; Hensgen, Finkel and Manber 1988 for the remedy, a sense).
fn barrier(face: &dyn Face, _: usize, form: Form) {
    const ARRIVED: Word = Word(0);
    const ROUND: Word = Word(1);
    for round in 0..2 {
        let last = face.add(ARRIVED, 1) == 1;
        match (form, last) {
            (Form::Wrong, true) => face.store(ARRIVED, 0),
            (Form::Wrong, false) => face.spin_until(ARRIVED, 0),
            (Form::Right, true) => {
                face.store(ARRIVED, 0);
                face.store(ROUND, round + 1);
            }
            (Form::Right, false) => {
                while face.load(ROUND) <= round {
                    face.pause();
                }
            }
        }
    }
}

/// A queue lock (Mellor-Crummey and Scott 1991) whose release, when the queue has grown but the newcomer has
/// not yet said so, does not wait for it: nobody will ever tell the newcomer that it may go on.
fn mcs(face: &dyn Face, task: usize, form: Form) {
    const TAIL: Word = Word(0);
    const NEXT: Word = Word(1);
    const MUST_WAIT: Word = Word(3);
    let me = task as i64;
    face.store(MUST_WAIT.at(task), 1);
    let before = face.swap(TAIL, me);
    if before >= 0 {
        face.store(NEXT.at(before as usize), me);
        face.spin_until(MUST_WAIT.at(task), 0);
    }
    let mut next = face.load(NEXT.at(task));
    if next < 0 {
        if face.cas(TAIL, me, -1) || form == Form::Wrong {
            return;
        }
        while next < 0 {
            face.pause();
            next = face.load(NEXT.at(task));
        }
    }
    face.store(MUST_WAIT.at(next as usize), 0);
}
