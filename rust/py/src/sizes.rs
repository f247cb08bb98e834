//! What a world is made of: era, rules, geometry. Checked in the order in which they are written.

use pgmap_program::{Era, Geometry, Rules};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString};

use crate::convert::number;
use crate::raise::{self, Class};

/// CPUs of a world made from Python: each thread inside a call takes one, asleep or not.
const CPUS: u16 = 64;

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
    let Ok(changed) = changed.cast::<PyMapping>() else {
        let found = changed.get_type().name()?;
        return Err(PyTypeError::new_err(format!("geometry must be a dict, not {found}")));
    };
    let mut geometry = usual;
    for pair in changed.items()? {
        let (name, value) = pair.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
        let Ok(name) = name.cast::<PyString>() else {
            return Err(PyTypeError::new_err("geometry maps the name of a size, a str, to an int"));
        };
        set(&mut geometry, &name.to_string_lossy(), &value)?;
    }
    geometry.validate().map_err(|wrong| raise::error(py, Class::OutOfRange, wrong.to_string()))?;
    Ok(geometry)
}

macro_rules! sizes {
    ($($(#[$doc:meta])+ $name:ident: $type:ty,)+) => {
        /// Changes the size of this name.
        fn set(geometry: &mut Geometry, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
            match name {
                $(stringify!($name) => {
                    let most = u64::from(<$type>::MAX);
                    geometry.$name = number(value.as_borrowed(), name, 0, most)? as $type;
                })+
                _ => {
                    let known = [$(stringify!($name)),+].join(", ");
                    let what = format!("no size is called {name:?}; sizes are: {known}");
                    return Err(raise::error(value.py(), Class::InvalidArgument, what));
                }
            }
            Ok(())
        }

        /// Every size by name.
        pub(crate) fn named(geometry: &Geometry) -> Vec<(&'static str, u64)> {
            vec![$((stringify!($name), u64::from(geometry.$name))),+]
        }
    };
}

sizes! {
    /// Order of a PMD leaf.
    pmd_order: u8,
    /// Pages an mmu_gather holds.
    gather_batch: u16,
    /// What a pin adds to a small folio's count.
    pin_bias: u32,
    /// CPUs.
    cpus: u16,
    /// Pages of the device.
    pages: u32,
    /// Pages of driver memory.
    dev_pages: u32,
    /// Files at once.
    files_max: u16,
    /// Pages of the largest file.
    file_pages_max: u32,
    /// Processes at once.
    procs_max: u16,
    /// Descriptors of a process.
    fds_max: u8,
    /// Mappings of a process.
    maps_max: u8,
    /// Pipes of a process.
    pipes_max: u8,
    /// Pages of a pipe.
    pipe_slots: u16,
    /// Pins of a worker.
    pins_max: u16,
}
