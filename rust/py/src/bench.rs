//! `bench_core(config)`: a benchmark that runs in a thread of its own while Python watches
//! (`_core_api.Run`, `BenchProgress`, `BenchReport`).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pgmap_native::bench::{BenchRun as Measuring, Config, Host, Report, RowReport, Spread};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict};

use crate::raise::{self, Class};

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
    let only = match config.get_item("only")? {
        Some(value) => value.extract().map_err(|_| wrong("only must be a list of names"))?,
        None => Vec::new(),
    };
    let seed = std::time::UNIX_EPOCH.elapsed().map_or(1, |since| u64::from(since.subsec_nanos()));
    let measuring = Mutex::new(Measuring::start(Config { time, only, seed }));
    Ok(BenchRun { measuring })
}

#[pymethods]
impl BenchRun {
    /// How far it is; does not wait.
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let glance = py.detach(|| self.lock().poll());
        let dict = PyDict::new(py);
        dict.set_item("done", glance.done)?;
        dict.set_item("rounds", glance.rounds)?;
        dict.set_item("seconds", glance.seconds)?;
        dict.set_item("current", glance.current)?;
        Ok(dict)
    }

    /// Asks it to end after the slice under way.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.lock().stop());
    }

    /// Waits for the end and returns the report.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        while !py.detach(|| self.lock().wait(SLICE)) {
            py.check_signals()?;
        }
        let report = py.detach(|| self.lock().finish());
        match report.broken {
            Some(words) => Err(raise::error(py, Class::InternalError, words)),
            None => as_dict(py, &report),
        }
    }
}

fn as_dict<'py>(py: Python<'py>, report: &Report) -> PyResult<Bound<'py, PyDict>> {
    let host = Host::here();
    let dict = PyDict::new(py);
    dict.set_item(
        "rows",
        report.rows.iter().map(|row| row_dict(py, row, &host.cpu)).collect::<PyResult<Vec<_>>>()?,
    )?;
    dict.set_item("complete", report.complete)?;
    dict.set_item("environment", environment(py, report, host)?)?;
    Ok(dict)
}

fn row_dict<'py>(
    py: Python<'py>,
    found: &RowReport,
    processor: &str,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", found.row.name)?;
    dict.set_item("ratio", found.ratio.median)?;
    dict.set_item("limit", found.row.limit.on(processor))?;
    dict.set_item("set_on", found.row.limit.set_on.iter().copied().into_py_dict(py)?)?;
    dict.set_item("sense", found.row.limit.sense.as_str())?;
    dict.set_item("spread", quartiles(found.ratio))?;
    dict.set_item("floor", found.row.floor)?;
    dict.set_item("unit", found.row.unit)?;
    dict.set_item("rounds", found.raw.len())?;
    dict.set_item("figures", found.figures)?;
    dict.set_item("raw", &found.raw)?;
    Ok(dict)
}

fn quartiles(spread: Spread) -> (f64, f64) {
    (spread.low, spread.high)
}

/// The machine, and how far its ratios can be trusted.
fn environment<'py>(py: Python<'py>, report: &Report, host: Host) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("cpu", host.cpu)?;
    dict.set_item("processors", host.processors)?;
    dict.set_item("virtualised", host.virtualised)?;
    dict.set_item("kernel", host.kernel)?;
    dict.set_item("governor", host.governor)?;
    dict.set_item("load", host.load)?;
    dict.set_item("bound", report.bound)?;
    dict.set_item("left_out", &report.left_out)?;
    if let Some(null) = &report.null {
        dict.set_item("null_ratio", null.ratio.median)?;
        dict.set_item("null_spread", quartiles(null.ratio))?;
        dict.set_item("locked_pair_ns", null.figures.0)?;
    }
    if let Some(calls) = &report.bare_calls {
        dict.set_item("bare_calls_ratio", calls.ratio.median)?;
    }
    Ok(dict)
}
