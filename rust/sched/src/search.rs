//! All executions of a model within a bound on preemptions, bound after bound.
//!
//! The bounds 0, 1, 2, … are searched in turn, each exhaustively and from the start, so the first
//! failure found needs the fewest preemptions. Within a bound the search is depth-first and
//! stateless: each execution begins anew, repeats the choices of the path and goes on from there.
//! A state that has been reached before with as few preemptions is not entered again (see
//! `tree` for why that loses no behaviour); a bound's numbers say how many executions were
//! cut that way. Without a bound one execution of each class is run (`dpor`): that needs a
//! hundredth to a thousandth of the executions that the cache would leave, but a representative may
//! need more preemptions than its class, so it is of no use inside a bound.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use crate::ahead::Notes;
use crate::clock::Clock;
use crate::control::Control;
use crate::crew::{Crew, Sweep};
use crate::dpor::Classes;
use crate::engine::guide::{End, Exhaustive, Led, States};
use crate::explorer::Explorer;
use crate::failure::Failure;
use crate::journal::Keep;
use crate::model::Model;
use crate::plan::{Doubt, Judgement, Limit, Outcome, Plan, Progress, Stats};
use crate::schedule::{Schedule, Stand};
use crate::tree::Tree;

/// Who takes part, and what of the tree is searched.
#[derive(Default)]
struct Way {
    crew: Option<Crew>,
    among: Option<Rc<HashSet<Stand>>>,
}

/// How one bound ended, when not by exhaustion.
enum Cut {
    Found(Failure, Schedule),
    Limit(Limit),
    Doubt(Doubt),
}

impl Explorer {
    /// Searches a model within a plan.
    ///
    /// `judge` sees every failure, with the schedule that leads to it; `progress` is called every few
    /// thousand points, between executions and within long ones.
    ///
    /// # Panics
    ///
    /// When the model has more than [`MOST_TASKS`](crate::MOST_TASKS) tasks, or when a task calls.
    pub fn search<M: Model>(
        &mut self,
        model: &mut M,
        plan: &Plan,
        judge: &mut dyn FnMut(&Failure, &Schedule) -> Judgement,
        progress: &mut dyn FnMut(&Progress) -> Control,
    ) -> Outcome {
        self.search_with(model, plan, &Way::default(), judge, progress)
    }

    /// As [`search`](Self::search), with others who [`help`](Self::help): it comes to the same. Within a bound they
    /// do, and where there is room for a cache and no limit on executions; without a bound, where one branch decides what
    /// is tried beside another, the leader is alone, as it is where a limit would strike sooner or later for their help.
    ///
    /// # Panics
    ///
    /// As `search`.
    pub fn lead<M: Model>(
        &mut self,
        model: &mut M,
        plan: &Plan,
        crew: &Crew,
        judge: &mut dyn FnMut(&Failure, &Schedule) -> Judgement,
        progress: &mut dyn FnMut(&Progress) -> Control,
    ) -> Outcome {
        let crew = Some(crew.clone()).filter(|_| plan.can_be_helped());
        self.search_with(model, plan, &Way { crew, among: None }, judge, progress)
    }

    /// As [`search`](Self::search), but a task that could go on is left at these steps only.
    pub(crate) fn search_among<M: Model>(
        &mut self,
        model: &mut M,
        plan: &Plan,
        steps: Rc<HashSet<Stand>>,
        judge: &mut dyn FnMut(&Failure, &Schedule) -> Judgement,
        progress: &mut dyn FnMut(&Progress) -> Control,
    ) -> Outcome {
        let way = Way { crew: None, among: Some(steps) };
        self.search_with(model, plan, &way, judge, progress)
    }

    fn search_with<M: Model>(
        &mut self,
        model: &mut M,
        plan: &Plan,
        way: &Way,
        judge: &mut dyn FnMut(&Failure, &Schedule) -> Judgement,
        progress: &mut dyn FnMut(&Progress) -> Control,
    ) -> Outcome {
        let bounds: Vec<Option<u32>> = match plan.bound {
            Some(last) => (0..=last).map(Some).collect(),
            None => vec![None],
        };
        let mut stats = Vec::new();
        let mut clock = Clock::default();
        let mut left = plan.schedules_max;
        for bound in bounds {
            let mut now = Stats { bound, ..Stats::default() };
            let cut =
                self.sweep(model, plan, way, &mut left, &mut now, &mut clock, judge, progress);
            stats.push(now);
            match cut {
                None => {}
                Some(Cut::Found(failure, schedule)) => {
                    return Outcome::Found { failure, schedule, bound, stats };
                }
                Some(Cut::Limit(limit)) => return Outcome::Stopped { limit, stats },
                Some(Cut::Doubt(why)) => return Outcome::Inconclusive { why, stats },
            }
        }
        if stats.iter().any(|now| now.too_long > 0) {
            return Outcome::Inconclusive { why: Doubt::TooLong, stats };
        }
        Outcome::Exhausted { stats }
    }

    /// One bound, exhaustively.
    #[expect(clippy::too_many_arguments, reason = "the parts of one search, borrowed apart")]
    fn sweep<M: Model>(
        &mut self,
        model: &mut M,
        plan: &Plan,
        way: &Way,
        left: &mut u64,
        stats: &mut Stats,
        clock: &mut Clock,
        judge: &mut dyn FnMut(&Failure, &Schedule) -> Judgement,
        progress: &mut dyn FnMut(&Progress) -> Control,
    ) -> Option<Cut> {
        self.engine.with(|engine| engine.steps_max = plan.steps_max);
        // Without a cache every execution is run: that is what others are compared with.
        if stats.bound.is_none() && plan.cache_bytes > 0 {
            let classes = Rc::new(RefCell::new(Classes::new()));
            #[cfg(test)]
            {
                classes.borrow_mut().faults = self.faults.classes;
            }
            let cut = self.go_through(model, &classes, left, stats, clock, judge, progress);
            #[cfg(test)]
            {
                self.faults.classes = classes.borrow().faults;
            }
            return cut;
        }
        let budget = stats.bound.unwrap_or(u32::MAX);
        let notes = Notes::new(model.tasks(), model.puts_off());
        let Some(crew) = &way.crew else {
            let mut tree = Tree::new(budget, plan.cache_bytes, notes);
            if let Some(steps) = &way.among {
                tree.stay_among(Rc::clone(steps));
            }
            let tree = Rc::new(RefCell::new(tree));
            #[cfg(test)]
            tree.borrow_mut().set_faults(self.faults.tree);
            return self.go_through(model, &tree, left, stats, clock, judge, progress);
        };
        let sweep = Sweep::new(budget, plan.steps_max, plan.cache_bytes, notes);
        #[cfg(test)]
        let sweep = sweep.with_faults(self.faults.tree);
        let tree = Rc::new(RefCell::new(Tree::lending(&sweep, crew)));
        #[cfg(test)]
        tree.borrow_mut().set_faults(self.faults.tree);
        crew.begin(sweep);
        let cut = self.go_through(model, &tree, left, stats, clock, judge, progress);
        stats.absorb(&crew.end());
        cut
    }

    /// All executions that a guide leads to.
    #[expect(clippy::too_many_arguments, reason = "the parts of one search, borrowed apart")]
    fn go_through<M: Model, G: Exhaustive + 'static>(
        &mut self,
        model: &mut M,
        guide: &Rc<RefCell<G>>,
        left: &mut u64,
        stats: &mut Stats,
        clock: &mut Clock,
        judge: &mut dyn FnMut(&Failure, &Schedule) -> Judgement,
        progress: &mut dyn FnMut(&Progress) -> Control,
    ) -> Option<Cut> {
        let (mut fraction, mut others) = (0.0, Stats::default());
        loop {
            if *left == 0 {
                return Some(Cut::Limit(Limit::Schedules));
            }
            *left -= 1;
            guide.borrow_mut().begin(false);
            let led: Led = Rc::<RefCell<G>>::clone(guide);
            let mut end = self.execute(model, Rc::clone(&led), Keep::default(), &mut |events| {
                progress(&Progress::of(stats, &others, u64::from(events), fraction))
            });
            let events = self.engine.with(|engine| engine.history.events());
            let States { kept, refused } = guide.borrow().states();
            (stats.states, stats.refused) = (kept, refused);
            let stray = guide.borrow().is_left();
            let repeated = guide.borrow().repeated();
            stats.points += u64::from(events);
            stats.repeated += u64::from(repeated);
            stats.longest = stats.longest.max(events);
            if end == End::Halted {
                return Some(Cut::Limit(Limit::Asked));
            }
            if stray {
                // The path goes on where the execution has ended.
                end = End::Unsteady(events);
            }
            self.engine.with(|engine| guide.borrow_mut().learn(engine, &end));
            match end {
                End::Pruned => {
                    stats.pruned += 1;
                    stats.cut += u64::from(events.saturating_sub(repeated));
                }
                End::Passed => stats.schedules += 1,
                End::TooLong => {
                    stats.schedules += 1;
                    stats.too_long += 1;
                }
                End::Failed(failure) => {
                    stats.schedules += 1;
                    stats.failures += 1;
                    guide.borrow_mut().begin(true);
                    match self.write_down(model, led, &failure) {
                        Err(step) => return Some(Cut::Doubt(Doubt::Unsteady { step })),
                        Ok(schedule) => {
                            if judge(&failure, &schedule) == Judgement::Stop {
                                return Some(Cut::Found(failure, schedule));
                            }
                        }
                    }
                }
                End::Unable(error) => return Some(Cut::Doubt(Doubt::NoStacks(error))),
                End::Unsteady(step) => return Some(Cut::Doubt(Doubt::Unsteady { step })),
                // As above: who is halted has left the path.
                End::Halted => return Some(Cut::Limit(Limit::Asked)),
            }
            if clock.struck(events) {
                fraction = guide.borrow().fraction(stats.longest);
                others = guide.borrow().done_by_others();
                if progress(&Progress::of(stats, &others, 0, fraction)) == Control::Stop {
                    return Some(Cut::Limit(Limit::Asked));
                }
            }
            if !guide.borrow_mut().advance() {
                return None;
            }
        }
    }

    /// Runs an execution that failed once more, writing down its schedule; the step at which it
    /// was no longer the same, if it was not.
    pub(crate) fn write_down<M: Model>(
        &mut self,
        model: &mut M,
        guide: Led,
        failure: &Failure,
    ) -> Result<Schedule, u32> {
        // A failure is not lost to a stop that comes meanwhile.
        let keep = Keep { schedule: true, ..Keep::default() };
        let end = self.execute(model, guide, keep, &mut |_| Control::Go);
        let (schedule, events) = self.engine.with(|engine| {
            let events = engine.history.events();
            (engine.journal.take_schedule(events), events)
        });
        match (end, schedule) {
            (End::Failed(again), Some(schedule)) if again == *failure => Ok(schedule),
            _ => Err(events),
        }
    }
}
