//! What a step is about: identities that are the same in every process and every execution.
//!
//! A word of the world's memory is named by its offset in the arena. Everything else that tasks share
//! (wait queues, kinds of read-side section, CPU slots) has a number under a tag. Memory outside the arena
//! in use is numbered by the engine as executions first touch it.
//!
//! ```text
//! 63        56        48                                 0
//!  outside             tag       offset, or number under the tag
//! ```

use pgmap_sched::{self as sched, Object};

use crate::in_use;

const TAG: u32 = 48;
const OUTSIDE: u64 = 1 << 63;
const NUMBER: u64 = (1 << TAG) - 1;

const WORD: u64 = 0;
const QUEUE: u64 = 1;
const SECTION: u64 = 2;
const SLOT: u64 = 3;
const SIGNAL: u64 = 4;
const FAULTS: u64 = 5;
const RANGE: u64 = 6;
const BUFFER: u64 = 7;
const IN_FLIGHT: u64 = 8;

/// An [`Object`] taken apart, for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A word or lock at this offset of the arena: see [`Arena::locate`](crate::Arena::locate).
    Word(u64),
    /// The wait queue keyed by the object at this offset.
    Queue(u64),
    /// Memory that is wiped, from this offset on.
    Range(u64),
    /// What `synchronize_rcu`, an IPI and a TLB shoot-down wait for: 0, 1, 2.
    Section(u64),
    /// Who leases this CPU.
    Slot(u64),
    /// The signal that is pending for the task on this CPU.
    Signal(u64),
    /// The store buffer of this task.
    Buffer(u64),
    /// The same, where somebody waits until it is empty.
    InFlight(u64),
    /// The plan of allocation failures.
    Faults,
    /// Something that is not in the arena, in the order of first touch.
    Outside(u64),
}

impl Subject {
    #[must_use]
    pub fn of(object: Object) -> Self {
        let number = object.0 & NUMBER;
        if object.0 & OUTSIDE != 0 {
            return Self::Outside(number);
        }
        match object.0 >> TAG & 0xff {
            QUEUE => Self::Queue(number),
            RANGE => Self::Range(number),
            SECTION => Self::Section(number),
            SLOT => Self::Slot(number),
            SIGNAL => Self::Signal(number),
            FAULTS => Self::Faults,
            BUFFER => Self::Buffer(number),
            IN_FLIGHT => Self::InFlight(number),
            _ => Self::Word(number),
        }
    }
}

/// The word at an address.
#[inline]
pub(crate) fn word(address: usize) -> Object {
    match in_use::offset(address) {
        Some(at) => offset(at),
        None => sched::intern(address),
    }
}

/// The word at this offset of the arena in use.
#[inline]
pub(crate) fn offset(at: usize) -> Object {
    Object(WORD << TAG | at as u64)
}

pub(crate) fn range_at(offset: usize) -> Object {
    Object(RANGE << TAG | offset as u64)
}

pub(crate) const fn buffer(task: usize) -> Object {
    Object(BUFFER << TAG | task as u64)
}

pub(crate) const fn in_flight(task: usize) -> Object {
    Object(IN_FLIGHT << TAG | task as u64)
}

pub(crate) fn queue(address: usize) -> Object {
    Object(word(address).0 | QUEUE << TAG)
}

pub(crate) fn range(address: usize) -> Object {
    Object(word(address).0 | RANGE << TAG)
}

pub(crate) const fn section(number: u64) -> Object {
    Object(SECTION << TAG | number)
}

pub(crate) fn slot(id: usize) -> Object {
    Object(SLOT << TAG | id as u64)
}

pub(crate) fn signal(id: usize) -> Object {
    Object(SIGNAL << TAG | id as u64)
}

pub(crate) const fn faults() -> Object {
    Object(FAULTS << TAG)
}
