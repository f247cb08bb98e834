//! `conform(text, era)`: one recording against the model, as a dictionary (`_core_reports.Conformance`).

use pgmap_explore::conform::{Conformance, Options, Word};
use pgmap_program::{Era, Recording, RecordingError};
use pyo3::prelude::*;
use serde::Serialize;

use crate::raise::{self, Class};
use crate::told::to_python;

/// Replays a recording under `era`, by default that of its kernel, and compares every step.
#[pyfunction]
#[pyo3(signature = (text, era=None))]
pub(crate) fn conform<'py>(
    py: Python<'py>,
    text: &str,
    era: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let era = era
        .map(str::parse::<Era>)
        .transpose()
        .map_err(|unknown| raise::error(py, Class::EraError, unknown.to_string()))?;
    let recording = Recording::from_json(text).map_err(|wrong| {
        let class = match wrong {
            RecordingError::Schema(_) => Class::ReplayImpossible,
            _ => Class::RecordingError,
        };
        raise::error(py, class, wrong.to_string())
    })?;
    let options = Options { era, ..Options::default() };
    let result = py
        .detach(|| pgmap_explore::conform::conform(&recording, &options))
        .map_err(|failed| raise::error(py, Class::InternalError, failed.to_string()))?;
    to_python(py, &Told::of(&recording, &result))
}

/// How a recording compares.
#[derive(Serialize)]
struct Told<'a> {
    equal: bool,
    unsupported: &'a [String],
    kernel: &'a str,
    scenario: &'a str,
    era: &'static str,
    nearest: bool,
    steps: usize,
    compared: usize,
    difference: Option<Parting<'a>>,
    table: Vec<Page>,
}

/// The first step at which kernel and model part.
#[derive(Serialize)]
struct Parting<'a> {
    step: u32,
    op: &'a str,
    rows: Vec<Word>,
    context: &'a [String],
}

#[derive(Serialize)]
struct Page {
    page: u32,
    words: Vec<Word>,
}

impl<'a> Told<'a> {
    fn of(recording: &'a Recording, result: &'a Conformance) -> Self {
        let difference = result.difference.as_ref();
        let pages = difference.map_or(&[][..], |found| &found.pages);
        Self {
            equal: result.equal(),
            unsupported: &result.unsupported,
            kernel: &recording.kernel,
            scenario: &recording.scenario,
            era: result.era.map_or("none", Era::name),
            nearest: result.nearest,
            steps: result.steps,
            compared: result.compared,
            difference: difference.map(|found| Parting {
                step: found.step,
                op: &found.op,
                rows: found.rows(),
                context: &found.context,
            }),
            table: pages.iter().map(|row| Page { page: row.page, words: row.words() }).collect(),
        }
    }
}
