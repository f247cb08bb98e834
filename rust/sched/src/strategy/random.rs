//! The random walk: before each step, every task that can run is as likely as the others.
//!
//! Needs nothing and is fair: whoever busy-waits does not keep others from running for long. Over long
//! programs it mixes the tasks so evenly that orders in which one runs far ahead are hardly seen.

use super::{Crossroads, Walk, draw};
use crate::splitmix::SplitMix64;
use crate::step::Task;

pub(super) struct Random;

impl Walk for Random {
    fn next(&mut self, at: &Crossroads<'_>, random: &mut SplitMix64) -> Task {
        draw(at.runnable(), random, |_| 1)
    }
}
