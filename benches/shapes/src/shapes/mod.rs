//! What a shape is, and all of them, by what kind of mistake they have.

pub mod counts;
pub mod deadlocks;
pub mod entry;
pub mod lockfree;
pub mod orders;
pub mod sleepers;

use crate::face::{Face, Word};

/// With its mistake or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Wrong,
    Right,
}

/// Reads a word when all tasks have ended.
pub type Ends<'a> = &'a dyn Fn(Word) -> i64;

/// One small program.
#[derive(Debug)]
pub struct Shape {
    /// As the field calls it, where it does.
    pub name: &'static str,
    pub tasks: usize,
    /// What the first words are at the start; the others are zero.
    pub start: &'static [i64],
    /// Fewest preemptions that a failing schedule of the wrong form has.
    pub preemptions: u32,
    /// The body of one task.
    pub run: fn(&dyn Face, usize, Form),
    /// What must hold when all tasks have ended.
    pub check: fn(Ends<'_>) -> Result<(), &'static str>,
}

impl Shape {
    /// A shape whose claims are all inside its tasks.
    const fn new(
        name: &'static str,
        tasks: usize,
        preemptions: u32,
        run: fn(&dyn Face, usize, Form),
    ) -> Self {
        Shape { name, tasks, start: &[], preemptions, run, check: |_| Ok(()) }
    }

    const fn starting(self, start: &'static [i64]) -> Self {
        Shape { start, ..self }
    }

    const fn ending(self, check: fn(Ends<'_>) -> Result<(), &'static str>) -> Self {
        Shape { check, ..self }
    }
}

/// What must hold at the end.
fn claim(holds: bool, why: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(why) }
}

/// Every shape.
pub fn all() -> impl Iterator<Item = &'static Shape> {
    [
        counts::SHAPES,
        orders::SHAPES,
        deadlocks::SHAPES,
        sleepers::SHAPES,
        entry::SHAPES,
        lockfree::SHAPES,
    ]
    .into_iter()
    .flatten()
}

/// The shape of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Shape> {
    all().find(|shape| shape.name == name)
}
