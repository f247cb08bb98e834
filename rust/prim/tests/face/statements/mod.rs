//! What every face of `prim` promises, said once.
//!
//! [`holds`] is a program that must come out right every time, [`breaks`] one with a planted mistake: where
//! every order comes about, the mistake must be found. (Natively it may or may not show, so there it is
//! not tried.) The file is part of several packages' tests.

mod atomics;
mod cpus;
mod grace;
mod locks;
mod memory;
mod sleeping;

use crate::model::{EXPLORED, run};
use crate::prim::{
    AtomicU32, Cpu, Guarded, LockClass, Machine, PlainData, Sleep, SpinLock, WaitClass, Waiting,
    plain, wait_event, zeroed,
};

plain! {
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Pair { pub(crate) a: u64, pub(crate) b: u64, }
}
impl Guarded for Pair {
    const CLASS: LockClass = LockClass::new("pair", 6);
}

pub(crate) static EVENT: WaitClass = WaitClass::event("event");
pub(crate) static BIT: LockClass = LockClass::new("bit", 7);
pub(crate) const WAITING: Waiting = Waiting { class: &EVENT, object: 0x2a, owner: 0 };
pub(crate) const DEEP: Sleep = Sleep::Uninterruptible;

pub(crate) fn holds<S: Sync>(
    tasks: u32,
    start: impl Fn() -> S,
    body: impl Fn(&S, &Cpu<'_>, u32) + Sync,
    check: impl Fn(&S),
) {
    assert_eq!(run(tasks, start, body, check), Ok(()));
}

/// Exactly one of the words must occur in what is found: "Panic", "Deadlock" or "Defect".
pub(crate) fn breaks<S: Sync>(
    how: &str,
    tasks: u32,
    start: impl Fn() -> S,
    body: impl Fn(&S, &Cpu<'_>, u32) + Sync,
    check: impl Fn(&S),
) {
    if EXPLORED {
        let found = run(tasks, start, body, check).expect_err("the mistake must be found");
        assert!(found.contains(how), "{found}");
    }
}

pub(crate) fn words<const N: usize>() -> [AtomicU32; N] {
    [const { AtomicU32::new(0) }; N]
}

pub(crate) fn counter() -> SpinLock<Pair> {
    SpinLock::new(Pair::zeroed())
}

pub(crate) fn bump(pair: &mut Pair) {
    assert_eq!(pair.a, pair.b);
    pair.a += 1;
    pair.b += 1;
}

pub(crate) fn wait_for(cpu: &Cpu<'_>, word: &AtomicU32, value: u32) {
    let there = || word.read_acquire() == value;
    wait_event(cpu, word, DEEP, WAITING, there).expect("uninterruptible");
}

pub(crate) fn codes(machine: &Machine) -> Vec<u16> {
    machine.warnings().iter().map(|record| record.warn.code).collect()
}

zeroed! {
    /// What a read-side section protects: `current` names one of two objects; an updater moves it and,
    /// after a grace period, breaks the other one.
    #[derive(Debug, Default)]
    pub(crate) struct Published { pub(crate) current: AtomicU32, pub(crate) broken: [AtomicU32; 2], }
}

impl Published {
    pub(crate) fn look(&self, object: u32) {
        assert_eq!(self.broken[object as usize].read(), 0);
    }

    pub(crate) fn retire<R>(&self, grace: impl FnOnce() -> R) {
        self.current.set_release(1);
        let _ = grace();
        self.broken[0].set(1);
    }
}
