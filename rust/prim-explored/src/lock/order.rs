//! Lock order (`kernel/locking/lockdep.c`, in the small): which classes of locks are waited for under which.
//!
//! A task that is about to wait for a lock, whether it then has to or not, shows by what it holds an order of two
//! classes. Each pair is kept once for a machine, with who showed it first and where; it outlives executions, for
//! two orders that contradict each other need not be met in one. A pair is wrong if its inner class stands
//! before the outer one in the order of classes ([`LockClass::rank`]): nobody has to be stuck for that to be seen.
//!
//! A trylock does not wait, so it shows nothing; what is held by one counts like any other. Locks of one class
//! are not compared.

use core::cell::Cell;
use std::sync::{Mutex, PoisonError};

use super::LockClass;
use crate::{Cpu, TaskId, plain_word::PlainWord, step::Site};

/// Locks that one operation holds at once; further ones are not looked at.
const MOST: usize = 32;

/// One lock was waited for while another one was held.
#[derive(Clone, Copy, Debug)]
pub struct Nesting {
    pub outer: &'static LockClass,
    /// Where the outer one was taken.
    pub outer_site: Site,
    pub inner: &'static LockClass,
    /// Where the inner one was waited for.
    pub inner_site: Site,
    pub task: TaskId,
}

impl Nesting {
    /// Against the order of classes.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.inner.rank < self.outer.rank
    }
}

/// The pairs that a machine has seen.
#[derive(Debug)]
pub(crate) struct Nestings {
    /// By rank of the outer class, a bit for each rank of an inner one.
    seen: [PlainWord; LockClass::RANKS as usize],
    first: Mutex<Vec<Nesting>>,
}

impl Default for Nestings {
    fn default() -> Self {
        Self {
            seen: [const { PlainWord::new(0) }; LockClass::RANKS as usize],
            first: Mutex::default(),
        }
    }
}

impl Nestings {
    fn see(&self, outer: Held, inner: &'static LockClass, inner_site: Site, task: TaskId) {
        let (seen, bit) = (&self.seen[usize::from(outer.class.rank)], 1 << inner.rank);
        if outer.class.rank == inner.rank || seen.get() & bit != 0 {
            return;
        }
        seen.set(seen.get() | bit);
        let nesting =
            Nesting { outer: outer.class, outer_site: outer.site, inner, inner_site, task };
        self.first.lock().unwrap_or_else(PoisonError::into_inner).push(nesting);
    }

    pub(crate) fn all(&self) -> Vec<Nesting> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone, Copy)]
struct Held {
    object: u64,
    class: &'static LockClass,
    site: Site,
}

/// What an operation holds, in the order of taking.
pub(crate) struct HeldLocks {
    list: [Cell<Option<Held>>; MOST],
    count: Cell<usize>,
}

impl Default for HeldLocks {
    fn default() -> Self {
        Self { list: [const { Cell::new(None) }; MOST], count: Cell::new(0) }
    }
}

impl HeldLocks {
    fn listed(&self) -> &[Cell<Option<Held>>] {
        &self.list[..MOST.min(self.count.get())]
    }

    fn push(&self, held: Held) {
        if let Some(place) = self.list.get(self.count.get()) {
            place.set(Some(held));
        }
        self.count.set(self.count.get() + 1);
    }

    fn remove(&self, object: u64) {
        let listed = self.listed();
        let is = |place: &Cell<Option<Held>>| place.get().is_some_and(|held| held.object == object);
        if let Some(at) = listed.iter().rposition(is) {
            listed[at..].windows(2).for_each(|pair| pair[0].set(pair[1].get()));
        }
        self.count.set(self.count.get().saturating_sub(1));
    }
}

impl Cpu<'_> {
    /// The task waits for such a lock next, if it has to.
    pub(crate) fn will_wait_for(&self, class: &'static LockClass, site: Site) {
        for held in self.held.listed().iter().filter_map(Cell::get) {
            self.machine.nestings.see(held, class, site, self.task());
        }
    }

    /// A lock of this identity is held from now on.
    pub(crate) fn hold(&self, object: u64, class: &'static LockClass, site: Site) {
        self.slot.hold(object);
        self.held.push(Held { object, class, site });
    }

    pub(crate) fn unhold(&self, object: u64) {
        self.slot.unhold(object);
        self.held.remove(object);
    }
}

/// `lock_map_acquire`: the task is about to wait for, or to take, something that orders like a lock and is none.
#[track_caller]
pub fn lock_map_acquire(cpu: &Cpu<'_>, class: &'static LockClass, object: u64) {
    let site = core::panic::Location::caller();
    cpu.will_wait_for(class, site);
    cpu.held.push(Held { object, class, site });
}

/// `lock_map_release`: it holds that no more.
pub fn lock_map_release(cpu: &Cpu<'_>, object: u64) {
    cpu.held.remove(object);
}
