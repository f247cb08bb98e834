//! What identifies one execution of a model: where it left the default path.
//!
//! The default is to go on with the current task while it can run, and else with the lowest task
//! that can. Only departures are kept, each with the number of events before it, the results of
//! choices, and of choices that can cost those that did. A rolling hash of (task, verb, object), by what the model
//! calls them, over all events, with a checkpoint at each departure and at the end, tells whether a model still does
//! what it did when the schedule was found.

use crate::hash::mix64;
use crate::log::{Event, Kind};
use crate::step::{Object, Task, Verb};

/// A step, as far as a place where it is left goes.
pub(crate) type Stand = (Task, Verb, Object);

/// What follows a schedule stops after this many events more than it has.
const OVERRUN: u32 = 10_000;

/// One departure from the default path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Departure {
    /// How many events came before it.
    pub at: u32,
    /// The task that went on.
    pub task: Task,
    /// The rolling hash over the events before it.
    pub hash: u64,
}

/// One choice that cost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Payment {
    /// How many choices that could have cost were asked before it.
    pub nth: u32,
    /// Its result, which is not 0.
    pub value: u32,
}

/// One execution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Schedule {
    pub(crate) departures: Vec<Departure>,
    pub(crate) choices: Vec<u32>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) events: u32,
    pub(crate) hash: u64,
}

impl Schedule {
    /// Where the execution left the default path.
    #[must_use]
    pub fn departures(&self) -> &[Departure] {
        &self.departures
    }

    /// The most events of an execution that follows it.
    pub(crate) fn limit(&self) -> u32 {
        self.events.saturating_add(OVERRUN)
    }

    /// The results of its choices, in order.
    #[must_use]
    pub fn choices(&self) -> &[u32] {
        &self.choices
    }

    /// The choices that cost, in order.
    #[must_use]
    pub fn payments(&self) -> &[Payment] {
        &self.payments
    }

    /// How many events it has.
    #[must_use]
    pub fn events(&self) -> u32 {
        self.events
    }
}

impl Schedule {
    /// The schedule of an execution without some of its events, which are told by `goes`, as far as it can be
    /// known beforehand: what is left happens in the order in which it did. `trace` is the execution's; its
    /// checkpoints do not fit the new one.
    #[must_use]
    pub fn without(&self, trace: &[Event], goes: &mut dyn FnMut(&Event) -> bool) -> Self {
        // Of each event, how many that stay came before it; and once more at the end.
        let mut before = Vec::with_capacity(self.events as usize + 1);
        let (mut stay, mut choices) = (0, Vec::new());
        for event in trace.iter().filter(|event| event.is_event()) {
            before.push(stay);
            if goes(event) {
                continue;
            }
            stay += 1;
            if let Kind::Choice { value, .. } = event.kind {
                choices.push(value);
            }
        }
        let mut departures: Vec<Departure> = Vec::new();
        for departure in &self.departures {
            let at = before.get(departure.at as usize).copied().unwrap_or(stay);
            // Of two at one place the later decides.
            departures.pop_if(|last| last.at == at);
            departures.push(Departure { at, ..*departure });
        }
        Self { departures, choices, payments: self.payments.clone(), events: stay, hash: 0 }
    }
}

/// The rolling hash after one more event, by what its step [is](crate::Identity).
pub(crate) fn roll(hash: u64, task: Task, step: u64) -> u64 {
    mix64(hash ^ mix64(u64::from(task.0), 1), step)
}

/// The rolling hash after an event that has no object: a choice, the end of a busy-wait turn.
pub(crate) fn roll_local(hash: u64, task: Task, what: u64) -> u64 {
    mix64(hash ^ mix64(u64::from(task.0), 2), what)
}
