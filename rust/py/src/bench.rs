//! `bench_core(config)`: a benchmark that runs in a thread of its own while Python watches
//! (`_core_api.Run`; `_core_reports`: `BenchProgress`, `BenchReport`).

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pgmap_native::bench::{
    self as native, BenchRun as Measuring, Config, Host, Report, RowReport, Sense, Spread, Suite,
};
use pgmap_schemes::counting::{self, CPUS, Counted, Shared, Traffic};
use pgmap_schemes::search::Verdict;
use pgmap_schemes::verdicts::{self, Finding};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;

use crate::raise::{self, Class};
use crate::told::{by_name, to_python};

/// Longest time without a look at Python's signals.
const SLICE: Duration = Duration::from_millis(50);

/// A benchmark under way.
#[pyclass(frozen, module = "pgmap._core")]
pub(crate) struct BenchRun {
    measuring: Mutex<Measuring>,
}

impl BenchRun {
    fn lock(&self) -> MutexGuard<'_, Measuring> {
        // Held for a glance or for one slice of a wait; nothing panics meanwhile.
        self.measuring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts measuring the core's primitives against their floors.
#[pyfunction]
pub(crate) fn bench_core(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<BenchRun> {
    let wrong = |what: &str| raise::error(py, Class::InvalidArgument, what);
    let seconds = match config.get_item("seconds")? {
        Some(value) => value.extract::<f64>().map_err(|_| wrong("seconds must be a number"))?,
        None => 0.0,
    };
    let time = Duration::try_from_secs_f64(seconds)
        .map_err(|_| wrong("seconds must be a length of time, 0 or more"))?;
    let suite = match config.get_item("suite")? {
        Some(name) => named(&name.extract::<String>().map_err(|_| wrong("suite must be a name"))?)
            .ok_or_else(|| wrong("there is no such suite"))?,
        None => Suite::default(),
    };
    let only = match config.get_item("only")? {
        Some(value) => value.extract().map_err(|_| wrong("only must be a list of names"))?,
        None => Vec::new(),
    };
    let seed = std::time::UNIX_EPOCH.elapsed().map_or(1, |since| u64::from(since.subsec_nanos()));
    let measuring =
        Mutex::new(Measuring::start(Config { suite, time, only, seed, ..Config::default() }));
    Ok(BenchRun { measuring })
}

fn named(name: &str) -> Option<Suite> {
    Suite::ALL.iter().find(|(known, _)| *known == name).map(|(_, suite)| *suite)
}

/// What the model check says of the four ways to `folio_try_get`, a dict each.
#[pyfunction]
pub(crate) fn folio_try_get_verdicts(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let found = py.detach(verdicts::folio_try_get);
    to_python(py, &found.iter().map(Found::of).collect::<Vec<_>>())
}

/// What a get and a put of each reference-count scheme ask of the machine, a dict each.
#[pyfunction]
pub(crate) fn refcount_counts(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let counted = py.detach(counting::all);
    let counted = counted.map_err(|why| raise::error(py, Class::InternalError, &why.0))?;
    to_python(py, &counted.iter().map(Count::of).collect::<Vec<_>>())
}

/// A scheme's counts.
#[derive(Serialize)]
struct Count {
    name: &'static str,
    group: &'static str,
    alone: Asked,
    shared: Option<ByTurns>,
}

/// What several CPUs asked that took turns.
#[derive(Serialize)]
struct ByTurns {
    cpus: usize,
    pairs: Asked,
    operations: Asked,
}

/// What was asked of the machine.
#[derive(Serialize)]
struct Asked {
    locked: u64,
    loads: u64,
    stores: u64,
    hand_offs: u64,
}

impl Asked {
    fn of(traffic: Traffic) -> Self {
        let Traffic { locked, loads, stores, hand_offs } = traffic;
        Self { locked, loads, stores, hand_offs }
    }
}

impl Count {
    fn of(counted: &Counted) -> Self {
        let &Counted { name, group, alone, shared } = counted;
        let shared = shared.map(|Shared { pairs, operations }| ByTurns {
            cpus: CPUS,
            pairs: Asked::of(pairs),
            operations: Asked::of(operations),
        });
        Self { name, group: group.name(), alone: Asked::of(alone), shared }
    }
}

/// Kills of each scheme that can be killed.
#[derive(Serialize)]
struct KillReport {
    kills: usize,
    floor: Option<Times>,
    schemes: Vec<KillTimes>,
}

/// What the kills of one took.
#[derive(Serialize)]
struct KillTimes {
    scheme: &'static str,
    quiet: Times,
    busy: Option<Times>,
}

/// In nanoseconds.
#[derive(Serialize)]
struct Times {
    p50: u64,
    p99: u64,
    p999: u64,
    most: u64,
}

impl Times {
    fn of(found: native::Percentiles) -> Self {
        let native::Percentiles { p50, p99, p999, most } = found;
        Self { p50, p99, p999, most }
    }
}

/// Kills an object under each scheme so many times, quiet and with a busy peer, and tells what they took.
#[pyfunction]
pub(crate) fn refcount_kills(py: Python<'_>, kills: usize) -> PyResult<Bound<'_, PyAny>> {
    let (floor, found) = py.detach(|| (native::timer_floor(kills), native::kills(kills)));
    let found = found.map_err(|why| raise::error(py, Class::InvalidArgument, why.to_string()))?;
    let schemes = found.into_iter().map(|native::Kills { scheme, quiet, busy }| KillTimes {
        scheme,
        quiet: Times::of(quiet),
        busy: busy.map(Times::of),
    });
    let report = KillReport { kills, floor: floor.map(Times::of), schemes: schemes.collect() };
    to_python(py, &report)
}

/// A scheme's bytes.
#[derive(Serialize)]
struct Footprint {
    scheme: &'static str,
    group: &'static str,
    machines: Vec<Bytes>,
}

/// On a machine of so many CPUs.
#[derive(Serialize)]
struct Bytes {
    cpus: usize,
    page: usize,
    pagemap: usize,
}

/// What a count takes on machines of these sizes, a dict for each scheme.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "what Python hands over is owned")]
pub(crate) fn refcount_bytes(py: Python<'_>, cpus: Vec<usize>) -> PyResult<Bound<'_, PyAny>> {
    let found = native::footprints(&cpus).into_iter().map(|found| Footprint {
        scheme: found.scheme,
        group: found.group.name(),
        machines: found
            .bytes
            .iter()
            .map(|&native::Bytes { cpus, page, pagemap }| Bytes { cpus, page, pagemap })
            .collect(),
    });
    to_python(py, &found.collect::<Vec<_>>())
}

/// One line of the verdict.
#[derive(Serialize)]
struct Found {
    variant: &'static str,
    asked: &'static str,
    verdict: &'static str,
    bound: u32,
    preemptions: Option<u32>,
    schedules: Option<u64>,
    why: Option<String>,
}

impl Found {
    fn of(finding: &Finding) -> Self {
        let Finding { variant, asked, verdict } = finding;
        let (verdict, preemptions, schedules, why) = match verdict {
            Verdict::Kept { schedules } => ("kept", None, Some(*schedules), None),
            Verdict::Broken { preemptions, why, schedules } => {
                ("broken", Some(*preemptions), Some(*schedules), Some(why.clone()))
            }
            Verdict::Unclear(why) => ("unclear", None, None, Some(why.clone())),
        };
        Self { variant, asked, verdict, bound: verdicts::BOUND, preemptions, schedules, why }
    }
}

#[pymethods]
impl BenchRun {
    /// How far it is; does not wait.
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &py.detach(|| self.lock().poll()))
    }

    /// Asks it to end after the slice under way.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.lock().stop());
    }

    /// Waits for the end and returns the report.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        while !py.detach(|| self.lock().wait(SLICE)) {
            py.check_signals()?;
        }
        let report = py.detach(|| self.lock().finish());
        match report.broken {
            Some(words) => Err(raise::error(py, Class::InternalError, words)),
            None => to_python(py, &Told::of(&report, &Host::here())),
        }
    }
}

/// All rows.
#[derive(Serialize)]
struct Told<'a> {
    rows: Vec<Row<'a>>,
    complete: bool,
    environment: Environment<'a>,
}

/// One cost.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    ratio: f64,
    limit: Option<f64>,
    #[serde(serialize_with = "by_name")]
    set_on: &'static [(&'static str, f64)],
    sense: Sense,
    spread: (f64, f64),
    sure: (f64, f64),
    floor: &'a str,
    unit: &'static str,
    rounds: usize,
    figures: (f64, f64),
    raw: &'a [(f64, f64)],
}

/// The machine, and how far its ratios can be trusted.
#[derive(Serialize)]
struct Environment<'a> {
    #[serde(flatten)]
    host: &'a Host,
    bound: bool,
    left_out: &'a [(Cow<'static, str>, String)],
    nulls: Vec<Null<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bare_calls_ratio: Option<f64>,
}

/// A floor against itself.
#[derive(Serialize)]
struct Null<'a> {
    floor: &'a str,
    ratio: f64,
    spread: (f64, f64),
    sure: (f64, f64),
    ns: f64,
}

impl<'a> Told<'a> {
    fn of(report: &'a Report, host: &'a Host) -> Self {
        Self {
            rows: report.rows.iter().map(|found| Row::of(found, &host.cpu)).collect(),
            complete: report.complete,
            environment: Environment {
                host,
                bound: report.bound,
                left_out: &report.left_out,
                nulls: report.nulls.iter().map(Null::of).collect(),
                bare_calls_ratio: report.bare_calls.as_ref().map(|calls| calls.ratio.median),
            },
        }
    }
}

impl<'a> Null<'a> {
    fn of(found: &'a RowReport) -> Self {
        let (floor, spread) = (&*found.row.floor, quartiles(found.ratio));
        let (ratio, sure) = (found.ratio.median, found.ratio.sure);
        Self { floor, ratio, spread, sure, ns: found.figures.0 }
    }
}

impl<'a> Row<'a> {
    fn of(found: &'a RowReport, processor: &str) -> Self {
        let native::Row { ref name, ref floor, unit, limit, .. } = found.row;
        Self {
            name,
            ratio: found.ratio.median,
            limit: limit.on(processor),
            set_on: limit.set_on,
            sense: limit.sense,
            spread: quartiles(found.ratio),
            sure: found.ratio.sure,
            floor,
            unit,
            rounds: found.raw.len(),
            figures: found.figures,
            raw: &found.raw,
        }
    }
}

fn quartiles(spread: Spread) -> (f64, f64) {
    (spread.low, spread.high)
}
