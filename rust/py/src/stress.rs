//! `stress_start(config)`: real threads in the background while Python watches
//! (`_core_api.Run`, `StressProgress`, `StressReport`).

use std::time::Duration;

use pgmap_native::stress::{
    Config, Found, Hang, HangKind, MIXES, Progress, Report, Run, mix_named,
};
use pgmap_program::Geometry;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::config::{self, invalid, seconds, value};
use crate::raise::{self, Class};

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
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let glance = py.detach(|| self.run.poll());
        progress(py, &glance)
    }

    /// Asks it to end after the actions under way.
    fn stop(&self) {
        self.run.stop();
    }

    /// Waits for the end and returns the report.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        while !self.run.is_done() {
            py.detach(|| std::thread::sleep(SLICE));
            py.check_signals()?;
        }
        match py.detach(|| self.run.finish()) {
            Ok(told) => report(py, &told),
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

fn progress<'py>(py: Python<'py>, glance: &Progress) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("done", glance.done)?;
    dict.set_item("ops", glance.ops)?;
    dict.set_item("seconds", glance.seconds)?;
    dict.set_item("op_counts", counts(py, glance.op_counts.iter().copied())?)?;
    dict.set_item("slow_paths", counts(py, glance.slow_paths.iter().map(|(k, v)| (*k, *v)))?)?;
    dict.set_item("violations", violations(py, &glance.violations)?)?;
    dict.set_item("rss_kib", glance.rss_kib)?;
    Ok(dict)
}

fn report<'py>(py: Python<'py>, told: &Report) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("era", &told.era)?;
    let rules = PyDict::new(py);
    for (rule, value) in told.rules.values() {
        rules.set_item(rule, value)?;
    }
    dict.set_item("rules", rules)?;
    dict.set_item("broken", &told.broken)?;
    dict.set_item("seed", format!("{:#018x}", told.seed))?;
    dict.set_item("threads", told.threads)?;
    dict.set_item("ops", told.ops)?;
    dict.set_item("op_counts", counts(py, told.op_counts.iter().copied())?)?;
    dict.set_item("slow_paths", counts(py, told.slow_paths.iter().map(|(k, v)| (*k, *v)))?)?;
    dict.set_item("rounds", told.rounds)?;
    dict.set_item("quiescent", told.quiescent)?;
    dict.set_item("violations", violations(py, &told.violations)?)?;
    dict.set_item("hang", told.hang.as_ref().map(|hang| hung(py, hang)).transpose()?)?;
    dict.set_item("no_verdict", &told.no_verdict)?;
    dict.set_item("rss", &told.rss)?;
    dict.set_item("complete", told.complete)?;
    Ok(dict)
}

fn counts<'py>(
    py: Python<'py>,
    all: impl Iterator<Item = (&'static str, u64)>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, count) in all {
        dict.set_item(name, count)?;
    }
    Ok(dict)
}

fn violations<'py>(py: Python<'py>, all: &[Found]) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let told = |found: &Found| {
        let dict = PyDict::new(py);
        dict.set_item("invariant", found.invariant)?;
        dict.set_item("title", &found.title)?;
        dict.set_item("page", &found.page)?;
        dict.set_item("parties", &found.parties)?;
        dict.set_item("detail", &found.detail)?;
        dict.set_item("known", found.known)?;
        dict.set_item("round", found.round)?;
        dict.set_item("seconds", found.seconds)?;
        Ok(dict)
    };
    all.iter().map(told).collect()
}

fn hung<'py>(py: Python<'py>, hang: &Hang) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let (kind, sleeper) = match &hang.kind {
        HangKind::LostWakeUp { sleeper } => ("lost wake-up", Some(sleeper)),
        HangKind::Deadlock => ("deadlock", None),
    };
    dict.set_item("kind", kind)?;
    dict.set_item("sleeper", sleeper)?;
    dict.set_item("ring", &hang.ring)?;
    dict.set_item("waiters", &hang.waiters)?;
    dict.set_item("holders", &hang.holders)?;
    Ok(dict)
}
