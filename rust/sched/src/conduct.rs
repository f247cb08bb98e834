//! One execution that somebody conducts: told what to do next whenever nobody can go on.
//!
//! A [`Conductor`] decides two things. It holds tasks: one that stands at a step of its choice does not take it, and so
//! stays where it is until it is no longer held. And it is told when everybody is *at rest*: has ended, waits, is held,
//! or goes round in circles; then it brings about that somebody can go on, or ends the execution. In between each task
//! goes on as long as it can, and after it the one with the lowest number. So the execution is the conductor's decisions
//! and nothing else.
//!
//! A task that is alone and comes back to the same state goes round for ever (`storm`). That ends any other execution;
//! here the task is set aside as one that waits, until another writes something that its rounds touch.

use std::rc::Rc;

use crate::control::Control;
use crate::engine::Engine;
use crate::engine::guide::{Decision, End, Guide, Led};
use crate::entered::Entered;
use crate::explorer::Explorer;
use crate::failure::Blocked;
use crate::journal::Keep;
use crate::model::Model;
use crate::place::tasks_of;
use crate::plan::Doubt;
use crate::replay::Ended;
use crate::step::{Step, Task};

/// What is decided of a conducted execution. Asked in its midst, outside any task: points do nothing.
pub trait Conductor {
    /// Whether a task that could take this step is not to take it now.
    fn holds(&self, task: Task, step: &Step) -> bool;

    /// Nobody can go on; these wait, or go round in circles, besides whoever is held. Called again as long as that is so,
    /// until it says that the execution is over.
    fn at_rest(&self, waiting: &[Blocked]) -> Control;
}

/// Most tasks are alone most of the time here, and to write down what a large model shares takes long.
const LONELY: u32 = 1 << 17;

struct Conducted(Rc<dyn Conductor>);

impl Conducted {
    /// Who can go on and is not held, as a mask.
    fn free(&self, engine: &mut Engine) -> u16 {
        let _nothing = Entered::nothing();
        tasks_of(engine.runnable())
            .filter(|task| !self.0.holds(*task, &engine.place(*task).step))
            .fold(0, |mask, task| mask | task.bit())
    }
}

impl Guide for Conducted {
    fn next(&mut self, engine: &mut Engine, at: Decision) -> Option<Task> {
        let _nothing = Entered::nothing();
        loop {
            let free = self.free(engine);
            let stays = at.stays.filter(|now| free & now.bit() != 0);
            if let Some(next) = stays.or_else(|| tasks_of(free).next()) {
                return Some(next);
            }
            if self.0.at_rest(&engine.blocked()) == Control::Stop {
                engine.close(End::Halted);
                return None;
            }
        }
    }

    fn keeps_back(&mut self, engine: &mut Engine) -> u16 {
        engine.runnable() & !self.free(engine)
    }

    fn choose(&mut self, _engine: &mut Engine, _n: u32) -> u32 {
        0
    }

    fn choose_paid(&mut self, _engine: &mut Engine, _n: u32) -> u32 {
        0
    }

    fn streak(&self) -> u32 {
        LONELY
    }

    fn sets_aside(&self) -> bool {
        true
    }
}

impl Explorer {
    /// Runs one execution under a conductor, of at most so many events. Who ends it as it should has it
    /// [`Ended::Stopped`].
    pub fn conduct<M: Model>(
        &mut self,
        model: &mut M,
        conductor: Rc<dyn Conductor>,
        steps_max: u32,
    ) -> Ended {
        self.engine.with(|engine| engine.steps_max = steps_max);
        let led: Led = Rc::new(std::cell::RefCell::new(Conducted(conductor)));
        match self.execute(model, led, Keep::default(), &mut |_| Control::Go) {
            End::Passed => Ended::Passed,
            End::Failed(failure) => Ended::Failed(failure),
            End::Halted | End::Pruned => Ended::Stopped,
            End::TooLong => Ended::Unclear(Doubt::TooLong),
            End::Unable(error) => Ended::Unclear(Doubt::NoStacks(error)),
            End::Unsteady(step) => Ended::Unclear(Doubt::Unsteady { step }),
        }
    }
}
