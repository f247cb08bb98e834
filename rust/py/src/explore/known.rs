//! `catalogue()`: the programs known for wrong rules, the rules that x86 does not show, and those that nothing
//! can show yet.

use std::path::PathBuf;

use pgmap_explore::catalogue::{CATALOGUE, Catalogue, Known, NotOnX86, NotShown, Race};
use pyo3::prelude::*;
use serde::Serialize;

use crate::raise::{self, Class};
use crate::told::to_python;

/// Every race that can be shown, with its program; those that x86 does not tell from what is right, with a program
/// that executes them and the models that show them; and those that cannot, with the reason. `races` is a folder
/// of more.
#[pyfunction]
#[pyo3(signature = (races=None))]
pub(crate) fn catalogue(py: Python<'_>, races: Option<PathBuf>) -> PyResult<Bound<'_, PyAny>> {
    let more = races.map(|folder| py.detach(|| Catalogue::with(&folder))).transpose();
    let more = more.map_err(|wrong| raise::error(py, Class::RaceError, wrong.to_string()))?;
    let Catalogue { known, not_on_x86, not_shown } = more.as_ref().unwrap_or(&CATALOGUE);
    let told = Told {
        known: known.iter().map(|it| Entry::of(it, &it.race)).collect(),
        not_on_x86: not_on_x86.iter().map(|it| Entry::of(it, &it.race)).collect(),
        not_shown: not_shown.iter().map(|it| Entry::of(it, &it.race)).collect(),
    };
    to_python(py, &told)
}

#[derive(Serialize)]
struct Told<'a> {
    known: Vec<Entry<'a, Known>>,
    not_on_x86: Vec<Entry<'a, NotOnX86>>,
    not_shown: Vec<Entry<'a, NotShown>>,
}

/// An entry, and the first of its wrong rules by itself, for whoever looks for one; empty if the era itself is wrong.
#[derive(Serialize)]
struct Entry<'a, T> {
    #[serde(flatten)]
    entry: &'a T,
    rule: &'static str,
    value: &'static str,
}

impl<'a, T> Entry<'a, T> {
    fn of(entry: &'a T, race: &Race) -> Self {
        let (rule, value) = race.wrong.first().copied().unwrap_or_default();
        Self { entry, rule, value }
    }
}
