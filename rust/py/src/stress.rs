//! `stress_start(config)`: real threads in the background while Python watches
//! (`_core_api.Run`; `_core_reports`: `StressProgress`, `StressReport`).

use std::collections::BTreeMap;
use std::time::Duration;

use pgmap_native::stress::{Config, Found, MIXES, Progress, Run, mix_named};
use pgmap_program::Geometry;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;

use crate::config::{self, invalid, seconds, value};
use crate::raise::{self, Class};
use crate::told::{by_name, to_python};

/// Longest time without a look at Python's signals.
const SLICE: Duration = Duration::from_millis(20);

/// A stress run under way.
#[pyclass(frozen, module = "pgmap._core")]
pub(crate) struct StressRun {
    run: Run,
}

/// Starts real threads on a fresh world.
#[pyfunction]
pub(crate) fn stress_start(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<StressRun> {
    let config = read(py, config)?;
    let run = py.detach(|| Run::start(config));
    run.map(|run| StressRun { run }).map_err(|wrong| invalid(py, wrong.to_string()))
}

#[pymethods]
impl StressRun {
    /// How far it is; does not wait.
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let now = py.detach(|| self.run.poll());
        to_python(py, &Glance::of(&now))
    }

    /// Asks it to end after the actions under way.
    fn stop(&self) {
        self.run.stop();
    }

    /// Waits for the end and returns the report.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        while !self.run.is_done() {
            py.detach(|| std::thread::sleep(SLICE));
            py.check_signals()?;
        }
        match py.detach(|| self.run.finish()) {
            Ok(told) => to_python(py, &told),
            Err(words) => Err(raise::error(py, Class::InternalError, words)),
        }
    }
}

fn read(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<Config> {
    let era = config::era(py, &value::<String>(py, config, "era")?)?;
    let rules = config::rules(py, era, &value::<Vec<_>>(py, config, "breaks")?)?;
    let threads = config::threads(py, value(py, config, "threads")?)?.get();
    let mix: String = value(py, config, "mix")?;
    let mix = mix_named(&mix).ok_or_else(|| {
        let known: Vec<_> = MIXES.iter().map(|mix| mix.name).collect();
        invalid(py, format!("no mix is called \"{mix}\"; mixes are: {}", known.join(", ")))
    })?;
    let mut geometry = Geometry::stress(threads);
    if let Some(pages) = value::<Option<u32>>(py, config, "pages")? {
        geometry.pages = pages;
        geometry.file_pages_max = geometry.file_pages_max.min(pages);
    }
    let duration = value::<Option<f64>>(py, config, "seconds")?;
    Ok(Config {
        era,
        rules,
        geometry,
        threads,
        mix,
        seed: value(py, config, "seed")?,
        duration: duration.map(|time| seconds(py, "seconds", time)).transpose()?,
        ops: value(py, config, "ops")?,
        max_failures: value(py, config, "max_failures")?,
        watchdog: seconds(py, "watchdog", value(py, config, "watchdog")?)?,
    })
}

/// A glance at a run.
#[derive(Serialize)]
struct Glance<'a> {
    done: bool,
    ops: u64,
    seconds: f64,
    #[serde(serialize_with = "by_name")]
    op_counts: &'a [(&'static str, u64)],
    slow_paths: &'a BTreeMap<&'static str, u64>,
    violations: &'a [Found],
    rss_kib: u64,
}

impl<'a> Glance<'a> {
    fn of(now: &'a Progress) -> Self {
        Self {
            done: now.done,
            ops: now.ops,
            seconds: now.seconds,
            op_counts: &now.op_counts,
            slow_paths: &now.slow_paths,
            violations: &now.violations,
            rss_kib: now.rss_kib,
        }
    }
}
