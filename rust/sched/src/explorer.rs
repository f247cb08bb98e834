//! The explorer: an engine, a crew of stacks, and the loop that runs one execution.

use crate::control::Control;
use crate::coroutine::{Crew, Quiet, Rest, guarded, last_words};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::guide::{End, Wish};
use crate::model::Model;
use crate::runtime::{Entered, Seat, running};
use crate::step::{MOST_TASKS, Task};
use crate::storm::{Look, Moment};

const STACK_SIZE: usize = 256 << 10;

/// Runs models. It owns the stacks and tables that executions share, so keep one per OS thread
/// and use it for many searches; several threads may each have their own at work.
pub struct Explorer {
    pub(crate) seat: Seat,
    crew: Crew,
    /// The signatures of all executions that came to their end.
    #[cfg(test)]
    pub(crate) ends: std::collections::HashSet<u128>,
}

impl core::fmt::Debug for Explorer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Explorer").field("stacks", &self.stacks()).finish_non_exhaustive()
    }
}

impl Default for Explorer {
    fn default() -> Self {
        Explorer::new()
    }
}

impl Explorer {
    #[must_use]
    pub fn new() -> Self {
        Explorer::with_stack_size(STACK_SIZE)
    }

    /// An explorer whose tasks have stacks of at least `bytes`; memory is committed as it is
    /// touched.
    #[must_use]
    pub fn with_stack_size(bytes: usize) -> Self {
        Explorer {
            seat: Seat::new(Engine::new()),
            crew: Crew::new(bytes),
            #[cfg(test)]
            ends: std::collections::HashSet::new(),
        }
    }

    /// How many stacks have been made in all; they are used again, so this stays at the number of
    /// tasks of the widest model.
    #[must_use]
    pub fn stacks(&self) -> usize {
        self.crew.stacks()
    }

    /// The most bytes of a stack that any task has ever used.
    #[must_use]
    pub fn stack_high_water(&self) -> usize {
        self.crew.high_water()
    }

    /// Runs one execution to its end, or until `pulse` says stop: it hears now and then how many events there
    /// were.
    pub(crate) fn execute<M: Model>(
        &mut self,
        model: &mut M,
        wish: Wish,
        pulse: &mut dyn FnMut(u32) -> Control,
    ) -> End {
        let (tasks, daemons) = (model.tasks(), model.daemons());
        assert!(tasks <= MOST_TASKS, "a model has at most {MOST_TASKS} tasks, not {tasks}");
        assert!(!running(), "an execution inside an execution");
        let quiet = Quiet::new();
        let identity = model.identity();
        self.seat.with(|engine| engine.begin(tasks, daemons, wish, identity));
        if let Err(message) = guarded(|| model.reset()) {
            return End::Failed(Failure::Panic { task: None, message });
        }
        let (seat, crew) = (&mut self.seat, &mut self.crew);
        let played = guarded(|| {
            crew.perform(&*model, tasks, |crew| {
                let _entered = Entered::new(seat);
                play(seat, crew, &*model, tasks, pulse)
            })
        });
        let end = match played {
            // The condition of a wait has panicked while no task was running.
            Err(message) => End::Failed(Failure::Panic { task: None, message }),
            Ok(Err(error)) => End::Unable(error.to_string()),
            Ok(Ok(End::Passed)) => match guarded(|| model.finish()) {
                Ok(Ok(())) => End::Passed,
                Ok(Err(defect)) => End::Failed(Failure::Defect { task: None, defect }),
                Err(message) => End::Failed(Failure::Panic { task: None, message }),
            },
            Ok(Ok(end)) => end,
        };
        drop(quiet);
        if model.asks_who_met() {
            self.seat.with(|engine| {
                engine.history.met().for_each(|(object, tasks)| model.met(object, tasks));
            });
        }
        #[cfg(test)]
        if !matches!(end, End::Pruned) {
            self.ends.insert(self.seat.with(|engine| engine.history.signature()));
        }
        end
    }
}

/// First each task up to its first point, then whoever the engine names, until it names an end.
fn play<M: Model>(
    seat: &mut Seat,
    crew: &mut Crew,
    model: &M,
    tasks: usize,
    pulse: &mut dyn FnMut(u32) -> Control,
) -> End {
    for id in 0..tasks as u8 {
        seat.with(|engine| engine.now = Some(Task(id)));
        turn(seat, crew, Task(id));
        if let Some(end) = seat.with(|engine| engine.end.take()) {
            return end;
        }
    }
    seat.with(|engine| {
        engine.starting = false;
        engine.now = None;
        engine.decide();
    });
    let mut kept = None;
    loop {
        let (end, now, look) =
            seat.with(|engine| (engine.end.take(), engine.current(), engine.storm.look()));
        if let Some(end) = end {
            return end;
        }
        let rests = seat.with(|engine| engine.rests().then(|| engine.history.events()));
        if let Some(events) = rests {
            let _nothing = Entered::nothing();
            if pulse(events) == Control::Stop {
                return End::Halted;
            }
        }
        if (look.compare || look.keep) && recurs(crew, model, now, look, &mut kept) {
            seat.with(|engine| engine.recurs(now));
            continue;
        }
        turn(seat, crew, now);
    }
}

/// Whether the moment in which a lonely task stands is the one that was kept.
#[cold]
fn recurs<M: Model>(
    crew: &Crew,
    model: &M,
    task: Task,
    look: Look,
    kept: &mut Option<Moment>,
) -> bool {
    let same = |kept: &Moment| crew.shows(task, &kept.stack);
    if !look.keep && !kept.as_ref().is_some_and(same) {
        return false;
    }
    let _nothing = Entered::nothing();
    let (Some(stack), Some(shared)) = (crew.shown(task), model.state()) else { return false };
    let now = Moment { stack: stack.collect(), shared };
    let recurs = look.compare && kept.as_ref() == Some(&now);
    if look.keep {
        *kept = Some(now);
    }
    recurs
}

fn turn(seat: &mut Seat, crew: &mut Crew, task: Task) {
    match crew.resume(task) {
        Rest::Suspended => {}
        Rest::Returned => seat.with(|engine| engine.returned(task)),
        Rest::Panicked => seat.with(|engine| engine.panicked(task, last_words())),
    }
}
