//! Known races: whether a failure is one that the era is known to have, or its consequence.
//!
//! Not by what it breaks: a known race breaks more than one thing, and a wrong rule may break the same. The question
//! is whether the failure goes away when the known race is mended: the same schedule first, then every schedule
//! within the same bound, with the race's rule at its sound value. Each known race alone is tried before all
//! together. A failure that stays with all of them mended is news. Which of the races that one rule makes it is, its
//! fingerprint says, as on real threads (`KnownRace::is_seen_in`).

use pgmap_program::Rules;
use pgmap_program::era::KnownRace;
use pgmap_sched::{Control, Limit, Plan, Schedule};

use crate::finding::Finding;
use crate::replay::ending;
use crate::scenario::{Scenario, ScenarioError, Unfinished};
use crate::verdict::{Found, Verdict, first};

/// Executions in the search that says which of several known races a failure is.
const SCHEDULES: u64 = 10_000;
/// The bound of that search for a failure that was found without one.
const BOUND: u32 = 2;

/// A rule at its sound value, and the known races which that mends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    pub rule: &'static str,
    pub value: &'static str,
    pub races: Vec<&'static KnownRace>,
}

impl Mend {
    /// `RULE=VALUE`.
    #[must_use]
    pub fn assignment(&self) -> String {
        format!("{}={}", self.rule, self.value)
    }
}

/// The mends of the known races that can happen in a scenario: those whose rule is in force.
#[must_use]
pub fn mends(scenario: &Scenario) -> Vec<Mend> {
    let mut all: Vec<Mend> = Vec::new();
    for race in scenario.era.known().iter().filter(|race| race.is_in_force(&scenario.rules)) {
        let (rule, value) = race.mended();
        match all.iter_mut().find(|mend| mend.rule == rule) {
            Some(mend) => mend.races.push(race),
            None => all.push(Mend { rule, value, races: vec![race] }),
        }
    }
    all
}

/// The scenario with these mends on.
#[must_use]
pub fn mended(scenario: &Scenario, mends: &[Mend]) -> Scenario {
    Scenario { rules: with(scenario.rules, mends), ..scenario.clone() }
}

fn with(mut rules: Rules, mends: &[Mend]) -> Rules {
    for mend in mends {
        // Both come out of the table of rules.
        let _ = rules.set(mend.rule, mend.value);
    }
    rules
}

/// A failure that is no news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// The race's number; several, if only all of them mended make it go away.
    pub id: String,
    /// The race in a few words.
    pub title: &'static str,
    /// `RULE=VALUE`, or several.
    pub goes_away_with: String,
}

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
    match first(&mended, &plan, &same, &mut |_| control()) {
        Ok(Verdict::Found { .. }) => Ok(false),
        Ok(Verdict::NotFound { why: Limit::Asked, .. }) => Err(Unfinished::Stopped),
        Ok(Verdict::NotFound { .. } | Verdict::Exhausted { .. } | Verdict::Inconclusive { .. }) => {
            Ok(true)
        }
        // What cannot even be set up with the mends on cannot fail.
        Err(_) => Ok(true),
    }
}

/// What a schedule ends in under a scenario's rules, if that is the same failure.
pub(crate) fn fails_alike(
    scenario: &Scenario,
    finding: &Finding,
    schedule: &Schedule,
) -> Option<Finding> {
    let (now, _) = ending(scenario, schedule).ok()?;
    now.filter(|now| now.is_same(finding))
}

/// Whether a schedule is followed to the same failure under these rules, so that a token may name them.
pub(crate) fn is_followed(
    scenario: &Scenario,
    finding: &Finding,
    schedule: &Schedule,
) -> Result<bool, ScenarioError> {
    let (now, diverged) = ending(scenario, schedule)?;
    Ok(!diverged && now.is_some_and(|now| now.is_same(finding)))
}

/// Known races that were met: each once, with how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    pub id: String,
    pub title: &'static str,
    /// Executions that ended in it.
    pub times: u64,
    pub goes_away_with: String,
    /// The first of them.
    pub token: String,
}

/// So many executions of a kind are kept, to be run again with the known races mended.
const KEPT: usize = 16;

/// Failures of one kind.
#[derive(Debug)]
struct Kind {
    first: Vec<Found>,
    times: u64,
}

/// Failures that a search passed over, alike ones together.
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

/// Adds a race to those that were met.
pub(crate) fn join(met: &mut Vec<Met>, one: Met) {
    match met.iter_mut().find(|met| met.id == one.id) {
        Some(met) => met.times += one.times,
        None => met.push(one),
    }
}
