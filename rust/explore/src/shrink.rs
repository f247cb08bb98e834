//! A smaller program with the same failure.
//!
//! Program and schedule shrink together: a change to the program is kept if a search of the changed
//! program, with no more preemptions than before, finds the [same](crate::Finding::is_same) failure; its schedule
//! is then the schedule. Searches go from few preemptions to many, so the schedule needs the fewest that
//! the program allows. A failure that was drawn at random may need more preemptions than can be searched;
//! then the changed programs are drawn from likewise, until what is left is small enough for a search; if it never is,
//! the schedule is made calmer at last (`calm`).
//!
//! A program of many steps is first cut down along the execution that was found, without a search (`slice`).
//! Then changes are tried from coarse to fine until none is kept: workers go, runs of steps go, steps move into
//! the set-up, numbers and files get smaller, unneeded files go. What a dropped step made takes along the
//! steps that use it. Every change is printed and parsed again, so whatever comes out is a program that
//! could have been written by hand. Only counts decide when to give up, never a clock: the same input ends in the
//! same program.
//!
//! Of a program's expectations only the one that is broken stays, with the steps that it names.
//!
//! A step that moves into the set-up is no longer seen in a report, so two tasks at least keep one each:
//! those are the two sides of the race.

mod edit;
mod slice;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::NonZeroUsize;

use pgmap_program::Program;
use pgmap_sched::{Control, Plan};

use crate::calm::calmer;
use crate::found::{Drawn, Found};
use crate::sampling::RandomSearch;
use crate::scenario::{Scenario, ScenarioError};
use crate::search::{Search, search};
use crate::verdict::{Ends, Verdict};
use edit::Edit;

/// How much work a shrink may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShrinkBudget {
    /// Changes that are searched.
    pub candidates_max: u64,
    /// Executions in the search of one change, cut ones included.
    pub schedules_max: u64,
    /// Events in the search of one change, and in all. A search begins at least a few executions all the same.
    pub points_each: u64,
    pub points_max: u64,
    /// Events in one execution.
    pub steps_max: u32,
    /// Memory for the cache of visited states.
    pub cache_bytes: usize,
}

impl Default for ShrinkBudget {
    fn default() -> Self {
        let Plan { steps_max, .. } = Plan::default();
        Self {
            candidates_max: 2000,
            schedules_max: 20_000,
            points_each: 8_000_000,
            points_max: 300_000_000,
            steps_max,
            cache_bytes: 64 << 20,
        }
    }
}

/// How far a shrink has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShrinkProgress {
    /// Changes searched so far, and those of them that were kept.
    pub tried: u64,
    pub kept: u64,
    /// The program as it stands: tasks, and their steps after `start`.
    pub tasks: usize,
    pub steps: usize,
    /// The budget is spent.
    pub spent: bool,
}

/// In the search of a change so many executions are run whatever they cost.
const LEAST_SEARCHED: u64 = 16;
/// A failure of which it is not known how many preemptions it needs is searched for with so many at most.
const BOUND_OF_THE_UNBOUNDED: u32 = 3;
/// Of a changed program at least so many executions are drawn, and so many times as many as the failure took
/// to find.
const LEAST_DRAWN: u64 = 1000;
const MORE_DRAWN: u64 = 4;

/// How a changed program is searched.
#[derive(Clone, Copy, Debug)]
enum Means {
    /// With so many preemptions at most; none: no bound.
    Bounds(Option<u32>),
    Draws(Drawn),
}

/// Shrinks a failure that a search found in `scenario`. The result fails in the same way; when `progress` says
/// stop, or the budget is spent, it is the smallest program so far.
///
/// # Errors
/// Why the scenario cannot be explored.
pub fn shrink(
    scenario: &Scenario,
    found: &Found,
    ends: Ends,
    budget: &ShrinkBudget,
    progress: &mut dyn FnMut(&ShrinkProgress) -> Control,
) -> Result<(Scenario, Found), ScenarioError> {
    scenario.validate()?;
    let (scenario, found) = &alone(scenario, found);
    let mut shrinker = Shrinker {
        best: (scenario.clone(), found.clone()),
        means: Means::Bounds(found.preemptions.or(Some(BOUND_OF_THE_UNBOUNDED))),
        smallest_geometry: Scenario::smallest_geometry(&scenario.program) == scenario.geometry,
        seen: HashSet::new(),
        left: *budget,
        at: ShrinkProgress::default(),
        stopped: false,
        ends,
        progress,
    };
    shrinker.tell();
    let sliced = shrinker.slice();
    if let (true, needed @ Some(_)) = (sliced, shrinker.best.1.preemptions) {
        shrinker.means = Means::Bounds(needed);
    }
    let again = sliced || found.preemptions.is_none();
    if again && !shrinker.search(&shrinker.best.0.clone()) && found.preemptions.is_none() {
        shrinker.means = found.drawn.map_or(Means::Bounds(None), Means::Draws);
    }
    shrinker.run();
    if let Means::Draws(_) = shrinker.means {
        shrinker.means = Means::Bounds(Some(BOUND_OF_THE_UNBOUNDED));
        shrinker.seen.clear();
        if shrinker.search(&shrinker.best.0.clone()) {
            shrinker.run();
        }
    }
    if shrinker.best.1.preemptions.is_none() {
        shrinker.calm();
    }
    Ok(shrinker.best)
}

/// The failure without the expectations that it does not break. What a program expects steers nothing, so the
/// schedule is still its own.
fn alone(scenario: &Scenario, found: &Found) -> (Scenario, Found) {
    let (mut scenario, mut found) = (scenario.clone(), found.clone());
    let all = core::mem::take(&mut scenario.program.expectations);
    let broken = found.finding.expectation.and_then(|nth| all.into_iter().nth(nth));
    found.finding.expectation = broken.as_ref().map(|_| 0);
    scenario.program.expectations.extend(broken);
    (scenario, found)
}

struct Shrinker<'a> {
    best: (Scenario, Found),
    means: Means,
    /// The machine is as large as the program needs, and stays so.
    smallest_geometry: bool,
    /// What was searched already, by the hash of program and sizes.
    seen: HashSet<u64>,
    left: ShrinkBudget,
    at: ShrinkProgress,
    stopped: bool,
    /// What may stand in the way of the failure and what may not.
    ends: Ends,
    progress: &'a mut dyn FnMut(&ShrinkProgress) -> Control,
}

impl Shrinker<'_> {
    fn run(&mut self) {
        let passes: [fn(&mut Self) -> bool; 6] = [
            Self::workers,
            Self::steps,
            Self::moves,
            Self::numbers_together,
            Self::numbers_one_by_one,
            Self::files,
        ];
        // Each pass goes on until it gets nowhere; all of them again while any got somewhere.
        while !self.is_spent() && passes.iter().filter(|pass| pass(self)).count() > 0 {}
    }

    fn program(&self) -> &Program {
        &self.best.0.program
    }

    /// All steps of a worker at once.
    fn workers(&mut self) -> bool {
        let mut any = false;
        // The last ones first: they are more often the padding.
        for worker in self.program().workers().into_iter().rev() {
            let gone = edit::of_worker(self.program(), worker);
            any |= self.edit(&Edit::Drop(gone));
        }
        any
    }

    /// Runs of steps, long ones first, each within one task or within the set-up.
    fn steps(&mut self) -> bool {
        let mut any = false;
        let mut length = self.program().steps.len().next_power_of_two();
        while length > 0 {
            let mut nth = 0;
            // Kept changes renumber the steps, so the runs are asked for again.
            while !self.is_spent()
                && let Some(run) = edit::runs(self.program(), length).into_iter().rev().nth(nth)
            {
                if self.edit(&Edit::Drop(run)) {
                    any = true;
                } else {
                    nth += 1;
                }
            }
            length /= 2;
        }
        any
    }

    /// Leading steps of tasks to the end of the set-up.
    fn moves(&mut self) -> bool {
        let mut any = false;
        let mut nth = 0;
        while !self.is_spent()
            && let Some(step) = edit::leading(self.program()).get(nth).copied()
        {
            if self.edit(&Edit::IntoSetUp(step)) {
                any = true;
            } else {
                nth += 1;
            }
        }
        any
    }

    /// Equal numbers together: a page and those who touch it, a file and its mappings.
    fn numbers_together(&mut self) -> bool {
        self.numbers(|program| {
            let values = edit::values(program).into_iter().rev();
            let each = values
                .flat_map(|from| edit::smaller(from).map(move |to| Edit::Everywhere { from, to }));
            [Edit::Least].into_iter().chain(each).collect()
        })
    }

    fn numbers_one_by_one(&mut self) -> bool {
        self.numbers(|program| {
            let numbers = edit::numbers(program).into_iter().enumerate();
            let each = numbers.flat_map(|(nth, from)| {
                edit::smaller(from).map(move |to| Edit::Number { nth, to })
            });
            each.collect()
        })
    }

    fn numbers(&mut self, edits: impl Fn(&Program) -> Vec<Edit>) -> bool {
        let mut any = false;
        let mut nth = 0;
        while !self.is_spent()
            && let Some(edit) = edits(self.program()).get(nth)
        {
            if self.edit(edit) {
                (any, nth) = (true, 0);
            } else {
                nth += 1;
            }
        }
        any
    }

    /// Files and drivers that nobody uses, and words that say nothing here.
    fn files(&mut self) -> bool {
        let declared = (0..self.program().declarations()).rev().map(Edit::Undeclared);
        let edits: Vec<Edit> = declared.chain([Edit::Wait, Edit::Labels]).collect();
        edits.iter().filter(|edit| self.edit(edit)).count() > 0
    }

    /// Makes a change and keeps it if the failure stays.
    fn edit(&mut self, edit: &Edit) -> bool {
        if self.is_spent() {
            return false;
        }
        let Some(program) = edit.apply(self.program()) else { return false };
        self.candidate(program).is_some_and(|candidate| self.search(&candidate))
    }

    /// A scenario of a changed program, if none like it was tried.
    fn candidate(&mut self, program: Program) -> Option<Scenario> {
        let Scenario { era, rules, geometry, memory, tlb, ref without, .. } = self.best.0;
        let without = without.clone();
        let geometry =
            if self.smallest_geometry { Scenario::smallest_geometry(&program) } else { geometry };
        let candidate = Scenario { program, era, rules, geometry, memory, tlb, without };
        self.is_new(&candidate).then_some(candidate)
    }

    fn is_new(&mut self, candidate: &Scenario) -> bool {
        let mut hash = DefaultHasher::new();
        candidate.program.hash(&mut hash);
        candidate.geometry.hash(&mut hash);
        self.seen.insert(hash.finish())
    }

    /// Nothing more is tried.
    fn is_spent(&self) -> bool {
        self.stopped || self.left.candidates_max == 0 || self.left.points_max == 0
    }

    /// One more change is tried.
    fn count(&mut self) {
        self.left.candidates_max -= 1;
        self.at.tried += 1;
    }

    fn spend(&mut self, points: u64) {
        self.left.points_max = self.left.points_max.saturating_sub(points);
        self.at.spent = self.left.candidates_max == 0 || self.left.points_max == 0;
    }

    /// Whether the failure is in this scenario; then it is the best one.
    fn search(&mut self, candidate: &Scenario) -> bool {
        if self.is_spent() {
            return false;
        }
        self.count();
        let wanted = self.wanted();
        let Self { progress, at, stopped, .. } = self;
        let verdict = search(candidate, &wanted, &mut |_| {
            *stopped |= progress(at) == Control::Stop;
            if *stopped { Control::Stop } else { Control::Go }
        });
        let points = verdict.as_ref().map_or(0, |verdict| verdict.seen().points());
        self.spend(points);
        // A change that cannot be set up is no program of this failure.
        let Ok(Verdict::Found { found, .. }) = verdict else {
            self.tell();
            return false;
        };
        let same = found.finding.is_same(&self.best.1.finding) && found.mends.is_empty();
        if same {
            if let (Means::Bounds(_), needed @ Some(_)) = (self.means, found.preemptions) {
                self.means = Means::Bounds(needed);
            }
            self.best = (candidate.clone(), *found);
            self.at.kept += 1;
        }
        self.tell();
        same
    }

    /// What no bound that could be searched has comes with the fewest preemptions near the schedule it has.
    fn calm(&mut self) {
        if self.is_spent() {
            return;
        }
        self.count();
        let ShrinkBudget { schedules_max, steps_max, cache_bytes, .. } = self.left;
        let plan = Plan { bound: None, schedules_max, steps_max, cache_bytes };
        let Self { progress, at, stopped, best: (scenario, found), .. } = self;
        let calmer = calmer(scenario, found, &plan, &mut || {
            *stopped |= progress(at) == Control::Stop;
            if *stopped { Control::Stop } else { Control::Go }
        });
        if let Ok(Some(calmer)) = calmer {
            self.best.1 = calmer;
            self.at.kept += 1;
        }
        self.tell();
    }

    /// The search of a changed program.
    fn wanted(&self) -> Search {
        let ShrinkBudget { schedules_max, points_each, steps_max, cache_bytes, .. } = self.left;
        let events = u64::from(self.best.1.schedule.events().max(1));
        let schedules_max = schedules_max.min((points_each / events).max(LEAST_SEARCHED));
        let threads = NonZeroUsize::MIN;
        let (bounds, random) = match self.means {
            Means::Bounds(bound) => {
                (Some(Plan { bound, schedules_max, steps_max, cache_bytes }), None)
            }
            Means::Draws(Drawn { strategy, seed, execution }) => {
                let executions = execution.saturating_mul(MORE_DRAWN).max(LEAST_DRAWN);
                (None, Some(RandomSearch { strategy, seed, executions, steps_max, threads }))
            }
        };
        Search { bounds, random, schedules_max, threads, ends: self.ends }
    }

    fn tell(&mut self) {
        let roles = self.best.0.roles();
        self.at.tasks = roles.len();
        self.at.steps = roles.iter().map(|role| role.steps.len()).sum();
        self.stopped |= (self.progress)(&self.at) == Control::Stop;
    }
}
