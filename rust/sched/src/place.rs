//! Where a task is: at which step, and whether that step can run.

use core::panic::Location;

use crate::sleep::Sleep;
use crate::step::{Effect, Object, Step, Task, Verb};

/// What a task does after entering the engine.
pub(crate) enum Turn {
    /// Its step runs now.
    Go,
    /// It suspends itself; the name is its own.
    Yield(Task),
    /// It suspends itself so that its state can be looked at, and goes on if nothing comes of that.
    Show(Task),
}

/// What a task is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its own code, after a step and before the next.
    Running,
    /// A step that can run.
    Ready,
    /// A step that can run once the sleep is over.
    Waiting,
    /// A busy-wait; of the step only the site counts.
    Relaxing,
    /// A step that can run, of rounds that change nothing: set aside until another task changes what they touch.
    Circling,
    Finished,
}

/// Where a task is: the step it stands at or has just been let run, and what it waits for.
///
/// The parts are written one by one and never moved as a whole: a block that is read in wider
/// pieces than it was written in waits for the store buffer, twice the price of a point.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) state: State,
    pub(crate) step: Step,
    pub(crate) sleep: Option<Sleep>,
}

impl Place {
    #[track_caller]
    pub(crate) const fn nowhere() -> Self {
        let step = spin(Location::caller());
        Place { state: State::Finished, step, sleep: None }
    }
}

/// A step that stands for none.
pub(crate) const fn spin(site: &'static Location<'static>) -> Step {
    Step { verb: Verb(0), object: Object(0), effect: Effect::Read, site }
}

/// The tasks of a mask, in ascending order.
pub(crate) fn tasks_of(mut mask: u16) -> impl Iterator<Item = Task> {
    core::iter::from_fn(move || {
        let lowest = (mask != 0).then(|| Task(mask.trailing_zeros() as u8))?;
        mask &= mask - 1;
        Some(lowest)
    })
}
