//! PCT keeps its promise: a bug of depth d among n tasks of k steps in all is met with a chance of at
//! least 1 / (n k^(d-1)). A PCT that lacks a part does not, and the same measurement says so.

use std::cell::RefCell;
use std::rc::Rc;

use crate::engine::guide::{End, Led};
use crate::explorer::Explorer;
use crate::journal::Keep;
use crate::splitmix::SplitMix64;
use crate::strategy::{Pct, Profile, Sampler, Walk};
use crate::toy::{Memory, Toy};
use pgmap_sched::{Control, Defect};

const TASKS: u32 = 3;
/// Steps of a task that do not matter, before each that does and after the last.
const PADDING: usize = 1;

/// A bug of depth `d`: it shows if d+1 steps of two tasks, in turns, happen just in order, the first of
/// them by the second task. Each hands over by counting a word up. A third task has no part in it.
fn ladder(depth: u64) -> Toy {
    let rungs = move |task: u64| {
        move |memory: &Memory| {
            let pad = |memory: &Memory| {
                (0..PADDING).for_each(|_| {
                    let _ = memory.load(1);
                })
            };
            for rung in (0..=depth).filter(|rung| rung % 2 != task) {
                pad(memory);
                memory.cas(0, rung, rung + 1);
            }
            pad(memory);
        }
    };
    let bystander = |memory: &Memory| {
        let _ = memory.load(1);
    };
    Toy::new().task(rungs(0)).task(rungs(1)).task(bystander).check(move |memory| {
        match memory.peek(0) == depth + 1 {
            true => Err(Defect { code: 1, object: 0, value: 0 }),
            false => Ok(()),
        }
    })
}

/// The steps of all tasks, which is the same in every execution.
fn steps(depth: u64) -> u64 {
    (depth + 1) * (1 + PADDING as u64) + 2 * PADDING as u64 + 1
}

fn floor(depth: u64) -> f64 {
    1.0 / (f64::from(TASKS) * (steps(depth) as f64).powi(depth as i32 - 1))
}

/// The chance of meeting the bug, as far as so many runs tell: the ends of Wilson's interval at three
/// standard deviations.
fn interval(hits: u64, runs: u64) -> (f64, f64) {
    let (n, z) = (runs as f64, 3.0);
    let share = hits as f64 / n;
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + z * z / n;
    ((middle - half) / whole, (middle + half) / whole)
}

/// How often a walk meets the bug.
fn measure(
    depth: u64,
    runs: u64,
    walk: impl Fn(&Profile, &mut SplitMix64) -> Box<dyn Walk>,
) -> (f64, f64) {
    let mut toy = ladder(depth);
    let mut explorer = Explorer::new();
    let mut run = |sampler: Sampler| {
        let sampler = Rc::new(RefCell::new(sampler));
        let led: Led = Rc::<RefCell<Sampler>>::clone(&sampler);
        let end = explorer.execute(&mut toy, led, Keep::default(), &mut |_| Control::Go);
        let survey = sampler.borrow_mut().take_survey();
        (end, survey)
    };
    let nothing = Profile::default();
    let (_, survey) = run(Sampler::with(0, 0, |random| walk(&nothing, random)).surveying());
    let profile = Profile::of(&[survey]);
    assert_eq!(u64::from(profile.longest()), steps(depth));
    let hits = (0..runs).filter(|&n| {
        let (end, _) = run(Sampler::with(0x5eed, n, |random| walk(&profile, random)));
        matches!(end, End::Failed(_))
    });
    interval(hits.count() as u64, runs)
}

fn pct(depth: u64) -> impl Fn(&Profile, &mut SplitMix64) -> Box<dyn Walk> {
    move |profile, random| Box::new(Pct::new(depth as u8, profile, random))
}

#[test]
fn pct_meets_bugs_of_its_depth_as_often_as_promised() {
    for (depth, runs) in [(1, 2_000), (2, 5_000), (3, 40_000), (4, 400_000)] {
        let (low, high) = measure(depth, runs, pct(depth));
        let floor = floor(depth);
        assert!(low >= floor, "depth {depth}: {low:.6} to {high:.6}, promised {floor:.6}");
    }
}

#[test]
fn pct_without_enough_changes_falls_short_of_the_promise() {
    for (depth, runs) in [(2, 5_000), (3, 40_000), (4, 400_000)] {
        let (_, high) = measure(depth, runs, pct(depth - 1));
        assert!(high < floor(depth), "depth {depth}: up to {high:.6}");
    }
}

#[test]
fn pct_with_fixed_priorities_falls_short_of_the_promise() {
    let fixed = |profile: &Profile, random: &mut SplitMix64| -> Box<dyn Walk> {
        Box::new(Pct::new(1, profile, random).without_luck())
    };
    let (_, high) = measure(1, 2_000, fixed);
    assert!(high < floor(1), "up to {high:.6}");
}
