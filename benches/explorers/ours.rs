//! The models on pgmap's own scheduler: plain cells, with a point before each use.

use std::cell::Cell;
use std::panic::Location;
use std::time::{Duration, Instant};

use pgmap_explore::{ExploredWorld, Scenario};
use pgmap_program::{Era, Program};
use pgmap_sched::{
    Control, Defect, Effect, Explorer, Judgement, Model, Object, Outcome, Plan, Stats, Step, Task,
    Verb,
};

use crate::exhaust::Search;
use crate::rounds::Work;
use crate::{Inc, WORDS};

const LOAD: Verb = Verb(0);
const STORE: Verb = Verb(1);
const RMW: Verb = Verb(2);

/// The plan of the product.
pub(crate) fn bounded() -> Plan {
    Plan::default()
}

/// As bounded as that of the product, but each execution runs to its end.
pub(crate) fn to_the_end() -> Plan {
    Plan { cache_bytes: 0, ..bounded() }
}

/// Every schedule, to its end.
pub(crate) fn exhaustive() -> Plan {
    Plan { bound: None, cache_bytes: 0, ..Plan::default() }
}

#[track_caller]
fn point(verb: Verb, object: u64, effect: Effect) {
    pgmap_sched::point(Step { verb, object: Object(object), effect, site: Location::caller() });
}

/// The get/put/free model.
pub(crate) struct GetPut {
    pub(crate) inc: Inc,
    count: Cell<u32>,
    alive: Cell<bool>,
    frees: Cell<u32>,
}

const COUNT: u64 = 0;
const ALIVE: u64 = 1;

impl GetPut {
    pub(crate) fn new(inc: Inc) -> Self {
        Self { inc, count: Cell::new(0), alive: Cell::new(false), frees: Cell::new(0) }
    }

    fn get(&self) -> bool {
        if self.inc == Inc::Blind {
            point(RMW, COUNT, Effect::Write);
            self.count.set(self.count.get() + 1);
            return true;
        }
        point(LOAD, COUNT, Effect::Read);
        let mut seen = self.count.get();
        while seen != 0 {
            point(RMW, COUNT, Effect::Write);
            let found = self.count.get();
            if found == seen {
                self.count.set(seen + 1);
                return true;
            }
            pgmap_sched::settle(Effect::Read);
            seen = found;
        }
        false
    }

    fn put(&self) {
        point(RMW, COUNT, Effect::Write);
        self.count.set(self.count.get() - 1);
        if self.count.get() == 0 {
            point(STORE, ALIVE, Effect::Write);
            self.alive.set(false);
            self.frees.set(self.frees.get() + 1);
        }
    }
}

impl Model for GetPut {
    fn tasks(&self) -> usize {
        3
    }

    fn reset(&mut self) {
        self.count.set(1);
        self.alive.set(true);
        self.frees.set(0);
    }

    fn run(&self, task: Task) {
        if task == Task(0) {
            return self.put();
        }
        if self.get() {
            point(LOAD, ALIVE, Effect::Read);
            if !self.alive.get() {
                pgmap_sched::fail(Defect { code: 1, object: ALIVE, value: 0 });
            }
            self.put();
        }
    }

    fn finish(&self) -> Result<(), Defect> {
        match self.frees.get() {
            1 => Ok(()),
            frees => Err(Defect { code: 2, object: ALIVE, value: frees.into() }),
        }
    }
}

/// Two tasks that load and add in turn, over words that they share.
pub(crate) struct TwoTasks {
    each: usize,
    words: [Cell<u64>; WORDS],
}

impl TwoTasks {
    pub(crate) fn new(atomics: usize) -> Self {
        Self { each: atomics / 2, words: Default::default() }
    }
}

impl Model for TwoTasks {
    fn tasks(&self) -> usize {
        2
    }

    fn reset(&mut self) {
        self.words.iter().for_each(|word| word.set(0));
    }

    fn run(&self, _: Task) {
        for n in 0..self.each {
            let (word, object) = (&self.words[n % WORDS], (n % WORDS) as u64);
            if n % 2 == 0 {
                point(LOAD, object, Effect::Read);
                std::hint::black_box(word.get());
            } else {
                point(RMW, object, Effect::Write);
                word.set(word.get() + 1);
            }
        }
    }

    fn finish(&self) -> Result<(), Defect> {
        Ok(())
    }
}

/// The real thing: a pin taken by address against a truncation of the file, over all of `mm`.
pub(crate) const PIN_TRUNCATE: &str = "file f 1 written\n\
    w0 mmap 0 f 0 1 rw shared\n\
    w0 w 0 0\n\
    start\n\
    w0 pin 0 0 | w0 unpin\n\
    w1 ftruncate f 0\n";

pub(crate) fn pin_truncate() -> Result<&'static ExploredWorld, String> {
    let program = Program::parse(PIN_TRUNCATE).map_err(|error| error.to_string())?;
    world(&Scenario::new(program, Era::V6_15Sound)).map(|explored| &*Box::leak(Box::new(explored)))
}

/// A world in which nothing has run yet. This thread's steps are about the one that was made last.
pub(crate) fn world(scenario: &Scenario) -> Result<ExploredWorld, String> {
    ExploredWorld::new(scenario, &mut || Control::Go).map_err(|error| error.to_string())
}

/// Runs that many executions, from the start again whenever a plan is exhausted. Executions that a
/// cache cut short are none, but their points count: they were passed.
pub(crate) fn run<M: Model>(
    explorer: &mut Explorer,
    model: &mut M,
    plan: Plan,
    executions: u64,
) -> Work {
    let mut work = Work::default();
    let mut left = executions;
    while left > 0 {
        let plan = Plan { schedules_max: left, ..plan };
        let outcome = search(explorer, model, &plan);
        let begun: u64 = outcome.stats().iter().map(|stats| stats.schedules + stats.pruned).sum();
        work.executions += sum(&outcome, |stats| stats.schedules);
        work.points += sum(&outcome, |stats| stats.points);
        let right = matches!(outcome, Outcome::Exhausted { .. } | Outcome::Stopped { .. });
        assert!(right, "a right model was found wrong: {outcome:?}");
        left = left.saturating_sub(begun.max(1));
    }
    work
}

/// The real program without any scheduler, one task after the other, so many times.
pub(crate) fn alone(mut explored: &ExploredWorld, executions: u64) -> Work {
    for _ in 0..executions {
        explored.reset();
        (0..explored.tasks() as u8).for_each(|task| explored.run(Task(task)));
        assert!(explored.finish().is_ok(), "a right program was found wrong");
    }
    Work { executions, points: 0 }
}

/// Executions of a model's whole tree under a plan, and those that the cache cut short.
pub(crate) fn tree<M: Model>(model: &mut M, plan: &Plan) -> (u64, u64) {
    let outcome = search(&mut Explorer::new(), model, plan);
    (sum(&outcome, |stats| stats.schedules), sum(&outcome, |stats| stats.pruned))
}

/// How many points there are when nobody is preempted.
pub(crate) fn points(mut explored: &ExploredWorld) -> u64 {
    let straight = Plan { bound: Some(0), ..exhaustive() };
    run(&mut Explorer::new(), &mut explored, straight, 1).points
}

/// Every schedule to its end and nothing left out, for so long.
pub(crate) fn exhaust(scenario: &Scenario, limit: Duration) -> Result<Search, String> {
    let begun = Instant::now();
    let explored = world(scenario)?;
    let mut go = |_: &_| if begun.elapsed() < limit { Control::Go } else { Control::Stop };
    let mut judge = |_: &_, _: &_| Judgement::Stop;
    let outcome = Explorer::new().search(&mut &explored, &exhaustive(), &mut judge, &mut go);
    let taken = begun.elapsed();
    let right = matches!(outcome, Outcome::Exhausted { .. } | Outcome::Stopped { .. });
    assert!(right, "a right program was found wrong: {outcome:?}");
    let whole = matches!(outcome, Outcome::Exhausted { .. });
    Ok(Search { executions: sum(&outcome, |stats| stats.schedules), cut: 0, taken, whole })
}

/// One search, whatever it comes to.
pub(crate) fn search<M: Model>(explorer: &mut Explorer, model: &mut M, plan: &Plan) -> Outcome {
    explorer.search(model, plan, &mut |_, _| Judgement::Stop, &mut |_| Control::Go)
}

fn sum(outcome: &Outcome, of: impl Fn(&Stats) -> u64) -> u64 {
    outcome.stats().iter().map(of).sum()
}
