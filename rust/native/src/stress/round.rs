//! One round: start threads, watch them, join, balance the books.
//!
//! A round ends when every list is done, or when time is up; either way threads give back what they hold, and
//! the books must balance. Only a round that somebody interrupted, or in which something was found, is left
//! as it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pgmap_mm::world::Violation;
use pgmap_prim::{Perturber, Poison, Stopped};
use pgmap_program::op::WorkerId;

use super::actions::{draw, make_files};
use super::gate::Gate;
use super::pace::Pace;
use super::party::{FoundParty, Parties};
use super::report::{Found, publish_slow_paths};
use super::watch::{self, Floor, Verdict, Watch};
use super::worker::Worker;
use super::{ACTIONS_PER_ROUND, KEPT, PERTURBATIONS, Shared};
use crate::threaded::{Patience, ThreadedWorld};

/// How often the monitor looks.
const GLANCE: Duration = Duration::from_millis(2);
/// How long threads may take to leave a round about which nothing more will be said, before the machine is
/// poisoned to free those that sleep.
const PARTING: Duration = Duration::from_millis(60);

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RoundEnd {
    /// All threads left and the books balance.
    Clean,
    /// The run was asked to stop in the middle; the world is not looked at.
    Stopped,
    /// Something was found: the world is not to be used again.
    Broken,
}

/// Runs one round on a quiescent world.
pub(super) fn run(shared: &Shared, threaded: &ThreadedWorld, round: u64) -> RoundEnd {
    let threads = shared.config.threads;
    if let Err(stopped) = make_files(threaded) {
        return broken_by(shared, round, &stopped);
    }
    let stop = AtomicBool::new(false);
    let gate = Gate::default();
    let paces: Vec<Pace> = (0..threads).map(|_| Pace::default()).collect();
    let perturber = Perturber::new(shared.config.seed ^ round, PERTURBATIONS);
    // Half as many processes as threads: threads of one process race in one mm, processes on files.
    let procs = threads.div_ceil(2);
    let ended = std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for thread in 0..threads {
            let of = (thread >= procs).then(|| WorkerId((thread - procs) as u8));
            let worker = match Worker::start(threaded, WorkerId(thread as u8), of) {
                Ok(worker) => worker,
                Err(stopped) => return Err(stopped),
            };
            workers.push(worker);
        }
        let handles: Vec<_> = workers
            .into_iter()
            .zip(0..)
            .zip(&paces)
            .map(|((mut worker, thread), pace)| {
                let (stop, gate, perturber) = (&stop, &gate, &perturber);
                scope.spawn(move || {
                    // However it ends: the monitor waits for this.
                    let _leaves = Leaves(gate);
                    let config = &shared.config;
                    let geometry = threaded.world().geometry();
                    let list =
                        draw(&config.mix, geometry, config.seed, round, thread, ACTIONS_PER_ROUND);
                    let _naps = perturber.register_current();
                    worker.run(&list, stop, (gate, pace), &shared.counts)
                })
            })
            .collect();
        let floor = Floor { shared, threaded, gate: &gate, paces: &paces };
        let verdict = monitor(floor, &stop, round);
        for handle in handles {
            match handle.join() {
                Ok(Ok(()) | Err(Stopped::Poisoned(_))) => {}
                Ok(Err(stopped)) => return Err(stopped),
                Err(_) => return Err(Stopped::Panic("a stress thread panicked".to_owned())),
            }
        }
        Ok(verdict)
    });
    *shared.state().banked.entry("naps").or_insert(0) += perturber.naps();
    match ended {
        Err(stopped) => broken_by(shared, round, &stopped),
        Ok(verdict) => conclude(shared, threaded, round, verdict),
    }
}

/// A thread leaves, also by a panic.
struct Leaves<'a>(&'a Gate);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Watches until every thread is gone.
fn monitor(floor: Floor<'_>, stop: &AtomicBool, round: u64) -> Verdict {
    let Floor { shared, threaded, gate, paces } = floor;
    let mut watch = Watch::new(floor);
    let mut verdict = Verdict::Fine;
    // Since when nothing more will be said about this round.
    let mut ending: Option<Instant> = None;
    while gate.outside().gone < paces.len() {
        std::thread::park_timeout(GLANCE);
        if let Some(since) = ending {
            if since.elapsed() > PARTING {
                threaded.machine().poison(Poison::Requested("the round is over".to_owned()));
            }
            continue;
        }
        verdict = watch.look(|found| note(shared, found), round);
        match verdict {
            Verdict::Fine => {}
            Verdict::Complaints => ending = Some(Instant::now()),
            Verdict::Hung(_) | Verdict::Endless(_) => {
                ending = Some(Instant::now());
                threaded
                    .machine()
                    .poison(Poison::Requested("a wait or a call does not end".to_owned()));
            }
        }
        if shared.is_stopped() {
            ending.get_or_insert_with(Instant::now);
        }
        // Whose time is up leaves as at the end of its list, and the books are balanced.
        if ending.is_some() || shared.out_of_budget() {
            stop.store(true, Ordering::Relaxed);
        }
        publish_slow_paths(shared, threaded);
    }
    verdict
}

/// All threads are gone: what was found, and does everything balance?
fn conclude(shared: &Shared, threaded: &ThreadedWorld, round: u64, verdict: Verdict) -> RoundEnd {
    let records = threaded.machine().warnings();
    match verdict {
        Verdict::Fine | Verdict::Complaints => {}
        Verdict::Hung(stuck) => {
            if !stuck.is_consequence() {
                shared.state().hang = Some(stuck.report);
            }
            return RoundEnd::Broken;
        }
        Verdict::Endless(told) => {
            shared.state().no_verdict = Some(told);
            return RoundEnd::Broken;
        }
    }
    if !records.is_empty() {
        let described = watch::describe_after_all(threaded, &records);
        if let Some(first) = described.first() {
            note(shared, found(shared, round, first));
        }
        return RoundEnd::Broken;
    }
    if threaded.machine().poisoned().is_some() {
        // Threads that slept when time was up had to be freed: nothing can be said about this round.
        return RoundEnd::Stopped;
    }
    match threaded.enter(0, Patience::default(), |cpu| threaded.world().quiescence(cpu)) {
        Err(stopped) => broken_by(shared, round, &stopped),
        Ok(wrong) if wrong.is_empty() => {
            let mut state = shared.state();
            state.rounds += 1;
            RoundEnd::Clean
        }
        Ok(wrong) => {
            shared.state().quiescent = false;
            note(shared, unbalanced(shared, round, &wrong));
            RoundEnd::Broken
        }
    }
}

fn note(shared: &Shared, found: Found) {
    let mut state = shared.state();
    if state.violations.len() < KEPT {
        state.violations.push(found);
    }
}

/// A violation, with the era's opinion on it.
fn found(shared: &Shared, round: u64, violation: &Violation) -> Found {
    let config = &shared.config;
    let sides = violation.parties.iter().copied();
    let parties = Parties(sides.map(FoundParty::Side).collect());
    let known = watch::known(config.era, &config.rules, violation.invariant, &parties);
    Found {
        invariant: violation.invariant.id(),
        title: violation.title.clone(),
        page: violation.pfn.map_or_else(|| "-".to_owned(), |pfn| format!("{:#x}", pfn.0)),
        parties,
        detail: violation.detail.clone(),
        known,
        round,
        seconds: shared.started.elapsed().as_secs_f64(),
    }
}

fn unbalanced(shared: &Shared, round: u64, wrong: &[String]) -> Found {
    Found {
        invariant: "I03",
        title: "the books do not balance at a join point".to_owned(),
        page: "-".to_owned(),
        parties: Parties(vec![FoundParty::AllThreadsGone]),
        detail: wrong.iter().take(8).cloned().collect::<Vec<_>>().join("; "),
        known: None,
        round,
        seconds: shared.started.elapsed().as_secs_f64(),
    }
}

/// pgmap itself failed: that is no finding about the rules, and ends the run.
fn broken_by(shared: &Shared, round: u64, stopped: &Stopped) -> RoundEnd {
    shared.state().failure = Some(format!("round {round}: pgmap itself stopped: {stopped:?}"));
    RoundEnd::Stopped
}

#[cfg(test)]
mod tests {
    use pgmap_program::Era;
    use pgmap_program::op::{DevAlloc, DevPut};

    use super::*;

    #[test]
    fn a_round_whose_books_do_not_balance_is_no_rest() {
        let rules = Era::V6_15Sound.rules();
        let shared = Shared::of_nobody(1, Era::V6_15Sound, rules);
        let threaded = ThreadedWorld::new(&shared.config.geometry, rules).expect("a world");
        let enter = |what: &dyn Fn(&pgmap_prim::Cpu<'_>) -> i64| {
            threaded.enter(0, Patience::default(), |cpu| what(cpu)).expect("a CPU")
        };
        assert_eq!(conclude(&shared, &threaded, 0, Verdict::Fine), RoundEnd::Clean);
        assert!(shared.state().quiescent);
        // The driver keeps a page that nobody gave back.
        let held = DevAlloc { start: 0, pages: 1 };
        enter(&|cpu| threaded.world().dev_alloc(cpu, WorkerId(0), &held).expect("a free page"));
        assert_eq!(conclude(&shared, &threaded, 1, Verdict::Fine), RoundEnd::Broken);
        assert!(!shared.state().quiescent);
        assert_eq!(shared.state().violations[0].invariant, "I03");
        enter(&|cpu| {
            threaded.world().dev_put(cpu, WorkerId(0), &DevPut { page: 0 }).expect("its page")
        });
    }
}
