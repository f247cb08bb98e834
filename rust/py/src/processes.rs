//! `pgmap.World`: who of its workers waits.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::convert::Worker;
use crate::results;
use crate::world::World;

#[pymethods]
impl World {
    /// Sends a worker inside a call a signal: an interruptible sleep ends with `Interrupted`. Returns
    /// whether the worker was inside a call.
    fn interrupt(&self, py: Python<'_>, worker: Worker) -> PyResult<bool> {
        self.entry.interrupt(py, worker.0)
    }

    /// What a worker sleeps for, or `None` if it does not sleep.
    fn asleep(&self, py: Python<'_>, worker: Worker) -> PyResult<Option<&'static str>> {
        self.entry.asleep(py, worker.0)
    }

    /// Whether no call is running: each thread inside sleeps, and nothing but another call or a signal
    /// will change that.
    fn settled(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.entry.threaded(py)?.machine().settled())
    }

    /// Everybody who sleeps in a call.
    fn waiters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let waiters = self.entry.threaded(py)?.machine().waiters();
        results::tuple(py, &waiters, |waiter| results::waiter(py, waiter))
    }
}
