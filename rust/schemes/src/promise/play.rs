//! A promise bound to a scheme, as one thing: what an engine runs, compiled once and not for each pair.

use prim::{Arena, Cpu, NoMemory};

use super::{Case, Promise};
use crate::scheme::Scheme;

/// A program over its object, ready to run.
pub trait Play: Send + Sync {
    /// How many tasks it has, each on the CPU of its number.
    fn tasks(&self) -> usize;

    /// Begins, on CPU 0, while nobody runs.
    fn begin(&mut self, cpu: &Cpu<'_>);

    /// Begins again, where memory was put back to where [`Self::begin`] left it.
    fn begin_again(&self);

    /// What a task does.
    fn run(&self, cpu: &Cpu<'_>, task: usize);

    /// What must hold when all have ended.
    fn finish(&self, cpu: &Cpu<'_>);
}

struct Bound<S: Scheme, P>(Case<S>, P);

impl<S: Scheme, P: Promise> Play for Bound<S, P> {
    fn tasks(&self) -> usize {
        self.1.tasks()
    }

    fn begin(&mut self, cpu: &Cpu<'_>) {
        self.0.begin(cpu, self.1.held());
    }

    fn begin_again(&self) {
        self.0.begin_again(self.1.held());
    }

    fn run(&self, cpu: &Cpu<'_>, task: usize) {
        self.1.run(&self.0, cpu, task);
    }

    fn finish(&self, cpu: &Cpu<'_>) {
        self.1.finish(&self.0, cpu);
    }
}

/// A promise of a scheme, over an object in this arena.
///
/// # Errors
/// The arena has no room.
pub fn play<S: Scheme, P: Promise>(promise: P, arena: &Arena) -> Result<Box<dyn Play>, NoMemory> {
    Ok(Box::new(Bound(Case::<S>::new(arena)?, promise)))
}
