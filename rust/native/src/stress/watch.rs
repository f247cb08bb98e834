//! Who waits for what: hangs and forgotten wake-ups, by the state of things and never by a clock.
//!
//! A sleep that lasts is only a reason to look. For the look the gate is closed, and when nobody runs any
//! more ([`Watch::come_to_rest`]) every sleeper tells what is true:
//!
//! * what it sleeps for holds: nobody woke it, and nobody is on the way to. That is a lost wake-up, of
//!   whatever class;
//! * the page of a layout break has nothing but mappings, which is what makes it idle, and the break sleeps on
//!   because it waits for something else (B33);
//! * neither. If others stand at the gate, they may still let go of what is waited for, and the round goes on.
//!   If all others are gone, those who sleep wait for each other, or for what nobody will ever do: a deadlock.
//!
//! Threads that starve make the look take longer, nothing else. What only a clock can show is a call that
//! never sleeps and never ends; it is known by the CPU time it has cost, and proves nothing.

use std::time::{Duration, Instant};

use pgmap_mm::dax::PAGE_IDLE;
use pgmap_mm::page::Pfn;
use pgmap_mm::world::{Party, Side, Violation};
use pgmap_prim::{Answer, SlotState, TaskId, Waiter, WarnRecord};
use pgmap_program::op::WorkerId;
use pgmap_program::{Era, Invariant, Rules};

use super::Shared;
use super::gate::{Gate, Outside};
use super::pace::{Costs, Pace};
use super::party::{FoundParty, PageHolder, Parties, Sleeper};
use super::report::{Found, Hang, HangKind};
use super::ring::ring;
use crate::threaded::{Patience, ThreadedWorld};

/// A sleep that lasts longer makes the monitor look.
const LASTING: Duration = Duration::from_millis(150);
/// How often the monitor looks whether the round has come to rest.
const STEP: Duration = Duration::from_millis(1);

/// A wait that does not end.
#[derive(Debug)]
pub(super) struct Stuck {
    pub(super) report: Hang,
    /// What is broken.
    invariant: Invariant,
    /// The sleeper's page, when that is what it sleeps for.
    page: Option<Pfn>,
}

/// What the monitor saw.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// The machine complained.
    Complaints,
    /// Somebody sleeps and should not.
    Hung(Stuck),
    /// A call that never ends, or so it seems.
    Endless(String),
}

/// A round under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floor<'a> {
    pub(super) shared: &'a Shared,
    pub(super) threaded: &'a ThreadedWorld,
    pub(super) gate: &'a Gate,
    /// One for each worker.
    pub(super) paces: &'a [Pace],
}

/// The monitor's memory of a round.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    floor: Floor<'a>,
    costs: Vec<Costs>,
    /// Not before.
    next: Instant,
    /// Sleepers of a known race that were told already.
    known: Vec<(TaskId, u64)>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(floor: Floor<'a>) -> Self {
        let costs = vec![Costs::default(); floor.paces.len()];
        Self { floor, costs, next: Instant::now(), known: Vec::new() }
    }

    /// One glance at the machine, and a look if a sleep lasts.
    pub(super) fn look(&mut self, note: impl FnMut(Found), round: u64) -> Verdict {
        if self.floor.threaded.machine().warnings_total() > 0 {
            return Verdict::Complaints;
        }
        if let Some(told) = self.endless() {
            return Verdict::Endless(told);
        }
        let begun = Instant::now();
        let lasts = |waiter: &Waiter| waiter.for_ > LASTING;
        if begun < self.next || !self.floor.threaded.machine().waiters().iter().any(lasts) {
            return Verdict::Fine;
        }
        let verdict = self.look_closely(note, round);
        // However long a look takes where threads starve, most of the time they work.
        self.next = Instant::now() + LASTING.max(begun.elapsed() * 2);
        verdict
    }

    /// A worker whose present action has cost more than is allowed.
    fn endless(&mut self) -> Option<String> {
        let allowed = self.floor.shared.config.watchdog;
        let costs = self.costs.iter_mut().zip(self.floor.paces).zip(0u8..);
        let mut all =
            costs.map(|((costs, pace), id)| (costs.of_present_action(pace), WorkerId(id)));
        let (cost, worker) = all.find(|(cost, _)| *cost > allowed)?;
        Some(format!(
            "{worker} has used {:.1} s of CPU time in one call, which has not ended",
            cost.as_secs_f64()
        ))
    }

    fn look_closely(&mut self, mut note: impl FnMut(Found), round: u64) -> Verdict {
        let floor = self.floor;
        let _closed = floor.gate.close();
        let mut asked = Vec::new();
        loop {
            let outside = match self.come_to_rest() {
                Ok(outside) => outside,
                Err(verdict) => return verdict,
            };
            let waiters = floor.threaded.machine().waiters();
            let new = |waiter: &&Waiter| !asked.contains(&waiter.cpu);
            let Some(sleeper) = waiters.iter().find(new) else {
                return self.nobody_forgotten(outside, &waiters);
            };
            asked.push(sleeper.cpu);
            let Some(stuck) = forgotten(floor.threaded, &waiters, sleeper) else { continue };
            let key = (sleeper.task, sleeper.object);
            if self.known.contains(&key) {
                continue;
            }
            let known = stuck.known(floor.shared.config.era, &floor.shared.config.rules);
            if known.is_none() {
                return Verdict::Hung(stuck);
            }
            self.known.push(key);
            note(Found { known, ..stuck.as_found(round, floor.shared) });
        }
    }

    /// Waits, for as long as it takes, until every worker stands at the gate, is gone or sleeps. Anything that
    /// makes the look pointless ends it earlier. The gate is closed.
    fn come_to_rest(&mut self) -> Result<Outside, Verdict> {
        loop {
            let outside = self.floor.gate.outside();
            if self.floor.at_rest(outside) {
                return Ok(outside);
            }
            if self.floor.threaded.machine().warnings_total() > 0 {
                return Err(Verdict::Complaints);
            }
            if let Some(told) = self.endless() {
                return Err(Verdict::Endless(told));
            }
            if outside.gone == self.floor.paces.len() || self.floor.shared.is_stopped() {
                return Err(Verdict::Fine);
            }
            std::thread::park_timeout(STEP);
        }
    }

    /// Every sleeper waits for something that does not hold.
    fn nobody_forgotten(&self, outside: Outside, waiters: &[Waiter]) -> Verdict {
        let consequence = |waiter: &Waiter| self.known.contains(&(waiter.task, waiter.object));
        if outside.standing > 0 || waiters.is_empty() {
            return Verdict::Fine;
        }
        // Whoever sleeps behind a sleeper of a known race sleeps by that race.
        let known = waiters.iter().find(|waiter| consequence(waiter));
        let page = known.map(|waiter| Pfn(waiter.object as u32));
        let invariant = if page.is_some() { Invariant::L2 } else { Invariant::L4 };
        let report = told(self.floor.threaded, waiters, None);
        Verdict::Hung(Stuck { report, invariant, page })
    }
}

impl Floor<'_> {
    /// Nobody runs, and nobody is between two steps of an action. `outside` was read before, with the gate
    /// closed; whoever was outside then still is, so the others are those who sleep.
    fn at_rest(self, outside: Outside) -> bool {
        let machine = self.threaded.machine();
        let before = machine.scan();
        let asleep = before.iter().filter(|(state, _)| *state == SlotState::Asleep).count();
        outside.standing + outside.gone + asleep == self.paces.len()
            && machine.all_passive_twice()
            && machine.scan() == before
    }
}

/// Whether this sleeper should have been woken. Nobody runs.
fn forgotten(threaded: &ThreadedWorld, waiters: &[Waiter], sleeper: &Waiter) -> Option<Stuck> {
    let page = (sleeper.class == PAGE_IDLE).then_some(Pfn(sleeper.object as u32));
    let idle =
        page.is_some_and(|page| !threaded.world().dax.vm.pagemaps.memmap.folio(page).is_busy());
    // Told before it is asked: if it holds, the sleeper goes on, and is none any more.
    let report = told(threaded, waiters, Some(Party::of(sleeper.task.0)));
    let invariant = if page.is_some() { Invariant::L2 } else { Invariant::L4 };
    (idle || threaded.machine().ask(sleeper.cpu) == Answer::Holds).then_some(Stuck {
        report,
        invariant,
        page,
    })
}

/// Who waits for what and who holds it, with the sleeper whose wake-up was lost. Nobody runs.
fn told(threaded: &ThreadedWorld, waiters: &[Waiter], sleeper: Option<Party>) -> Hang {
    let kind = if sleeper.is_some() { HangKind::LostWakeUp } else { HangKind::Deadlock };
    let mut holders = Vec::new();
    let mut edges = Vec::new();
    for waiter in waiters {
        let me = Party::of(waiter.task.0).worker;
        edges.extend(waiter.owner.map(|task| (me, Party::of(task.0).worker)));
        if waiter.class != PAGE_IDLE {
            continue;
        }
        let pfn = Pfn(waiter.object as u32);
        let held = threaded.enter(0, Patience::default(), |cpu| threaded.world().holders(cpu, pfn));
        for holder in held.unwrap_or_default() {
            holders.push(PageHolder { pfn, by: holder.by });
            edges.push((me, holder.by.worker()));
        }
    }
    let known = edges.into_iter().filter_map(|(waits, holds)| Some((waits?, holds?)));
    let ring = ring(&known.collect::<Vec<_>>());
    Hang { kind, sleeper, ring, waiters: waiters.iter().map(Sleeper::of).collect(), holders }
}

impl Stuck {
    /// The catalogue number, when it is the era's own.
    pub(super) fn known(&self, era: Era, rules: &Rules) -> Option<&'static str> {
        known(era, rules, self.invariant, &Parties(self.sleepers().collect()))
    }

    fn sleepers(&self) -> impl Iterator<Item = FoundParty> + '_ {
        self.report.waiters.iter().cloned().map(FoundParty::Sleeper)
    }

    /// Whether it is nothing but what a known race leaves behind that was told already.
    pub(super) fn is_consequence(&self) -> bool {
        self.report.kind == HangKind::Deadlock && self.page.is_some()
    }

    /// As a liveness violation.
    pub(super) fn as_found(&self, round: u64, shared: &Shared) -> Found {
        let holders = self.report.holders.iter().copied().map(FoundParty::Holder);
        let waits: Vec<String> = self.sleepers().map(|sleeper| sleeper.to_string()).collect();
        Found {
            invariant: self.invariant.id(),
            title: "a layout break sleeps although its page is idle".to_owned(),
            page: self.page.map_or_else(|| "-".to_owned(), |pfn| format!("{:#x}", pfn.0)),
            parties: Parties(self.sleepers().chain(holders).take(2).collect()),
            detail: waits.join("; "),
            known: None,
            round,
            seconds: shared.started.elapsed().as_secs_f64(),
        }
    }
}

/// The era's name for what is broken, by the race's fingerprint. Real threads cannot be asked whether it goes away
/// with the mend; whatever is not so told goes to the explorer, which can.
pub(super) fn known(
    era: Era,
    rules: &Rules,
    invariant: Invariant,
    parties: &Parties,
) -> Option<&'static str> {
    let takes_part = |operation: &str| parties.calls().any(|call| call == operation);
    era.known_race(rules, invariant, takes_part).map(|race| race.id)
}

/// Complaints as violations, even when the machine had to be poisoned to end the round.
pub(super) fn describe_after_all(
    threaded: &ThreadedWorld,
    records: &[WarnRecord],
) -> Vec<Violation> {
    threaded.describe(records).unwrap_or_else(|stopped| {
        records
            .iter()
            .map(|record| Violation {
                invariant: Invariant::I20,
                complaint: None,
                title: format!("complaint {:#x}, not described: {stopped:?}", record.warn.code),
                pfn: None,
                parties: vec![Side::Caller(Party::of(record.task.0))],
                detail: String::new(),
            })
            .collect()
    })
}

#[cfg(test)]
mod tests;
