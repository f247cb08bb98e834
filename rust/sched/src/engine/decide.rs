//! Who goes on: the guide chooses, here is what all guides have in common.
//!
//! A decision falls before a step runs. Its candidates are the tasks that can run: the current one
//! first if it is one of them, then by ascending number. To leave a current task that could take
//! a normal step is a *preemption* and costs one of the budget; to leave one that is blocked, has
//! ended, or is in a busy-wait costs nothing. With the budget spent, a current task that can go on
//! goes on. Choices that cost (`paid`) come out of the same budget.
//!
//! The end of a busy-wait and the step after it are one: whoever chose the spinner could have
//! chosen another for nothing, so a second decision before that step would only repeat the first.

use std::rc::Rc;

use crate::engine::Engine;
use crate::engine::guide::{Decision, End, Guide};
use crate::failure::{Blocked, Failure};
use crate::place::{Place, State, tasks_of};
use crate::sleep::Sleep;
use crate::step::{Effect, Object, Step, Task, Touches, WaitClass};

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
            self.held != 0 && stays.is_some_and(|now| self.place(now).state == State::Relaxing);
        let at = Decision { stays, free: stays.is_none() || relaxing };
        if let (Some(now), true) = (stays, !relaxing && events == self.joined_at) {
            self.guided(|guide, engine| guide.goes_on(engine, now));
            self.launch(now);
            self.set_calm();
            return;
        }
        if events >= self.storm_check || self.storm.alone() {
            self.look_for_storm(at);
        }
        let chosen = self.guided(|guide, engine| guide.next(engine, at));
        let Some(next) = chosen else { return };
        if Some(next) != self.now {
            if !at.free {
                self.preemptions += 1;
            }
            self.storm_check = events.saturating_add(self.streak);
            self.another_goes_on();
            if self.watched() {
                self.storm.end();
                self.watch();
                self.switched(at, next);
            }
        }
        if self.storm.alone() {
            let step = self.place(next).step;
            self.storm.stands(&step, events);
        }
        self.launch(next);
        self.set_calm();
    }

    /// Asks the guide.
    #[inline]
    fn guided<R>(&mut self, act: impl FnOnce(&mut dyn Guide, &mut Engine) -> R) -> R {
        let guide = Rc::clone(&self.guide);
        let mut guide = guide.borrow_mut();
        act(&mut *guide, self)
    }

    /// The result of a choice among `0..n`.
    pub(crate) fn pick(&mut self, n: u32) -> u32 {
        self.guided(|guide, engine| guide.choose(engine, n))
    }

    /// The result of a choice that can cost.
    pub(crate) fn pick_paid(&mut self, n: u32) -> u32 {
        self.guided(|guide, engine| guide.choose_paid(engine, n))
    }

    /// Whether the current task puts off a step that touches these.
    pub(crate) fn pick_put_off(&mut self, touches: Touches<'_>) -> bool {
        self.guided(|guide, engine| guide.put_off(engine, touches))
    }

    /// Nothing is left of what the current task has put off.
    pub(crate) fn settles(&mut self) {
        if self.records_accesses() {
            self.guided(|guide, _| guide.settles());
        }
    }

    /// Whether who goes round in circles is one that waits.
    pub(crate) fn sets_aside(&mut self) -> bool {
        self.guided(|guide, _| guide.sets_aside())
    }

    /// Whether the execution repeats what one before it did.
    pub(crate) fn repeats(&mut self) -> bool {
        self.guided(|guide, _| guide.repeats())
    }

    /// Tells the guide what the current task's step does to an object, if it wants to know.
    #[inline]
    pub(crate) fn touch(&mut self, object: Object, effect: Effect) {
        if self.records_accesses() {
            self.guided(|guide, _| guide.touched(object, effect));
            self.notes_what_goes_past();
        }
    }

    /// What the current task does from here on, or no longer does, goes past what it has put off.
    pub(crate) fn goes_past(&mut self, does: bool) {
        // The step in flight is from before.
        self.commit();
        let me = self.current().bit();
        self.past = if does { self.past | me } else { self.past & !me };
    }

    #[inline]
    fn notes_what_goes_past(&mut self) {
        if self.past != 0 && self.past & self.current().bit() != 0 {
            self.guided(|guide, _| guide.goes_past());
        }
    }

    /// As [`touch`](Self::touch), for looks at all of these.
    pub(crate) fn touch_all(&mut self, number: u32, objects: &[Object]) {
        if self.records_accesses() {
            self.guided(|guide, _| guide.looked_at(number, objects));
            self.notes_what_goes_past();
        }
    }

    /// Who goes on unless the search or a schedule says otherwise. `None`: nobody, and the
    /// execution has ended.
    pub(crate) fn default(&mut self, at: Decision) -> Option<Task> {
        let default = at.stays.or_else(|| tasks_of(self.runnable()).next());
        if default.is_none() {
            let end = self.standstill();
            self.close(end);
        }
        default
    }

    /// Until when the task that now goes on need not ask.
    pub(crate) fn set_calm(&mut self) {
        let until = if self.starting || self.storm.alone() {
            0
        } else {
            self.guided(|guide, engine| guide.calm_until(engine))
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
        match place.state {
            State::Waiting => place.sleep.as_ref().is_some_and(Sleep::ready),
            State::Relaxing | State::Circling => self.history.stirred(task),
            State::Ready | State::Running | State::Finished => false,
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

    fn look_for_storm(&mut self, at: Decision) {
        self.storm_check = self.history.events().saturating_add(self.streak);
        let kept_back = self.guided(|guide, engine| guide.keeps_back(engine));
        let runnable = self.runnable() & !kept_back;
        let alone = at.stays.is_some_and(|now| runnable == now.bit());
        if alone && !self.storm.alone() {
            self.storm.begin();
        } else if !alone {
            self.storm.end();
        }
        self.watch();
    }

    /// Writes down that another task comes on, and whether it is not the default one.
    fn switched(&mut self, decision: Decision, to: Task) {
        let at = self.history.events();
        if self.default(decision) != Some(to) {
            self.journal.depart(at, to);
        }
        if let (Some(from), true) = (self.now, self.journal.keeps_trace()) {
            let obstacle = self.obstacle(from);
            self.journal.switched(at, from, to, obstacle);
        }
    }

    /// Why a task that does not go on cannot; the owner is left for a deadlock's report.
    pub(crate) fn obstacle(&self, task: Task) -> Option<Blocked> {
        let Place { state, step, sleep } = *self.place(task);
        let relaxing = (WaitClass::RELAX, 0);
        let (class, object) = sleep.map_or(relaxing, |sleep| (sleep.class, sleep.object));
        let blocked =
            |step: Option<Step>, site| Blocked { task, step, class, object, owner: None, site };
        match state {
            State::Waiting => Some(blocked(Some(step), step.site)),
            State::Relaxing | State::Circling => Some(blocked(None, step.site)),
            State::Running | State::Ready | State::Finished => None,
        }
    }

    /// Who waits, daemons left out, and for whom.
    pub(crate) fn blocked(&self) -> Vec<Blocked> {
        (0..self.tasks as u8)
            .filter(|id| self.daemons & Task(*id).bit() == 0)
            .filter_map(|id| {
                let blocked = self.obstacle(Task(id))?;
                let owner = self.place(Task(id)).sleep.and_then(|sleep| sleep.owner());
                Some(Blocked { owner, ..blocked })
            })
            .collect()
    }

    /// The end of an execution in which nobody can run. A daemon that waits has nothing to do.
    fn standstill(&self) -> End {
        let waits = self.blocked();
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
