//! Who goes on: by a schedule that is followed, by a strategy that draws, or by the search tree.
//!
//! A decision falls before a step runs. Its candidates are the tasks that can run: the current one
//! first if it is one of them, then by ascending number. To leave a current task that could take
//! a normal step is a *preemption* and costs one of the budget; to leave one that is blocked, has
//! ended, or is in a busy-wait costs nothing. With the budget spent, a current task that can go on
//! goes on. Choices that cost (`paid`) come out of the same budget.
//!
//! The end of a busy-wait and the step after it are one: whoever chose the spinner could have
//! chosen another for nothing, so a second decision before that step would only repeat the first.
//!
//! By the tree: beyond the replayed part of the path, a decision first asks the cache, also one
//! that has a single candidate because the current task cannot go on. Its key is the signature
//! of the past, the current task and whether leaving it is free; its value the fewest preemptions
//! spent on the way. Equal signatures mean equal states, and the steps the tasks stand at are a
//! function of the state, so they need not be in the key. From equal keys the same continuations
//! are open to whoever has spent as little or less, hence the second visitor can be cut: any
//! execution through it has a twin, with the same events in an order that differs only by commuting
//! ones, through the first. Sleep sets would not do here. They omit an order because an equivalent
//! one is explored elsewhere, but that one may need more preemptions than the bound allows, and is
//! then explored nowhere. Without a bound they do, and there is no cache: see `dpor`.

use crate::cache::Visit;
use crate::engine::Engine;
use crate::failure::{Blocked, Failure};
use crate::guide::{End, Guide};
use crate::hash::mix;
use crate::place::{Place, Stand, tasks_of};
use crate::runtime::Sleep;
use crate::step::{Step, Task};
use crate::storm::STREAK;
use crate::strategy::Crossroads;
use crate::tree::{Branch, Node};

/// What is known of the current task when a decision falls.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    /// The current task, if it can go on.
    pub(crate) stays: Option<Task>,
    /// Leaving it costs nothing.
    free: bool,
}

impl Engine {
    /// Lets one task go on, or ends the execution.
    pub(crate) fn decide(&mut self) {
        if self.end.is_some() {
            return;
        }
        let events = self.history.events();
        if events >= self.steps_max {
            self.close(End::TooLong);
            return;
        }
        let stays = self.now.filter(|&now| self.can_run(now));
        let relaxing =
            self.held != 0 && stays.is_some_and(|now| self.place(now).stand == Stand::Relaxing);
        let scene = Scene { stays, free: stays.is_none() || relaxing };
        if let (Some(now), true) = (stays, !relaxing && events == self.joined_at) {
            let _ = self.sample(now.bit());
            self.launch(now);
            self.set_calm();
            return;
        }
        if events >= self.storm_check || self.storm.alone() {
            self.look_for_storm(scene);
        }
        let chosen = match self.guide {
            Guide::Tree => self.explore(scene),
            Guide::Classes => self.reduce(scene),
            Guide::Script(_) => self.follow(scene),
            Guide::Strategy(_) => self.wander(scene),
        };
        let Some(next) = chosen else { return };
        if Some(next) != self.now {
            if !scene.free {
                self.preemptions += 1;
            }
            self.storm_check = events.saturating_add(STREAK);
            if self.watched() {
                self.storm.end();
                self.watch();
                self.switched(scene, next);
            }
        }
        if self.storm.alone() {
            let step = self.place(next).step;
            self.storm.stands(&step, events);
        }
        self.launch(next);
        self.set_calm();
    }

    /// The next task, by the search tree.
    #[inline]
    fn explore(&mut self, scene: Scene) -> Option<Task> {
        let events = self.history.events();
        if let Some(node) = self.tree.upcoming() {
            if node.at < events {
                self.close(End::Unsteady(events));
                return None;
            }
            if let (true, Branch::Task { chosen, .. }) = (node.at == events, node.branch) {
                if !self.can_run(chosen) {
                    self.close(End::Unsteady(events));
                    return None;
                }
                self.tree.cursor += 1;
                return Some(chosen);
            }
            return self.default(scene);
        }
        if let (Some(now), false) = (scene.stays, scene.free)
            && self.preemptions >= self.budget
        {
            return Some(now);
        }
        let runnable = self.runnable();
        let Some(default) = scene.stays.or_else(|| tasks_of(runnable).next()) else {
            return self.default(scene);
        };
        let others = runnable & !default.bit();
        if others == 0 && scene.stays.is_some() {
            return Some(default);
        }
        if self.known(scene) {
            self.close(End::Pruned);
            return None;
        }
        if others == 0 {
            return Some(default);
        }
        let branch = Branch::Task { chosen: default, untried: others, tried: 0, paid: !scene.free };
        let left = self.budget.saturating_sub(self.preemptions);
        self.tree.push(Node { at: events, left, branch });
        Some(default)
    }

    /// The next task, by the schedule that is followed.
    fn follow(&mut self, scene: Scene) -> Option<Task> {
        let default = self.default(scene)?;
        let (events, rolling, runnable) =
            (self.history.events(), self.journal.rolling(), self.runnable());
        let Guide::Script(script) = &mut self.guide else { return None };
        Some(script.next(events, rolling, runnable, default))
    }

    /// The next task, by the strategy that leads.
    fn wander(&mut self, scene: Scene) -> Option<Task> {
        let _ = self.default(scene)?;
        let runnable = self.runnable();
        self.sample(runnable)
    }

    /// Lets the strategy, if one leads, draw one of these tasks. It hears of steps without an
    /// alternative too, because it counts them.
    #[inline]
    fn sample(&mut self, runnable: u16) -> Option<Task> {
        let Guide::Strategy(sampler) = &mut self.guide else { return None };
        Some(sampler.next(&Crossroads::new(runnable, &self.places)))
    }

    /// Moves to the next execution; `false` when the search is exhausted.
    pub(crate) fn advance(&mut self) -> bool {
        if self.by_class() { self.path.advance() } else { self.tree.advance() }
    }

    /// Whether the execution has ended before the path that it followed.
    pub(crate) fn is_left(&self) -> bool {
        if self.by_class() { self.path.is_left() } else { self.tree.upcoming().is_some() }
    }

    /// Which share of the search is done, by estimate.
    pub(crate) fn fraction(&self, longest: u32) -> f64 {
        if self.by_class() { self.path.fraction() } else { self.tree.fraction(longest) }
    }

    /// The result of a choice among `0..n`.
    pub(crate) fn pick(&mut self, n: u32) -> u32 {
        let events = self.history.events();
        match &mut self.guide {
            Guide::Script(script) => script.choose(events, n),
            Guide::Strategy(sampler) => sampler.pick(n),
            Guide::Classes => self.reduce_choice(n),
            Guide::Tree => self.branch(n, false),
        }
    }

    /// The result of a choice among `0..n`, by the search tree: its node's, or 0 with a new node.
    pub(crate) fn branch(&mut self, n: u32, paid: bool) -> u32 {
        let events = self.history.events();
        let fresh = Branch::Choice { chosen: 0, of: n, paid };
        match self.tree.upcoming() {
            Some(Node { at, branch: Branch::Choice { chosen, of, paid: costs }, .. })
                if (at, of, costs) == (events, n, paid) =>
            {
                self.tree.cursor += 1;
                self.set_calm();
                chosen
            }
            Some(_) => {
                self.close(End::Unsteady(events));
                0
            }
            None => {
                let left = self.budget.saturating_sub(self.preemptions);
                self.tree.push(Node { at: events, left, branch: fresh });
                0
            }
        }
    }

    /// Whether there is nothing new to see from here. An execution that is repeated to write down
    /// its schedule is none the less wanted.
    fn known(&mut self, scene: Scene) -> bool {
        if self.cache.is_off() || self.journal.keeps_schedule() {
            return false;
        }
        let (state, spent) = self.key(scene);
        self.cache.visit(state, spent) == Visit::Known
    }

    /// What goes into the cache: the state, and what was spent to reach it.
    fn key(&self, scene: Scene) -> (u128, u32) {
        let signature = self.history.signature();
        let current = match (scene.stays, scene.free) {
            (Some(now), free) => u128::from(now.0) << 1 | u128::from(free),
            (None, _) => u128::from(u8::MAX),
        };
        #[cfg(test)]
        if self.forgets_preemptions {
            return (mix(signature, current, 1), 0);
        }
        (mix(signature, current, 1), self.preemptions)
    }

    /// Who goes on unless the search or a schedule says otherwise. `None`: nobody, and the
    /// execution has ended.
    pub(crate) fn default(&mut self, scene: Scene) -> Option<Task> {
        let default = scene.stays.or_else(|| tasks_of(self.runnable()).next());
        if default.is_none() {
            let end = self.standstill();
            self.close(end);
        }
        default
    }

    /// Until when the task that now goes on need not ask.
    pub(crate) fn set_calm(&mut self) {
        let by_tree = matches!(self.guide, Guide::Tree | Guide::Classes);
        let until = if self.starting || !by_tree || self.storm.alone() {
            0
        } else if self.by_class() {
            self.path.calm_until(self.now)
        } else if let Some(node) = self.tree.upcoming() {
            node.at
        } else if self.preemptions >= self.budget {
            u32::MAX
        } else {
            0
        };
        self.calm_until = until.min(self.steps_max).min(self.storm_check);
    }

    #[inline]
    pub(crate) fn can_run(&mut self, task: Task) -> bool {
        self.ready & task.bit() != 0 || self.held & task.bit() != 0 && self.released(task)
    }

    /// Whether a task that could not go on can by now.
    #[inline(never)]
    fn released(&mut self, task: Task) -> bool {
        let place = self.place(task);
        match place.stand {
            Stand::Waiting => place.sleep.as_ref().is_some_and(Sleep::ready),
            Stand::Relaxing => self.history.stirred(task),
            Stand::Ready | Stand::Running | Stand::Finished => false,
        }
    }

    #[inline]
    pub(crate) fn runnable(&mut self) -> u16 {
        let mut mask = self.ready;
        for task in tasks_of(self.held) {
            if self.released(task) {
                mask |= task.bit();
            }
        }
        mask
    }

    fn look_for_storm(&mut self, scene: Scene) {
        self.storm_check = self.history.events().saturating_add(STREAK);
        let runnable = self.runnable();
        let alone = scene.stays.is_some_and(|now| runnable == now.bit());
        if alone && !self.storm.alone() {
            self.storm.begin();
        } else if !alone {
            self.storm.end();
        }
        self.watch();
    }

    /// Writes down that another task comes on, and whether it is not the default one.
    fn switched(&mut self, scene: Scene, to: Task) {
        let at = self.history.events();
        if self.default(scene) != Some(to) {
            self.journal.depart(at, to);
        }
        if let (Some(from), true) = (self.now, self.journal.keeps_trace()) {
            let obstacle = self.obstacle(from);
            self.journal.switched(at, from, to, obstacle);
        }
    }

    /// Why a task that does not go on cannot; the owner is left for a deadlock's report.
    pub(crate) fn obstacle(&self, task: Task) -> Option<Blocked> {
        let Place { stand, step, sleep } = *self.place(task);
        let (class, object) = sleep.map_or(("relax", 0), |sleep| (sleep.class, sleep.object));
        let blocked =
            |step: Option<Step>, site| Blocked { task, step, class, object, owner: None, site };
        match stand {
            Stand::Waiting => Some(blocked(Some(step), step.site)),
            Stand::Relaxing => Some(blocked(None, step.site)),
            Stand::Running | Stand::Ready | Stand::Finished => None,
        }
    }

    /// The end of an execution in which nobody can run. A daemon that waits has nothing to do.
    fn standstill(&self) -> End {
        let waits: Vec<Blocked> = (0..self.tasks as u8)
            .filter(|id| self.daemons & Task(*id).bit() == 0)
            .filter_map(|id| {
                let blocked = self.obstacle(Task(id))?;
                let owner = self.place(Task(id)).sleep.and_then(|sleep| sleep.owner());
                Some(Blocked { owner, ..blocked })
            })
            .collect();
        if waits.is_empty() {
            return End::Passed;
        }
        if waits.iter().all(|wait| wait.step.is_none()) {
            let tasks = waits.iter().map(|wait| wait.task).collect();
            return End::Failed(Failure::Livelock { tasks, recurrence: None });
        }
        let cycle = cycle(&waits);
        End::Failed(Failure::Deadlock { waits, cycle })
    }
}

/// A ring of tasks each of which waits for the next, if the owners close one.
fn cycle(waits: &[Blocked]) -> Option<Vec<Task>> {
    let owner_of =
        |task: Task| waits.iter().find(|wait| wait.task == task).and_then(|wait| wait.owner);
    waits.iter().find_map(|wait| {
        let mut ring = vec![wait.task];
        let mut at = wait.task;
        while let Some(next) = owner_of(at) {
            if next == wait.task {
                return Some(ring);
            }
            if ring.contains(&next) {
                return None;
            }
            ring.push(next);
            at = next;
        }
        None
    })
}
