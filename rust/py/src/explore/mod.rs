//! The explorer from Python: searches that go on while Python watches, tokens run again.
//!
//! | module | what it is |
//! |---|---|
//! | `ask` | what is to be explored, read and checked |
//! | `search` | a search |
//! | `found` | what was found, made small and told |
//! | `hunting` | programs nobody wrote |
//! | `reproducing` | what real threads saw |
//! | `again` | a token's execution |
//! | `once` | a program, run once |
//! | `known` | the programs known for wrong rules |
//! | `steps` | the steps of the protocol, which can be left out |

mod again;
mod ask;
mod found;
mod hunting;
mod known;
mod once;
mod reproducing;
mod search;
mod steps;

use std::time::Duration;

use pyo3::prelude::*;
use serde::Serialize;

use self::hunting::HuntReport;
use self::reproducing::ReproduceReport;
use self::search::ExploreReport;
use crate::first_found::FirstFound;
use crate::glance::Glance;
use crate::job::Job;
use crate::told::to_python;

pub(crate) use again::{replay, reveal};
pub(crate) use hunting::hunt_start;
pub(crate) use known::catalogue;
pub(crate) use once::run_once;
pub(crate) use reproducing::reproduce_start;
pub(crate) use search::explore_start;
pub(crate) use steps::{protocol_steps, steps_met};

/// Longest single wait.
const WAIT_MAX: f64 = 0.05;

/// What work that is watched comes to.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Ended {
    Explored(Box<ExploreReport>),
    Hunted(Box<HuntReport>),
    Reproduced(Box<ReproduceReport>),
}

/// A glance, with what was found by then.
#[derive(Serialize)]
struct Polled {
    #[serde(flatten)]
    glance: Option<Glance>,
    found: Option<FirstFound>,
    done: bool,
}

/// A search under way (`_core_api.Run`).
#[pyclass(frozen, module = "pgmap._core")]
pub(crate) struct ExploreRun {
    job: Job<Ended>,
}

#[pymethods]
impl ExploreRun {
    /// How far it is; does not wait.
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (glance, found, done) = py.detach(|| self.job.poll());
        to_python(py, &Polled { glance, found, done })
    }

    /// Waits for its end, a twentieth of a second at most; whether it is done.
    fn wait(&self, py: Python<'_>, seconds: f64) -> bool {
        let seconds = if seconds > 0.0 { seconds.min(WAIT_MAX) } else { 0.0 };
        py.detach(|| self.job.wait(Duration::from_secs_f64(seconds)))
    }

    /// Asks it to end with what it has.
    fn stop(&self) {
        self.job.stop();
    }

    /// Waits for the end and returns what it came to.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.job.finish(py)
    }
}
