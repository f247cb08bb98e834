//! What was built: the version, and the switches that change what a measurement means.
//!
//! A benchmark or a stress run is only worth what its build was; the Python side prints these facts
//! in every machine-readable result and refuses to publish ratios from a build with debug
//! assertions.

use pyo3::prelude::*;
use serde::Serialize;

use crate::told::to_python;

/// The version of the package, as Cargo and the wheel know it.
#[pyfunction]
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

#[derive(Serialize)]
struct BuildInfo {
    version: &'static str,
    debug_assertions: bool,
    arch: &'static str,
    os: &'static str,
    pointer_width: u32,
}

/// The facts of this build that a reader of a result needs: version, profile, checks, target.
#[pyfunction]
pub(crate) fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let info = BuildInfo {
        version: version(),
        debug_assertions: cfg!(debug_assertions),
        arch: std::env::consts::ARCH,
        os: std::env::consts::OS,
        pointer_width: usize::BITS,
    };
    to_python(py, &info)
}
