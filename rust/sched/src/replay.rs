//! One execution again: by its schedule, with a log if wanted, or twice to see whether the model
//! is deterministic.

use std::cell::RefCell;
use std::rc::Rc;

use crate::control::Control;
use crate::engine::guide::{End, Led};
use crate::explorer::Explorer;
use crate::failure::Failure;
use crate::hash::mix64;
use crate::journal::Keep;
use crate::log::{Event, Kind};
use crate::model::Model;
use crate::plan::Doubt;
use crate::schedule::Schedule;
use crate::script::{Divergence, Script, Sight};

/// How a replay ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Passed,
    Failed(Failure),
    /// Nobody wanted the rest of it.
    Stopped,
    /// It neither passed nor failed.
    Unclear(Doubt),
}

/// Whether a replay keeps a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    Keep,
    Skip,
}

/// What a replay showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    pub end: Ended,
    /// Where the execution left its schedule. What follows it is the model's own affair: the
    /// schedule's remaining departures are applied as far as they can be.
    pub diverged: Option<Divergence>,
    /// Empty when no trace was wanted.
    pub trace: Vec<Event>,
}

/// A failure that came of a schedule made for another model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redone {
    pub failure: Failure,
    /// What was done.
    pub schedule: Schedule,
    /// Preemptions, and choices that cost.
    pub preemptions: u32,
}

impl Explorer {
    /// Runs the execution that a schedule names; `control` is asked every few thousand points.
    pub fn replay<M: Model>(
        &mut self,
        model: &mut M,
        schedule: &Schedule,
        trace: Trace,
        control: &mut dyn FnMut() -> Control,
    ) -> Replayed {
        let keep = Keep { trace: trace == Trace::Keep, hash: true, ..Keep::default() };
        self.follow(model, schedule, keep, control)
    }

    /// As [`replay`](Self::replay), of a schedule that may be another model's and is followed as far as it can
    /// be: writes down what was done instead, and how much of a budget it took. None if it did not fail.
    pub fn redo<M: Model>(
        &mut self,
        model: &mut M,
        schedule: &Schedule,
        control: &mut dyn FnMut() -> Control,
    ) -> Option<Redone> {
        let keep = Keep { schedule: true, ..Keep::default() };
        let replayed = self.follow(model, schedule, keep, control);
        let (written, preemptions) = self.engine.with(|engine| {
            let events = engine.history.events();
            (engine.journal.take_schedule(events), engine.preemptions)
        });
        match replayed.end {
            Ended::Failed(failure) => Some(Redone { failure, schedule: written?, preemptions }),
            Ended::Passed | Ended::Stopped | Ended::Unclear(_) => None,
        }
    }

    fn follow<M: Model>(
        &mut self,
        model: &mut M,
        schedule: &Schedule,
        keep: Keep,
        control: &mut dyn FnMut() -> Control,
    ) -> Replayed {
        self.engine.with(|engine| engine.steps_max = schedule.limit());
        let script = Rc::new(RefCell::new(Script::new(schedule.clone())));
        let led: Led = Rc::<RefCell<Script>>::clone(&script);
        let end = self.execute(model, led, keep, &mut |_| control());
        self.engine.with(|engine| {
            let (events, rolling) = (engine.history.events(), engine.journal.rolling());
            Replayed {
                end: match end {
                    End::Passed => Ended::Passed,
                    End::Failed(failure) => Ended::Failed(failure),
                    End::Unable(error) => Ended::Unclear(Doubt::NoStacks(error)),
                    End::Halted => Ended::Stopped,
                    End::TooLong => Ended::Unclear(Doubt::TooLong),
                    End::Pruned | End::Unsteady(_) => {
                        Ended::Unclear(Doubt::Unsteady { step: events })
                    }
                },
                diverged: script.borrow_mut().finish(events, rolling),
                trace: engine.journal.take_trace(),
            }
        })
    }

    /// Runs the execution that a schedule names two times and compares everything the model
    /// showed. A difference means that something steers the model besides the schedule: a
    /// clock, a random number, state that `reset` does not put back.
    ///
    /// # Errors
    ///
    /// The first event at which the two differ.
    pub fn twice<M: Model>(
        &mut self,
        model: &mut M,
        schedule: &Schedule,
        control: &mut dyn FnMut() -> Control,
    ) -> Result<Replayed, Divergence> {
        let first = self.replay(model, schedule, Trace::Keep, control);
        if first.end == Ended::Stopped {
            return Ok(first);
        }
        let second = self.replay(model, schedule, Trace::Keep, control);
        if second.end == Ended::Stopped {
            return Ok(second);
        }
        let mut pairs = first.trace.iter().zip(&second.trace);
        if let Some((a, b)) = pairs.find(|(a, b)| a != b) {
            let (expected, found) = (Sight::Event(digest(a)), Sight::Event(digest(b)));
            return Err(Divergence { step: a.index, expected, found });
        }
        let lengths = [first.trace.len() as u32, second.trace.len() as u32];
        if lengths[0] != lengths[1] || first.end != second.end {
            let step = first.trace.last().map_or(0, |event| event.index);
            let [a, b] = lengths.map(Sight::End);
            return Err(Divergence { step, expected: a, found: b });
        }
        Ok(second)
    }
}

/// A digest of what an event is and what it found.
fn digest(event: &Event) -> u64 {
    let line = event.site.map_or(0, |site| u64::from(site.line()));
    let (before, after) = event.values.unwrap_or_default();
    let kind = match event.kind {
        Kind::Step => 1,
        Kind::Record => 2,
        Kind::Relax => 3,
        Kind::Choice { value, of } => 4 | u64::from(value) << 8 | u64::from(of) << 36,
        Kind::Paid { value, of, nth } => {
            mix64(u64::from(value) << 8 | 8, mix64(of.into(), nth.into()))
        }
        Kind::Note { code, a, b } => mix64(u64::from(code) << 8 | 5, mix64(a, b)),
        Kind::Blocked { object, .. } => mix64(6, object),
        Kind::Switch { to } => 7 | u64::from(to.0) << 8,
    };
    let words = [
        u64::from(event.task.0) << 16 | u64::from(event.verb.0) << 8,
        event.effect as u64,
        event.object.0,
        line,
        before,
        after,
    ];
    words.into_iter().fold(kind, mix64)
}
