//! The real program on shuttle and loom: the protocol's own sources over `rivals/sched`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use pgmap_explore::catalogue::Known;
use pgmap_program::{Era, Program};
use pgmap_rivals_sched::{Control, looms, shuttles};
use pgmap_rivals_world::{ExploredWorld, Scenario};

use crate::exhaust::Search;
use crate::looms::builder;
use crate::ours::PIN_TRUNCATE;
use crate::rounds::Work;
use crate::shuttles::{Kind, Until, config, repeat};

/// Executions of loom's between two looks at the clock.
const LOOKS_AT_THE_CLOCK: usize = 16;

/// The world in which the program runs. Made once and kept: a thread's steps are about one world.
pub(crate) fn pin_truncate() -> Result<&'static ExploredWorld, String> {
    world(Program::parse(PIN_TRUNCATE).map_err(|error| error.to_string())?)
}

/// The same for any program.
pub(crate) fn world(program: Program) -> Result<&'static ExploredWorld, String> {
    enter(&Scenario::new(program, Era::V6_15Sound))
}

fn enter(scenario: &Scenario) -> Result<&'static ExploredWorld, String> {
    ExploredWorld::new(scenario, &mut || Control::Go)
        .map(|explored| &*Box::leak(Box::new(explored)))
        .map_err(|error| error.to_string())
}

/// Runs that many executions on shuttle.
pub(crate) fn on_shuttle(kind: Kind, executions: u64, explored: &'static ExploredWorld) -> Work {
    repeat(kind, executions, |scheduler| shuttles::explore(explored, scheduler, config()))
}

/// Runs that many executions on loom.
pub(crate) fn on_loom(
    bound: Option<usize>,
    executions: u64,
    explored: &'static ExploredWorld,
) -> Work {
    let mut work = Work::default();
    while work.executions < executions {
        let left = usize::try_from(executions - work.executions).unwrap_or(usize::MAX - 1);
        let (done, points) = looms::explore(explored, &builder(bound, left));
        work.executions += done;
        work.points += points;
    }
    work
}

/// Shuttle's depth-first search, for so long.
pub(crate) fn exhaust_on_shuttle(limit: Duration, explored: &'static ExploredWorld) -> Search {
    let begun = Instant::now();
    let search = Until::new(begun + limit);
    let late = search.late();
    let executions = shuttles::explore(explored, search, config()) as u64;
    let taken = begun.elapsed();
    Search { executions, cut: 0, taken, whole: !late.load(Relaxed) }
}

/// Loom's search within so many preemptions, for so long. The execution before the first, in which it learns
/// what objects there are, counts as time.
pub(crate) fn exhaust_on_loom(
    bound: usize,
    limit: Duration,
    explored: &'static ExploredWorld,
) -> Search {
    let mut builder = builder(Some(bound), usize::MAX - 1);
    (builder.max_permutations, builder.max_duration) = (None, Some(limit));
    builder.checkpoint_interval = LOOKS_AT_THE_CLOCK;
    let begun = Instant::now();
    let (executions, _) = looms::explore(explored, &builder);
    let taken = begun.elapsed();
    Search { executions, cut: 0, taken, whole: taken < limit }
}

/// Whether an engine passes a wrong rule of the catalogue with its program; an error when it stumbles over
/// something else.
pub(crate) fn passes(
    (rule, value): (&str, &str),
    run: impl FnOnce(&'static ExploredWorld) -> Work,
) -> Result<bool, String> {
    let known = Known::find(rule, value).ok_or("no such rule in the catalogue")?;
    // The same data for the sources as they are compiled over there.
    let pgmap_explore::Scenario { program, era, rules, geometry, memory, tlb, .. } = known.wrong();
    let explored =
        enter(&Scenario { program, era, rules, geometry, memory, tlb, without: Vec::new() })?;
    match catch_unwind(AssertUnwindSafe(|| run(explored))) {
        Ok(_) => Ok(true),
        Err(said) => match said.downcast::<String>() {
            Ok(said) if said.starts_with("found: ") => Ok(false),
            _ => Err("another panic".to_owned()),
        },
    }
}
