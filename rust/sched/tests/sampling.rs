//! Executions drawn at random: the n-th is always the same one, what each strategy draws evenly, and what
//! it meets that others hardly do.

mod toy;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use pgmap_sched::{
    Control, Defect, Ended, Explorer, Failure, Judgement, Outcome, Profile, Sampled, Sampling,
    Strategy, Trace, choose,
};
use toy::random::random_toy;
use toy::{Memory, Toy, brute, found, lost_update, search_all};

const ALL: [Strategy; 7] = [
    Strategy::Portfolio,
    Strategy::Random,
    Strategy::Pct { depth: 2 },
    Strategy::Pct { depth: 5 },
    Strategy::Pos,
    Strategy::Urw,
    Strategy::Surw,
];

fn sampling(strategy: Strategy, until: u64) -> Sampling {
    Sampling { strategy, seed: 0x5eed, first: 0, until, steps_max: 10_000 }
}

/// Samples to the end, whatever fails; the numbers of those that failed.
fn failing(toy: &mut Toy, asked: &Sampling) -> (Sampled, Vec<String>) {
    let mut failures = Vec::new();
    let mut explorer = Explorer::new();
    let profile = explorer.survey(toy, asked, &mut || Control::Go);
    let sampled = explorer.sample(
        toy,
        asked,
        &profile,
        &mut |failure, schedule| {
            failures.push(format!("{failure:?} {schedule:?}"));
            Judgement::Continue
        },
        &mut |_| Control::Go,
    );
    (sampled, failures)
}

/// Samples up to the first failure.
fn first(toy: &mut Toy, asked: &Sampling) -> Sampled {
    let mut explorer = Explorer::new();
    let profile = explorer.survey(toy, asked, &mut || Control::Go);
    explorer.sample(toy, asked, &profile, &mut |_, _| Judgement::Stop, &mut |_| Control::Go)
}

/// How many of so many executions fail.
fn hits(mut toy: Toy, strategy: Strategy, executions: u64) -> u64 {
    let (sampled, _) = failing(&mut toy, &sampling(strategy, executions));
    let Sampled::Spent { stats } = sampled else { panic!("{sampled:?}") };
    assert_eq!(stats.executions, executions);
    stats.failures
}

/// Tasks of steps on words of their own, and the order in which the steps of each execution came.
fn walks(lengths: &[usize]) -> (Toy, Rc<RefCell<BTreeMap<String, u64>>>) {
    let order = Rc::new(RefCell::new(String::new()));
    let seen = Rc::new(RefCell::new(BTreeMap::new()));
    let toy = lengths.iter().enumerate().fold(Toy::new(), |toy, (word, &n)| {
        let order = Rc::clone(&order);
        toy.task(move |memory| {
            for _ in 0..n {
                memory.add(word, 1);
                order.borrow_mut().push(char::from(b'a' + word as u8));
            }
        })
    });
    let counted = Rc::clone(&seen);
    let toy = toy.check(move |_| {
        *counted.borrow_mut().entry(order.take()).or_insert(0) += 1;
        Ok(())
    });
    (toy, seen)
}

/// The orders that a strategy draws, with how often.
fn orders(lengths: &[usize], strategy: Strategy, executions: u64) -> BTreeMap<String, u64> {
    let (mut toy, seen) = walks(lengths);
    // Without the survey's executions, which run twice.
    let asked = Sampling { first: 100, until: 100 + executions, ..sampling(strategy, 0) };
    let (sampled, _) = failing(&mut toy, &asked);
    assert!(matches!(sampled, Sampled::Spent { .. }), "{sampled:?}");
    let surveyed = seen.borrow().values().sum::<u64>() - executions;
    assert!(surveyed <= 8, "{surveyed}");
    seen.take()
}

/// Pearson's statistic of counts against what they should be.
fn chi_square(seen: &BTreeMap<String, u64>, expected: impl Fn(&str) -> f64) -> f64 {
    seen.iter()
        .map(|(order, &times)| {
            let wanted = expected(order);
            (times as f64 - wanted).powi(2) / wanted
        })
        .sum()
}

#[test]
fn the_nth_execution_of_a_strategy_and_a_seed_is_always_the_same() {
    for seed in 0..12 {
        for strategy in ALL {
            let (whole, failures) = failing(&mut random_toy(seed), &sampling(strategy, 60));
            let (again, same) = failing(&mut random_toy(seed), &sampling(strategy, 60));
            assert_eq!(failures, same, "{strategy} on {seed}");
            assert_eq!(whole.stats().points, again.stats().points);
            let mut parts = Vec::new();
            let mut stats = pgmap_sched::SampleStats::default();
            for part in 0..3 {
                let asked = Sampling { first: part * 20, ..sampling(strategy, part * 20 + 20) };
                let (mine, failed) = failing(&mut random_toy(seed), &asked);
                stats.merge(mine.stats());
                parts.extend(failed);
            }
            assert_eq!(failures, parts, "{strategy} on {seed}, in parts");
            let whole = whole.stats();
            assert_eq!((stats.executions, stats.points), (whole.executions, whole.points));
        }
    }
}

#[test]
fn another_seed_is_another_sample() {
    let told = |seed| {
        let asked = Sampling { seed, ..sampling(Strategy::Random, 1_000) };
        match first(&mut lost_update(), &asked) {
            Sampled::Found { execution, schedule, .. } => (execution, schedule),
            other => panic!("{other:?}"),
        }
    };
    assert!((1..20).any(|seed| told(seed) != told(0)));
}

#[test]
fn what_a_strategy_finds_replays() {
    for strategy in ALL {
        for seed in 0..30 {
            let mut toy = random_toy(seed);
            let Sampled::Found { failure, schedule, .. } =
                first(&mut toy, &sampling(strategy, 200))
            else {
                continue;
            };
            let replayed =
                Explorer::new().replay(&mut toy, &schedule, Trace::Skip, &mut || Control::Go);
            assert_eq!(replayed.diverged, None, "{strategy} on {seed}");
            assert_eq!(replayed.end, Ended::Failed(failure));
        }
    }
}

#[test]
fn no_strategy_shows_what_the_whole_tree_does_not() {
    let (mut shown, mut all) = (0, 0);
    for seed in 0..25 {
        let mut whole = random_toy(seed);
        let (outcome, failures) = search_all(&mut whole, &brute(None));
        assert!(matches!(outcome, Outcome::Exhausted { .. }));
        let whole = whole.finals.take();
        for strategy in ALL {
            let mut toy = random_toy(seed);
            let (_, failed) = failing(&mut toy, &sampling(strategy, 400));
            let finals = toy.finals.take();
            assert!(finals.is_subset(&whole), "{strategy} on {seed}");
            assert!(failed.is_empty() || !failures.is_empty(), "{strategy} on {seed}");
            if strategy == Strategy::Portfolio {
                (shown, all) = (shown + finals.len(), all + whole.len());
            }
        }
    }
    // And the portfolio shows nearly all of it.
    assert!(shown * 10 >= all * 9, "{shown} of {all}");
}

#[test]
fn random_takes_each_step_evenly() {
    // Of aabb's orders, those that begin with one task twice need 2 decisions, the others 3.
    let seen = orders(&[2, 2], Strategy::Random, 8_000);
    assert_eq!(seen.len(), 6);
    let expected = |order: &str| match order {
        "aabb" | "bbaa" => 2_000.0,
        _ => 1_000.0,
    };
    // 5 degrees of freedom: above 20.5 once in a thousand.
    let statistic = chi_square(&seen, expected);
    assert!(statistic < 20.5, "{statistic}: {seen:?}");
}

#[test]
fn urw_draws_all_interleavings_alike_and_random_does_not() {
    // 8! / (5! 3!) = 56 orders, 100 of each.
    let alike = |_: &str| 100.0;
    let seen = orders(&[5, 3], Strategy::Urw, 5_600);
    assert_eq!(seen.len(), 56);
    // 55 degrees of freedom: above 93 once in a thousand.
    let statistic = chi_square(&seen, alike);
    assert!(statistic < 93.0, "{statistic}");
    let statistic = chi_square(&orders(&[5, 3], Strategy::Random, 5_600), alike);
    assert!(statistic > 500.0, "{statistic}");
}

/// Steps that do not matter.
fn busy(memory: &Memory, word: usize, steps: usize) {
    for _ in 0..steps {
        let _ = memory.load(word);
    }
}

/// Two tasks with three steps each on word 0, and many on words of their own before the first of them in
/// one task, after the last in the other. Fails when word 0's steps alternate, second task first.
fn few_among_many() -> Toy {
    let rungs = |task: u64| {
        move |memory: &Memory| {
            if task == 0 {
                busy(memory, 1, 40);
            }
            for rung in 0..3 {
                memory.cas(0, rung * 2 + 1 - task, rung * 2 + 2 - task);
            }
            if task == 1 {
                busy(memory, 2, 40);
            }
        }
    };
    Toy::new().task(rungs(0)).task(rungs(1)).check(|memory| match memory.peek(0) {
        6 => Err(Defect { code: 2, object: 0, value: 0 }),
        _ => Ok(()),
    })
}

#[test]
fn surw_draws_the_order_on_shared_objects_evenly_whatever_lies_around() {
    // One of 6! / (3! 3!) = 20 orders of the six steps that matter.
    let met = hits(few_among_many(), Strategy::Surw, 4_000);
    assert!((150..250).contains(&met), "{met} of 4,000");
    for other in [Strategy::Random, Strategy::Urw] {
        let met = hits(few_among_many(), other, 4_000);
        assert!(met < 20, "{other}: {met} of 4,000");
    }
}

/// A check and, many steps later, what was checked for: a store between them breaks it. The other task's
/// store is its only step; the check comes after many steps.
fn late_window() -> Toy {
    Toy::new()
        .task(|memory| {
            busy(memory, 1, 200);
            let seen = memory.load(0);
            memory.result(u64::from(memory.load(0) != seen));
            busy(memory, 1, 200);
        })
        .task(|memory| memory.store(0, 1))
        .check(|memory| match memory.result_of(0) {
            0 => Ok(()),
            _ => Err(Defect { code: 3, object: 0, value: 0 }),
        })
}

#[test]
fn pos_meets_a_window_of_two_steps_among_hundreds_that_random_misses() {
    // The store's priority must lie below 201 others and then, drawn again, above one.
    let executions = 20_000;
    let pos = hits(late_window(), Strategy::Pos, executions);
    let random = hits(late_window(), Strategy::Random, executions);
    assert_eq!(random, 0);
    assert!(pos >= 20, "{pos}");
}

#[test]
fn each_member_of_the_portfolio_has_its_turn() {
    let turns: Vec<Strategy> = (0..200).map(|n| Strategy::Portfolio.of(n)).collect();
    for member in
        ALL.iter().filter(|&&member| !matches!(member, Strategy::Portfolio | Strategy::Pct { .. }))
    {
        assert!(turns.contains(member), "{member}");
    }
    assert!(turns.contains(&Strategy::Pct { depth: 2 }));
    // What one member finds, the portfolio finds within a small multiple of the executions.
    assert!(hits(few_among_many(), Strategy::Portfolio, 2_000) > 0);
    assert!(hits(late_window(), Strategy::Portfolio, 20_000) > 0);
}

#[test]
fn nobody_starves_whatever_the_strategy() {
    // The first spins with `relax`, the second without: both wait for the last.
    let toy = || {
        Toy::new()
            .task(|memory| memory.spin_until(0, 1))
            .task(|memory| while memory.load(0) != 1 {})
            .task(|memory| {
                // Two that wake each other for ever.
                while memory.load(0) != 1 {
                    memory.add(1, 1);
                    pgmap_sched::relax(std::panic::Location::caller());
                }
            })
            .task(|memory| {
                while memory.load(0) != 1 {
                    memory.add(1, 1);
                    pgmap_sched::relax(std::panic::Location::caller());
                }
            })
            .task(|memory| memory.store(0, 1))
    };
    for strategy in ALL {
        let (sampled, failed) = failing(&mut toy(), &sampling(strategy, 300));
        assert_eq!((sampled.stats().too_long, failed), (0, Vec::new()), "{strategy}");
    }
}

#[test]
fn choices_are_drawn_evenly() {
    let chosen = Rc::new(RefCell::new(BTreeMap::new()));
    let counted = Rc::clone(&chosen);
    let mut toy = Toy::new().task(move |_| {
        *counted.borrow_mut().entry(choose(3).to_string()).or_insert(0) += 1;
    });
    let (sampled, _) = failing(&mut toy, &sampling(Strategy::Pos, 3_000));
    assert!(matches!(sampled, Sampled::Spent { .. }));
    let statistic = chi_square(&chosen.borrow(), |_| 1_000.0);
    assert!(chosen.borrow().len() == 3 && statistic < 13.8, "{:?}", chosen.borrow());
}

#[test]
fn coverage_counts_the_classes_of_happens_before() {
    // Steps on words of their own commute: one class, whatever the order.
    let (mut apart, _) = walks(&[3, 3]);
    let (sampled, _) = failing(&mut apart, &sampling(Strategy::Random, 500));
    let coverage = &sampled.stats().coverage;
    assert_eq!((coverage.executions(), coverage.classes(), coverage.singletons()), (500, 1, 0));
    // Two tasks of two writes to one word: C(4, 2).
    let writes = |memory: &Memory| {
        memory.store(0, 1);
        memory.store(0, 2);
    };
    let mut toy = Toy::new().task(writes).task(writes);
    let (sampled, _) = failing(&mut toy, &sampling(Strategy::Urw, 500));
    assert_eq!(sampled.stats().coverage.classes(), 6);
    assert!(sampled.stats().coverage.unseen() < 1e-9);
    // A few executions of a large program are all different.
    let many = |memory: &Memory| {
        for _ in 0..20 {
            memory.add(0, 1);
        }
    };
    let mut toy = Toy::new().task(many).task(many);
    let (sampled, _) = failing(&mut toy, &sampling(Strategy::Random, 100));
    assert!(sampled.stats().coverage.unseen() > 0.9);
}

#[test]
fn the_caller_can_end_a_sample_after_each_execution() {
    let (mut toy, _) = walks(&[2, 2]);
    let asked = sampling(Strategy::Random, u64::MAX);
    let mut told = 0;
    let sampled = Explorer::new().sample(
        &mut toy,
        &asked,
        &Profile::default(),
        &mut |_, _| Judgement::Stop,
        &mut |stats| {
            told = stats.executions;
            Control::Stop
        },
    );
    assert_eq!(told, 1);
    assert!(matches!(&sampled, Sampled::Stopped { stats } if stats.executions == told));
}

#[test]
fn an_endless_execution_is_counted_and_a_deadlock_is_found() {
    let asked = Sampling { steps_max: 50, ..sampling(Strategy::Random, 20) };
    // Alone, it would be a livelock; together they are merely long.
    let endless = |memory: &Memory| while memory.add(0, 1) < u64::MAX {};
    let (sampled, _) = failing(&mut Toy::new().task(endless).task(endless), &asked);
    assert_eq!((sampled.stats().too_long, sampled.stats().coverage.classes()), (20, 0));
    let locks = |a: usize, b: usize| {
        move |memory: &Memory| {
            memory.lock(a);
            memory.lock(b);
            memory.unlock(b);
            memory.unlock(a);
        }
    };
    let ring = || Toy::new().task(locks(0, 1)).task(locks(1, 0));
    let (wanted, _) = found(&mut ring(), &brute(Some(1)));
    for strategy in ALL {
        let sampled = first(&mut ring(), &sampling(strategy, 1_000));
        let Sampled::Found { failure: Failure::Deadlock { cycle, .. }, .. } = sampled else {
            panic!("{strategy}: {sampled:?}");
        };
        assert!(matches!(&wanted, Failure::Deadlock { .. }) && cycle.is_some());
    }
}

#[test]
fn a_model_that_does_not_repeat_itself_is_no_finding() {
    let runs = Rc::new(RefCell::new(0));
    let counted = Rc::clone(&runs);
    let body = |memory: &Memory| {
        memory.add(0, 1);
    };
    let mut toy = Toy::new().task(body).check(move |_| {
        *counted.borrow_mut() += 1;
        match *counted.borrow() % 2 {
            1 => Err(Defect { code: 9, object: 0, value: 0 }),
            _ => Ok(()),
        }
    });
    let sampled = first(&mut toy, &sampling(Strategy::Random, 10));
    assert!(matches!(sampled, Sampled::Inconclusive { .. }), "{sampled:?}");
}
