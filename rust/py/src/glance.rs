//! How far work is: what `poll` gives of it (`_core_explore`: `ExploreProgress`, `HuntProgress`, `ReproduceProgress`).

use pgmap_explore::hunt::Tried;
use pgmap_explore::{Look, Outlook, Scenario, ShrinkProgress};
use serde::Serialize;

/// What the work is at, since when it runs, and how far it is.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Glance {
    phase: Phase,
    seconds: f64,
    #[serde(flatten)]
    counts: Counts,
    /// Of shrinking.
    tried: u64,
    kept: u64,
    tasks: usize,
    steps: usize,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    Search,
    Sample,
    Hunt,
    Reproduce,
    Shrink,
}

/// What is counted, by what the work is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
enum Counts {
    Searched {
        bound: Option<u32>,
        schedules: u64,
        pruned: u64,
        points: u64,
        longest: u32,
        fraction: f64,
        remaining: Option<f64>,
        classes: u64,
        unseen: f64,
    },
    Hunted {
        ops: usize,
        programs: u64,
        drawn: u64,
        senseless: u64,
        schedules: u64,
    },
    Reproduced {
        ops: usize,
        programs: u64,
        schedules: u64,
    },
}

impl Glance {
    fn of(phase: Phase, seconds: f64, counts: Counts) -> Self {
        Self { phase, seconds, counts, tried: 0, kept: 0, tasks: 0, steps: 0 }
    }

    /// A search that is about to begin, with this bound or drawing.
    pub(crate) fn search(phase: Phase, bound: Option<u32>, scenario: &Scenario) -> Self {
        let counts = Counts::Searched {
            bound,
            schedules: 0,
            pruned: 0,
            points: 0,
            longest: 0,
            fraction: 0.0,
            remaining: None,
            classes: 0,
            unseen: 1.0,
        };
        let roles = scenario.roles();
        let steps = roles.iter().map(|role| role.steps.len()).sum();
        Self { tasks: roles.len(), steps, ..Self::of(phase, 0.0, counts) }
    }

    /// A search under way.
    pub(crate) fn looked(self, look: &Look<'_>, outlook: &Outlook, seconds: f64) -> Self {
        let (phase, counts) = match look {
            Look::Bounds(now) => {
                let counts = Counts::Searched {
                    bound: now.bound,
                    schedules: now.schedules,
                    pruned: now.pruned,
                    points: now.points,
                    longest: now.longest,
                    fraction: now.fraction,
                    remaining: outlook.remaining(now.bound),
                    classes: 0,
                    unseen: 1.0,
                };
                (self.phase, counts)
            }
            Look::Drawn(stats) => {
                let counts = Counts::Searched {
                    bound: None,
                    schedules: stats.executions,
                    pruned: 0,
                    points: stats.points,
                    longest: stats.longest,
                    fraction: 0.0,
                    remaining: None,
                    classes: stats.coverage.classes(),
                    unseen: stats.coverage.unseen(),
                };
                (Phase::Sample, counts)
            }
        };
        Self { phase, seconds, counts, ..self }
    }

    /// A hunt.
    pub(crate) fn hunted(tried: &Tried, seconds: f64) -> Self {
        let &Tried { ops, programs, drawn, senseless, schedules, cut: _ } = tried;
        let counts = Counts::Hunted { ops, programs, drawn, senseless, schedules };
        Self::of(Phase::Hunt, seconds, counts)
    }

    /// A search for what was seen elsewhere.
    pub(crate) fn reproduced(tried: &Tried, seconds: f64) -> Self {
        let &Tried { ops, programs, schedules, drawn: _, senseless: _, cut: _ } = tried;
        Self::of(Phase::Reproduce, seconds, Counts::Reproduced { ops, programs, schedules })
    }

    /// The shrinking after any of them.
    pub(crate) fn shrunk(self, at: &ShrinkProgress, seconds: f64) -> Self {
        let &ShrinkProgress { tried, kept, tasks, steps, spent: _ } = at;
        Self { phase: Phase::Shrink, seconds, tried, kept, tasks, steps, ..self }
    }
}
