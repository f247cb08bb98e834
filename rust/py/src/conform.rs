//! `conform(text, era)`: one recording against the model, as a dictionary (`_core_api.Conformance`).

use pgmap_native::conform::{Conformance, Difference, Options, PageRow, Word};
use pgmap_program::{Era, Recording, RecordingError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::raise::{self, Class};

/// Replays a recording under `era`, by default that of its kernel, and compares every step.
#[pyfunction]
#[pyo3(signature = (text, era=None))]
pub(crate) fn conform<'py>(
    py: Python<'py>,
    text: &str,
    era: Option<&str>,
) -> PyResult<Bound<'py, PyDict>> {
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
        .detach(|| pgmap_native::conform::conform(&recording, &options))
        .map_err(|failed| raise::error(py, Class::InternalError, failed.to_string()))?;
    as_dict(py, &recording, &result)
}

fn as_dict<'py>(
    py: Python<'py>,
    recording: &Recording,
    result: &Conformance,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("equal", result.equal())?;
    dict.set_item("unsupported", &result.unsupported)?;
    dict.set_item("kernel", &recording.kernel)?;
    dict.set_item("scenario", &recording.scenario)?;
    dict.set_item("era", result.era.map_or("none", Era::name))?;
    dict.set_item("steps", result.steps)?;
    dict.set_item("compared", result.compared)?;
    let difference = result.difference.as_ref();
    dict.set_item("difference", difference.map(|found| told(py, found)).transpose()?)?;
    let pages = difference.map_or(&[][..], |found| &found.pages);
    dict.set_item("table", pages.iter().map(|row| page(py, row)).collect::<PyResult<Vec<_>>>()?)?;
    Ok(dict)
}

fn told<'py>(py: Python<'py>, found: &Difference) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("step", found.step)?;
    dict.set_item("op", &found.op)?;
    dict.set_item("rows", words(py, &found.rows())?)?;
    dict.set_item("context", &found.context)?;
    Ok(dict)
}

fn page<'py>(py: Python<'py>, row: &PageRow) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("page", row.page)?;
    dict.set_item("words", words(py, &row.words())?)?;
    Ok(dict)
}

fn words<'py>(py: Python<'py>, words: &[Word]) -> PyResult<Bound<'py, PyList>> {
    let rows = words.iter().map(|word| {
        let dict = PyDict::new(py);
        dict.set_item("what", &word.what)?;
        dict.set_item("recorded", &word.recorded)?;
        dict.set_item("model", &word.model)?;
        Ok(dict)
    });
    PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)
}
