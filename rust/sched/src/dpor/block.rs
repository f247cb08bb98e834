//! What a decision lets happen: a block of events of one task, from its step up to where the task
//! announces the next, as the set of things it touched.
//!
//! Two blocks of different tasks *conflict* when they touch one thing and one of them writes it;
//! blocks that do not conflict can change places. Things are the caller's objects and, for each wait,
//! its *condition*: a block that makes somebody's wait end, or begin to last again, writes it, and so
//! does the step that waited. A wait may look at objects other than its step's own, and this is how
//! the order of such a step and of what let it go is kept.

use crate::hash::mix64;
use crate::step::Task;

/// What blocks can have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Thing {
    Object(u64),
    /// The condition of the wait or busy-wait that a task has been in since its block before `since`.
    Condition {
        task: Task,
        since: u32,
    },
}

impl Thing {
    /// One bit of 64, to tell most strangers at a glance.
    fn bit(self) -> u64 {
        let digest = match self {
            Thing::Object(object) => mix64(object, 0),
            Thing::Condition { task, since } => mix64(u64::from(since), u64::from(task.0) + 1),
        };
        1 << (digest >> 58)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) thing: Thing,
    pub(crate) write: bool,
}

/// All accesses of a block, with a summary.
#[derive(Clone, Debug, Default)]
pub(crate) struct Footprint {
    accesses: Vec<Access>,
    touched: u64,
    written: u64,
}

impl Footprint {
    pub(crate) fn clear(&mut self) {
        self.accesses.clear();
        (self.touched, self.written) = (0, 0);
    }

    pub(crate) fn add(&mut self, access: Access) {
        let bit = access.thing.bit();
        if self.touched & bit != 0 && self.accesses.contains(&access) {
            return;
        }
        self.touched |= bit;
        if access.write {
            self.written |= bit;
        }
        self.accesses.push(access);
    }

    pub(crate) fn add_all(&mut self, other: &Footprint) {
        other.accesses.iter().for_each(|&access| self.add(access));
    }

    pub(crate) fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    pub(crate) fn writes(&self, thing: Thing) -> bool {
        self.written & thing.bit() != 0
            && self.accesses.iter().any(|access| access.write && access.thing == thing)
    }

    #[inline]
    pub(crate) fn conflicts(&self, other: &Footprint) -> bool {
        (self.touched & other.written | self.written & other.touched) != 0 && self.meets(other)
    }

    fn meets(&self, other: &Footprint) -> bool {
        self.accesses.iter().any(|mine| {
            let theirs = |access: &&Access| access.thing == mine.thing;
            other.accesses.iter().filter(theirs).any(|access| mine.write || access.write)
        })
    }
}
