//! Following a schedule that was found before, and noticing where a model no longer does what
//! it did.

use crate::engine::Engine;
use crate::engine::guide::Decision;
use crate::engine::guide::Guide;
use crate::schedule::Schedule;
use crate::step::Task;

/// Something a schedule says, or an execution shows, at one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The rolling hash over all events before the step.
    Hash(u64),
    /// The task that goes on.
    Task(Task),
    /// The tasks that can go on, as a mask.
    Runnable(u16),
    /// A choice with this result.
    Choice(u32),
    /// A choice among this many.
    ChoiceOf(u32),
    /// The end, after this many events.
    End(u32),
    /// The execution's own event at that step, as a digest.
    Event(u64),
}

/// The first step at which an execution is known to differ from its schedule; the difference
/// lies there or between the checkpoint before it and there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    pub step: u32,
    pub expected: Sight,
    pub found: Sight,
}

/// A schedule being followed.
#[derive(Default)]
pub(crate) struct Script {
    schedule: Schedule,
    departure: usize,
    choice: usize,
    payment: usize,
    diverged: Option<Divergence>,
}

impl Script {
    pub(crate) fn new(schedule: Schedule) -> Self {
        Script { schedule, ..Script::default() }
    }

    /// Which task goes on, of those in `runnable`, when the default would be `default`.
    fn depart(&mut self, events: u32, hash: u64, runnable: u16, default: Task) -> Task {
        let Some(departure) = self.schedule.departures.get(self.departure).copied() else {
            return default;
        };
        if departure.at > events {
            return default;
        }
        self.departure += 1;
        if departure.at < events {
            self.differs(departure.at, Sight::Task(departure.task), Sight::Hash(hash));
            return default;
        }
        if departure.hash != hash {
            self.differs(events, Sight::Hash(departure.hash), Sight::Hash(hash));
        }
        if runnable & (1 << departure.task.0) == 0 {
            self.differs(events, Sight::Task(departure.task), Sight::Runnable(runnable));
            return default;
        }
        departure.task
    }

    /// The result of a choice among `0..n`.
    fn choice(&mut self, events: u32, n: u32) -> u32 {
        let Some(value) = self.schedule.choices.get(self.choice).copied() else {
            self.differs(events, Sight::End(self.schedule.events), Sight::ChoiceOf(n));
            return 0;
        };
        self.choice += 1;
        if value >= n {
            self.differs(events, Sight::Choice(value), Sight::ChoiceOf(n));
            return 0;
        }
        value
    }

    /// The result of the `nth` choice that can cost, among `0..n`.
    fn payment(&mut self, events: u32, nth: u32, n: u32) -> u32 {
        match self.schedule.payments.get(self.payment).copied() {
            Some(payment) if payment.nth == nth => {
                self.payment += 1;
                if payment.value >= n {
                    self.differs(events, Sight::Choice(payment.value), Sight::ChoiceOf(n));
                    return 0;
                }
                payment.value
            }
            _ => 0,
        }
    }

    /// The verdict, once the execution has ended after `events` events.
    pub(crate) fn finish(&mut self, events: u32, hash: u64) -> Option<Divergence> {
        if let Some(missed) = self.schedule.departures.get(self.departure).copied() {
            self.differs(missed.at, Sight::Task(missed.task), Sight::End(events));
        }
        if let Some(missed) = self.schedule.choices.get(self.choice).copied() {
            self.differs(events, Sight::Choice(missed), Sight::End(events));
        }
        if let Some(missed) = self.schedule.payments.get(self.payment).copied() {
            self.differs(events, Sight::Choice(missed.value), Sight::End(events));
        }
        if self.schedule.events != events {
            let step = self.schedule.events.min(events);
            self.differs(step, Sight::End(self.schedule.events), Sight::End(events));
        }
        if self.schedule.hash != hash {
            self.differs(events, Sight::Hash(self.schedule.hash), Sight::Hash(hash));
        }
        self.diverged
    }

    fn differs(&mut self, step: u32, expected: Sight, found: Sight) {
        self.diverged.get_or_insert(Divergence { step, expected, found });
    }
}

impl Guide for Script {
    fn next(&mut self, engine: &mut Engine, at: Decision) -> Option<Task> {
        let default = engine.default(at)?;
        let (events, hash) = (engine.history.events(), engine.journal.rolling());
        Some(self.depart(events, hash, engine.runnable(), default))
    }

    fn choose(&mut self, engine: &mut Engine, n: u32) -> u32 {
        self.choice(engine.history.events(), n)
    }

    fn choose_paid(&mut self, engine: &mut Engine, n: u32) -> u32 {
        self.payment(engine.history.events(), engine.asked, n)
    }
}
