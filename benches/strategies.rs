//! How soon each way of choosing schedules comes upon a mistake: ours, and shuttle's.
//!
//! The subjects are the shapes of `pgmap_shapes`, which every engine runs, and pgmap's own protocol under each
//! wrong rule of the catalogue, which only ours can. What is measured is the number of executions up to and
//! with the first that shows the mistake, so no clock is read and every figure is the same everywhere. A
//! run that has shown nothing after [`LIMIT`] executions is *censored*: it counts as larger than any other, and
//! a median that falls on one is written `>10000`.
//!
//! The executions from which a strategy learns the program (ours: eight, by POS; shuttle's PCT and URW: one) are the
//! first ones of its run, so they are counted.
//!
//! Options: `--seeds N` (30), `--only TEXT` (subjects whose name has it), `--json FILE` (every run). Exit code 1
//! when the portfolio's aim is missed, 2 when nothing could be measured.
#![forbid(unsafe_code)]

#[path = "strategies/ours.rs"]
mod ours;
#[path = "strategies/shuttles.rs"]
mod shuttles;
#[path = "strategies/table.rs"]
mod table;

use std::env;
use std::io::{self, Write};
use std::process::{Child, Command, ExitCode, Stdio};

use pgmap_explore::catalogue::CATALOGUE;
use pgmap_shapes::{Form, Stage, all};
use serde_json::{Value, json};
use table::{Row, Table};

/// Executions of one run.
const LIMIT: u64 = 10_000;
/// At most so many times the executions of the best single strategy, in the middle over all subjects.
const AIM: f64 = 2.0;

fn main() -> ExitCode {
    let done = Options::parse(env::args().skip(1)).and_then(|options| match options.shuttle {
        true => shuttle(&options).map(|()| true),
        false => measure(&options),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            // Where to tell of it if not here?
            let _ = writeln!(io::stderr(), "strategies: {why}");
            ExitCode::from(2)
        }
    }
}

struct Options {
    seeds: u64,
    only: String,
    json: Option<String>,
    /// Shuttle's half of the run, in a process of its own: it finds by panicking, and writes about it.
    shuttle: bool,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { seeds: 30, only: String::new(), json: None, shuttle: false };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--seeds" => {
                    let number = value()?.parse().ok().filter(|&seeds| seeds > 0);
                    options.seeds = number.ok_or("--seeds is a number above 0")?;
                }
                "--only" => options.only = value()?,
                "--json" => options.json = Some(value()?),
                "--shuttle" => options.shuttle = true,
                // Cargo's own.
                "--bench" => {}
                _ => {
                    let known = "--seeds N, --only TEXT and --json FILE";
                    return Err(format!("{word} is no option; there are {known}"));
                }
            }
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }
}

/// Runs shuttle on the shapes and writes what came out as one object.
fn shuttle(options: &Options) -> Result<(), String> {
    let mut rows = serde_json::Map::new();
    for shape in all().filter(|shape| options.wants(shape.name)) {
        let row = shuttles::row(shape, options.seeds)?;
        rows.insert(shape.name.to_owned(), row.to_json());
    }
    let text = Value::Object(rows).to_string();
    io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())
}

/// Shuttle's half, by another process, while this one does the other.
fn shuttle_elsewhere(options: &Options) -> Result<Child, String> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(this);
    child.args(["--shuttle", "--only", &options.only, "--seeds", &options.seeds.to_string()]);
    child.env("RUST_BACKTRACE", "0").stdout(Stdio::piped()).stderr(Stdio::null());
    child.spawn().map_err(|error| error.to_string())
}

/// What came of it.
fn shuttle_done(child: Child) -> Result<Value, String> {
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("shuttle could not be measured ({})", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

fn measure(options: &Options) -> Result<bool, String> {
    let subjects = all().map(|shape| shape.name.to_owned());
    let mut subjects = subjects.chain(CATALOGUE.known.iter().map(|known| known.race.assignment()));
    if !subjects.any(|name| options.wants(&name)) {
        return Err(format!("no subject has {} in its name", options.only));
    }
    let elsewhere = shuttle_elsewhere(options)?;
    let mut shapes = Table::new("shapes");
    for shape in all().filter(|shape| options.wants(shape.name)) {
        let mut stage = Stage::new(shape, Form::Wrong);
        let row = ours::row(&mut stage, options.seeds, &|_| true)?;
        shapes.push(shape.name.to_owned(), row);
    }
    let mut rules = Table::new("wrong rules of pgmap");
    let fails = CATALOGUE.known.iter().filter(|known| known.race.kind.fails());
    for known in fails.filter(|known| options.wants(&known.race.assignment())) {
        rules.push(known.race.assignment(), ours::rule(known, options.seeds)?);
    }
    let theirs = shuttle_done(elsewhere)?;
    for (name, row) in shapes.rows_mut() {
        row.extend(Row::from_json(&theirs[name.as_str()])?);
    }
    let (summary, reached) = table::summary(&[&shapes, &rules], AIM);
    let text = format!("{}\n{}\n{summary}", shapes.text(), rules.text());
    io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    if let Some(file) = &options.json {
        let raw = json!({
            "suite": "strategies",
            "seeds": options.seeds,
            "limit": LIMIT,
            "executions": {"shapes": shapes.to_json(), "rules": rules.to_json()},
        });
        // A subject's contestant a line, so that a difference can be read.
        let lines = raw.to_string().replace("],", "],\n");
        std::fs::write(file, format!("{lines}\n")).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(reached)
}
