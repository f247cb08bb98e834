//! Runs and their medians, as text and as JSON.

use std::fmt::Write as _;

use pgmap_sched::Strategy;
use serde_json::{Value, json};

use crate::LIMIT;

/// Executions up to and with the first failure; none if the run is censored.
pub(crate) type First = Option<u64>;

/// Our single strategies.
pub(crate) const SINGLE: [(&str, Strategy); 7] = [
    ("random", Strategy::Random),
    ("pct:2", Strategy::Pct { depth: 2 }),
    ("pct:3", Strategy::Pct { depth: 3 }),
    ("pct:5", Strategy::Pct { depth: 5 }),
    ("pos", Strategy::Pos),
    ("urw", Strategy::Urw),
    ("surw", Strategy::Surw),
];
pub(crate) const PORTFOLIO: &str = "portfolio";
/// Bound after bound.
pub(crate) const BOUNDS: &str = "bounds";
/// What `explore` does: the bounds it covers and the portfolio, in turns that grow.
pub(crate) const DEFAULT: &str = "default";
/// The same two in turns, an execution each.
pub(crate) const ONE_EACH: &str = "one each";
/// Shuttle's schedulers.
pub(crate) const SHUTTLE: [&str; 3] = ["s/random", "s/pct:3", "s/urw"];

/// The runs of one subject, by the name of who ran.
#[derive(Default)]
pub(crate) struct Row(Vec<(String, Vec<First>)>);

impl Row {
    pub(crate) fn push(&mut self, name: &str, runs: Vec<First>) {
        self.0.push((name.to_owned(), runs));
    }

    pub(crate) fn extend(&mut self, other: Row) {
        self.0.extend(other.0);
    }

    pub(crate) fn to_json(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, runs)| (name.clone(), json!(runs))).collect())
    }

    pub(crate) fn from_json(value: &Value) -> Result<Self, String> {
        let Value::Object(runs) = value else { return Err(format!("no runs: {value}")) };
        let run = |(name, runs): (&String, &Value)| {
            let runs = serde_json::from_value(runs.clone()).map_err(|error| error.to_string())?;
            Ok((name.clone(), runs))
        };
        runs.iter().map(run).collect::<Result<_, _>>().map(Self)
    }

    /// The middle run of one contestant: infinite when it is censored. None: it has not run here.
    fn median(&self, name: &str) -> Option<f64> {
        let (_, runs) = self.0.iter().find(|(who, _)| who == name)?;
        Some(median(runs.iter().map(|run| run.map_or(f64::INFINITY, |first| first as f64))))
    }

    /// The smallest median of our single strategies.
    fn best(&self) -> f64 {
        let medians = SINGLE.iter().filter_map(|(name, _)| self.median(name));
        medians.fold(f64::INFINITY, f64::min)
    }
}

/// The middle of some values, or of the two in the middle: infinite if one of them is.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = |at: usize| values.get(at).copied().unwrap_or(f64::INFINITY);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { middle(half) } else { f64::midpoint(middle(half - 1), middle(half)) }
}

/// Subjects of one kind.
pub(crate) struct Table {
    title: &'static str,
    rows: Vec<(String, Row)>,
}

impl Table {
    pub(crate) fn new(title: &'static str) -> Self {
        Self { title, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, subject: String, row: Row) {
        self.rows.push((subject, row));
    }

    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = (&String, &mut Row)> {
        self.rows.iter_mut().map(|(subject, row)| (&*subject, row))
    }

    pub(crate) fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|(subject, row)| (subject.clone(), row.to_json()));
        Value::Object(rows.collect())
    }

    /// Medians, a subject a line.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}: executions to the first failure, median\n", self.title);
        // Writing to a string cannot fail.
        let _ = write!(text, "{:<34}", "");
        for name in names() {
            let _ = write!(text, "{name:>10}");
        }
        text.push('\n');
        for (subject, row) in &self.rows {
            let _ = write!(text, "{subject:<34}");
            for name in names() {
                let cell = row.median(name).map_or("-".to_owned(), figure);
                let _ = write!(text, "{cell:>10}");
            }
            text.push('\n');
        }
        text
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    let single = SINGLE.into_iter().map(|(name, _)| name);
    single.chain([PORTFOLIO, BOUNDS, DEFAULT, ONE_EACH]).chain(SHUTTLE)
}

fn figure(median: f64) -> String {
    if median.is_infinite() { format!(">{LIMIT}") } else { format!("{median}") }
}

/// How the contestants that combine others compare with the best single strategy, subject by subject, and how
/// many subjects nobody finds in the middle run; whether the portfolio's aim is reached.
pub(crate) fn summary(tables: &[&Table], aim: f64) -> (String, bool) {
    let rows: Vec<&Row> =
        tables.iter().flat_map(|table| table.rows.iter().map(|(_, row)| row)).collect();
    let mut text = format!("{} subjects; misses: ", rows.len());
    for name in names() {
        let missed = |row: &&&Row| row.median(name).is_some_and(f64::is_infinite);
        let _ = write!(text, "{name} {}  ", rows.iter().filter(missed).count());
    }
    text.push('\n');
    let mut reached = true;
    for name in [PORTFOLIO, BOUNDS, DEFAULT, ONE_EACH] {
        // Where no single strategy finds anything there is nothing to compare with.
        let found = rows.iter().filter(|row| row.best().is_finite());
        let mut ratios: Vec<f64> =
            found.map(|row| row.median(name).unwrap_or(f64::INFINITY) / row.best()).collect();
        if ratios.is_empty() {
            continue;
        }
        ratios.sort_by(f64::total_cmp);
        let at = |share: usize| ratios.get(ratios.len() * share / 100).copied().unwrap_or(f64::NAN);
        let middle = median(ratios.iter().copied());
        let verdict = if name == PORTFOLIO {
            reached = middle <= aim;
            format!("  aim {aim}: {}", if reached { "reached" } else { "MISSED" })
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "{name:<10} / best single strategy: median {middle:.2}, 75 % {:.2}, 90 % {:.2}{verdict}",
            at(75),
            at(90),
        );
    }
    (text, reached)
}
