//! pgmap's explorer against shuttle and loom, in one run.
//!
//! **Get/put/free**, in executions a second. A count starts at 1; two tasks take a reference unless the count
//! is zero, look at the object and put; the third drops the base reference; who reaches zero frees. Written
//! three times in the same shape, over each engine's own atomics (ours: plain cells, with a point before each
//! use). With shuttle and loom the third task is the one that spawns and joins the other two.
//!
//! **Pin against truncation**, in executions a second: the real program, protocol code, oracle and all, from
//! the same sources on each engine (`rivals/sched` says how). Ours is searched with every schedule open and
//! within two preemptions, each execution to its end; and the program is run without any scheduler, which is
//! what no engine can be faster than.
//!
//! **Points alone**, in points a second: two tasks that do nothing but load and add, with as many atomics as
//! an execution of the real program has points.
//!
//! Before anything is measured each engine must find the get/put/free model wrong when references are taken
//! without looking at the count. It does so in a process of its own (`--find ENGINE`), since the other engines
//! find by panicking, write about it, and leave their threads behind. There shuttle and loom must also find a
//! wrong rule of the catalogue in its program.
//!
//! **Time to exhaust** real programs, in executions and seconds (`explorers/exhaust.rs`).
//!
//! Options: `--rounds N` (31), `--limit SECONDS` (30, of each search that is to exhaust), `--exhaust FILE` (only how
//! long the program in that file takes to exhaust), `--json FILE` (rates of every round, and searches). Exit code 1
//! when an aim is missed, 2 when nothing could be measured.
#![forbid(unsafe_code)]

#[path = "explorers/exhaust.rs"]
mod exhaust;
#[path = "explorers/looms.rs"]
mod looms;
#[path = "explorers/options.rs"]
mod options;
#[path = "explorers/ours.rs"]
mod ours;
#[path = "explorers/rivals.rs"]
mod rivals;
#[path = "explorers/rounds.rs"]
mod rounds;
#[path = "explorers/shuttles.rs"]
mod shuttles;

use std::env;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};

use options::Options;
use pgmap_native::bench::Host;
use pgmap_sched::{Explorer, Outcome, Plan};
use rounds::{Contestant, Unit, Work, round};
use serde_json::json;
use shuttles::Kind;

/// Words that the bare model's tasks share.
const WORDS: usize = 16;
/// Of shuttle's random scheduler.
const SEED: u64 = 1;
/// Aims, as factors.
const OVER_SHUTTLE: Option<f64> = Some(5.0);
const OVER_LOOM: Option<f64> = Some(50.0);
/// Engines that must find a mistake, and how many executions they have for it.
const ENGINES: [&str; 4] = ["ours", "shuttle-dfs", "shuttle-random", "loom"];
/// Those that must find a wrong rule with the real program, and say so.
const REAL: [&str; 2] = ["real-shuttle-random", "real-loom"];
/// What they must find: a mistake that any switch shows, and one that takes a preemption between two steps.
const NO_WAIT: (&str, &str) = ("truncate-break-layout", "off");
const NO_FLUSH: (&str, &str) = ("zap-put", "before-flush");
const ENOUGH: u64 = 100_000;

/// How a reference is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inc {
    NotZero,
    /// The mistake that every engine must find.
    Blind,
}

fn main() -> ExitCode {
    let done = Options::parse(env::args().skip(1)).and_then(|options| match &options {
        Options { find: Some(engine), .. } => find(engine),
        Options { exhaust: Some(program), .. } => {
            exhausts(&[program], &options).map(|(_, reached)| reached)
        }
        Options { find: None, exhaust: None, .. } => {
            let mut engines = ENGINES.iter().chain(&REAL);
            engines.try_for_each(|engine| must_find(engine)).and_then(|()| measure(&options))
        }
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            // Where to tell of it if not here?
            let _ = writeln!(io::stderr(), "explorers: {why}");
            ExitCode::from(2)
        }
    }
}

/// Whether an engine passes a wrong model. Shuttle and loom panic when they do not.
fn find(engine: &str) -> Result<bool, String> {
    let _: Work = match engine {
        "ours" => {
            let mut model = ours::GetPut::new(Inc::Blind);
            let outcome = ours::search(&mut Explorer::new(), &mut model, &ours::bounded());
            return Ok(!matches!(outcome, Outcome::Found { .. }));
        }
        "shuttle-dfs" => shuttles::run(Kind::Dfs, ENOUGH, || shuttles::get_put(Inc::Blind)),
        "shuttle-random" => shuttles::run(Kind::Random, ENOUGH, || shuttles::get_put(Inc::Blind)),
        "loom" => looms::run(None, ENOUGH, 0, || looms::get_put(Inc::Blind)),
        "real-shuttle-random" => {
            return rivals::passes(NO_WAIT, |explored| {
                rivals::on_shuttle(Kind::Random, ENOUGH, explored)
            });
        }
        "real-loom" => {
            return rivals::passes(NO_FLUSH, |explored| rivals::on_loom(Some(1), ENOUGH, explored));
        }
        _ => return Err(format!("there is no engine {engine}")),
    };
    Ok(true)
}

/// A model that an engine cannot find wrong would be measured for nothing.
fn must_find(engine: &str) -> Result<(), String> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(this);
    child.args(["--find", engine]).stdout(Stdio::null()).stderr(Stdio::null());
    // 101, or none after an abort within a panic, is a panic.
    match child.status().map_err(|error| error.to_string())?.code() {
        Some(1) => Ok(()),
        Some(101) | None if !REAL.contains(&engine) => Ok(()),
        Some(0) => Err(format!("{engine} passes a model with a mistake")),
        code => Err(format!("{engine} could not look for a mistake (exit code {code:?})")),
    }
}

/// What is compared, by the places of contestants in their table.
struct Row {
    ours: usize,
    theirs: usize,
    aim: Option<f64>,
}

/// Everybody on the get/put/free model.
fn get_put() -> (Vec<Contestant>, Vec<Row>) {
    let mine = |plan: Plan| {
        let (mut explorer, mut model) = (Explorer::new(), ours::GetPut::new(Inc::NotZero));
        move |executions| ours::run(&mut explorer, &mut model, plan, executions)
    };
    let shuttle = |kind| move |n| shuttles::run(kind, n, || shuttles::get_put(Inc::NotZero));
    let loom = |bound| move |n| looms::run(bound, n, 0, || looms::get_put(Inc::NotZero));
    let of = Unit::Executions;
    let contestants = vec![
        Contestant::new("pgmap, every schedule", of, mine(ours::exhaustive())),
        Contestant::new("pgmap, 2 preemptions", of, mine(ours::bounded())),
        Contestant::new("shuttle DFS", of, shuttle(Kind::Dfs)),
        Contestant::new("shuttle random", of, shuttle(Kind::Random)),
        Contestant::new("loom", of, loom(None)),
        Contestant::new("loom, 2 preemptions", of, loom(Some(2))),
    ];
    (contestants, everybody())
}

/// What is compared where there are two of ours, then two of shuttle's, then two of loom's.
fn everybody() -> Vec<Row> {
    let of_shuttle = [(0, 2), (0, 3), (1, 2), (1, 3)].map(|places| (places, OVER_SHUTTLE));
    let of_loom = [(0, 4), (1, 5)].map(|places| (places, OVER_LOOM));
    let all = of_shuttle.into_iter().chain(of_loom);
    all.map(|((ours, theirs), aim)| Row { ours, theirs, aim }).collect()
}

/// Everybody on the real program, and how many points it has when nobody is preempted.
fn pin_truncate() -> Result<(String, usize, Vec<Contestant>, Vec<Row>), String> {
    let (explored, theirs) = (ours::pin_truncate()?, rivals::pin_truncate()?);
    let points = usize::try_from(ours::points(explored)).map_err(|error| error.to_string())?;
    let (every, _) = ours::tree(&mut &*explored, &ours::to_the_end());
    let (whole, cut) = ours::tree(&mut &*explored, &ours::bounded());
    let title = format!(
        "pin against truncation, the real program; {points} points without a preemption; executions \
         within 2 preemptions: {every}, or with the cache {whole} and {cut} cut short"
    );
    let of = Unit::Executions;
    let (mut explorer, mut other) = (Explorer::new(), Explorer::new());
    let shuttle = |kind| move |n| rivals::on_shuttle(kind, n, theirs);
    let loom = |bound| move |n| rivals::on_loom(bound, n, theirs);
    let contestants = vec![
        Contestant::new("pgmap, every schedule, real", of, move |n| {
            ours::run(&mut explorer, &mut &*explored, ours::exhaustive(), n)
        }),
        Contestant::new("pgmap, 2 preemptions, real", of, move |n| {
            ours::run(&mut other, &mut &*explored, ours::to_the_end(), n)
        }),
        Contestant::new("shuttle DFS, real", of, shuttle(Kind::Dfs)),
        Contestant::new("shuttle random, real", of, shuttle(Kind::Random)),
        Contestant::new("loom, real", of, loom(None)),
        Contestant::new("loom, 2 preemptions, real", of, loom(Some(2))),
        Contestant::new("no scheduler, real", of, |n| ours::alone(explored, n)),
    ];
    let floor = [0, 1, 2, 3, 4, 5].map(|theirs| Row { ours: 6, theirs, aim: None });
    Ok((title, points, contestants, everybody().into_iter().chain(floor).collect()))
}

/// Nothing but points: two tasks with as many atomics.
fn bare(atomics: usize) -> (String, Vec<Contestant>, Vec<Row>) {
    let title = format!("two tasks that load and add, {atomics} atomics in all");
    let of = Unit::Points;
    let (mut explorer, mut bare) = (Explorer::new(), ours::TwoTasks::new(atomics));
    let shuttle = |kind| move |n| shuttles::run(kind, n, move || shuttles::two_tasks(atomics));
    let contestants = vec![
        Contestant::new("pgmap, bare", of, move |n| {
            ours::run(&mut explorer, &mut bare, ours::bounded(), n)
        }),
        Contestant::new("shuttle DFS, bare", of, shuttle(Kind::Dfs)),
        Contestant::new("shuttle random, bare", of, shuttle(Kind::Random)),
        Contestant::new("loom, bare, 2 preemptions", of, move |n| {
            looms::run(Some(2), n, atomics, move || looms::two_tasks(atomics))
        }),
    ];
    let rows = [1, 2, 3].map(|theirs| Row { ours: 0, theirs, aim: None });
    (title, contestants, rows.into())
}

/// All comparisons in one run; whether the aims are reached.
fn measure(options: &Options) -> Result<bool, String> {
    let (mut all, rows) = get_put();
    let (title, points, real, real_rows) = pin_truncate()?;
    let (bare_title, bare, bare_rows) = bare(points);
    let (first, second) = (all.len(), all.len() + real.len());
    all.extend(real);
    all.extend(bare);
    (0..options.rounds).for_each(|_| round(&mut all));
    let mut text = String::new();
    let trees = format!(
        "get/put/free; executions in all: pgmap {}, {} with 2 preemptions; shuttle DFS {}; loom {}, {} with 2",
        ours::tree(&mut ours::GetPut::new(Inc::NotZero), &ours::exhaustive()).0,
        ours::tree(&mut ours::GetPut::new(Inc::NotZero), &ours::bounded()).0,
        shuttles::tree(),
        looms::tree(None),
        looms::tree(Some(2)),
    );
    let a = table(&mut text, &trees, &all[..first], &rows);
    let b = table(&mut text, &title, &all[first..second], &real_rows);
    let c = table(&mut text, &bare_title, &all[second..], &bare_rows);
    io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    let (searches, d) = exhausts(&exhaust::PROGRAMS, options)?;
    if let Some(file) = &options.json {
        let rates = all.iter().map(|one| {
            let rates: Vec<f64> = one.rates.iter().map(|rate| rate.round()).collect();
            (one.name.to_owned(), json!({"unit": one.unit.words(), "rates": rates}))
        });
        let Host { cpu, processors, kernel, .. } = Host::here();
        let raw = json!({
            "suite": "explorers",
            "environment": {"cpu": cpu, "processors": processors, "kernel": kernel},
            "rounds": options.rounds,
            "models": [trees, title, bare_title],
            "contestants": serde_json::Map::from_iter(rates),
            "exhaust": searches,
        });
        std::fs::write(file, format!("{raw}\n")).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(a && b && c && d)
}

/// Tells how long programs take to exhaust; the figures, and whether the aims are reached.
fn exhausts(programs: &[&str], options: &Options) -> Result<(serde_json::Value, bool), String> {
    let (mut all, mut reached) = (Vec::new(), true);
    for program in programs {
        let (table, figures, here) = exhaust::compare(program, options.limit)?;
        io::stdout().write_all(table.as_bytes()).map_err(|error| error.to_string())?;
        all.push(figures);
        reached &= here;
    }
    Ok((all.into(), reached))
}

/// Writes rates and ratios; whether the aims are reached.
fn table(text: &mut String, title: &str, who: &[Contestant], rows: &[Row]) -> bool {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n{title}");
    for one in who {
        let rate = one.rate();
        let unit = one.unit.words();
        let _ = writeln!(
            text,
            "  {:<28}{:>12.0} {unit}  ({:.0}..{:.0})",
            one.name, rate.median, rate.low, rate.high
        );
    }
    let mut reached = true;
    for row in rows {
        let (ours, theirs) = (&who[row.ours], &who[row.theirs]);
        let ratio = ours.over(theirs);
        let aim = row.aim.map_or(String::new(), |aim| {
            let here = ratio.median >= aim;
            reached &= here;
            format!("  aim {aim}x: {}", if here { "reached" } else { "MISSED" })
        });
        let _ = writeln!(
            text,
            "  {:<28} over {:<27}{:>8.2}x  ({:.2}..{:.2}){aim}",
            ours.name, theirs.name, ratio.median, ratio.low, ratio.high
        );
    }
    reached
}
