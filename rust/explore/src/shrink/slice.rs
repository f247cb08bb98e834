//! A long program, cut down along the execution that was found.
//!
//! A search of a program with thousands of steps is out of reach, but one execution of it is not: with some
//! steps gone, what is left happens in the order in which it did, and either it still fails or it does not. So what
//! had not begun when it failed goes first, then whole workers, then runs of steps, long ones first: each
//! change costs one execution, and every one that is kept makes the next ones cheaper.

use pgmap_sched::{Control, Event, Explorer, Kind, Redone, Trace};

use super::{Shrinker, edit};
use crate::explored::{ExploredWorld, remark};
use crate::finding::Finding;
use crate::found::Found;
use crate::scenario::Scenario;

/// A program of more steps is long.
const LONG: usize = 64;

/// An execution, and the step of the program that each event of it belongs to.
struct Walk {
    trace: Vec<Event>,
    steps: Vec<Option<usize>>,
}

impl Walk {
    fn of(trace: Vec<Event>) -> Self {
        let mut now = [None; pgmap_sched::MOST_TASKS];
        let mut steps = Vec::with_capacity(trace.len());
        for event in &trace {
            let mine = &mut now[usize::from(event.task.0)];
            match event.kind {
                Kind::Note { code: remark::BEGIN, a, .. } => *mine = usize::try_from(a).ok(),
                _ if event.is_event() => steps.push(*mine),
                _ => {}
            }
        }
        Self { trace, steps }
    }

    /// Of so many steps, those that the execution began.
    fn begun(&self, steps: usize) -> Vec<bool> {
        let mut begun = vec![false; steps];
        for event in &self.trace {
            if let Kind::Note { code: remark::BEGIN, a, .. } = event.kind
                && let Some(step) = usize::try_from(a).ok().and_then(|at| begun.get_mut(at))
            {
                *step = true;
            }
        }
        begun
    }
}

impl Shrinker<'_> {
    /// Cuts a long program down; whether anything went.
    pub(super) fn slice(&mut self) -> bool {
        if self.program().steps.len() <= LONG {
            return false;
        }
        let Some(mut walk) = self.walk() else { return false };
        let set_up = self.program().halves().0.len();
        let begun = walk.begun(self.program().steps.len());
        let never: Vec<usize> = (set_up..begun.len()).filter(|&at| !begun[at]).collect();
        let mut any = self.cut(&never, &mut walk);
        for worker in self.program().workers().into_iter().rev() {
            any |= self.cut(&edit::of_worker(self.program(), worker), &mut walk);
        }
        let mut length = self.program().steps.len().next_power_of_two() / 2;
        while length > 0 && !self.is_spent() {
            let mut nth = 0;
            // Kept changes renumber the steps, so the runs are asked for again.
            while let Some(run) = edit::runs(self.program(), length).into_iter().rev().nth(nth) {
                if self.cut(&run, &mut walk) {
                    any = true;
                } else if self.is_spent() {
                    break;
                } else {
                    nth += 1;
                }
            }
            length /= 2;
        }
        any
    }

    /// The best execution so far.
    fn walk(&mut self) -> Option<Walk> {
        let (scenario, found) = self.best.clone();
        let mut control = || self.control();
        let explored = ExploredWorld::new(&scenario, &mut control).ok()?;
        let again =
            Explorer::new().replay(&mut &explored, &found.schedule, Trace::Keep, &mut control);
        self.spend(u64::from(found.schedule.events()));
        again.diverged.is_none().then(|| Walk::of(again.trace))
    }

    /// Leaves these steps out, and keeps that if what is left fails as before in the same order.
    fn cut(&mut self, steps: &[usize], walk: &mut Walk) -> bool {
        if steps.is_empty() || self.is_spent() {
            return false;
        }
        let Some((program, kept)) = edit::drop_steps(self.program(), steps) else { return false };
        let Some(candidate) = self.candidate(program) else { return false };
        self.count();
        let found = self.follow(&candidate, &kept, walk);
        self.tell();
        let Some(found) = found else { return false };
        self.best = (candidate, found);
        self.at.kept += 1;
        self.tell();
        match self.walk() {
            Some(next) => *walk = next,
            // Told to stop, or it does not do the same twice: what there is stays the best.
            None => self.stopped = true,
        }
        true
    }

    /// The failure in this scenario, when its steps, told by their places before, go on as they did.
    fn follow(&mut self, candidate: &Scenario, kept: &[usize], walk: &Walk) -> Option<Found> {
        let explored = ExploredWorld::new(candidate, &mut || self.control()).ok()?;
        let mut stays = vec![false; self.program().steps.len()];
        kept.iter().for_each(|&at| stays[at] = true);
        let mut at = 0;
        let before = &self.best.1;
        let schedule = before.schedule.without(&walk.trace, &mut |_| {
            let step = walk.steps[at];
            at += 1;
            step.is_some_and(|step| !stays[step])
        });
        let (preemptions, finding) = (before.preemptions, before.finding.clone());
        let mends = before.mends.clone();
        let mut control = || self.control();
        let redone = Explorer::new().redo(&mut &explored, &schedule, &mut control);
        self.spend(u64::from(schedule.events()));
        let Redone { failure, schedule, preemptions: needed } = redone?;
        let now =
            Finding::of(candidate, &explored, &failure).filter(|now| now.is_same(&finding))?;
        let preemptions = preemptions.map(|_| needed);
        Some(Found { finding: now, schedule, preemptions, drawn: None, mends })
    }

    fn control(&mut self) -> Control {
        self.stopped |= (self.progress)(&self.at) == Control::Stop;
        if self.stopped { Control::Stop } else { Control::Go }
    }
}
