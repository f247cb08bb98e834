//! What the oracles cost: a stress thread's list of actions, on a machine that checks and on one that
//! does not.

use pgmap_mm::page::Oracle;
use pgmap_program::op::WorkerId;
use pgmap_program::{Era, Geometry};

use crate::bench::refs::refused;
use crate::bench::workload::{BuildError, EPYC, Limit, Row, Side, Workload, nanos_each};
use crate::stress::{Action, list_of, mix_named, run_list};
use crate::threaded::ThreadedWorld;

/// Actions in one turn.
const ACTIONS: usize = 1024;

pub(super) fn rows() -> Vec<Row> {
    vec![Row {
        name: "operations with checks".into(),
        floor: "the same operations without".into(),
        unit: "ns per operation",
        limit: Limit::at_most(&[(EPYC, 2.0)]),
        build: || {
            Ok(Box::new(Checks { on: Listed::new(Oracle::On)?, off: Listed::new(Oracle::Off)? }))
        },
    }]
}

struct Checks {
    on: Listed,
    off: Listed,
}

/// One thread's actions and the machine they run on. A turn leaves the machine at rest.
struct Listed {
    threaded: ThreadedWorld,
    actions: Vec<Action>,
}

impl Listed {
    fn new(oracle: Oracle) -> Result<Self, BuildError> {
        let geometry = Geometry::stress(1);
        let threaded = ThreadedWorld::with_oracle(&geometry, Era::V6_15Sound.rules(), oracle)?;
        let mix = mix_named("default").unwrap_or_else(|| refused("the default mix"));
        let listed = Self { threaded, actions: list_of(&mix, &geometry, 1, ACTIONS) };
        // Twice: pages are touched and blocks found.
        listed.turn();
        listed.turn();
        Ok(listed)
    }

    fn turn(&self) {
        if run_list(&self.threaded, WorkerId(0), &self.actions).is_err() {
            refused("a list of actions")
        }
    }
}

impl Workload for Checks {
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        let listed = match side {
            Side::Subject => &self.on,
            Side::Floor => &self.off,
        };
        let turns = iterations.div_ceil(ACTIONS as u64);
        nanos_each(turns * ACTIONS as u64, || (0..turns).for_each(|_| listed.turn()))
    }
}
