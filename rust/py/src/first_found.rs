//! What was found, as it is known first: a failed execution without its story (`_core_explore`: `FoundFirst`).

use pgmap_explore::{Drawn, Finding, Found, Scenario};
use pgmap_program::{Era, Geometry, Memory, TlbRefill};
use serde::Serialize;

/// Everything that an execution depends on besides program and schedule.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    era: Era,
    broken: Vec<String>,
    without: Vec<String>,
    geometry: Geometry,
    tasks: usize,
    memory: Memory,
    tlb: TlbRefill,
}

impl Setting {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let broken = scenario.broken();
        let &Scenario { era, geometry, memory, tlb, .. } = scenario;
        Self {
            era,
            broken: broken.iter().map(|(rule, value)| format!("{rule}={value}")).collect(),
            without: scenario.without.iter().map(ToString::to_string).collect(),
            geometry,
            tasks: scenario.roles().len(),
            memory,
            tlb,
        }
    }
}

/// A failed execution without its story.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FirstFound {
    finding: Finding,
    mends: Vec<String>,
    preemptions: Option<u32>,
    drawn: Option<DrawnFrom>,
    token: String,
    program: String,
    setting: Setting,
    events: u32,
    switches: usize,
}

/// Where a drawn execution comes from.
#[derive(Clone, Debug, Serialize)]
struct DrawnFrom {
    strategy: String,
    by: String,
    seed: String,
    execution: u64,
}

impl FirstFound {
    pub(crate) fn of(scenario: &Scenario, found: &Found) -> Self {
        Self {
            finding: found.finding.clone(),
            mends: found.mends.iter().map(|mend| mend.assignment()).collect(),
            preemptions: found.preemptions,
            drawn: found.drawn.map(DrawnFrom::of),
            token: found.token(scenario).to_string(),
            program: scenario.program.to_string(),
            setting: Setting::of(scenario),
            events: found.schedule.events(),
            switches: found.schedule.departures().len(),
        }
    }
}

impl DrawnFrom {
    fn of(drawn: Drawn) -> Self {
        Self {
            strategy: drawn.strategy.to_string(),
            by: drawn.by().to_string(),
            seed: show_seed(drawn.seed),
            execution: drawn.execution,
        }
    }
}

/// The one way a seed is written.
pub(crate) fn show_seed(seed: u64) -> String {
    format!("{seed:#018x}")
}
