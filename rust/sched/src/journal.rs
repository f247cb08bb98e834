//! What is written down of an execution while it runs: the schedule, the trace, the rolling
//! hash. Most executions of a search write nothing; the engine asks [`Journal::open`] first.

use core::panic::Location;

use crate::failure::Blocked;
use crate::log::{Event, Kind};
use crate::model::Identity;
use crate::schedule::{Departure, Payment, Schedule, roll, roll_local};
use crate::step::{Step, Task};

/// What is written down of an execution.
#[derive(Clone, Copy, Default)]
pub(crate) struct Keep {
    pub(crate) schedule: bool,
    /// The events.
    pub(crate) trace: bool,
    /// The hash over them.
    pub(crate) hash: bool,
}

/// The written side of one execution.
#[derive(Default)]
pub(crate) struct Journal {
    rolling: u64,
    /// What steps are for the rolling hash; none if nobody asks for it.
    identity: Option<Identity>,
    schedule: Option<Schedule>,
    trace: Option<Vec<Event>>,
    /// What the step in flight found and left, and what was remarked after it.
    values: Option<(u64, u64)>,
    remarks: Vec<Event>,
}

impl Journal {
    /// Starts over for an execution of which these are wanted.
    pub(crate) fn begin(&mut self, keep: Keep, identity: Identity) {
        let Keep { schedule, trace, hash } = keep;
        self.rolling = 0;
        self.identity = (schedule || trace || hash).then_some(identity);
        self.schedule = schedule.then(Schedule::default);
        self.trace = trace.then(Vec::new);
        self.values = None;
        self.remarks.clear();
    }

    pub(crate) fn open(&self) -> bool {
        self.identity.is_some()
    }

    pub(crate) fn keeps_trace(&self) -> bool {
        self.trace.is_some()
    }

    /// The hash over all events so far, if they were watched.
    pub(crate) fn rolling(&self) -> u64 {
        self.rolling
    }

    pub(crate) fn value(&mut self, before: u64, after: u64) {
        self.values = Some((before, after));
    }

    /// Takes a step that has become an event; gives back the values it was reported with.
    pub(crate) fn step(
        &mut self,
        index: u32,
        task: Task,
        step: &Step,
        kind: Kind,
    ) -> Option<(u64, u64)> {
        if let Some(identity) = self.identity {
            self.rolling = roll(self.rolling, task, identity(step));
        }
        let values = self.values.take();
        if let Some(trace) = &mut self.trace {
            trace.push(Event { values, ..Event::of(index, task, step, kind) });
            trace.append(&mut self.remarks);
        }
        values
    }

    /// Takes an event of a task's own.
    pub(crate) fn local(
        &mut self,
        index: u32,
        task: Task,
        what: u64,
        kind: Kind,
        site: Option<&'static Location<'static>>,
    ) {
        self.rolling = roll_local(self.rolling, task, what);
        match (&mut self.schedule, kind) {
            (Some(schedule), Kind::Choice { value, .. }) => schedule.choices.push(value),
            (Some(schedule), Kind::Paid { value, nth, .. }) => {
                schedule.payments.push(Payment { nth, value });
            }
            _ => {}
        }
        self.tell(Event { site, ..Event::bare(index, task, kind) });
    }

    /// Takes a remark that follows the step in flight.
    pub(crate) fn remark_after(&mut self, remark: Event) {
        self.remarks.push(remark);
    }

    /// Writes into the trace, if there is one.
    pub(crate) fn tell(&mut self, event: Event) {
        if let Some(trace) = &mut self.trace {
            trace.push(event);
        }
    }

    /// Takes a departure from the default path.
    pub(crate) fn depart(&mut self, at: u32, task: Task) {
        let hash = self.rolling;
        if let Some(schedule) = &mut self.schedule {
            schedule.departures.push(Departure { at, task, hash });
        }
    }

    /// Tells that another task comes on, and what it waits for, if it does.
    pub(crate) fn switched(&mut self, at: u32, from: Task, to: Task, obstacle: Option<Blocked>) {
        if let Some(Blocked { class, object, step, site, .. }) = obstacle {
            let kind = Kind::Blocked { class, object };
            let blocked = match step {
                Some(step) => Event::of(at, from, &step, kind),
                None => Event::bare(at, from, kind),
            };
            self.tell(Event { site: Some(site), ..blocked });
        }
        self.tell(Event::bare(at, from, Kind::Switch { to }));
    }

    /// The schedule of an execution that has ended after `events` events, if one was kept.
    pub(crate) fn take_schedule(&mut self, events: u32) -> Option<Schedule> {
        let schedule = self.schedule.take()?;
        Some(Schedule { events, hash: self.rolling, ..schedule })
    }

    pub(crate) fn take_trace(&mut self) -> Vec<Event> {
        self.trace.take().unwrap_or_default()
    }
}
