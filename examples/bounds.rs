//! What a search within bounds costs: points, executions and seconds of some programs, bound by bound, as a table.
//!
//! P1 is two mapped readers, one of which pins, against an unmapping and a truncation; P2 its pin against the truncation;
//! P3 four workers with thirteen operations on one file, P4 four with sixteen on two. The others are the right programs of the
//! catalogue. Each is searched up to each bound from the start. Points and executions are those of the last bound alone,
//! seconds those of the whole search, in the middle of all rounds.
//!
//! Options: `--bound N` (2), `--threads N` (1), `--rounds N` (1), `--only TEXT` (programs whose name has it), `--json FILE` (writes
//! the figures), `--before FILE` (reads those of another build, and tells quotients).
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Instant;

use pgmap_explore::catalogue::CATALOGUE;
use pgmap_explore::{Ends, Scenario, Verdict, explore_on};
use pgmap_program::{Era, Program};
use pgmap_sched::{Control, Plan};
use serde_json::{Value, json};

const OF_OUR_OWN: [(&str, &str); 4] = [
    (
        "P1",
        "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nw1 mmap 0 f 0 1 rw shared\nw1 w 0 0\nstart\n\
         w0 pin 0 0\nw0 unpin 0\nw1 munmap 0\nw2 ftruncate f 0\n",
    ),
    (
        "P2",
        "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\nw0 pin 0 0\nw0 unpin 0\nw2 ftruncate f 0\n",
    ),
    (
        "P3",
        "file f 8 written\nw0 mmap 0 f 0 8 rw shared\nw0 w 0 0\nw1 mmap 0 f 0 8 rw shared\n\
         w2 mmap 0 f 0 8 rw shared\nstart\nw0 pin 0 0 | w0 dma_write | w0 unpin | w0 munmap 0\n\
         w1 w 0 1 | w1 madvise 0 4 0 | w1 munmap 0\nw2 pin 0 2 | w2 unpin | w2 w 0 3\n\
         w3 open 0 f rw | w3 ftruncate 0 2 | w3 punch 0 0 1\n",
    ),
    (
        "P4",
        "file f 4 written\nfile g 4 written\nw0 mmap 0 f 0 4 rw shared\nw0 w 0 0\nw1 mmap 0 f 0 4 rw shared\n\
         w2 mmap 0 g 0 4 rw shared\nw2 w 0 0\nw3 mmap 0 g 0 4 rw shared\nstart\n\
         w0 pin 0 0 | w0 dma_write | w0 unpin | w0 munmap 0\n\
         w1 w 0 1 | w1 r 0 0 | w1 madvise 0 4 0 | w1 munmap 0\n\
         w2 pin 0 0 | w2 unpin | w2 w 0 1 | w2 munmap 0\n\
         w3 open 0 g rw | w3 ftruncate 0 1 | w3 r 0 0 | w3 munmap 0\n",
    ),
];

struct Options {
    bound: u32,
    threads: NonZeroUsize,
    rounds: usize,
    only: String,
    json: Option<String>,
    before: Option<String>,
}

/// What one search came to.
#[derive(Clone, Copy)]
struct Figures {
    points: u64,
    executions: u64,
    cut: u64,
    seconds: f64,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (bound, threads, rounds, only) = (2, NonZeroUsize::MIN, 1, String::new());
        let mut options = Self { bound, threads, rounds, only, json: None, before: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            let number = |word: String| word.parse().map_err(|_| format!("{word} is no number"));
            match word.as_str() {
                "--bound" => options.bound = number(value()?)?,
                "--threads" => {
                    let threads = NonZeroUsize::new(number(value()?)? as usize);
                    options.threads = threads.ok_or("--threads is above 0")?;
                }
                "--rounds" => options.rounds = number(value()?)?.max(1) as usize,
                "--only" => options.only = value()?,
                "--json" => options.json = Some(value()?),
                "--before" => options.before = Some(value()?),
                // Cargo's own.
                "--bench" => {}
                _ => return Err(format!("{word} is no option")),
            }
        }
        Ok(options)
    }
}

impl Figures {
    fn of(scenario: &Scenario, bound: u32, threads: NonZeroUsize) -> Result<Self, String> {
        let plan = Plan { bound: Some(bound), ..Plan::default() };
        let begun = Instant::now();
        let verdict = explore_on(threads, scenario, &plan, Ends::Any, &mut |_| Control::Go);
        let seconds = begun.elapsed().as_secs_f64();
        match verdict.map_err(|why| why.to_string())? {
            Verdict::Exhausted { seen, .. } => {
                let last = seen.stats.last().ok_or("no bound was searched")?;
                let (points, cut) = (last.points, last.pruned);
                Ok(Self { points, executions: last.schedules + cut, cut, seconds })
            }
            other => Err(format!("not exhausted: {other:?}")),
        }
    }

    fn to_json(self) -> Value {
        let Self { points, executions, cut, seconds } = self;
        json!([points, executions, cut, seconds])
    }

    fn from_json(value: &Value) -> Option<Self> {
        let number = |at: usize| value.get(at)?.as_u64();
        let (points, executions, cut) = (number(0)?, number(1)?, number(2)?);
        Some(Self { points, executions, cut, seconds: value.get(3)?.as_f64()? })
    }
}

fn scenarios() -> Result<Vec<(String, Scenario)>, String> {
    let ours = OF_OUR_OWN.iter().map(|(name, text)| {
        let program = Program::parse(text).map_err(|wrong| format!("{name}: {wrong}"))?;
        Ok(((*name).to_owned(), Scenario::new(program, Era::V6_15Sound)))
    });
    let known = CATALOGUE.known.iter().filter(|known| known.race.kind.fails());
    ours.chain(known.map(|known| Ok((known.race.name.to_owned(), known.right())))).collect()
}

/// The middle of some numbers, or the upper one of two.
fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn quotient(before: f64, now: f64) -> String {
    if now > 0.0 { format!("{:.1}", before / now) } else { String::new() }
}

fn table(options: &Options, out: &mut impl Write) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let before: Option<Value> = match &options.before {
        Some(file) => {
            let text = fs::read_to_string(file).map_err(told)?;
            Some(serde_json::from_str(&text).map_err(|error| error.to_string())?)
        }
        None => None,
    };
    let mut all = BTreeMap::new();
    let more = if before.is_some() { " before: points | seconds | points ÷ | seconds ÷ |" } else { "" };
    writeln!(out, "| program, bound | points | executions | cut | seconds |{more}").map_err(told)?;
    writeln!(out, "|---|---|---|---|---|{}", "---|".repeat(more.matches('|').count())).map_err(told)?;
    let mut quotients: BTreeMap<u32, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for (name, scenario) in scenarios()? {
        if !name.contains(&options.only) {
            continue;
        }
        for bound in 0..=options.bound {
            let row = format!("{name}, {bound}");
            let rounds: Vec<Figures> = (0..options.rounds)
                .map(|_| Figures::of(&scenario, bound, options.threads))
                .collect::<Result<_, _>>()
                .map_err(|why| format!("{row}: {why}"))?;
            let seconds = middle(rounds.iter().map(|round| round.seconds).collect());
            let now = Figures { seconds, ..rounds[0] };
            let Figures { points, executions, cut, .. } = now;
            write!(out, "| {row} | {points} | {executions} | {cut} | {seconds:.3} |").map_err(told)?;
            let old = before.as_ref().and_then(|all| Figures::from_json(all.get(&row)?));
            if let Some(old) = old {
                let points = old.points as f64 / now.points as f64;
                let (first, second) = quotients.entry(bound).or_default();
                first.push(points);
                second.push(old.seconds / seconds);
                let time = quotient(old.seconds, seconds);
                write!(out, " {} | {:.3} | {points:.1} | {time} |", old.points, old.seconds)
                    .map_err(told)?;
            }
            writeln!(out).map_err(told)?;
            all.insert(row, now.to_json());
        }
    }
    for (bound, (points, seconds)) in quotients {
        let worst = points.iter().copied().fold(f64::INFINITY, f64::min);
        let slowest = seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let (points, seconds) = (middle(points), middle(seconds));
        writeln!(
            out,
            "\nbound {bound}: in the middle {points:.2} times fewer points and {seconds:.2} times less time; \
             least {worst:.2} and {slowest:.2}"
        )
        .map_err(told)?;
    }
    match &options.json {
        Some(file) => fs::write(file, json!(all).to_string()).map_err(told),
        None => Ok(()),
    }
}

fn main() -> ExitCode {
    let done = Options::parse(env::args().skip(1))
        .and_then(|options| table(&options, &mut io::stdout().lock()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Where to tell of it if not here?
            let _ = writeln!(io::stderr(), "bounds: {why}");
            ExitCode::from(2)
        }
    }
}
