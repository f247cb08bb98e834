//! What was built: the version, and the switches that change what a measurement means.
//!
//! A benchmark or a stress run is only worth what its build was; the Python side prints these facts
//! in every machine-readable result and refuses to publish ratios from a build with debug
//! assertions.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The version of the package, as Cargo and the wheel know it.
#[pyfunction]
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The facts of this build that a reader of a result needs: version, profile, checks, target.
#[pyfunction]
pub(crate) fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("version", version())?;
    info.set_item("debug_assertions", cfg!(debug_assertions))?;
    info.set_item("arch", std::env::consts::ARCH)?;
    info.set_item("os", std::env::consts::OS)?;
    info.set_item("pointer_width", usize::BITS)?;
    Ok(info)
}
