//! What a world is made of: era, rules, geometry. Checked in the order in which they are written.

use pgmap_program::{Era, Geometry, GeometryError, Rules};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString};

use crate::convert::number;
use crate::raise::{self, Class};

/// CPUs of a world made from Python: each thread inside a call takes one, asleep or not.
const CPUS: u16 = 64;

/// Frames behind the devices of a world made from Python, for `memremap_pages`.
pub(crate) const SPARE: u32 = 4096;

/// The rules of an era with some of them changed.
pub(crate) fn rules(
    py: Python<'_>,
    era: Era,
    changed: Option<&Bound<'_, PyAny>>,
) -> PyResult<Rules> {
    let mut rules = era.rules();
    let Some(changed) = changed else { return Ok(rules) };
    let Ok(changed) = changed.cast::<PyDict>() else {
        let found = changed.get_type().name()?;
        return Err(PyTypeError::new_err(format!("rules must be a dict, not {found}")));
    };
    for (name, value) in changed {
        let (Ok(name), Ok(value)) = (name.cast::<PyString>(), value.cast::<PyString>()) else {
            return Err(PyTypeError::new_err(
                "rules map the name of a rule to its value, both str",
            ));
        };
        let set = rules.set(&name.to_string_lossy(), &value.to_string_lossy());
        set.map_err(|wrong| raise::error(py, Class::RuleError, wrong.to_string()))?;
    }
    Ok(rules)
}

/// The sizes of a world made from Python, unless others are asked for.
pub(crate) const USUAL: Geometry = Geometry { cpus: CPUS, ..Geometry::REAL };

/// Sizes with some of them changed by name.
pub(crate) fn geometry(usual: Geometry, changed: &Bound<'_, PyAny>) -> PyResult<Geometry> {
    let py = changed.py();
    let mut geometry = usual;
    let wrong = |wrong: GeometryError| raise::error(py, Class::OutOfRange, wrong.to_string());
    for (name, value) in changes(changed)? {
        geometry.set(&name, value).map_err(wrong)?;
    }
    geometry.validate().map_err(wrong)?;
    Ok(geometry)
}

/// Sizes that are to be other than usual, by name.
pub(crate) fn changes(changed: &Bound<'_, PyAny>) -> PyResult<Vec<(String, u64)>> {
    let Ok(changed) = changed.cast::<PyMapping>() else {
        let found = changed.get_type().name()?;
        return Err(PyTypeError::new_err(format!("geometry must be a dict, not {found}")));
    };
    let change = |pair: Bound<'_, PyAny>| {
        let (name, value) = pair.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
        let Ok(name) = name.cast::<PyString>() else {
            return Err(PyTypeError::new_err("geometry maps the name of a size, a str, to an int"));
        };
        let name = name.to_string_lossy().into_owned();
        let Some(most) = Geometry::most(&name) else {
            let known = Geometry::SMALL.sizes().map(|(name, _)| name).join(", ");
            let what = format!("no size is called {name:?}; sizes are: {known}");
            return Err(raise::error(value.py(), Class::InvalidArgument, what));
        };
        let value = number(value.as_borrowed(), &name, 0, most)?;
        Ok((name, value))
    };
    changed.items()?.into_iter().map(change).collect()
}
