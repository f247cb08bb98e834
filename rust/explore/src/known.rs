//! Known races: whether a failure is one that the era is known to have, or its consequence.
//!
//! Not by what it breaks: a known race breaks more than one thing, and a wrong rule may break the same. The question
//! is whether the failure goes away when the known race is mended: the same schedule first, then every schedule
//! within the same bound, with the race's rule at its sound value. Each known race alone is tried before all
//! together. A failure that stays with all of them mended is news. Which of the races that one rule makes it is, its
//! fingerprint says, as on real threads (`KnownRace::is_seen_in`).

use std::num::NonZeroUsize;

use pgmap_sched::{Control, Limit, Plan, Schedule};

use crate::finding::{Attribution, Finding};
use crate::found::Found;
use crate::mend::{Mend, mended, mends};
use crate::replay::fails_alike;
use crate::scenario::{Scenario, Unfinished};
use crate::verdict::{Met, Verdict, join};
use crate::within::first;

/// Executions in the search that says which of several known races a failure is.
const SCHEDULES: u64 = 10_000;
/// The bound of that search for a failure that was found without one.
const BOUND: u32 = 2;

/// The known race that a failure is, or is a consequence of. None: it is news.
///
/// # Errors
/// That `control` said stop before this was known.
pub fn attribute(
    scenario: &Scenario,
    found: &Found,
    control: &mut dyn FnMut() -> Control,
) -> Result<Option<Attribution>, Unfinished> {
    let mends = mends(scenario);
    let news = mends.is_empty() || !goes_away(scenario, &mends, found, control)?;
    Ok((!news).then(|| name(scenario, &mends, found, control)))
}

/// Which race it is, of a failure that goes away with all these mends on. It is looked for with each race mended
/// until `control` says stop, and from then on guessed by its fingerprint.
pub(crate) fn name(
    scenario: &Scenario,
    mends: &[Mend],
    found: &Found,
    control: &mut dyn FnMut() -> Control,
) -> Attribution {
    // Who takes part is whoever is in the program: that the race's rule matters is shown by its mend.
    let takes_part =
        |operation: &str| scenario.program.steps.iter().any(|step| step.op.call() == operation);
    let shown = |mend: &Mend| {
        let (rules, invariant) = (&scenario.rules, found.finding.invariant);
        mend.races.iter().copied().find(|race| race.is_seen_in(rules, invariant, takes_part))
    };
    let (likely, others): (Vec<&Mend>, Vec<&Mend>) =
        mends.iter().partition(|mend| shown(mend).is_some());
    let alone = likely.into_iter().chain(others).find(|mend| {
        let it = core::slice::from_ref(*mend);
        mends.len() == 1 || goes_away(scenario, it, found, control).unwrap_or(true)
    });
    let Some(mend) = alone else {
        let races = mends.iter().flat_map(|mend| &mend.races);
        let ids: Vec<&str> = races.map(|race| race.id).collect();
        let all: Vec<String> = mends.iter().map(Mend::assignment).collect();
        return Attribution {
            id: ids.join("+"),
            title: "known races together",
            goes_away_with: all.join(" "),
        };
    };
    // What a race breaks besides is its consequence.
    let race = shown(mend).or(mend.races.first().copied());
    Attribution {
        id: race.map_or("", |race| race.id).to_owned(),
        title: race.map_or("", |race| race.title),
        goes_away_with: mend.assignment(),
    }
}

/// Whether a failure goes away with these mends: in its schedule, and within its bound.
fn goes_away(
    scenario: &Scenario,
    mends: &[Mend],
    found: &Found,
    control: &mut dyn FnMut() -> Control,
) -> Result<bool, Unfinished> {
    if control() == Control::Stop {
        return Err(Unfinished::Stopped);
    }
    let mended = mended(scenario, mends);
    if fails_alike(&mended, &found.finding, &found.schedule).is_some() {
        return Ok(false);
    }
    let bound = Some(found.preemptions.unwrap_or(BOUND));
    let plan = Plan { bound, schedules_max: SCHEDULES, ..Plan::default() };
    let same = |finding: &Finding| finding.is_same(&found.finding);
    match first(&mended, &plan, NonZeroUsize::MIN, &same, &mut |_| control()) {
        Ok(Verdict::Found { .. }) => Ok(false),
        Ok(Verdict::NotFound { why: Limit::Asked, .. }) => Err(Unfinished::Stopped),
        Ok(Verdict::NotFound { .. } | Verdict::Exhausted { .. } | Verdict::Inconclusive { .. }) => {
            Ok(true)
        }
        // What cannot even be set up with the mends on cannot fail.
        Err(_) => Ok(true),
    }
}

/// So many executions of a kind are kept, to be run again with the known races mended.
const KEPT: usize = 16;

/// Failures of one kind.
#[derive(Debug)]
struct Kind {
    first: Vec<Found>,
    times: u64,
}

/// Failures that a search passed over, with those that are alike together.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    kinds: Vec<Kind>,
}

impl Passed {
    /// One more of a search with this bound.
    pub(crate) fn add(&mut self, finding: Finding, schedule: &Schedule, bound: Option<u32>) {
        let (preemptions, drawn, mends) = (bound, None, Vec::new());
        let alike = self.kinds.iter_mut().find(|kind| kind.is_of(&finding));
        if let Some(kind) = alike {
            kind.times += 1;
            return;
        }
        let first = Found { finding, schedule: schedule.clone(), preemptions, drawn, mends };
        self.kinds.push(Kind { first: vec![first], times: 1 });
    }

    /// One more that was drawn.
    pub(crate) fn add_drawn(&mut self, found: Found) {
        self.absorb(Self { kinds: vec![Kind { first: vec![found], times: 1 }] });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Those that were kept.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Found> {
        self.kinds.iter().flat_map(|kind| &kind.first)
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        for theirs in other.kinds {
            let alike = self.kinds.iter_mut().find(|kind| kind.is_of(&theirs.first[0].finding));
            match alike {
                Some(mine) => {
                    mine.times += theirs.times;
                    let room = KEPT.saturating_sub(mine.first.len());
                    mine.first.extend(theirs.first.into_iter().take(room));
                }
                None => self.kinds.push(theirs),
            }
        }
    }

    /// As known races, each kind named.
    pub(crate) fn named(
        &self,
        scenario: &Scenario,
        mends: &[Mend],
        control: &mut dyn FnMut() -> Control,
    ) -> Vec<Met> {
        let mut met = Vec::new();
        for Kind { first, times } in &self.kinds {
            let first = &first[0];
            let Attribution { id, title, goes_away_with } = name(scenario, mends, first, control);
            let token = first.token(scenario).to_string();
            join(&mut met, Met { id, title, times: *times, goes_away_with, token });
        }
        met
    }
}

impl Kind {
    fn is_of(&self, finding: &Finding) -> bool {
        self.first[0].finding.is_same(finding)
    }
}
