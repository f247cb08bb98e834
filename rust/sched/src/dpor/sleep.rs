//! Who sleeps, and what wakes them.

#[cfg(test)]
use super::tests;
use super::{Footprint, Path};
use crate::place::tasks_of;
use crate::step::{MOST_TASKS, Task};

/// Who sleeps at a decision, and the decisions at which their own blocks were seen.
#[derive(Clone, Copy)]
pub(super) struct Sleepers {
    pub(super) asleep: u16,
    pub(super) origins: [u32; MOST_TASKS],
}

impl Path {
    /// The sleepers at the decision that follows the last block: those who slept before it and those
    /// who had been tried in its place, less those whose block conflicts with it.
    pub(super) fn sleepers(&self) -> Sleepers {
        let Some(node) = self.nodes.last() else {
            return Sleepers { asleep: 0, origins: [0; MOST_TASKS] };
        };
        let (mut asleep, mut origins) = (node.asleep, node.origins);
        for (task, _) in &node.done {
            asleep |= task.bit();
            origins[usize::from(task.0)] = self.nodes.len() as u32 - 1;
        }
        #[cfg(test)]
        match self.faults.sleep {
            tests::Sleep::Right => {}
            tests::Sleep::NobodyWakes => return Sleepers { asleep, origins },
            tests::Sleep::NobodySleeps => return Sleepers { asleep: 0, origins },
        }
        for task in tasks_of(asleep) {
            let dream = self.dream(task, origins[usize::from(task.0)]);
            if dream.is_none_or(|dream| dream.conflicts(&node.footprint)) {
                asleep &= !task.bit();
            }
        }
        Sleepers { asleep, origins }
    }

    /// What a sleeping task would do.
    fn dream(&self, task: Task, origin: u32) -> Option<&Footprint> {
        let done = &self.nodes.get(origin as usize)?.done;
        done.iter().find(|(who, _)| *who == task).map(|(_, footprint)| footprint)
    }
}
