//! The path of the search: the decisions that lead to where it stands, what has been tried at each, and
//! what is to be. Executions follow it and grow it; between executions it moves on, depth first.

use super::Footprint;
use super::race::Clock;
use super::sleep::Sleepers;
#[cfg(test)]
use super::tests;
use super::trail::Trails;
use crate::step::{MOST_TASKS, Task};

/// One decision of the path and the block that it let happen.
pub(super) struct Node {
    /// Events before it.
    pub(super) at: u32,
    pub(super) task: Task,
    /// Who could go on, as a mask, and who of all tasks stood at a wait.
    pub(super) able: u16,
    pub(super) held: u16,
    /// Who is to be tried, and who has been or is.
    pub(super) wanted: u16,
    pub(super) tried: u16,
    /// Who slept when the decision fell, and the decisions at which their blocks were seen.
    pub(super) asleep: u16,
    pub(super) origins: [u32; MOST_TASKS],
    /// Whom of these the block woke.
    pub(super) woken: u16,
    /// One more than the number of the task's block before this one; 0: there is none.
    pub(super) previous: u32,
    pub(super) footprint: Footprint,
    pub(super) clock: Clock,
    /// The present task's footprint for the values of choices that have been tried.
    pub(super) variants: Footprint,
    /// What those who have been tried did.
    pub(super) done: Vec<(Task, Footprint)>,
}

/// A choice of the path.
pub(super) struct Choice {
    /// How many decisions came before.
    after: usize,
    at: u32,
    value: u32,
    of: u32,
}

/// How an execution has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// In its midst.
    Cut,
    /// Everybody who could go on was asleep.
    Asleep,
    /// Nobody could go on.
    Complete,
}

/// The path of the search, and the execution in progress.
pub(crate) struct Classes {
    pub(super) nodes: Vec<Node>,
    pub(super) choices: Vec<Choice>,
    pub(super) trails: Trails,
    /// The next node and the next choice that the execution will come to.
    pub(super) cursor: usize,
    pub(super) choice: usize,
    /// The last execution is repeated, to be written down.
    pub(super) again: bool,
    /// The first node of which the block is new in this execution.
    pub(super) fresh: usize,
    pub(super) ending: Ending,
    /// One more than the number of each task's last block.
    pub(super) last: [u32; MOST_TASKS],
    #[cfg(test)]
    pub(crate) faults: tests::Faults,
}

/// What the path says about a decision.
pub(super) enum Told {
    Task(Task),
    /// It ends before.
    Nothing,
    /// The execution is not the one it was.
    Unsteady,
}

impl Classes {
    pub(crate) fn new() -> Self {
        Classes {
            nodes: Vec::new(),
            choices: Vec::new(),
            trails: Trails::default(),
            cursor: 0,
            choice: 0,
            again: false,
            fresh: 0,
            ending: Ending::Cut,
            last: [0; MOST_TASKS],
            #[cfg(test)]
            faults: tests::Faults::default(),
        }
    }

    /// Before this many events the task that goes on need not ask.
    pub(super) fn other_task_at(&self, now: Option<Task>) -> u32 {
        let rest = self.nodes.get(self.cursor..).unwrap_or_default();
        let last = rest.len().saturating_sub(1);
        let other = rest.iter().position(|node| Some(node.task) != now).unwrap_or(last);
        rest.get(other).map_or(0, |node| node.at)
    }

    /// The next decision of the path.
    pub(super) fn follow(&mut self, events: u32) -> Told {
        while self.nodes.get(self.cursor).is_some_and(|node| node.at < events) {
            self.cursor += 1;
        }
        match self.nodes.get(self.cursor) {
            None => Told::Nothing,
            Some(node) if node.at > events => Told::Unsteady,
            Some(node) => {
                self.cursor += 1;
                Told::Task(node.task)
            }
        }
    }

    /// The result of a choice among `0..of`; `None`: the execution is not the one it was.
    pub(super) fn choice(&mut self, at: u32, of: u32) -> Option<u32> {
        let choice = self.choice;
        self.choice += 1;
        match self.choices.get(choice) {
            Some(known) => (known.at == at && known.of == of).then_some(known.value),
            None => {
                self.choices.push(Choice { after: self.nodes.len(), at, value: 0, of });
                Some(0)
            }
        }
    }

    /// Goes on where nobody has been.
    pub(super) fn push(
        &mut self,
        at: u32,
        task: Task,
        (able, held): (u16, u16),
        sleepers: Sleepers,
    ) {
        let Sleepers { asleep, origins } = sleepers;
        let id = usize::from(task.0);
        let previous = core::mem::replace(&mut self.last[id], self.nodes.len() as u32 + 1);
        self.nodes.push(Node {
            at,
            task,
            able,
            held,
            wanted: task.bit(),
            tried: task.bit(),
            asleep,
            origins,
            woken: 0,
            previous,
            footprint: Footprint::default(),
            clock: Clock::default(),
            variants: Footprint::default(),
            done: Vec::new(),
        });
        self.cursor = self.nodes.len();
    }

    /// Moves to the next execution; `false` when there is none.
    pub(super) fn move_on(&mut self) -> bool {
        loop {
            let after = self.nodes.len();
            if let Some(node) = self.nodes.last() {
                self.trails.leave(after - 1, &node.footprint);
            }
            while self.choices.last().is_some_and(|choice| choice.after == after) {
                if let Some(choice) = self.choices.last_mut().filter(|it| it.value + 1 < it.of) {
                    choice.value += 1;
                    if let Some(node) = self.nodes.last_mut() {
                        node.variants.add_all(&node.footprint);
                    }
                    self.fresh = after.saturating_sub(1);
                    return true;
                }
                let _ = self.choices.pop();
            }
            let Some(node) = self.nodes.last_mut() else { return false };
            self.last[usize::from(node.task.0)] = node.previous;
            let next = node.wanted & !node.tried & !node.asleep;
            if next == 0 {
                let _ = self.nodes.pop();
                continue;
            }
            node.variants.add_all(&node.footprint);
            node.done.push((node.task, core::mem::take(&mut node.variants)));
            node.task = Task(next.trailing_zeros() as u8);
            node.tried |= node.task.bit();
            node.previous =
                core::mem::replace(&mut self.last[usize::from(node.task.0)], after as u32);
            self.fresh = after - 1;
            return true;
        }
    }

    /// Which share of what is known of the tree lies behind the search. More becomes known on the
    /// way, so this is too hopeful, most so at the beginning.
    pub(super) fn share(&self) -> f64 {
        let (mut behind, mut share, mut choices) = (0.0, 1.0, self.choices.iter().peekable());
        for after in 0..=self.nodes.len() {
            while let Some(choice) = choices.next_if(|choice| choice.after == after) {
                share /= f64::from(choice.of);
                behind += share * f64::from(choice.value);
            }
            if let Some(node) = self.nodes.get(after) {
                let of = (node.wanted & !node.asleep | node.tried).count_ones();
                share /= f64::from(of);
                behind += share * (f64::from(node.tried.count_ones()) - 1.0);
            }
        }
        f64::clamp(behind, 0.0, 1.0)
    }
}
