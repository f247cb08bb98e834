//! The explorer: an engine, the coroutines it runs, and the loop that runs one execution.

use std::cell::RefCell;
use std::rc::Rc;

use crate::control::Control;
use crate::coroutine::{Coroutines, Quiet, Yielded, guarded, panic_message};
use crate::engine::Engine;
use crate::engine::guide::{End, Led};
use crate::entered::Entered;
use crate::failure::Failure;
use crate::journal::Keep;
use crate::model::Model;
use crate::runtime::{EngineOwner, running};
use crate::script::Script;
use crate::step::{MOST_TASKS, Task};
use crate::storm::{Look, Moment};

const STACK_SIZE: usize = 256 << 10;

/// Runs models. It owns the stacks and tables that executions share, so keep one per OS thread
/// and use it for many searches; several threads may each have their own at work.
pub struct Explorer {
    pub(crate) engine: EngineOwner,
    coroutines: Coroutines,
    /// Leads nothing, between executions.
    nobody: Led,
    /// The signatures of all executions that came to an end of their own.
    #[cfg(test)]
    pub(crate) ends: std::collections::HashSet<u128>,
    #[cfg(test)]
    pub(crate) faults: crate::faults::Faults,
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
        let nobody: Led = Rc::<RefCell<Script>>::default();
        Explorer {
            engine: EngineOwner::new(Engine::new(Led::clone(&nobody))),
            coroutines: Coroutines::new(bytes),
            nobody,
            #[cfg(test)]
            ends: std::collections::HashSet::new(),
            #[cfg(test)]
            faults: crate::faults::Faults::default(),
        }
    }

    /// How many stacks have been made in all; they are used again, so this stays at the number of
    /// tasks of the widest model.
    #[must_use]
    pub fn stacks(&self) -> usize {
        self.coroutines.stacks()
    }

    /// The most bytes of a stack that any task has ever used.
    #[must_use]
    pub fn stack_high_water(&self) -> usize {
        self.coroutines.high_water()
    }

    /// Runs one execution to its end, or until `pulse` says stop: it hears now and then how many events there
    /// were.
    pub(crate) fn execute<M: Model>(
        &mut self,
        model: &mut M,
        guide: Led,
        keep: Keep,
        pulse: &mut dyn FnMut(u32) -> Control,
    ) -> End {
        let (tasks, daemons) = (model.tasks(), model.daemons());
        assert!(tasks <= MOST_TASKS, "a model has at most {MOST_TASKS} tasks, not {tasks}");
        assert!(!running(), "an execution inside an execution");
        let quiet = Quiet::new();
        let identity = model.identity();
        self.engine.with(|engine| engine.begin(tasks, daemons, guide, keep, identity));
        if let Err(message) = guarded(|| model.reset()) {
            return End::Failed(Failure::Panic { task: None, message });
        }
        let (engine, coroutines) = (&mut self.engine, &mut self.coroutines);
        let ran = guarded(|| {
            coroutines.run(&*model, tasks, |coroutines| {
                let _entered = engine.enter();
                run_tasks(engine, coroutines, &*model, tasks, pulse)
            })
        });
        let end = match ran {
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
        let nobody = Led::clone(&self.nobody);
        self.engine.with(|engine| engine.guide = nobody);
        if model.asks_who_met() {
            self.engine.with(|engine| {
                engine.history.met().for_each(|(object, tasks)| model.met(object, tasks));
            });
        }
        #[cfg(test)]
        if !matches!(end, End::Pruned | End::Failed(Failure::Defect { task: Some(_), .. })) {
            self.ends.insert(self.engine.with(|engine| engine.history.signature()));
        }
        end
    }
}

/// First each task up to its first point, then whoever the engine names, until it names an end.
fn run_tasks<M: Model>(
    engine: &mut EngineOwner,
    coroutines: &mut Coroutines,
    model: &M,
    tasks: usize,
    pulse: &mut dyn FnMut(u32) -> Control,
) -> End {
    for id in 0..tasks as u8 {
        engine.with(|engine| engine.now = Some(Task(id)));
        resume(engine, coroutines, Task(id));
        if let Some(end) = engine.with(|engine| engine.end.take()) {
            return end;
        }
    }
    engine.with(|engine| {
        engine.starting = false;
        engine.now = None;
        engine.decide();
    });
    let mut kept = None;
    loop {
        let (end, now, look) =
            engine.with(|engine| (engine.end.take(), engine.current(), engine.storm.look()));
        if let Some(end) = end {
            return end;
        }
        let rests = engine.with(|engine| engine.rests().then(|| engine.history.events()));
        if let Some(events) = rests {
            let _nothing = Entered::nothing();
            if pulse(events) == Control::Stop {
                return End::Halted;
            }
        }
        if (look.compare || look.keep) && recurs(coroutines, model, now, look, &mut kept) {
            engine.with(|engine| engine.recurs(now));
            continue;
        }
        resume(engine, coroutines, now);
    }
}

/// Whether the moment in which a lonely task stands is the one that was kept.
#[cold]
fn recurs<M: Model>(
    coroutines: &Coroutines,
    model: &M,
    task: Task,
    look: Look,
    kept: &mut Option<Moment>,
) -> bool {
    let same = |kept: &Moment| coroutines.shows(task, &kept.stack);
    if !look.keep && !kept.as_ref().is_some_and(same) {
        return false;
    }
    let _nothing = Entered::nothing();
    let (Some(stack), Some(shared)) = (coroutines.shown(task), model.state()) else { return false };
    let now = Moment { stack: stack.collect(), shared };
    let recurs = look.compare && kept.as_ref() == Some(&now);
    if look.keep {
        *kept = Some(now);
    }
    recurs
}

fn resume(engine: &mut EngineOwner, coroutines: &mut Coroutines, task: Task) {
    match coroutines.resume(task) {
        Yielded::Suspended => {}
        Yielded::Returned => engine.with(|engine| engine.returned(task)),
        Yielded::Panicked => engine.with(|engine| engine.panicked(task, panic_message())),
    }
}
