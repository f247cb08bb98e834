//! Fewer preemptions, near a schedule that fails.
//!
//! A failure that was drawn may need more preemptions than can be searched for, and its schedule has many that it does
//! not need. Two things make it calmer, and both keep to what it does:
//!
//! * **Blocks are joined** ([`Explorer::calm`], after Jalbert and Sen, FSE 2010). An execution is a sequence of blocks, each so
//!   many decisions for one task. One block is joined with the one before or after it of the same task, or left out; what
//!   fails likewise with fewer preemptions, or as many and fewer blocks, is gone on with, until nothing helps.
//! * **The places where it leaves tasks are searched** ([`Explorer::near`]): bound by bound, but a task that could go on is
//!   left only at steps (by task, verb and object) before which the schedule leaves it. All that can be done there is,
//!   so the bound is the least of those places. It need not be the least of all.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use crate::control::Control;
use crate::engine::Engine;
use crate::engine::guide::{Decision, End, Guide, Led};
use crate::explorer::Explorer;
use crate::failure::Failure;
use crate::journal::Keep;
use crate::model::Model;
use crate::plan::{Judgement, Outcome, Plan, Progress};
use crate::replay::Redone;
use crate::schedule::{Schedule, Stand};
use crate::script::Script;
use crate::step::{Step, Task};

/// So many decisions for one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    task: Task,
    decisions: u32,
}

/// What an execution did.
#[derive(Clone, Debug, Default)]
struct Course {
    blocks: Vec<Block>,
    choices: Vec<u32>,
    /// Choices that cost: whose, the how many-th of that task, and what.
    paid: Vec<(Task, u32, u32)>,
    left: HashSet<Stand>,
}

/// Leads an execution along a course as far as it can be, or along a schedule, and writes down what it did.
struct Leader {
    script: Option<Script>,
    wanted: Course,
    block: usize,
    choice: usize,
    done: Course,
}

/// An execution that fails as it should.
struct Failing {
    failure: Failure,
    schedule: Schedule,
    preemptions: u32,
    course: Course,
}

impl Course {
    fn add(&mut self, task: Task) {
        match self.blocks.last_mut() {
            Some(last) if last.task == task => last.decisions += 1,
            _ => self.blocks.push(Block { task, decisions: 1 }),
        }
    }

    /// The course with one block joined with the one before it of the same task, with the one after, and without it.
    fn calmer(&self, nth: usize) -> impl Iterator<Item = Course> {
        let Block { task, decisions } = self.blocks[nth];
        let before = self.blocks[..nth].iter().rposition(|block| block.task == task);
        let behind = self.blocks[nth + 1..].iter().position(|block| block.task == task);
        let joined = [before, behind.map(|at| nth + 1 + at)].into_iter().flatten().map(Some);
        joined.chain([None]).map(move |with| {
            let mut blocks = self.blocks.clone();
            if let Some(with) = with {
                blocks[with].decisions += decisions;
            }
            blocks.remove(nth);
            Course { blocks, ..self.clone() }
        })
    }
}

impl Leader {
    fn of_schedule(schedule: &Schedule) -> Self {
        Leader { script: Some(Script::new(schedule.clone())), ..Leader::of(Course::default()) }
    }

    fn of(wanted: Course) -> Self {
        Leader { script: None, wanted, block: 0, choice: 0, done: Course::default() }
    }

    /// The task whose turn it is, if it can go on.
    fn turn(&mut self, engine: &mut Engine) -> Option<Task> {
        while let Some(block) = self.wanted.blocks.get_mut(self.block) {
            if block.decisions > 0 && engine.can_run(block.task) {
                block.decisions -= 1;
                return Some(block.task);
            }
            self.block += 1;
        }
        None
    }
}

impl Guide for Leader {
    fn next(&mut self, engine: &mut Engine, at: Decision) -> Option<Task> {
        let next = match &mut self.script {
            Some(script) => script.next(engine, at)?,
            None => match self.turn(engine) {
                Some(task) => task,
                None => engine.default(at)?,
            },
        };
        if let Some(now) = at.stays.filter(|now| *now != next) {
            let Step { verb, object, .. } = engine.place(now).step;
            self.done.left.insert((now, verb, object));
        }
        self.done.add(next);
        Some(next)
    }

    fn choose(&mut self, engine: &mut Engine, n: u32) -> u32 {
        let value = match &mut self.script {
            Some(script) => script.choose(engine, n),
            None => self
                .wanted
                .choices
                .get(self.choice)
                .copied()
                .filter(|value| *value < n)
                .unwrap_or(0),
        };
        self.choice += 1;
        self.done.choices.push(value);
        value
    }

    fn choose_paid(&mut self, engine: &mut Engine, n: u32) -> u32 {
        let (me, mine) = engine.asks();
        let value = match &mut self.script {
            Some(script) => script.choose_paid(engine, n),
            None => {
                let paid = self.wanted.paid.iter().find(|paid| (paid.0, paid.1) == (me, mine));
                paid.map_or(0, |paid| paid.2).min(n - 1)
            }
        };
        if value > 0 {
            self.done.paid.push((me, mine, value));
        }
        value
    }
}

impl Failing {
    /// Whether it is calmer than another one.
    fn is_calmer(&self, than: &Failing) -> bool {
        let cost = |failing: &Failing| (failing.preemptions, failing.course.blocks.len());
        cost(self) < cost(than)
    }
}

impl Explorer {
    /// Looks for a calmer schedule that fails as this one does, in so many executions at most. None if this one does not
    /// fail so.
    pub fn calm<M: Model>(
        &mut self,
        model: &mut M,
        schedule: &Schedule,
        most: u64,
        same: &mut dyn FnMut(&Failure) -> bool,
        control: &mut dyn FnMut() -> Control,
    ) -> Option<Redone> {
        self.engine.with(|engine| engine.steps_max = schedule.limit());
        let mut best = self.lead_along(model, Leader::of_schedule(schedule), same)?;
        let mut left = most;
        let mut nth = best.course.blocks.len();
        // The last blocks first: what comes after the failure's cause goes, and with it what led there.
        while nth > 0 && left > 0 && control() == Control::Go {
            nth -= 1;
            let course = best.course.clone();
            for calmer in course.calmer(nth) {
                left = left.saturating_sub(1);
                let failing = self.lead_along(model, Leader::of(calmer), same);
                if let Some(failing) = failing.filter(|failing| failing.is_calmer(&best)) {
                    best = failing;
                    nth = best.course.blocks.len();
                    break;
                }
            }
        }
        let Failing { failure, schedule, preemptions, .. } = best;
        Some(Redone { failure, schedule, preemptions })
    }

    fn lead_along<M: Model>(
        &mut self,
        model: &mut M,
        leader: Leader,
        same: &mut dyn FnMut(&Failure) -> bool,
    ) -> Option<Failing> {
        let leader = Rc::new(RefCell::new(leader));
        let led: Led = Rc::<RefCell<Leader>>::clone(&leader);
        let keep = Keep { schedule: true, ..Keep::default() };
        let end = self.execute(model, led, keep, &mut |_| Control::Go);
        let (schedule, preemptions) = self.engine.with(|engine| {
            let events = engine.history.events();
            (engine.journal.take_schedule(events), engine.preemptions)
        });
        let course = core::mem::take(&mut leader.borrow_mut().done);
        match end {
            End::Failed(failure) if same(&failure) => {
                Some(Failing { failure, schedule: schedule?, preemptions, course })
            }
            _ => None,
        }
    }

    /// Searches near a schedule, as [`search`](Explorer::search) searches everything: a task that could go on is left only
    /// where the schedule leaves it.
    pub fn near<M: Model>(
        &mut self,
        model: &mut M,
        schedule: &Schedule,
        plan: &Plan,
        judge: &mut dyn FnMut(&Failure, &Schedule) -> Judgement,
        progress: &mut dyn FnMut(&Progress) -> Control,
    ) -> Outcome {
        self.engine.with(|engine| engine.steps_max = schedule.limit());
        let leader = Rc::new(RefCell::new(Leader::of_schedule(schedule)));
        let led: Led = Rc::<RefCell<Leader>>::clone(&leader);
        let _ = self.execute(model, led, Keep::default(), &mut |_| Control::Go);
        let left = core::mem::take(&mut leader.borrow_mut().done.left);
        self.search_among(model, plan, Rc::new(left), judge, progress)
    }
}
