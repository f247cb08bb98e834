//! Stress: real threads on one world, every page's life checked.
//!
//! A run is a series of *rounds*. In a round each thread executes a list of actions that follows from
//! (seed, round, thread) alone; the interleaving does not. While they run, three oracles watch: the
//! shadow of every page, compared at each access and DMA; the counters, which complain; and page
//! contents, which must be what that file wrote there. When all threads have given back what they held
//! and left, the books must balance exactly. Then the next round starts on the same world.
//!
//! A violation ends its round and the world with it: whatever follows is consequence. If the era lists
//! the race as known, it is counted as such and the run goes on.
//!
//! | file | holds |
//! |---|---|
//! | `actions` | what threads do, drawn from a seed |
//! | `worker` | one thread: executes, holds, gives back |
//! | `round` | one round: threads, monitor, quiescence |
//! | `watch` | who waits for what, lost wake-ups and deadlocks by state |
//! | `gate` | holds workers up between two actions, for a look |
//! | `ring` | who waits for whom, in a circle |
//! | `pace` | calls that never sleep and never end |
//! | `report` | what a run has to say |

mod actions;
mod anon;
mod gate;
mod pace;
mod party;
mod report;
mod ring;
mod round;
mod watch;
mod worker;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pgmap_program::{Era, Geometry, Rules};

use crate::threaded::{ThreadedWorld, ThreadedWorldError};

pub use actions::{Action, ActionKind, MIXES, Mix, list_of, mix_named};
pub use party::{FoundParty, PageHolder, Parties, Sleeper};
pub use report::{Found, Hang, HangKind, Progress, Report};
pub use worker::run_list;

use round::RoundEnd;

/// What to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The preset the rules come from; decides which races are known.
    pub era: Era,
    /// The rules, wrong ones included.
    pub rules: Rules,
    /// Sizes.
    pub geometry: Geometry,
    /// Threads, at least one.
    pub threads: u16,
    /// Which actions how often.
    pub mix: Mix,
    /// Everything random follows from it, but not the interleaving.
    pub seed: u64,
    /// Ends the run after this time.
    pub duration: Option<Duration>,
    /// Ends the run after this many actions.
    pub ops: Option<u64>,
    /// Ends the run after this many violations that are news; none goes on.
    pub max_failures: Option<usize>,
    /// A call that has used more CPU time than this is given up, and proves nothing.
    pub watchdog: Duration,
}

/// Actions of one thread in one round.
const ACTIONS_PER_ROUND: usize = 4096;
/// Times a second that every thread is made to nap, wherever it happens to be.
const PERTURBATIONS: u32 = 6_000;
/// Violations kept; more are counted only.
const KEPT: usize = 256;

/// What the run thread, its workers and its observers share.
#[derive(Debug)]
struct Shared {
    config: Config,
    started: Instant,
    /// Somebody asked the run to stop.
    stop: AtomicBool,
    /// Actions that did something, by kind. What found nothing to do does not count.
    counts: Vec<AtomicU64>,
    state: Mutex<Progress>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ops(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn out_of_budget(&self) -> bool {
        let late = self.config.duration.is_some_and(|limit| self.started.elapsed() >= limit);
        let many = self.config.ops.is_some_and(|limit| self.ops() >= limit);
        let failed = self.config.max_failures.is_some_and(|limit| {
            self.state().violations.iter().filter(|found| found.known.is_none()).count() >= limit
        });
        late || many || failed || self.is_stopped()
    }

    /// Somebody asked for an early end.
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A stress run in the background.
#[derive(Debug)]
pub struct Run {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<Result<(), ThreadedWorldError>>>>,
}

impl Run {
    /// Starts threads on a fresh world.
    ///
    /// # Errors
    /// [`ThreadedWorldError`] when no world of this geometry can be built.
    pub fn start(config: Config) -> Result<Self, ThreadedWorldError> {
        let geometry = Geometry { cpus: config.threads + 2, ..config.geometry };
        let threaded = ThreadedWorld::new(&geometry, config.rules)?;
        let shared = Arc::new(Shared {
            started: Instant::now(),
            stop: AtomicBool::new(false),
            counts: ActionKind::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            state: Mutex::new(Progress::default()),
            config: Config { geometry, ..config },
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("pgmap-stress".to_owned())
            .spawn(move || rounds(&theirs, threaded))
            .map_err(|_| ThreadedWorldError::NoMemory(pgmap_prim::NoMemory))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// How far it is; never waits for the threads.
    #[must_use]
    pub fn poll(&self) -> Progress {
        let mut progress = self.shared.state().clone();
        progress.ops = self.shared.ops();
        progress.seconds = self.shared.started.elapsed().as_secs_f64();
        progress.op_counts = self.op_counts();
        progress.rss_kib = report::resident_kib();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        progress.done |= thread.as_ref().is_none_or(JoinHandle::is_finished);
        progress
    }

    /// Asks for an early end. Returns at once.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the threads are gone.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Joins and reports.
    ///
    /// # Errors
    /// What stopped the run itself, in a sentence.
    pub fn finish(&self) -> Result<Report, String> {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread
                .join()
                .map_err(|_| "the stress engine itself panicked".to_owned())?
                .map_err(|error| error.to_string())?;
        }
        let state = self.shared.state().clone();
        if let Some(failure) = state.failure {
            return Err(failure);
        }
        let config = &self.shared.config;
        Ok(Report {
            era: config.era.name().to_owned(),
            threads: config.threads,
            seed: config.seed,
            rules: config.rules,
            broken: config
                .rules
                .differences(&config.era.rules())
                .iter()
                .map(|(rule, value)| format!("{rule}={value}"))
                .collect(),
            ops: self.shared.ops(),
            op_counts: self.op_counts(),
            seconds: state
                .ended_after
                .unwrap_or_else(|| self.shared.started.elapsed().as_secs_f64()),
            complete: !self.shared.is_stopped(),
            rounds: state.rounds,
            quiescent: state.quiescent,
            violations: state.violations,
            slow_paths: state.slow_paths,
            hang: state.hang,
            no_verdict: state.no_verdict,
            rss: state.rss,
        })
    }

    fn op_counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.shared.counts.iter().map(|count| count.load(Ordering::Relaxed));
        ActionKind::ALL.iter().map(|kind| kind.name()).zip(counts).filter(|(_, n)| *n > 0).collect()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Whatever it had to say, nobody asked.
            let _ = thread.join();
        }
    }
}

/// The run thread: round after round until the budget is spent.
fn rounds(shared: &Shared, mut threaded: ThreadedWorld) -> Result<(), ThreadedWorldError> {
    shared.state().quiescent = true;
    let mut round = 0;
    while !shared.out_of_budget() {
        let end = round::run(shared, &threaded, round);
        round += 1;
        report::sample_memory(shared, false);
        match end {
            RoundEnd::Clean => {}
            RoundEnd::Stopped => break,
            RoundEnd::Broken => {
                report::bank_slow_paths(shared, &threaded);
                let state = shared.state();
                if state.hang.is_some() || state.no_verdict.is_some() {
                    break;
                }
                drop(state);
                threaded = ThreadedWorld::new(&shared.config.geometry, shared.config.rules)?;
            }
        }
    }
    report::bank_slow_paths(shared, &threaded);
    report::sample_memory(shared, true);
    shared.state().ended_after = Some(shared.started.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
impl Shared {
    /// Of a run that nobody has started.
    fn of_nobody(threads: u16, era: Era, rules: Rules) -> Self {
        let config = Config {
            era,
            rules,
            geometry: Geometry { cpus: threads + 2, ..Geometry::stress(threads) },
            threads,
            mix: mix_named("default").expect("the default mix"),
            seed: 1,
            duration: None,
            ops: None,
            max_failures: None,
            watchdog: Duration::from_secs(60),
        };
        Self {
            config,
            started: Instant::now(),
            stop: AtomicBool::new(false),
            counts: vec![AtomicU64::new(0)],
            state: Mutex::new(Progress { quiescent: true, ..Progress::default() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_races_do_not_use_up_the_failures_that_end_a_run() {
        let mut shared = Shared::of_nobody(1, Era::V6_15, Era::V6_15.rules());
        shared.config.max_failures = Some(2);
        let found = |known| Found {
            invariant: "I13-strong",
            title: String::new(),
            page: String::new(),
            parties: Parties::default(),
            detail: String::new(),
            known,
            round: 0,
            seconds: 0.0,
        };
        shared.state().violations.extend([Some("B31"), Some("B31"), None].map(found));
        assert!(!shared.out_of_budget(), "one is news");
        shared.state().violations.push(found(None));
        assert!(shared.out_of_budget());
    }
}
