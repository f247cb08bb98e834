//! What a replay tells: one entry per event, and the moments between them that a reader needs.

use core::panic::Location;

use crate::step::{Effect, Object, Step, Task, Verb, WaitClass};

/// What an entry of a trace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A step ran.
    Step,
    /// An event without a scheduling decision of its own; see [`record`](crate::record).
    Record,
    /// A turn of a busy-wait ended: something the task had looked at has changed.
    Relax,
    /// A choice among `of`.
    Choice { value: u32, of: u32 },
    /// A choice among `of` that cost: the `nth` that could have.
    Paid { value: u32, of: u32, nth: u32 },
    /// The caller's remark; not an event.
    Note { code: u32, a: u64, b: u64 },
    /// The task cannot run its next step now; not an event. `class` is [`WaitClass::RELAX`] for a busy-wait.
    Blocked { class: WaitClass, object: u64 },
    /// Another task goes on from here; not an event.
    Switch { to: Task },
}

/// One entry of a trace.
///
/// Entries that are no events carry the index of the next event and repeat the words of the step
/// they stand at, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub index: u32,
    pub task: Task,
    pub verb: Verb,
    pub object: Object,
    pub effect: Effect,
    pub site: Option<&'static Location<'static>>,
    /// What the step found and left, when the caller said.
    pub values: Option<(u64, u64)>,
    pub kind: Kind,
}

impl Event {
    pub(crate) fn of(index: u32, task: Task, step: &Step, kind: Kind) -> Self {
        let Step { verb, object, effect, site } = *step;
        Event { index, task, verb, object, effect, site: Some(site), values: None, kind }
    }

    pub(crate) fn bare(index: u32, task: Task, kind: Kind) -> Self {
        Event {
            index,
            task,
            verb: Verb(0),
            object: Object(0),
            effect: Effect::Read,
            site: None,
            values: None,
            kind,
        }
    }

    /// Whether the entry is an event: it has an index of its own and a place in the schedule.
    #[must_use]
    pub fn is_event(&self) -> bool {
        matches!(
            self.kind,
            Kind::Step | Kind::Record | Kind::Relax | Kind::Choice { .. } | Kind::Paid { .. }
        )
    }
}
