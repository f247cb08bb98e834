//! A CPU slot: who leases it, and what a waiter must know of that task.

use core::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};

use crate::{plain_word::PlainWord, section::KINDS};

pub(crate) const NO_TASK: u32 = u32::MAX;
pub(crate) const TALLIES: usize = 64;
/// Locks one task holds at once, for reports; more are not listed.
const HELD: usize = 32;

#[derive(Debug)]
pub(crate) struct Slot {
    leased: AtomicBool,
    /// `NO_TASK` whenever the slot is idle.
    pub(crate) task: PlainWord,
    /// The engine's task that leases it plus one; 0 outside a run.
    pub(crate) runner: PlainWord,
    /// A wake-up reached the task since it last queued itself.
    pub(crate) woken: PlainWord,
    /// A signal is pending.
    pub(crate) signalled: PlainWord,
    /// Odd inside, even outside: by kind of section.
    pub(crate) sections: [PlainWord; KINDS],
    pub(crate) tallies: [PlainWord; TALLIES],
    held: [PlainWord; HELD],
    holds: PlainWord,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            leased: AtomicBool::new(false),
            task: PlainWord::new(NO_TASK.into()),
            runner: PlainWord::default(),
            woken: PlainWord::default(),
            signalled: PlainWord::default(),
            sections: Default::default(),
            tallies: [const { PlainWord::new(0) }; TALLIES],
            held: [const { PlainWord::new(0) }; HELD],
            holds: PlainWord::default(),
        }
    }
}

impl Slot {
    pub(crate) fn try_lease(&self) -> bool {
        self.leased.compare_exchange(false, true, Acquire, Acquire).is_ok()
    }

    pub(crate) fn end_lease(&self) {
        self.task.set(NO_TASK.into());
        self.runner.set(0);
        self.signalled.set(0);
        self.leased.store(false, Release);
    }

    /// As after boot, whatever an abandoned task left behind.
    pub(crate) fn reset(&self) {
        let Self {
            leased: _,
            task: _,
            runner: _,
            woken,
            signalled,
            sections,
            tallies,
            held: _,
            holds,
        } = self;
        for word in sections.iter().chain(tallies).chain([woken, signalled, holds]) {
            word.set(0);
        }
        self.end_lease();
    }

    /// Appends what others can find here; of a section, whether the task is inside.
    pub(crate) fn write_state(&self, words: &mut Vec<u64>) {
        let Self { leased, task, runner, woken, signalled, sections, tallies: _, held: _, holds } =
            self;
        words.push(leased.load(Acquire).into());
        words.extend([task, runner, woken, signalled, holds].map(PlainWord::get));
        words.extend(sections.iter().map(|section| section.get() % 2));
        words.extend(self.listed().iter().map(PlainWord::get));
    }

    /// The task now holds the lock of this identity.
    pub(crate) fn hold(&self, lock: u64) {
        if let Some(place) = self.held.get(self.holds.get() as usize) {
            place.set(lock);
        }
        self.holds.bump();
    }

    /// Locks may be given back in any order; the last taken is looked at first.
    pub(crate) fn unhold(&self, lock: u64) {
        let listed = self.listed();
        if let Some(at) = listed.iter().rposition(|held| held.get() == lock) {
            listed[at..].windows(2).for_each(|pair| pair[0].set(pair[1].get()));
        }
        self.holds.set(self.holds.get().saturating_sub(1));
    }

    pub(crate) fn holds(&self, lock: u64) -> bool {
        self.listed().iter().any(|held| held.get() == lock)
    }

    /// Outermost first.
    pub(crate) fn listed(&self) -> &[PlainWord] {
        &self.held[..HELD.min(self.holds.get() as usize)]
    }
}
