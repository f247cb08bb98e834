//! Who waits for what: hangs, and wake-ups lost by the state of things rather than by a clock.
//!
//! A sleeper for an idle page whose page *is* idle, and stays so for longer than any wake-up takes to
//! arrive, was not woken (B33): that is seen by looking at the page, not by how long the sleep is.
//! Anything else that sleeps longer than the watchdog allows is a hang, told with its waiters and with
//! whoever holds what they wait for. So is a call that runs as long without sleeping once: it goes round
//! in circles.

use std::time::{Duration, Instant};

use pgmap_mm::page::Pfn;
use pgmap_mm::world::{Party, Violation};
use pgmap_prim::{SlotState, TaskId, Waiter, WarnRecord};
use pgmap_program::op::WorkerId;
use pgmap_program::{Era, Invariant, Rules};

use super::Shared;
use super::report::{Found, Hang};
use crate::lab::{Lab, Patience};

/// The wait class of a layout break, as `dax::layout` names it.
const PAGE_IDLE: &str = "page to become idle";
/// A wake-up that was sent has long arrived by then, naps included.
const ARRIVAL: Duration = Duration::from_millis(150);

/// A wait that does not end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stuck {
    pub(super) report: Hang,
    /// The sleeper's page, when it sleeps although the page is idle.
    lost_wake: Option<Pfn>,
}

/// What the monitor saw.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// The machine complained.
    Complaints,
    /// The budget is spent.
    Cut,
    /// Somebody sleeps and should not.
    Hung(Stuck),
}

impl PartialEq for Hang {
    fn eq(&self, other: &Self) -> bool {
        self.waiters == other.waiters && self.holders == other.holders
    }
}

/// The monitor's memory.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// A sleeper whose page was idle at every glance since.
    suspect: Option<(Suspect, Instant)>,
    /// What each CPU was doing at every glance since.
    doing: Vec<(Doing, Instant)>,
}

/// A state of a CPU, and which one of those it is in the course of time.
type Doing = (SlotState, u64);

/// Who sleeps, and for which page.
type Suspect = (TaskId, u64);

impl Watch {
    /// One glance at the machine.
    pub(super) fn look(&mut self, lab: &Lab, watchdog: Duration) -> Verdict {
        if lab.machine().warnings_total() > 0 {
            return Verdict::Complaints;
        }
        let waiters = lab.machine().waiters();
        if let Some(page) = self.not_woken(lab, &waiters) {
            return Verdict::Hung(stuck(lab, &waiters, Some(page)));
        }
        // Whoever waits for a call that never ends began to wait after it began to run.
        let runner = self.runs_on(lab, watchdog / 2);
        let waits = waiters.iter().any(|waiter| waiter.for_ > watchdog);
        if !waits && runner.is_none_or(|(_, runs)| runs <= watchdog) {
            return Verdict::Fine;
        }
        let mut stuck = stuck(lab, &waiters, None);
        if let Some((worker, runs)) = runner {
            let told =
                format!("{worker} runs {:.1} s in one call, never asleep", runs.as_secs_f64());
            stuck.report.waiters.insert(0, told);
        }
        Verdict::Hung(stuck)
    }

    /// A worker that has been running all the while, in one call, for longer than `allowed`.
    fn runs_on(&mut self, lab: &Lab, allowed: Duration) -> Option<(WorkerId, Duration)> {
        let now = Instant::now();
        let doing = lab.machine().scan();
        self.doing.resize(doing.len(), ((SlotState::Idle, 0), now));
        let mut long = None;
        for ((before, new), cpu) in self.doing.iter_mut().zip(doing).zip(0u8..) {
            if before.0 != new {
                *before = (new, now);
            }
            let runs = now.duration_since(before.1);
            // A worker has the CPU after its number; the first is the machine's own.
            if new.0 == SlotState::Running && runs > allowed && cpu > 0 {
                long = Some((WorkerId(cpu - 1), runs));
            }
        }
        long
    }

    /// The page of a sleeper that nobody woke.
    fn not_woken(&mut self, lab: &Lab, waiters: &[Waiter]) -> Option<Pfn> {
        let asleep = waiters.iter().filter(|waiter| sleeps_by_an_idle_page(lab, waiter));
        let keys: Vec<Suspect> = asleep.map(|waiter| (waiter.task, waiter.object)).collect();
        match self.suspect {
            Some((suspect, since)) if keys.contains(&suspect) => {
                (since.elapsed() > ARRIVAL).then_some(Pfn(suspect.1 as u32))
            }
            _ => {
                self.suspect = keys.first().map(|key| (*key, Instant::now()));
                None
            }
        }
    }
}

/// Mapped, nothing else, and still slept for: the B33 shape.
fn sleeps_by_an_idle_page(lab: &Lab, waiter: &Waiter) -> bool {
    if waiter.class != PAGE_IDLE {
        return false;
    }
    let folio = lab.world().dax.vm.pagemaps.memmap.folio(Pfn(waiter.object as u32));
    folio.refcount() == folio.mapcount()
}

fn stuck(lab: &Lab, waiters: &[Waiter], lost_wake: Option<Pfn>) -> Stuck {
    let told = waiters.iter().map(|waiter| {
        let by = waiter
            .owner
            .map_or_else(String::new, |task| format!(", held by {}", Party::of(task.0)));
        let party = Party::of(waiter.task.0);
        format!(
            "{party} waits {:.1} s for {} {:#x}{by}",
            waiter.for_.as_secs_f64(),
            waiter.class,
            waiter.object
        )
    });
    let pages = waiters
        .iter()
        .filter(|waiter| waiter.class == PAGE_IDLE)
        .map(|waiter| Pfn(waiter.object as u32));
    let holders = pages.flat_map(|pfn| {
        let held = lab.enter(0, Patience::default(), |cpu| lab.world().holders(cpu, pfn));
        held.unwrap_or_default().into_iter().map(move |holder| format!("{pfn}: {}", holder.who))
    });
    Stuck { report: Hang { waiters: told.collect(), holders: holders.collect() }, lost_wake }
}

impl Stuck {
    /// The catalogue number, when it is the era's own lost wake-up.
    pub(super) fn known(&self, era: Era, rules: &Rules) -> Option<&'static str> {
        self.lost_wake.and_then(|_| known(era, rules, Invariant::L2))
    }

    /// As a liveness violation.
    pub(super) fn as_found(&self, round: u64, shared: &Shared) -> Found {
        Found {
            invariant: Invariant::L2.id(),
            title: "a layout break sleeps although its page is idle".to_owned(),
            page: self.lost_wake.map_or_else(|| "-".to_owned(), |pfn| format!("{:#x}", pfn.0)),
            parties: self
                .report
                .waiters
                .iter()
                .chain(&self.report.holders)
                .take(2)
                .cloned()
                .collect(),
            detail: self.report.waiters.join("; "),
            known: None,
            round,
            seconds: shared.started.elapsed().as_secs_f64(),
        }
    }
}

/// The era's name for a broken invariant, if the rule that breaks it is in force.
pub(super) fn known(era: Era, rules: &Rules, invariant: Invariant) -> Option<&'static str> {
    let race = era.known_for(invariant)?;
    let (rule, value) = race.rule;
    (rules.get(rule) == Ok(value)).then_some(race.id)
}

/// Complaints as violations, even when the machine had to be poisoned to end the round.
pub(super) fn describe_after_all(lab: &Lab, records: &[WarnRecord]) -> Vec<Violation> {
    lab.describe(records).unwrap_or_else(|stopped| {
        records
            .iter()
            .map(|record| Violation {
                invariant: Invariant::I20,
                complaint: None,
                title: format!("complaint {:#x}, not described: {stopped:?}", record.warn.code),
                pfn: None,
                parties: vec![Party::of(record.task.0).to_string()],
                detail: String::new(),
            })
            .collect()
    })
}
