//! Time to exhaust: how long each engine takes to see all of one real program.
//!
//! A rate says what an execution costs, this says what an answer costs. Shuttle's depth-first search and ours
//! without a bound both answer for every schedule, loom and ours within two preemptions for those with at most
//! so many. All have the same points to decide at (`rivals/sched` says how). Ours is the search of the product
//! on one thread, from the text of the program to the verdict. It is given once more with nothing left out: that must
//! take as many executions as shuttle does, or the two do not decide at the same points.
//!
//! Everybody searches in order, then everybody in the opposite order; seconds are the mean of both. Who is not
//! done at the limit is not asked again: executions and seconds are lower bounds then, and shown so (`>`).

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use pgmap_explore::{Ends, Scenario, Verdict, explore_on};
use pgmap_program::{Era, Program};
use pgmap_sched::{Control, Plan};
use serde_json::{Value, json};

use crate::{ours, rivals};

/// A device's last write and a reader of the same page: every engine exhausts it within seconds, shuttle by
/// hundreds of thousands of executions. Among those tried there is none larger that shuttle exhausts.
const DMA_READ: &str = "file f 1 written\n\
    w0 mmap 0 f 0 1 rw shared\n\
    w0 w 0 0\n\
    w1 mmap 0 f 0 1 rw shared\n\
    w1 w 0 0\n\
    w1 pin 0 0\n\
    start\n\
    w1 dma_write\n\
    w0 r 0 0\n";
/// That one, and one whose answer is worth asking for.
pub(crate) const PROGRAMS: [&str; 2] = [DMA_READ, ours::PIN_TRUNCATE];
/// Aims, as factors: ours and theirs that answer the same question.
const OVER_SHUTTLE: f64 = 20.0;
const OVER_LOOM: f64 = 50.0;

/// What a search came to, or how far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// Begun, with those that were cut short.
    pub(crate) executions: u64,
    pub(crate) cut: u64,
    pub(crate) taken: Duration,
    /// Everything was seen.
    pub(crate) whole: bool,
}

/// Places in the table.
const EVERY: usize = 0;
const SHUTTLE: usize = 1;
const NO_BOUND: usize = 2;
const LOOM: usize = 3;
const BOUNDED: usize = 4;
const NAMES: [&str; 5] = [
    "pgmap, nothing left out",
    "shuttle DFS",
    "pgmap, no bound",
    "loom, 2 preemptions",
    "pgmap, 2 preemptions",
];
/// What is compared, and its aim: only those that answer for the same schedules have one.
const ROWS: [(usize, usize, Option<f64>); 4] = [
    (NO_BOUND, SHUTTLE, Some(OVER_SHUTTLE)),
    (BOUNDED, LOOM, Some(OVER_LOOM)),
    (BOUNDED, SHUTTLE, None),
    (EVERY, SHUTTLE, None),
];

/// The table, the figures, and whether the aims are reached.
pub(crate) fn compare(text: &str, limit: Duration) -> Result<(String, Value, bool), String> {
    let program = Program::parse(text).map_err(|wrong| wrong.to_string())?;
    let scenario = Scenario::new(program.clone(), Era::V6_15Sound);
    let (points, theirs) = (ours::points(&ours::world(&scenario)?), rivals::world(program)?);
    let ask = |who: usize| match who {
        EVERY => ours::exhaust(&scenario, limit),
        SHUTTLE => Ok(rivals::exhaust_on_shuttle(limit, theirs)),
        NO_BOUND => product(&scenario, None, limit),
        LOOM => Ok(rivals::exhaust_on_loom(2, limit, theirs)),
        _ => product(&scenario, Some(2), limit),
    };
    let there = (0..NAMES.len()).map(ask).collect::<Result<Vec<_>, _>>()?;
    let mut all = there.clone();
    for who in (0..NAMES.len()).rev().filter(|&who| there[who].whole) {
        let back = ask(who)?;
        let taken = (there[who].taken + back.taken) / 2;
        all[who] = Search { taken, whole: back.whole, ..there[who] };
    }
    let (every, shuttle) = (all[EVERY], all[SHUTTLE]);
    if every.whole && shuttle.whole && every.executions != shuttle.executions {
        return Err(format!(
            "shuttle's executions are other ones than ours: {shuttle:?}, {every:?}"
        ));
    }
    let (table, reached) = table(text, points, limit, &all);
    let figures = NAMES.iter().zip(&all).map(|(&name, search)| {
        let Search { executions, cut, taken, whole } = *search;
        let seconds = taken.as_secs_f64();
        let figures =
            json!({"executions": executions, "cut": cut, "seconds": seconds, "whole": whole});
        (name.to_owned(), figures)
    });
    let figures = serde_json::Map::from_iter(figures);
    Ok((table, json!({"program": text, "searches": figures}), reached))
}

/// The search that `explore` makes, on one thread.
fn product(scenario: &Scenario, bound: Option<u32>, limit: Duration) -> Result<Search, String> {
    let plan = Plan { bound, ..Plan::default() };
    let begun = Instant::now();
    let mut go = |_: &_| if begun.elapsed() < limit { Control::Go } else { Control::Stop };
    let verdict = explore_on(NonZeroUsize::MIN, scenario, &plan, Ends::Any, &mut go);
    let taken = begun.elapsed();
    let verdict = verdict.map_err(|why| why.to_string())?;
    let (cut, kept) = verdict
        .seen()
        .stats
        .iter()
        .fold((0, 0), |(cut, kept), stats| (cut + stats.pruned, kept + stats.schedules));
    match verdict {
        Verdict::Exhausted { .. } => Ok(Search { executions: kept + cut, cut, taken, whole: true }),
        Verdict::NotFound { .. } => Ok(Search { executions: kept + cut, cut, taken, whole: false }),
        other => Err(format!("a right program was not found right: {other:?}")),
    }
}

/// Rows and ratios; whether the aims are reached.
fn table(text: &str, points: u64, limit: Duration, all: &[Search]) -> (String, bool) {
    let program = text.trim().replace('\n', " | ");
    let mut lines = vec![
        format!("\ntime to exhaust; who needs more than {} s is given up", limit.as_secs_f64()),
        format!("  {program}; {points} points without a preemption"),
        format!("  {:<28}{:>12}{:>12}{:>14}", "", "executions", "of them cut", "seconds"),
    ];
    for (name, Search { executions, cut, taken, whole }) in NAMES.iter().zip(all) {
        let more = if *whole { "" } else { ">" };
        let (executions, seconds) = (format!("{more}{executions}"), taken.as_secs_f64());
        let seconds = format!("{more}{seconds:.4}");
        lines.push(format!("  {name:<28}{executions:>12}{cut:>12}{seconds:>14}"));
    }
    let mut reached = true;
    for (ours, theirs, aim) in ROWS {
        let ratio = all[theirs].taken.as_secs_f64() / all[ours].taken.as_secs_f64();
        let told = match (all[ours].whole, all[theirs].whole) {
            (true, true) => format!("{ratio:.2}x"),
            (true, false) => format!(">{ratio:.2}x"),
            (false, _) => "unknown".to_owned(),
        };
        let aim = aim.map_or(String::new(), |aim| {
            let here = match (all[ours].whole, all[theirs].whole) {
                (true, _) if ratio >= aim => "reached",
                (_, false) => "open",
                _ => "MISSED",
            };
            reached &= here == "reached";
            format!("  aim {aim}x: {here}")
        });
        let (ours, theirs) = (NAMES[ours], NAMES[theirs]);
        lines.push(format!("  {ours:<28} sooner than {theirs:<22}{told:>10}{aim}"));
    }
    (lines.join("\n") + "\n", reached)
}
