//! SURW, the selectively uniform random walk (Zhao, Wolff, Mathur, Roychoudhury, ASPLOS 2025).
//!
//! Some operations are selected: here those on a few objects, drawn for each execution among the objects
//! that tasks share. All interleavings of the selected operations are to be as likely as each other,
//! whatever lies between them. So the task of the *next* selected operation is drawn beforehand, by how
//! many of them each task has left; until it gets there the others go on at random, except that one
//! who comes to a selected operation out of turn is held back.
//!
//! When only such tasks can run (the one intended waits for a lock of theirs, or has fewer operations than
//! the profile said) the intention is drawn again among them.

use super::{Crossroads, Profile, Walk, draw};
use crate::place::tasks_of;
use crate::splitmix::SplitMix64;
use crate::step::{MOST_TASKS, Object, Task};

pub(super) struct Surw {
    selected: Vec<Object>,
    /// Selected operations that each task has left.
    left: [u32; MOST_TASKS],
    /// Whose selected operation comes next.
    intended: Option<Task>,
}

impl Surw {
    pub(super) fn new(profile: &Profile, random: &mut SplitMix64) -> Self {
        let mut shared: Vec<usize> = (0..profile.shared().len()).collect();
        let (mut selected, mut left) = (Vec::new(), [0u32; MOST_TASKS]);
        // One object half the time, two a quarter of it, and so on.
        while !shared.is_empty() && (selected.is_empty() || random.below(2) == 0) {
            let drawn = shared.swap_remove(random.below(shared.len() as u32) as usize);
            let (object, steps) = &profile.shared()[drawn];
            selected.push(*object);
            left.iter_mut().zip(steps).for_each(|(left, steps)| *left += steps);
        }
        Surw { selected, left, intended: None }
    }

    fn weight(&self, task: Task) -> u32 {
        self.left[usize::from(task.0)]
    }

    /// The tasks of a mask with selected operations left, as a mask.
    fn expected(&self, mask: u16) -> u16 {
        tasks_of(mask).filter(|&task| self.weight(task) > 0).fold(0, |mask, task| mask | task.bit())
    }
}

impl Walk for Surw {
    fn next(&mut self, at: &Crossroads<'_>, random: &mut SplitMix64) -> Task {
        let selected = |task: Task| {
            at.announced(task).is_some_and(|(object, _)| self.selected.contains(&object))
        };
        let stands =
            at.tasks().filter(|&task| selected(task)).fold(0, |all, task| all | task.bit());
        if self.intended.is_none() {
            let expected = self.expected(u16::MAX);
            self.intended =
                (expected != 0).then(|| draw(expected, random, |task| self.weight(task)));
        }
        let held = stands & !self.intended.map_or(0, Task::bit);
        let mut open = at.runnable() & !held;
        if open == 0 {
            let next = draw(held, random, |task| self.weight(task).max(1));
            self.intended = Some(next);
            open = next.bit();
        }
        let next = draw(open, random, |_| 1);
        if stands & next.bit() != 0 {
            let left = &mut self.left[usize::from(next.0)];
            *left = left.saturating_sub(1);
            self.intended = None;
        }
        next
    }
}
