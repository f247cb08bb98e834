//! From error values to the classes of `pgmap.errors`, which is where they are phrased and pickled.

use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// What `pgmap.errors.<name>(*args)` returns, ready to raise.
pub(crate) fn build<'py>(py: Python<'py>, name: &str, args: impl PyCallArgs<'py>) -> PyErr {
    let module =
        ERRORS.get_or_try_init(py, || PyModule::import(py, "pgmap.errors").map(Bound::unbind));
    let made = module.and_then(|module| module.bind(py).getattr(name)?.call1(args));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The exception of one sentence called `name`.
pub(crate) fn error(py: Python<'_>, name: &str, message: impl Into<String>) -> PyErr {
    build(py, name, (message.into(),))
}
