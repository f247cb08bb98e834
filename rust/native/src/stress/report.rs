//! What a stress run has to say.

use std::collections::BTreeMap;

use pgmap_mm::tally;
use pgmap_mm::world::Party;
use pgmap_program::Rules;
use pgmap_program::op::WorkerId;
use serde::{Serialize, Serializer};

use super::Shared;
use super::party::{PageHolder, Parties, Sleeper};
use crate::threaded::ThreadedWorld;

/// An invariant was seen broken.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// `"I18"`.
    pub invariant: &'static str,
    /// What happened, in a few words.
    pub title: String,
    /// The page's frame, or what else it is about.
    pub page: String,
    #[serde(flatten)]
    pub parties: Parties,
    /// Values and lives.
    pub detail: String,
    /// The catalogue number, when the era is known to have this race.
    pub known: Option<&'static str>,
    /// In which round.
    pub round: u64,
    /// How long into the run.
    pub seconds: f64,
}

/// Why a wait does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum HangKind {
    /// Somebody sleeps although what it sleeps for is true, and no wake-up is on its way.
    #[serde(rename = "lost wake-up")]
    LostWakeUp,
    /// Everybody else is gone: those who sleep wait for each other, or for what nobody does.
    #[serde(rename = "deadlock")]
    Deadlock,
}

/// Waits that do not end, as was proven with nobody running.
#[derive(Clone, Debug, Serialize)]
pub struct Hang {
    /// Why.
    pub kind: HangKind,
    /// Whose wake-up was lost, and what it is doing.
    #[serde(serialize_with = "words")]
    pub sleeper: Option<Party>,
    /// Workers each of which waits for the next, from one of them back to it; empty if there is no ring.
    #[serde(serialize_with = "all_words")]
    pub ring: Vec<WorkerId>,
    #[serde(serialize_with = "all_words")]
    pub waiters: Vec<Sleeper>,
    /// What holds them up.
    #[serde(serialize_with = "all_words")]
    pub holders: Vec<PageHolder>,
}

/// A glance at a run.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The threads are gone.
    pub done: bool,
    /// Actions done.
    pub ops: u64,
    /// Since the start.
    pub seconds: f64,
    /// By kind.
    pub op_counts: Vec<(&'static str, u64)>,
    /// Slow paths walked so far.
    pub slow_paths: BTreeMap<&'static str, u64>,
    /// Everything found so far.
    pub violations: Vec<Found>,
    /// Resident memory.
    pub rss_kib: u64,
    /// Rounds finished.
    pub rounds: u64,
    /// Whether the books balanced at the end of every round so far.
    pub quiescent: bool,
    /// Set when a wait does not end.
    pub hang: Option<Hang>,
    /// Set when nothing can be said: a call that went on too long.
    pub no_verdict: Option<String>,
    /// Resident memory over time, at most one sample a second.
    pub rss: Vec<(f64, u64)>,
    /// Seconds the run took, once it is over.
    pub ended_after: Option<f64>,
    /// What stopped pgmap itself.
    pub(super) failure: Option<String>,
    /// Slow paths of worlds that are gone.
    pub(super) banked: BTreeMap<&'static str, u64>,
}

/// The whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Preset.
    pub era: String,
    /// Threads.
    pub threads: u16,
    /// Seed.
    #[serde(serialize_with = "hexadecimal")]
    pub seed: u64,
    /// Rules in force.
    pub rules: Rules,
    /// What differs from the preset.
    pub broken: Vec<String>,
    /// Actions done.
    pub ops: u64,
    /// By kind.
    #[serde(serialize_with = "by_name")]
    pub op_counts: Vec<(&'static str, u64)>,
    /// Length of the run; whoever tells of a run has a clock of their own.
    #[serde(skip)]
    pub seconds: f64,
    /// Nobody stopped it early.
    pub complete: bool,
    /// Rounds finished.
    pub rounds: u64,
    /// The books balanced at every join point; `rounds` says how many there were.
    pub quiescent: bool,
    /// Everything found.
    pub violations: Vec<Found>,
    /// Slow paths walked.
    pub slow_paths: BTreeMap<&'static str, u64>,
    /// Set when a wait does not end.
    pub hang: Option<Hang>,
    /// Set when nothing can be said: a call that went on too long.
    pub no_verdict: Option<String>,
    /// Resident memory over time: seconds, KiB.
    pub rss: Vec<(f64, u64)>,
}

fn words<T: ToString, S: Serializer>(one: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    one.as_ref().map(ToString::to_string).serialize(serializer)
}

fn all_words<T: ToString, S: Serializer>(all: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(ToString::to_string))
}

fn hexadecimal<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{number:#018x}"))
}

/// Pairs as a map, in their order.
fn by_name<S: Serializer>(pairs: &[(&'static str, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
}

/// Resident memory of this process, in KiB; 0 where that cannot be told.
#[must_use]
pub(super) fn resident_kib() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4
}

/// Samples memory, once a second or now.
pub(super) fn sample_memory(shared: &Shared, now: bool) {
    let seconds = shared.started.elapsed().as_secs_f64();
    let mut state = shared.state();
    if now || state.rss.last().is_none_or(|(at, _)| seconds - at >= 1.0) {
        state.rss.push((seconds, resident_kib()));
    }
}

/// Publishes the slow paths of the world in use on top of those of worlds that are gone.
pub(super) fn publish_slow_paths(shared: &Shared, threaded: &ThreadedWorld) {
    let mut state = shared.state();
    let naps = state.banked.get("naps").copied().unwrap_or(0);
    state.slow_paths.insert("naps", naps);
    for (tally, name) in tally::ALL {
        let banked = state.banked.get(name).copied().unwrap_or(0);
        state.slow_paths.insert(name, banked + threaded.machine().tally(*tally));
    }
}

/// The world is about to go: keep what it counted.
pub(super) fn bank_slow_paths(shared: &Shared, threaded: &ThreadedWorld) {
    publish_slow_paths(shared, threaded);
    let mut state = shared.state();
    state.banked = state.slow_paths.clone();
}
