//! The words of the scheduler: who (a task), on what (an object), does which thing (a verb), with
//! what consequence for the order of things (an effect).
//!
//! The scheduler gives no meaning to verbs and objects. The caller numbers them, and the numbers
//! must be the same in every execution of the same model: a pointer is not an object.

use core::panic::Location;

/// Most tasks that one model may have; a set of tasks is a 16-bit mask.
pub const MOST_TASKS: usize = 16;

/// One task of a model, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task(pub u8);

impl Task {
    /// The set of this task alone.
    #[inline]
    pub(crate) fn bit(self) -> u16 {
        1 << self.0
    }
}

/// What a step touches: an identity that does not depend on addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object(pub u64);

/// Which operation a step is; the meaning and the name are the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verb(pub u8);

/// What a step does to its object. Two reads of one object commute; a write orders everything
/// on its object. A read-modify-write is a write, unless it turned out to change nothing
/// (see [`settle`](crate::settle)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    Read,
    Write,
}

/// One shared operation, announced before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub verb: Verb,
    pub object: Object,
    pub effect: Effect,
    pub site: &'static Location<'static>,
}

/// A kind of wait: what it is called, and a number. What the number means is the caller's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WaitClass {
    pub name: &'static str,
    pub number: u8,
}

impl WaitClass {
    /// The turns of a busy-wait ([`relax`](crate::relax)).
    pub const RELAX: Self = Self::named("relax");

    /// One that needs no number.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self { name, number: 0 }
    }
}

impl core::fmt::Display for WaitClass {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

/// What the condition of a wait looks at besides the object of its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    AtItsObject,
    /// And this one.
    AlsoAt(Object),
    /// Nobody can say. Then everybody has to do with it.
    Anywhere,
}

/// Names the objects that a step touches, one after the other.
pub type Touches<'a> = &'a dyn Fn(&mut dyn FnMut(Object));

/// What a task waits for, in the words of the wait-for graph.
///
/// `owner` is asked when a deadlock is reported, not when the wait begins: a lock changes hands
/// while others sleep on it.
#[derive(Clone, Copy)]
pub struct Wait<'a> {
    pub class: WaitClass,
    pub object: u64,
    pub owner: &'a dyn Fn() -> Option<Task>,
    pub looks: Looks,
}

impl<'a> Wait<'a> {
    /// A wait that no task in particular can end.
    #[must_use]
    pub fn unowned(class: WaitClass, object: u64, looks: Looks) -> Self {
        Wait { class, object, owner: &|| None, looks }
    }
}

impl core::fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Wait").field("class", &self.class).field("object", &self.object).finish()
    }
}
