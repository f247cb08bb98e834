//! The schemes on weak memory: the sources of `pgmap-schemes`, bound to the face of `prim` that loom explores.
//!
//! The rooms are links; what is here is a promise as a model of loom.
#![forbid(unsafe_code)]
// What only threads ask for.
#![allow(dead_code)]

pub mod kinds;
pub mod promise;
pub mod scheme;

use prim::model::{Model, Verdict, explore};
use prim::{Arena, Cpu, NoMemory};
use promise::{MOST_TASKS, Play, Promise, play};
use scheme::Scheme;

/// A promise of a scheme, as loom takes it.
struct Kept(Box<dyn Made>);

/// Makes the program of an execution.
trait Made: Send + Sync {
    fn make(&self, arena: &Arena) -> Result<Box<dyn Play>, NoMemory>;
}

impl<F: Fn(&Arena) -> Result<Box<dyn Play>, NoMemory> + Send + Sync> Made for F {
    fn make(&self, arena: &Arena) -> Result<Box<dyn Play>, NoMemory> {
        self(arena)
    }
}

impl Model for Kept {
    type State = Box<dyn Play>;
    // Those that a promise does not have do nothing.
    const TASKS: u32 = MOST_TASKS as u32;

    fn start(&self, cpu: &Cpu<'_>) -> Box<dyn Play> {
        let made = Arena::new(0).and_then(|arena| self.0.make(&arena));
        let mut program = made.unwrap_or_else(|none| panic!("{none}"));
        program.begin(cpu);
        program
    }

    fn run(&self, program: &Box<dyn Play>, cpu: &Cpu<'_>, task: u32) {
        let task = task as usize;
        if task < program.tasks() {
            program.run(cpu, task);
        }
    }

    fn finish(&self, program: &Box<dyn Play>, cpu: &Cpu<'_>) {
        program.finish(cpu);
    }
}

/// Whether a scheme keeps a promise whatever C11 lets its loads read, within so many preemptions.
#[must_use]
pub fn keeps<S: Scheme, P: Promise>(promise: P, preemptions: usize) -> Verdict {
    explore(Kept(Box::new(move |arena: &Arena| play::<S, P>(promise, arena))), Some(preemptions))
}
