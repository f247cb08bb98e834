//! Races: which blocks could have come the other way round, and what that asks to be tried.

use super::{Access, Classes, Ending, Footprint, Node, Thing};
use crate::engine::Engine;
use crate::engine::guide::End;
use crate::place::State;
use crate::step::{Effect, MOST_TASKS, Task};

/// How much of each task lies in a block's past: one more than the number of its last block there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock([u32; MOST_TASKS]);

impl Clock {
    pub(super) fn knows(&self, task: Task, block: usize) -> bool {
        self.0[usize::from(task.0)] > block as u32
    }

    fn join(&mut self, other: &Clock) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = theirs.max(*mine);
        }
    }
}

/// The later block of a possible race: one that has run, or a step that waits at the end.
struct Late<'a> {
    task: Task,
    /// The blocks before this number came earlier.
    at: usize,
    /// One more than the number of the task's block before.
    previous: u32,
    footprint: &'a Footprint,
    /// It could not run at any time.
    waits: bool,
}

impl Classes {
    /// Finds the races of the blocks that are new in the execution that has just ended.
    fn races(&mut self) {
        for at in self.fresh..self.nodes.len() {
            let node = &mut self.nodes[at];
            let footprint = core::mem::take(&mut node.footprint);
            let late = Late {
                task: node.task,
                at,
                previous: node.previous,
                footprint: &footprint,
                waits: node.held & node.task.bit() != 0,
            };
            let mut clock = self.races_of(&late);
            clock.0[usize::from(late.task.0)] = at as u32 + 1;
            let node = &mut self.nodes[at];
            node.clock = clock;
            self.trails.enter(at, &footprint);
            self.nodes[at].footprint = footprint;
            self.nodes[at].woken = self.woken_at(at);
        }
        #[cfg(test)]
        if self.faults.trusts_dreams {
            return;
        }
        self.changed_sleepers();
    }

    /// Wants the other order of each race of one block; gives back its past.
    fn races_of(&mut self, late: &Late<'_>) -> Clock {
        let mut clock = self.before(late);
        // What is known to stay before the block if a race is turned round.
        let mut settled = clock;
        let known = |block: usize| clock.knows(self.nodes[block].task, block);
        for early in self.trails.conflicts(late.footprint, known) {
            let node = &self.nodes[early];
            if node.task == late.task || settled.knows(node.task, early) {
                continue;
            }
            clock.join(&node.clock);
            if late.waits && !self.may_turn(early, late) {
                continue;
            }
            settled.join(&self.nodes[early].clock);
            self.want(early, late);
        }
        clock
    }

    /// The past of a block as far as its own task goes.
    fn before(&self, late: &Late<'_>) -> Clock {
        let previous = (late.previous as usize).checked_sub(1);
        previous.and_then(|at| self.nodes.get(at)).map_or_else(Clock::default, |node| node.clock)
    }

    /// Whether a step that waits may be able to run before an earlier block, after those that came between
    /// and do not depend on that block.
    fn may_turn(&self, early: usize, late: &Late<'_>) -> bool {
        if late.previous as usize > early || self.nodes[early].able & late.task.bit() != 0 {
            return true;
        }
        self.beside(early, late.at).any(|(_, node)| node.footprint.conflicts(late.footprint))
    }

    /// The blocks after `early` and before `end` that do not depend on it.
    fn beside(&self, early: usize, end: usize) -> impl Iterator<Item = (usize, &Node)> {
        let first = self.nodes[early].task;
        let later = (early + 1..).zip(&self.nodes[early + 1..end]);
        later.filter(move |(_, node)| !node.clock.knows(first, early))
    }

    /// As [`Self::want`], for a block that does not depend on the earlier one.
    pub(super) fn want_before(&mut self, early: usize, at: usize) {
        let node = &mut self.nodes[at];
        let footprint = core::mem::take(&mut node.footprint);
        let (task, previous) = (node.task, node.previous);
        self.want(early, &Late { task, at, previous, footprint: &footprint, waits: false });
        self.nodes[at].footprint = footprint;
    }

    /// Sees to it that something is tried in place of the block `early` that leads to where `late` comes
    /// before it.
    fn want(&mut self, early: usize, late: &Late<'_>) {
        #[cfg(test)]
        if self.faults.ignores_races {
            return;
        }
        const NEVER: u32 = u32::MAX;
        let mut firsts = [NEVER; MOST_TASKS];
        let is_first = |firsts: &[u32; MOST_TASKS], past: &Clock| {
            firsts.iter().zip(&past.0).all(|(&first, &known)| known <= first)
        };
        let mut past = self.before(late);
        let mut starters = 0;
        for (at, node) in self.beside(early, late.at) {
            let id = usize::from(node.task.0);
            if firsts[id] == NEVER {
                if is_first(&firsts, &node.clock) {
                    starters |= node.task.bit();
                }
                firsts[id] = at as u32;
            }
            if node.footprint.conflicts(late.footprint) {
                past.join(&node.clock);
            }
        }
        if firsts[usize::from(late.task.0)] == NEVER && is_first(&firsts, &past) {
            starters |= late.task.bit();
        }
        let node = &mut self.nodes[early];
        if starters & (node.wanted | node.asleep) != 0 {
            return;
        }
        // Whoever could start had run or stood ready there; if a condition has misled us, everybody is
        // tried.
        node.wanted |= match starters & node.able {
            0 => node.able & !node.asleep,
            able => 1 << able.trailing_zeros(),
        };
    }
}

impl Classes {
    /// Learns from the execution that has just ended what else is to be tried.
    pub(super) fn learn_from(&mut self, engine: &Engine, end: &End) {
        if matches!(end, End::Unable(_) | End::Unsteady(_) | End::Halted) {
            return;
        }
        self.races();
        if self.ending == Ending::Cut
            && let Some(node) = self.nodes.last_mut()
        {
            node.wanted |= node.able & !node.asleep;
        }
        #[cfg(test)]
        if self.faults.forgets_waiters {
            return;
        }
        for id in 0..engine.tasks as u8 {
            self.learn_from_waiting(engine, Task(id));
        }
    }

    fn learn_from_waiting(&mut self, engine: &Engine, task: Task) {
        let place = engine.place(task);
        if place.state != State::Waiting {
            return;
        }
        let step = place.step;
        let at = self.nodes.len();
        let previous = self.last[usize::from(task.0)];
        let mut footprint = Footprint::default();
        let write = step.effect == Effect::Write;
        footprint.add(Access { thing: Thing::Object(step.object.0), write });
        let condition = Thing::Condition { task, since: previous };
        footprint.add(Access { thing: condition, write: true });
        let late = Late { task, at, previous, footprint: &footprint, waits: true };
        let _ = self.races_of(&late);
        if self.ending == Ending::Complete {
            let before = self.before(&late);
            for early in (0..at).rev() {
                let open = previous as usize > early || self.beside(early, at).next().is_some();
                if open && !before.knows(self.nodes[early].task, early) {
                    self.want(early, &late);
                }
            }
        }
    }
}
