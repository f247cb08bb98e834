//! Who sleeps, and what wakes them.

#[cfg(test)]
use super::tests;
use super::{Classes, Footprint};
use crate::place::tasks_of;
use crate::step::{MOST_TASKS, Task};

/// Who sleeps at a decision, and the decisions at which their own blocks were seen.
#[derive(Clone, Copy)]
pub(super) struct Sleepers {
    pub(super) asleep: u16,
    pub(super) origins: [u32; MOST_TASKS],
}

impl Classes {
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

    /// Those who slept at a decision and are woken by its block.
    pub(super) fn woken_at(&self, at: usize) -> u16 {
        let node = &self.nodes[at];
        let wakes = |task: &Task| {
            let dream = self.dream(*task, node.origins[usize::from(task.0)]);
            dream.is_none_or(|dream| dream.conflicts(&node.footprint))
        };
        tasks_of(node.asleep).filter(wakes).fold(0, |mask, task| mask | task.bit())
    }

    /// Who was woken may do something else than it dreamt of: what it finds has changed. Then blocks that would
    /// have woken it had they come first are no longer seen to conflict with it, and no race asks for them. Yet a
    /// class in which one of them comes first, then the sleeper as it was, and only then the block that
    /// woke it begins with no sleeper. So these are tried in that block's place.
    pub(super) fn changed_sleepers(&mut self) {
        for early in 0..self.nodes.len() {
            for task in tasks_of(self.nodes[early].woken) {
                let awake = (early + 1..).zip(&self.nodes[early + 1..]);
                let mut awake = awake.filter(|(_, node)| node.task == task);
                let next = awake.next().map(|(at, _)| at);
                // Of blocks that are known, only what is new says something new.
                let first = match next {
                    Some(next) if next < self.fresh => self.fresh,
                    _ => early + 1,
                };
                for at in first.max(early + 1)..self.nodes.len() {
                    if self.is_shut_out(early, task, next, at) {
                        self.want_before(early, at);
                    }
                }
            }
        }
    }

    /// Whether a block conflicts with a sleeper's dream, and with neither the block that woke it nor what it did
    /// then.
    fn is_shut_out(&self, early: usize, task: Task, next: Option<usize>, at: usize) -> bool {
        let (first, node) = (&self.nodes[early], &self.nodes[at]);
        let dream = self.dream(task, first.origins[usize::from(task.0)]);
        let did = next.map(|next| &self.nodes[next].footprint);
        node.task != task
            && dream.is_none_or(|dream| dream.conflicts(&node.footprint))
            && !did.is_some_and(|did| did.conflicts(&node.footprint))
            && !node.clock.knows(first.task, early)
    }

    /// What a sleeping task would do.
    fn dream(&self, task: Task, origin: u32) -> Option<&Footprint> {
        let done = &self.nodes.get(origin as usize)?.done;
        done.iter().find(|(who, _)| *who == task).map(|(_, footprint)| footprint)
    }
}
