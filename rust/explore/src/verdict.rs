//! What a search came to, and the search itself.

use pgmap_sched::{
    Control, Doubt, Explorer, Judgement, Limit, Outcome, Plan, Progress, SampleStats, Schedule,
    Stats,
};

use crate::explored::ExploredWorld;
use crate::finding::{Blame, Finding};
use crate::known::{Mend, Met, Passed, fails_alike, is_followed, join, mended, mends};
use crate::lock_order::{self, WrongOrder, wrong_orders};
use crate::outcomes::Outcomes;
use crate::sampling::Drawn;
use crate::scenario::{Scenario, ScenarioError, Unfinished};

/// A failed execution that can be run again.
#[derive(Clone, Debug)]
pub struct Found {
    pub finding: Finding,
    pub schedule: Schedule,
    /// Preemptions it needs; none if the search had no bound.
    pub preemptions: Option<u32>,
    /// Where it came from, if it was drawn at random.
    pub drawn: Option<Drawn>,
    /// Known races that were mended, so that they do not hide it: it holds for the scenario with these on.
    pub mends: Vec<Mend>,
}

impl Found {
    /// The scenario that it is a failure of.
    #[must_use]
    pub fn scenario(&self, asked: &Scenario) -> Scenario {
        mended(asked, &self.mends)
    }

    /// Under the rules that were asked for, if the same schedule fails likewise there.
    pub(crate) fn if_asked(self, asked: &Scenario) -> Self {
        match is_followed(asked, &self.finding, &self.schedule) {
            Ok(true) => Self { mends: Vec::new(), ..self },
            Ok(false) | Err(_) => self,
        }
    }
}

/// Which failures end a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Every one.
    Any,
    /// Those that are news: races that the era is known for are passed over, and counted.
    News,
    /// As `News`, and only those that the rules are to blame for.
    Blamed,
}

impl Ends {
    pub(crate) fn wants(self, finding: &Finding) -> bool {
        match self {
            Self::Any | Self::News => true,
            Self::Blamed => finding.blame == Blame::Rules,
        }
    }

    /// What is mended to see behind the known races.
    pub(crate) fn mends(self, scenario: &Scenario) -> Vec<Mend> {
        match self {
            Self::Any => Vec::new(),
            Self::News | Self::Blamed => mends(scenario),
        }
    }
}

/// What a search has seen, whatever it came to: what every verdict carries.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The numbers of each bound begun.
    pub stats: Vec<Stats>,
    /// Executions that were drawn at random, beyond the bounds or in their place; none if none were.
    pub sample: Option<SampleStats>,
    /// Executions, drawn or not, that end with everybody waiting for what the program never gives back.
    pub waiting: u64,
    /// Races of the era that executions ended in.
    pub known: Vec<Met>,
    /// Executions with those races mended, to see what they may hide.
    pub again: u64,
    /// What each step came to.
    pub outcomes: Outcomes,
    /// Locks that were waited for in the wrong order.
    pub lock_orders: Vec<WrongOrder>,
}

impl Seen {
    /// What another search of the same scenario has seen, too.
    pub(crate) fn absorb(&mut self, other: Self) {
        let Self { stats, sample, waiting, known, again, outcomes, lock_orders } = other;
        self.stats.extend(stats);
        match (&mut self.sample, sample) {
            (Some(mine), Some(theirs)) => mine.merge(&theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
        self.waiting += waiting;
        known.into_iter().for_each(|met| join(&mut self.known, met));
        self.again += again;
        self.outcomes.absorb(outcomes);
        lock_order::join(&mut self.lock_orders, lock_orders);
    }

    /// Executions that were drawn at random.
    #[must_use]
    pub fn drawn(&self) -> u64 {
        self.sample.as_ref().map_or(0, |sample| sample.executions)
    }

    /// Whether executions came to an end, and all of them in the program's own wait or in a known race.
    fn all_wait(&self) -> bool {
        let met: u64 = self.known.iter().map(|met| met.times).sum();
        self.waiting > 0 && self.waiting + met == self.schedules() + self.drawn()
    }

    /// Executions within bounds, cut ones included, and drawn ones.
    pub(crate) fn executions(&self) -> u64 {
        let within: u64 = self.stats.iter().map(|now| now.schedules + now.pruned).sum();
        within + self.drawn()
    }

    /// Executions that were cut at the limit of their events, so that nobody knows how they end.
    #[must_use]
    pub fn cut(&self) -> u64 {
        let within: u64 = self.stats.iter().map(|stats| stats.too_long).sum();
        within + self.sample.as_ref().map_or(0, |sample| sample.too_long)
    }

    /// Events, of cut executions too.
    #[must_use]
    pub fn points(&self) -> u64 {
        let within: u64 = self.stats.iter().map(|stats| stats.points).sum();
        within + self.sample.as_ref().map_or(0, |sample| sample.points)
    }

    /// Executions within bounds.
    #[must_use]
    pub fn schedules(&self) -> u64 {
        self.stats.iter().map(|stats| stats.schedules).sum()
    }
}

/// What a search came to. All of them hold for the scenario's memory and sizes. Where that memory has store
/// buffers or TLBs load ahead, each store that waits and each such load counts as a preemption.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// This is broken.
    Found { found: Box<Found>, seen: Seen },
    /// Nothing is, in any schedule of the program with at most so many preemptions.
    Exhausted { bound: Option<u32>, seen: Seen },
    /// Nothing was found before the budget was spent.
    NotFound { why: Limit, seen: Seen },
    /// The search proves nothing, and says why.
    Inconclusive { why: Unproven, seen: Seen },
}

/// Why a search proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// The executions cannot be trusted, or do not end.
    Doubt(Doubt),
    /// None of them ends otherwise than in a wait for what the program never gives back.
    AllWait,
}

impl Verdict {
    /// What the search has seen.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        match self {
            Self::Found { seen, .. }
            | Self::Exhausted { seen, .. }
            | Self::NotFound { seen, .. }
            | Self::Inconclusive { seen, .. } => seen,
        }
    }

    /// As good as the search with the known races mended, without which failures cannot be told from those.
    fn weakened(self, behind: Option<&Self>) -> Self {
        match (self, behind) {
            (Self::Exhausted { seen, .. }, Some(Self::NotFound { why, .. })) => {
                Self::NotFound { why: *why, seen }
            }
            (
                Self::Exhausted { seen, .. } | Self::NotFound { seen, .. },
                Some(Self::Inconclusive { why, .. }),
            ) => Self::Inconclusive { why: why.clone(), seen },
            (verdict, _) => verdict,
        }
    }

    /// Never green if executions were cut before their end, or nothing but the program's own waits was seen.
    pub(crate) fn honest(self) -> Self {
        match self {
            Self::Exhausted { mut seen, .. } | Self::NotFound { mut seen, .. }
                if seen.cut() > 0 =>
            {
                seen.outcomes.take_as_met();
                Self::Inconclusive { why: Unproven::Doubt(Doubt::TooLong), seen }
            }
            Self::Exhausted { seen, .. } | Self::NotFound { seen, .. } if seen.all_wait() => {
                Self::Inconclusive { why: Unproven::AllWait, seen }
            }
            other => other,
        }
    }

    /// The verdict, with what was seen before it fell.
    pub(crate) fn after(mut self, earlier: Seen) -> Self {
        let seen = self.seen_mut();
        let later = core::mem::replace(seen, earlier);
        seen.absorb(later);
        self
    }

    fn seen_mut(&mut self) -> &mut Seen {
        match self {
            Self::Found { seen, .. }
            | Self::Exhausted { seen, .. }
            | Self::NotFound { seen, .. }
            | Self::Inconclusive { seen, .. } => seen,
        }
    }
}

/// Searches the schedules of a scenario, bound after bound.
///
/// Where the era is known to have races, an execution ends at one and the search does not. What known races may
/// hide is seen with all of them mended, which also decides what is one: a failure that does not go away is news.
///
/// # Errors
/// Why there is nothing to explore.
pub fn explore(
    scenario: &Scenario,
    plan: &Plan,
    ends: Ends,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Verdict, ScenarioError> {
    let wanted = |finding: &Finding| ends.wants(finding);
    let mends = ends.mends(scenario);
    let (found, seen) = match first(scenario, plan, &wanted, progress)? {
        Verdict::Found { found, seen } => (found, seen),
        nothing => return Ok(nothing),
    };
    let again = mended(scenario, &mends);
    if mends.is_empty() || fails_alike(&again, &found.finding, &found.schedule).is_some() {
        return Ok(Verdict::Found { found, seen });
    }
    let behind = match first(&again, plan, &wanted, progress) {
        Ok(Verdict::Found { mut found, seen }) => {
            found.mends = mends;
            return Ok(Verdict::Found { found: Box::new(found.if_asked(scenario)), seen });
        }
        Ok(nothing) => Some(nothing),
        // What cannot be set up with the mends on has nothing to hide.
        Err(_) => None,
    };
    let mut passed = Passed::default();
    let mut all = |finding: &Finding, schedule: &Schedule| {
        if ends.wants(finding) {
            passed.add(finding.clone(), schedule, plan.bound);
        }
        Judgement::Continue
    };
    let mut last = Progress::default();
    let verdict = within(scenario, plan, &mut all, &mut |now| {
        last = *now;
        progress(now)
    })?;
    let mut verdict = verdict.weakened(behind.as_ref());
    let seen = verdict.seen_mut();
    seen.again = behind.as_ref().map_or(0, |behind| behind.seen().executions());
    seen.known = passed.named(scenario, &mends, &mut || progress(&last));
    Ok(verdict)
}

/// Searches for the first failure that is wanted.
pub(crate) fn first(
    scenario: &Scenario,
    plan: &Plan,
    wanted: &dyn Fn(&Finding) -> bool,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Verdict, ScenarioError> {
    let mut look = |finding: &Finding, _: &Schedule| match wanted(finding) {
        true => Judgement::Stop,
        false => Judgement::Continue,
    };
    within(scenario, plan, &mut look, progress)
}

/// Searches the schedules of a scenario as long as whoever looks at each failure says so.
fn within(
    scenario: &Scenario,
    plan: &Plan,
    look: &mut dyn FnMut(&Finding, &Schedule) -> Judgement,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Verdict, ScenarioError> {
    let explored = match ExploredWorld::new(scenario, &mut || progress(&Progress::default())) {
        Ok(explored) => explored,
        Err(Unfinished::Scenario(wrong)) => return Err(wrong),
        Err(Unfinished::Stopped) => {
            let outcomes = Outcomes::none_yet(scenario);
            let seen = Seen { outcomes, ..Seen::default() };
            return Ok(Verdict::NotFound { why: Limit::Asked, seen });
        }
    };
    let mut finding = None;
    let mut waiting = 0;
    let mut judge = |failure: &_, schedule: &Schedule| {
        let Some(now) = Finding::of(scenario, &explored, failure) else {
            waiting += 1;
            return Judgement::Continue;
        };
        let judgement = look(&now, schedule);
        if judgement == Judgement::Stop {
            finding = Some(now);
        }
        judgement
    };
    let outcome = Explorer::new().search(&mut &explored, plan, &mut judge, progress);
    let outcomes = explored.ledger().take();
    let lock_orders = wrong_orders(&explored.machine().nestings());
    let seen = |stats| Seen { stats, waiting, outcomes, lock_orders, ..Seen::default() };
    Ok(match (outcome, finding) {
        (Outcome::Found { schedule, bound, stats, .. }, Some(finding)) => {
            let (preemptions, drawn, mends) = (bound, None, Vec::new());
            let found = Box::new(Found { finding, schedule, preemptions, drawn, mends });
            Verdict::Found { found, seen: seen(stats) }
        }
        (Outcome::Found { stats, .. }, None) => {
            // The judge stops only at a finding.
            let why = Unproven::Doubt(Doubt::Unsteady { step: 0 });
            Verdict::Inconclusive { why, seen: seen(stats) }
        }
        (Outcome::Exhausted { stats }, _) => {
            Verdict::Exhausted { bound: plan.bound, seen: seen(stats) }
        }
        (Outcome::Stopped { limit, stats }, _) => {
            Verdict::NotFound { why: limit, seen: seen(stats) }
        }
        (Outcome::Inconclusive { why, stats }, _) => {
            Verdict::Inconclusive { why: Unproven::Doubt(why), seen: seen(stats) }
        }
    })
}
