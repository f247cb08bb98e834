//! A world of which each end is told: what memory holds then, and what the steps came to.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use pgmap_explore::ExploredWorld;
use pgmap_sched::{Defect, Identity, Model, Object, Task};

/// The words of a granule that was written, and its number.
const GRANULE: usize = 1 + 256 / size_of::<u64>();

/// See the module's introduction.
pub(crate) struct Told<'a> {
    explored: &'a ExploredWorld,
    steps: u32,
    /// Of the words of a state so many are not about memory.
    beside: usize,
    ends: RefCell<BTreeSet<String>>,
}

impl<'a> Told<'a> {
    /// Of a program of so many steps.
    pub(crate) fn new(explored: &'a ExploredWorld, steps: usize) -> Self {
        Told { explored, steps: steps as u32, beside: 0, ends: RefCell::default() }
    }

    pub(crate) fn ends(&self) -> BTreeSet<String> {
        self.ends.take()
    }
}

impl Model for Told<'_> {
    fn tasks(&self) -> usize {
        self.explored.tasks()
    }

    fn puts_off(&self) -> bool {
        self.explored.puts_off()
    }

    fn daemons(&self) -> usize {
        self.explored.daemons()
    }

    fn identity(&self) -> Identity {
        self.explored.identity()
    }

    fn reset(&mut self) {
        self.explored.reset();
        // Nothing has been written yet.
        self.beside = self.explored.state().map_or(0, |words| words.len());
    }

    fn state(&self) -> Option<Vec<u64>> {
        self.explored.state()
    }

    fn run(&self, task: Task) {
        self.explored.run(task);
    }

    fn finish(&self) -> Result<(), Defect> {
        let words = self.explored.state().unwrap_or_default();
        let (memory, beside) = words.split_at(words.len() - self.beside);
        let mut memory: Vec<&[u64]> = memory.chunks(GRANULE).collect();
        memory.sort_unstable();
        // A buffer that is empty has counted the stores that waited in it, noticed or not.
        let beside = if self.puts_off() { &[] } else { beside };
        let mut hash = DefaultHasher::new();
        (memory, beside).hash(&mut hash);
        let memory = hash.finish();
        let results = self.explored.step_results();
        let came_to: Vec<_> = (0..self.steps).map(|n| results.outcome(n)).collect();
        self.ends.borrow_mut().insert(format!("{memory:x} {came_to:?}"));
        self.explored.finish()
    }

    fn met(&mut self, object: Object, tasks: u16) {
        self.explored.met(object, tasks);
    }
}
