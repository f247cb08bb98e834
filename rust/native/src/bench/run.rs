//! Rounds in a thread of their own, watched from outside.
//!
//! The measuring thread is alone in what it does; whoever started it looks at a glance behind a mutex
//! that is taken once a row, and may ask it to stop, which it does after the slice under way.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pgmap_prim::measure::{allowed_processors, pin_thread};
use serde::Serialize;

use crate::bench::refs::{BARE_CALLS, ITSELF, NULL, controls};
use crate::bench::stats::{Dice, Spread};
use crate::bench::workload::{BuildError, Row, Side, Workload};
use crate::bench::{alloc, checks, gup, loads, policy, pools, refcounts, refs};

/// What belongs together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Suite {
    /// The primitives of the core, against the atomics that they cannot do without.
    #[default]
    Core,
    /// Reference-count schemes against each other.
    Refcount,
    /// The same under other loads than pairs on one object.
    RefcountLoads,
    /// What a reference on the pagemap costs GUP, by how often one is taken.
    Pagemap,
    /// `pgmap_alloc_folios` beside allocators of the usual shapes.
    Alloc,
    /// The four ways to `folio_try_get` that were argued about.
    FolioTryGet,
}

impl Suite {
    /// Every suite, by the name that users give it.
    pub const ALL: [(&'static str, Self); 6] = [
        ("core", Self::Core),
        ("refcount", Self::Refcount),
        ("refcount --workload", Self::RefcountLoads),
        ("pgmap", Self::Pagemap),
        ("alloc", Self::Alloc),
        ("folio-try-get", Self::FolioTryGet),
    ];

    /// Rows that judge the machine.
    fn controls(self) -> Vec<Row> {
        match self {
            Self::Core => controls().to_vec(),
            Self::Refcount => refcounts::controls(),
            Self::RefcountLoads => loads::controls(),
            Self::Pagemap => policy::controls(),
            Self::Alloc => refcounts::general_control(),
            Self::FolioTryGet => refcounts::controls_of_the_argument(),
        }
    }
}

/// Every row of a suite, in the order of reports.
#[must_use]
pub fn rows(suite: Suite) -> Vec<Row> {
    match suite {
        Suite::Core => [refs::rows(), gup::rows(), alloc::rows(), checks::rows()].concat(),
        Suite::Refcount => refcounts::refcounts(),
        Suite::RefcountLoads => loads::loads(),
        Suite::Pagemap => policy::policies(),
        Suite::Alloc => pools::rows(),
        Suite::FolioTryGet => refcounts::folio_try_get(),
    }
}

/// Fewer rounds than this are no result, however short the time asked for.
pub const ROUNDS_MIN: usize = 15;
/// More are not kept: a median does not get better.
const ROUNDS_MAX: usize = 20_000;
/// Length of one slice.
const SLICE: Duration = Duration::from_micros(400);

/// What to measure.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Which rows there are.
    pub suite: Suite,
    /// For all rows together; at least [`ROUNDS_MIN`] rounds are run in any case.
    pub time: Duration,
    /// Rows of the caller's own, beside those of the suite.
    pub extra: Vec<Row>,
    /// Parts of names; none means all rows.
    pub only: Vec<String>,
    /// Decides the order of rows in each round.
    pub seed: u64,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Glance {
    /// No more rounds will follow.
    pub done: bool,
    /// Whole rounds so far.
    pub rounds: usize,
    /// Time since the start.
    pub seconds: f64,
    /// The row being measured.
    pub current: Cow<'static, str>,
}

/// One row with what was found.
#[derive(Clone, Debug)]
pub struct RowReport {
    /// What was measured.
    pub row: Row,
    /// Ratio of subject to floor over the rounds.
    pub ratio: Spread,
    /// Median figures behind it: subject, floor.
    pub figures: (f64, f64),
    /// Subject and floor of each round.
    pub raw: Vec<(f64, f64)>,
}

impl RowReport {
    fn of(row: Row, raw: Vec<(f64, f64)>) -> Option<Self> {
        let ratio = Spread::of(raw.iter().map(|(subject, floor)| subject / floor))?;
        let subject = Spread::of(raw.iter().map(|pair| pair.0))?.median;
        let floor = Spread::of(raw.iter().map(|pair| pair.1))?.median;
        Some(Self { row, ratio, figures: (subject, floor), raw })
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Rows with at least one round.
    pub rows: Vec<RowReport>,
    /// Rows that cannot be measured here, and why.
    pub left_out: Vec<(Cow<'static, str>, String)>,
    /// Floors against themselves.
    pub nulls: Vec<RowReport>,
    /// Two calls that only add, against a locked pair.
    pub bare_calls: Option<RowReport>,
    /// Whether the measuring thread could be bound to a processor.
    pub bound: bool,
    /// Nobody stopped it, and nothing broke.
    pub complete: bool,
    /// A bug of the benchmark: what it said.
    pub broken: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    glance: Mutex<Glance>,
    ended: Condvar,
}

impl Shared {
    fn glance(&self) -> MutexGuard<'_, Glance> {
        // Nothing panics while it is held.
        self.glance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A benchmark under way.
#[derive(Debug)]
pub struct BenchRun {
    shared: Arc<Shared>,
    started: Instant,
    thread: Option<JoinHandle<Report>>,
}

impl BenchRun {
    /// Starts measuring.
    #[must_use]
    pub fn start(config: Config) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let measured = catch_unwind(AssertUnwindSafe(|| measure(&config, &theirs)));
            theirs.glance().done = true;
            theirs.ended.notify_all();
            measured.unwrap_or_else(|panic| Report {
                broken: Some(words(&*panic)),
                ..Report::default()
            })
        });
        Self { shared, started: Instant::now(), thread: Some(thread) }
    }

    /// How far it is. Does not wait.
    #[must_use]
    pub fn poll(&self) -> Glance {
        let glance = self.shared.glance().clone();
        Glance { seconds: self.started.elapsed().as_secs_f64(), ..glance }
    }

    /// Asks it to end after the slice under way.
    pub fn stop(&self) {
        self.shared.stop.store(true, Relaxed);
    }

    /// Waits for the end, at most so long. True when it has come.
    #[must_use]
    pub fn wait(&self, at_most: Duration) -> bool {
        let glance = self.shared.glance();
        let waited = self.shared.ended.wait_timeout_while(glance, at_most, |glance| !glance.done);
        waited.unwrap_or_else(PoisonError::into_inner).0.done
    }

    /// Waits for the end and takes the report; an empty one the second time.
    pub fn finish(&mut self) -> Report {
        let joined = self.thread.take().map(JoinHandle::join);
        joined.and_then(Result::ok).unwrap_or_default()
    }
}

impl Drop for BenchRun {
    fn drop(&mut self) {
        self.stop();
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "the benchmark panicked".to_owned())
}

/// A row being measured.
struct Measured {
    row: Row,
    workload: Box<dyn Workload>,
    /// Iterations of one slice: subject, floor.
    iterations: (u64, u64),
    raw: Vec<(f64, f64)>,
}

impl Measured {
    fn new(row: Row) -> Result<Self, BuildError> {
        let mut workload = (row.build)()?;
        let mut fit = |side| {
            let nanos = workload.nanos_per_iteration(side).max(0.05);
            (SLICE.as_nanos() as f64 / nanos).clamp(1.0, 10_000_000.0) as u64
        };
        let iterations = (fit(Side::Subject), fit(Side::Floor));
        Ok(Self { row, workload, iterations, raw: Vec::new() })
    }

    fn side(&mut self, side: Side) -> f64 {
        let iterations = if side == Side::Subject { self.iterations.0 } else { self.iterations.1 };
        self.workload.measure(side, iterations)
    }

    /// Outside, inside, inside, outside: what drifts during the row drifts for both.
    fn round(&mut self, outside: Side) {
        let inside = if outside == Side::Floor { Side::Subject } else { Side::Floor };
        let first = self.side(outside);
        let middle = self.side(inside) + self.side(inside);
        let around = first + self.side(outside);
        let pair = if inside == Side::Subject { (middle, around) } else { (around, middle) };
        if self.raw.len() < ROUNDS_MAX {
            self.raw.push((pair.0 / 2.0, pair.1 / 2.0));
        }
    }
}

fn measure(config: &Config, shared: &Shared) -> Report {
    let started = Instant::now();
    let wanted = |row: &Row| {
        config.only.is_empty() || config.only.iter().any(|part| row.name.contains(part.as_str()))
    };
    let stopped = || shared.stop.load(Relaxed);
    let mut report = Report::default();
    let mut measured = Vec::new();
    let mut asked: Vec<Row> =
        rows(config.suite).into_iter().chain(config.extra.iter().cloned()).filter(wanted).collect();
    let used = |row: &Row| row.floor == ITSELF || asked.iter().any(|it| it.floor == row.floor);
    let controls: Vec<Row> = config.suite.controls().into_iter().filter(used).collect();
    let alone = controls.len();
    asked.extend(controls);
    for row in asked {
        if stopped() {
            break;
        }
        let name = row.name.clone();
        shared.glance().current = name.clone();
        match Measured::new(row) {
            Ok(ready) => measured.push(ready),
            Err(why) => report.left_out.push((name, why.to_string())),
        }
    }
    // Only now: a row with more threads looks for itself where they may run.
    report.bound = allowed_processors().first().is_some_and(|&processor| pin_thread(processor));
    let mut dice = Dice::new(config.seed);
    let mut rounds = 0;
    // The controls alone are nothing to measure.
    while measured.len() > alone && (rounds < ROUNDS_MIN || started.elapsed() < config.time) {
        for at in dice.order(measured.len()) {
            if stopped() {
                break;
            }
            shared.glance().current = measured[at].row.name.clone();
            let outside = if dice.below(2) == 0 { Side::Floor } else { Side::Subject };
            measured[at].round(outside);
        }
        if stopped() {
            break;
        }
        rounds += 1;
        shared.glance().rounds = rounds;
    }
    for Measured { row, raw, .. } in measured {
        let Some(found) = RowReport::of(row, raw) else { continue };
        match &*found.row.name {
            NULL => report.nulls.push(found),
            BARE_CALLS => report.bare_calls = Some(found),
            _ => report.rows.push(found),
        }
    }
    report.complete = !stopped();
    report
}
