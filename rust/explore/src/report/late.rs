//! Stores that were seen late: what their CPU did, although a task of its own did it in the trace.
//!
//! Whoever reads a report knows CPUs. The emptying of a store buffer is told in the column of the CPU whose buffer
//! it is, as a step of its own, where it happened.

use std::collections::BTreeSet;

use pgmap_sched::{Event, Kind, Task};

/// Whose task this is, of so many that do something of their own; and whether it empties that one's buffer.
pub(super) fn owner(task: u8, tasks: usize) -> (u8, bool) {
    match usize::from(task).checked_sub(tasks) {
        Some(owner) => (owner as u8, true),
        None => (task, false),
    }
}

/// A trace in which every event belongs to the task that a reader thinks of.
pub(super) struct Trace {
    pub(super) events: Vec<Event>,
    /// Positions of stores that drained.
    drained: BTreeSet<usize>,
}

impl Trace {
    /// Whether this is a store that waited in a buffer until then.
    pub(super) fn drained(&self, at: usize) -> bool {
        self.drained.contains(&at)
    }
}

/// The trace, for readers.
pub(super) fn told(trace: &[Event], tasks: usize) -> Trace {
    let mut told = Trace { events: Vec::with_capacity(trace.len()), drained: BTreeSet::new() };
    for event in trace {
        let (owner, drains) = owner(event.task.0, tasks);
        // That there is nothing to drain is no news.
        if drains && matches!(event.kind, Kind::Blocked { .. }) {
            continue;
        }
        if drains && event.kind == Kind::Step {
            told.drained.insert(told.events.len());
        }
        told.events.push(Event { task: Task(owner), ..*event });
    }
    told
}
