//! `pgmap._core`: the one door between Python and the Rust crates.
//!
//! Mirrors no Linux file. This crate converts and nothing else: arguments to plain data, results to
//! Python objects, error values to the classes of `pgmap.errors`. Whatever could be wrong about the
//! protocol is decided below it, whatever could be phrased differently is phrased above it.
//!
//! The module declares that it needs no GIL: every call that can take longer than a conversion
//! detaches from the interpreter first, and nothing here is shared between threads but what the
//! crates below make safe to share.

#![forbid(unsafe_code)]

mod about;
mod bench;
mod calling;
mod calls;
mod config;
mod conform;
mod convert;
mod entry;
mod explore;
mod facts;
mod files;
mod first_found;
mod fracture;
mod given;
mod glance;
mod help;
mod job;
mod machine;
mod names;
mod processes;
mod program;
mod raise;
mod results;
mod signals;
mod signature;
mod sizes;
mod stress;
mod threads;
mod told;
mod waits;
mod world;

use pyo3::prelude::*;

/// The compiled half of `pgmap`.
#[pymodule(gil_used = false)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::about::{build_info, version};
    #[pymodule_export]
    use crate::bench::{
        BenchRun, bench_core, folio_try_get_verdicts, refcount_bytes, refcount_counts,
        refcount_kills,
    };
    #[pymodule_export]
    use crate::conform::conform;
    #[pymodule_export]
    use crate::explore::{
        ExploreRun, catalogue, explore_start, hunt_start, protocol_steps, replay, reproduce_start,
        reveal, run_once, steps_met,
    };
    #[pymodule_export]
    use crate::facts::{check_rules, facts};
    #[pymodule_export]
    use crate::fracture::{Folio, Pagemap};
    #[pymodule_export]
    use crate::program::Program;
    #[pymodule_export]
    use crate::stress::{StressRun, stress_start};
    #[pymodule_export]
    use crate::world::World;

    /// A forked child must know that it is one.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::signals::watch_forks(module.py())
    }
}
