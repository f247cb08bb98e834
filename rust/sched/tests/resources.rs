//! What explorers use up: stacks and memory stay as they are however many executions are
//! abandoned, and explorers in several threads do not notice each other.

mod toy;

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::panic::Location;

use pgmap_sched::{
    Control, Defect, Effect, Explorer, Judgement, Limit, Model, Object, Outcome, Plan, Progress,
    Step, Task, Verb, choose, current, intern, point, running,
};
use toy::random::random_toy;
use toy::{Memory, Toy, brute, cached, search, search_all};

/// The resident pages of this process.
fn resident_pages() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).expect("a number")
}

/// Two tasks, of which the first ends every execution while the second stands in the middle.
fn abandoning() -> Toy {
    let judge = |memory: &Memory| {
        memory.add(0, 1);
        let _ = choose(1_000_000_000);
        pgmap_sched::fail(Defect { code: 0, object: 0, value: 0 });
    };
    let bystander = |memory: &Memory| {
        memory.add(1, 1);
        memory.add(1, 1);
    };
    Toy::new().task(judge).task(bystander).task(bystander)
}

#[test]
fn a_million_abandoned_executions_leave_memory_as_it_was() {
    let mut explorer = Explorer::new();
    let mut abandon = |executions: u64| {
        let plan = Plan { schedules_max: executions, ..brute(Some(0)) };
        let outcome =
            explorer.search(&mut abandoning(), &plan, &mut |_, _| Judgement::Continue, &mut |_| {
                Control::Go
            });
        assert!(matches!(outcome, Outcome::Stopped { limit: Limit::Schedules, .. }));
        assert_eq!(outcome.stats()[0].failures, executions);
        explorer.stacks()
    };
    assert_eq!(abandon(1_000), 3);
    let before = resident_pages();
    // Each is run twice, the second time for its schedule: a million in all.
    assert_eq!(abandon(500_000), 3);
    let grown = resident_pages().saturating_sub(before);
    assert!(grown < 1024, "{grown} pages more");
}

#[test]
fn the_high_water_mark_shows_how_deep_a_task_went() {
    fn dive(levels: u32) -> u32 {
        let room = black_box([levels as u8; 1024]);
        if levels == 0 { 0 } else { dive(levels - 1) + u32::from(room[7] > 200) }
    }
    let mark = |levels: u32| {
        let mut explorer = Explorer::with_stack_size(1 << 20);
        let mut toy = Toy::new().task(move |memory: &Memory| {
            memory.result(u64::from(dive(levels)));
            memory.add(0, 1);
        });
        let _ =
            explorer.search(&mut toy, &brute(Some(0)), &mut |_, _| Judgement::Stop, &mut |_| {
                Control::Go
            });
        explorer.stack_high_water()
    };
    let (shallow, deep) = (mark(0), mark(100));
    assert!(shallow > 0 && shallow < 64 << 10, "{shallow}");
    assert!(deep > shallow + 100 * 1024 && deep < 1 << 20, "{deep}");
}

#[test]
fn explorers_in_parallel_threads_give_the_same_results_as_one_alone() {
    let work = || -> Vec<_> {
        (0..40)
            .map(|seed| {
                let mut toy = random_toy(seed);
                let (outcome, failures) = search_all(&mut toy, &cached(Some(2)));
                (outcome, failures, toy.finals.into_inner())
            })
            .collect()
    };
    let alone = work();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            assert!(thread.join().expect("no panic") == alone);
        }
    });
}

#[test]
fn an_explorer_is_as_good_for_the_second_model_as_for_the_first() {
    let mut explorer = Explorer::new();
    for seed in 0..20 {
        let (fresh, _) = search_all(&mut random_toy(seed), &cached(Some(2)));
        let used = explorer.search(
            &mut random_toy(seed),
            &cached(Some(2)),
            &mut |_, _| Judgement::Continue,
            &mut |_| Control::Go,
        );
        assert_eq!(fresh, used);
    }
}

#[test]
fn outside_a_run_points_do_nothing() {
    let site = Location::caller();
    assert!(!running());
    assert_eq!(current(), None);
    point(Step { verb: Verb(0), object: Object(0), effect: Effect::Write, site });
    assert_eq!(choose(5), 0);
    // Nor in the model's own check, nor in the condition of a wait.
    let mut toy = Toy::new().task(|memory: &Memory| {
        assert!(running());
        let wait = pgmap_sched::Wait::unowned(
            pgmap_sched::WaitClass::named("looking"),
            0,
            pgmap_sched::Looks::Anywhere,
        );
        let step = Step {
            verb: Verb(0),
            object: Object(0),
            effect: Effect::Read,
            site: Location::caller(),
        };
        pgmap_sched::point_when(step, wait, &|| {
            assert!(!running());
            memory.load(0) == 0
        });
    });
    toy = toy.check(|memory| {
        assert!(!running());
        memory.add(0, 1);
        Ok(())
    });
    let outcome = search(&mut toy, &brute(Some(0)));
    let Outcome::Exhausted { stats } = outcome else { panic!("{outcome:?}") };
    assert_eq!(stats[0].points, 1);
}

/// A model over objects that have nothing but an address.
struct Addressed {
    places: [u64; 3],
    met: RefCell<Vec<Object>>,
    runs: Cell<u32>,
}

impl Model for Addressed {
    fn tasks(&self) -> usize {
        1
    }

    fn reset(&mut self) {
        self.met.borrow_mut().clear();
    }

    fn run(&self, _: Task) {
        let first = choose(3) as usize;
        for at in [2, 0, 2, 1].map(|at| (at + first) % 3) {
            let object = intern(&raw const self.places[at] as usize);
            point(Step { verb: Verb(1), object, effect: Effect::Write, site: Location::caller() });
            self.met.borrow_mut().push(object);
        }
    }

    fn finish(&self) -> Result<(), Defect> {
        let first = 1 << 63;
        let wanted = [first, first + 1, first, first + 2].map(Object);
        assert_eq!(*self.met.borrow(), wanted);
        self.runs.set(self.runs.get() + 1);
        Ok(())
    }
}

#[test]
fn interned_objects_are_numbered_by_first_touch_in_each_execution() {
    let mut model = Addressed { places: [0; 3], met: RefCell::default(), runs: Cell::new(0) };
    let outcome = search(&mut model, &brute(Some(0)));
    assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
    assert_eq!(model.runs.get(), 3);
}

fn repeat(memory: &Memory, times: u32) {
    for _ in 0..times {
        memory.add(0, 1);
    }
}

#[test]
fn progress_is_reported_and_can_stop_the_search() {
    let endless = || {
        let body = |memory: &Memory| repeat(memory, 30);
        Toy::new().task(body).task(body)
    };
    let mut heard: Vec<Progress> = Vec::new();
    let outcome = Explorer::new().search(
        &mut endless(),
        &brute(None),
        &mut |_, _| Judgement::Stop,
        &mut |progress| {
            heard.push(*progress);
            if heard.len() == 5 { Control::Stop } else { Control::Go }
        },
    );
    assert!(matches!(outcome, Outcome::Stopped { limit: Limit::Asked, .. }), "{outcome:?}");
    assert!(heard.windows(2).all(|pair| pair[0].schedules < pair[1].schedules));
    assert!(heard.windows(2).all(|pair| pair[0].fraction <= pair[1].fraction));
    assert!(heard.iter().all(|p| p.longest == 60 && p.bound.is_none() && p.points > 0));
}

#[test]
fn the_estimate_grows_to_the_end_of_a_bound() {
    let body = |memory: &Memory| repeat(memory, 200);
    let mut toy = Toy::new().task(body).task(body);
    let mut fractions = Vec::new();
    let outcome = Explorer::new().search(
        &mut toy,
        &brute(Some(2)),
        &mut |_, _| Judgement::Stop,
        &mut |progress| {
            if progress.bound == Some(2) {
                fractions.push(progress.fraction);
            }
            Control::Go
        },
    );
    assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
    assert!(fractions.windows(2).all(|pair| pair[0] <= pair[1]), "{fractions:?}");
    assert!(fractions.iter().all(|fraction| (0.0..=1.0).contains(fraction)));
}
