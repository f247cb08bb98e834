//! Models that can be counted by hand: shuttle's DFS takes the same executions as our search.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use loom::model::Builder;
use pgmap_rivals_sched::{
    Defect, Effect, Looks, Model, Object, Step, Task, Verb, Wait, WaitClass, fail, looms, point,
    point_when, relax, running, shuttles,
};
use shuttle::scheduler::{DfsScheduler, RandomScheduler};
use shuttle::{Config, FailurePersistence};

/// A few words, and closures over them.
#[derive(Clone)]
struct Toy {
    words: Rc<[Cell<u64>; 4]>,
    bodies: Rc<Vec<Body>>,
    /// What the first word must hold at the end.
    wanted: Option<u64>,
}

type Body = Box<dyn Fn(&Toy)>;

impl Toy {
    fn new(bodies: Vec<Body>) -> Self {
        Self { words: Rc::default(), bodies: Rc::new(bodies), wanted: None }
    }

    fn load(&self, at: usize) -> u64 {
        point(step(at, Effect::Read));
        self.words[at].get()
    }

    fn store(&self, at: usize, value: u64) {
        point(step(at, Effect::Write));
        self.words[at].set(value);
    }

    fn when(&self, at: usize, wanted: u64) {
        let wait = Wait::unowned(WaitClass::named("word"), at as u64, Looks::AtItsObject);
        point_when(step(at, Effect::Write), wait, &|| self.words[at].get() == wanted);
    }

    fn lock(&self, at: usize) {
        self.when(at, 0);
        assert_eq!(self.words[at].replace(1), 0, "a lock taken twice");
    }
}

fn step(at: usize, effect: Effect) -> Step {
    Step { verb: Verb(0), object: Object(at as u64), effect, site: Location::caller() }
}

impl Model for Toy {
    fn tasks(&self) -> usize {
        self.bodies.len()
    }

    fn reset(&mut self) {
        assert!(!running());
        self.words.iter().for_each(|word| word.set(0));
    }

    fn run(&self, task: Task) {
        self.bodies[usize::from(task.0)](self);
    }

    fn finish(&self) -> Result<(), Defect> {
        assert!(!running());
        let found = self.words[0].get();
        match self.wanted {
            Some(wanted) if wanted != found => {
                Err(Defect { code: 7, object: 0, value: found as i64 })
            }
            _ => Ok(()),
        }
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config
}

/// Executions of shuttle's depth-first search.
fn count(bodies: Vec<Body>) -> usize {
    shuttles::explore(Toy::new(bodies), DfsScheduler::new(None, false), config())
}

/// Executions of loom.
fn classes(toy: Toy) -> u64 {
    looms::explore(toy, &Builder::new()).0
}

/// `n` points on a word.
fn walk(word: usize, n: u64) -> Body {
    Box::new(move |toy| (0..n).for_each(|value| toy.store(word, value)))
}

fn section(own: Option<usize>) -> Body {
    Box::new(move |toy| {
        if let Some(own) = own {
            toy.store(own, 1);
        }
        toy.lock(0);
        toy.store(1, 1);
        toy.store(0, 0);
    })
}

fn lost_update() -> Toy {
    let body = || -> Body {
        Box::new(|toy| {
            let old = toy.load(0);
            toy.store(0, old + 1);
        })
    };
    Toy { wanted: Some(2), ..Toy::new(vec![body(), body()]) }
}

/// What is said when it fails.
fn failure(run: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("a failure");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => other.downcast_ref::<&str>().expect("text").to_string(),
    }
}

#[test]
fn tasks_have_all_their_interleavings_and_no_more() {
    // C(m + n, m), and (a + b + c)! / (a! b! c!).
    assert_eq!(count(vec![walk(0, 1), walk(1, 1)]), 2);
    assert_eq!(count(vec![walk(0, 3), walk(1, 2)]), 10);
    assert_eq!(count(vec![walk(0, 4), walk(1, 4)]), 70);
    assert_eq!(count(vec![walk(0, 2), walk(1, 2), walk(2, 2)]), 90);
    assert_eq!(count(vec![walk(0, 0), walk(1, 0)]), 1);
}

#[test]
fn who_waits_for_a_lock_is_not_offered() {
    // Whoever takes it first finishes first: n!
    assert_eq!(count(vec![section(None), section(None)]), 2);
    assert_eq!(count(vec![section(None), section(None), section(None)]), 6);
    // The other's first step stands before any of the four of who is first, or after them: 5, twice.
    assert_eq!(count(vec![section(Some(2)), section(Some(3))]), 10);
}

#[test]
fn a_busy_wait_goes_on_after_anothers_write() {
    let spinner: Body = Box::new(|toy| {
        while toy.load(0) != 1 {
            relax(Location::caller());
        }
    });
    let writer: Body = Box::new(|toy| toy.store(0, 1));
    // Look, write, turn, look; or write, look. The turn is a decision of its own with one candidate.
    assert_eq!(count(vec![spinner, writer]), 2);
}

#[test]
fn a_deadlock_is_found() {
    let hold = |first: usize, second: usize| -> Body {
        Box::new(move |toy| {
            toy.lock(first);
            toy.lock(second);
            toy.store(second, 0);
            toy.store(first, 0);
        })
    };
    // Loom finds it too, but cannot say so and live.
    let said = failure(|| {
        count(vec![hold(0, 1), hold(1, 0)]);
    });
    assert!(said.contains("deadlock"), "{said}");
    // In one order there is none.
    assert_eq!(count(vec![hold(0, 1), hold(0, 1)]), 2);
}

#[test]
fn a_wrong_end_is_found_by_each_engine() {
    let dfs = failure(|| {
        shuttles::explore(lost_update(), DfsScheduler::new(None, false), config());
    });
    let random = failure(|| {
        shuttles::explore(lost_update(), RandomScheduler::new_from_seed(1, 1000), config());
    });
    let loom = failure(|| {
        classes(lost_update());
    });
    for said in [dfs, random, loom] {
        assert!(said.contains("code: 7"), "{said}");
    }
}

#[test]
fn a_fault_inside_a_task_is_found() {
    let body: Body = Box::new(|toy| {
        toy.load(0);
        fail(Defect { code: 9, object: 0, value: 0 });
    });
    let said = failure(|| {
        count(vec![body]);
    });
    assert!(said.contains("code: 9"), "{said}");
}

#[test]
fn loom_leaves_out_orders_of_independent_steps() {
    // C(4, 2) orders on one word, and more, since loom orders joins too.
    let dependent = classes(Toy::new(vec![walk(0, 2), walk(0, 2)]));
    assert!(dependent >= 6, "{dependent}");
    let independent = classes(Toy::new(vec![walk(0, 2), walk(1, 2)]));
    assert!(independent < dependent, "{independent} of {dependent}");
}

#[test]
fn who_waits_for_a_lock_parks_under_loom_until_it_is_free() {
    // Never both inside: `lock` would say so.
    assert!(classes(Toy::new(vec![section(Some(2)), section(Some(3))])) >= 2);
}
