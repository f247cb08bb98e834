//! Two ways to get and put on as many threads, each at many places in memory.
//!
//! What a line's way from one processor to another costs depends on where in memory the line is: processors with many
//! cores keep each line's directory at one of them, by its address. Two equal loops on two lines differed by five to ten
//! per cent for as long as a run lasted. So each side has its object at [`PLACES`] places, and every slice is measured
//! at one that is drawn.

use pgmap_prim::measure::allowed_processors;

use crate::bench::stats::Dice;
use crate::bench::together::together;
use crate::bench::workload::{BuildError, Side, Workload, per_iteration};

/// How many places in memory there are for the object of a side.
const PLACES: usize = 256;

/// A way to get and put.
pub(super) trait Pairs: Send + Sync {
    /// So many pairs, on a thread of this number.
    fn run(&self, thread: usize, pairs: u64);
}

/// A way to get and put, made anew at another place in memory each time.
pub(super) type Make<'a> = &'a dyn Fn() -> Result<Box<dyn Pairs>, BuildError>;

/// Two ways on as many threads.
pub(super) struct Contest {
    subjects: Vec<Box<dyn Pairs>>,
    floors: Vec<Box<dyn Pairs>>,
    threads: usize,
    processors: Vec<usize>,
    dice: Dice,
}

impl Contest {
    /// Of ways that take much memory, at one place each: they have many lines anyway.
    pub(super) fn between(
        subject: Make<'_>,
        floor: Make<'_>,
        threads: usize,
    ) -> Result<Box<dyn Workload>, BuildError> {
        Self::at_places(1, subject, floor, threads)
    }

    /// Of ways whose figure is about one object.
    pub(super) fn on_one_object(
        subject: Make<'_>,
        floor: Make<'_>,
        threads: usize,
    ) -> Result<Box<dyn Workload>, BuildError> {
        Self::at_places(PLACES, subject, floor, threads)
    }

    fn at_places(
        places: usize,
        subject: Make<'_>,
        floor: Make<'_>,
        threads: usize,
    ) -> Result<Box<dyn Workload>, BuildError> {
        let processors = allowed_processors();
        if processors.len() < threads {
            return Err(BuildError("needs two processors".to_owned()));
        }
        let made = |make: Make<'_>| (0..places).map(|_| make()).collect::<Result<Vec<_>, _>>();
        let (subjects, floors) = (made(subject)?, made(floor)?);
        Ok(Box::new(Self { subjects, floors, threads, processors, dice: Dice::new(1) }))
    }
}

impl Workload for Contest {
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        let places = match side {
            Side::Subject => &self.subjects,
            Side::Floor => &self.floors,
        };
        let pairs = &*places[self.dice.below(places.len())];
        let work = |thread, iterations| pairs.run(thread, iterations);
        let times = together(self.threads, &self.processors, iterations, work);
        let total: f64 = times.iter().map(|elapsed| per_iteration(*elapsed, iterations)).sum();
        total / self.threads as f64
    }
}
