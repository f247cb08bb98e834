//! Programs nobody wrote: all of them over a few words, shortest first.
//!
//! A vocabulary is a handful of operations on one file of one page; the table of operations says which there are.
//! Programs are enumerated by length (`enumerated`). Each is explored with a small bound, and the first that fails is
//! the shortest.
//!
//! Of many words nobody could wait for all programs. Then every few of them one is drawn (`random_program`), which may
//! be longer, and the first that fails need not be the shortest.

use std::num::{NonZeroU64, NonZeroUsize};

use pgmap_program::op::Hunted;
use pgmap_program::{Era, Geometry, Invariant, Memory, Program, Rules, TlbRefill};
use pgmap_sched::{Control, Plan};

use crate::bounds::explore;
use crate::enumerated::enumerated;
use crate::finding::Finding;
use crate::found::Found;
use crate::parallel::{Enough, in_order};
use crate::protocol::Without;
use crate::random_program::{self, WORKERS};
use crate::scenario::Scenario;
use crate::verdict::{Ends, Met, Verdict, join};

/// What is looked for, and how hard.
#[derive(Clone, Debug)]
pub struct Hunt {
    pub words: Vec<Hunted>,
    /// Which programs are drawn.
    pub seed: u64,
    pub era: Era,
    pub rules: Rules,
    pub memory: Memory,
    pub tlb: TlbRefill,
    /// Steps of the protocol that are left out.
    pub without: Vec<Without>,
    /// Longest program that is not drawn, in operations.
    pub ops_max: usize,
    /// Most programs; none: all there are.
    pub programs_max: Option<NonZeroU64>,
    /// Sizes that are not as each program needs them, by name.
    pub sizes: Vec<(String, u64)>,
    /// For each program.
    pub plan: Plan,
    /// OS threads; what is found does not depend on them.
    pub threads: NonZeroUsize,
    pub wanted: Wanted,
    /// What ends the search of a program.
    pub ends: Ends,
}

/// Which failures end a hunt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Anything,
    /// Those of this invariant.
    Breaks(Invariant),
}

impl Wanted {
    fn is(self, finding: &Finding) -> bool {
        match self {
            Self::Anything => true,
            Self::Breaks(invariant) => finding.invariant == invariant,
        }
    }
}

/// How far a hunt has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Operations in the programs tried now, those that are drawn aside.
    pub ops: usize,
    /// Programs explored, and those of them that were drawn.
    pub programs: u64,
    pub drawn: u64,
    /// Sequences that are no program, or whose set-up fails.
    pub senseless: u64,
    /// Executions.
    pub schedules: u64,
    /// Those of them that were cut at the limit of their events, so that nobody knows how they end.
    pub cut: u64,
}

/// What a hunt came to.
#[derive(Clone, Debug)]
pub enum Caught {
    /// A program that fails: the shortest, unless it was drawn.
    Found { scenario: Box<Scenario>, found: Box<Found>, drawn: bool, tried: Tried, known: Vec<Met> },
    /// No program of these words up to the length fails within the plan.
    Nothing { tried: Tried, known: Vec<Met> },
    /// So many programs were tried as there were to be.
    Spent { tried: Tried, known: Vec<Met> },
    /// The progress callback said so.
    Stopped { tried: Tried, known: Vec<Met> },
}

/// More sequences of words than that are too many to wait for; then one program is drawn each time that so many
/// were enumerated, of so many operations more at most.
const MANY: u128 = 10_000_000;
const BETWEEN: usize = 4;
const LONGER: usize = 3;

impl Hunt {
    /// The machine of a program; none if it cannot be had.
    fn machine(&self, program: &Program) -> Option<Geometry> {
        let mut geometry = Scenario::smallest_geometry(program);
        for (name, size) in &self.sizes {
            geometry.set(name, *size).ok()?;
        }
        geometry.validate().ok().map(|()| geometry)
    }

    fn is_too_large(&self) -> bool {
        let base = (self.words.len() * WORKERS) as u128;
        u32::try_from(self.ops_max)
            .ok()
            .and_then(|ops| base.checked_pow(ops))
            .is_none_or(|all| all > MANY)
    }

    fn pmd_pages(&self) -> u32 {
        let asked = self.sizes.iter().rev().find(|(name, _)| name == "pmd_order");
        let order = asked.map_or(Geometry::SMALL.pmd_order.into(), |(_, order)| *order);
        1 << order.min(Geometry::REAL.pmd_order.into())
    }
}

/// A program to explore.
struct Job {
    ops: usize,
    text: String,
    drawn: bool,
}

/// Enumerates programs, shortest first, until one fails.
#[must_use]
pub fn hunt(hunt: &Hunt, progress: &mut dyn FnMut(&Tried) -> Control) -> Caught {
    let mut haul = Haul::default();
    let (mut stopped, mut spent) = (false, false);
    let mut late = Vec::new();
    in_order(
        hunt.threads,
        jobs(hunt),
        |_| (),
        |(), job, enough| (try_one(hunt, &job.text, enough), job),
        &mut |one| {
            if let Some((trial, Job { ops, drawn, .. })) = one {
                if !drawn {
                    haul.tried.ops = ops;
                }
                haul.add(trial, drawn);
            }
            if haul.caught.is_some() {
                return Control::Stop;
            }
            let control = progress(&haul.tried);
            stopped = control == Control::Stop;
            spent = hunt.programs_max.is_some_and(|most| haul.tried.programs >= most.get());
            if spent { Control::Stop } else { control }
        },
        &mut |(trial, job)| late.push((trial, job.drawn)),
    );
    if stopped && !spent {
        // What was under way counts, and a failure above all; but not beyond a number that was asked for.
        late.into_iter().for_each(|(trial, drawn)| haul.add(trial, drawn));
    }
    let Haul { tried, known, caught } = haul;
    match caught {
        Some((scenario, found, drawn)) => Caught::Found { scenario, found, drawn, tried, known },
        None if spent => Caught::Spent { tried, known },
        None if stopped => Caught::Stopped { tried, known },
        None => Caught::Nothing { tried, known },
    }
}

/// What a hunt has come to so far.
#[derive(Default)]
struct Haul {
    tried: Tried,
    known: Vec<Met>,
    /// The first failure, and whether its program was drawn.
    caught: Option<(Box<Scenario>, Box<Found>, bool)>,
}

impl Haul {
    fn add(&mut self, trial: Trial, drawn: bool) {
        match trial {
            Trial::Senseless => self.tried.senseless += 1,
            Trial::Explored { schedules, cut, met, found } => {
                self.tried.programs += 1;
                self.tried.drawn += u64::from(drawn);
                self.tried.schedules += schedules;
                self.tried.cut += cut;
                met.into_iter().for_each(|met| join(&mut self.known, met));
                let found = found.map(|(scenario, found)| (scenario, found, drawn));
                self.caught = self.caught.take().or(found);
            }
        }
    }
}

/// What there is to explore, in order.
fn jobs(hunt: &Hunt) -> impl Iterator<Item = Job> + Send {
    let most = hunt.ops_max + LONGER;
    let draw =
        move |nth| random_program::program(&hunt.words, most, hunt.pmd_pages(), hunt.seed, nth);
    let mut all_drawn = (0..).filter_map(draw);
    let draws = hunt.is_too_large();
    enumerated(&hunt.words, hunt.ops_max).enumerate().flat_map(move |(nth, (ops, text))| {
        let now = draws && nth % BETWEEN == BETWEEN - 1;
        let drawn = now.then(|| all_drawn.next()).flatten();
        let drawn = drawn.map(|(ops, text)| Job { ops, text, drawn: true });
        [Job { ops, text, drawn: false }].into_iter().chain(drawn)
    })
}

/// What came of one program.
enum Trial {
    /// It is no program, or its set-up fails.
    Senseless,
    Explored {
        schedules: u64,
        /// Races that the era is known for.
        met: Vec<Met>,
        cut: u64,
        found: Option<(Box<Scenario>, Box<Found>)>,
    },
}

fn try_one(hunt: &Hunt, text: &str, enough: &Enough) -> Trial {
    let Ok(program) = Program::parse(text) else { return Trial::Senseless };
    let Hunt { era, rules, memory, tlb, .. } = *hunt;
    let Some(geometry) = hunt.machine(&program) else { return Trial::Senseless };
    let without = hunt.without.clone();
    let scenario = Scenario { program, era, rules, geometry, memory, tlb, without };
    match explore(&scenario, &hunt.plan, hunt.ends, &mut |_| enough.control()) {
        Err(_) => Trial::Senseless,
        Ok(verdict) => {
            let schedules = verdict.seen().schedules() + verdict.seen().again;
            let (cut, met) = (verdict.seen().cut(), verdict.seen().known.clone());
            let found = match verdict {
                Verdict::Found { found, .. } if hunt.wanted.is(&found.finding) => {
                    Some((Box::new(found.scenario(&scenario)), found))
                }
                _ => None,
            };
            Trial::Explored { schedules, cut, met, found }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hunt_of_many_words_draws_some_programs_and_one_of_few_words_none() {
        let era = Era::V6_15Sound;
        let hunt = |words: &[Hunted]| Hunt {
            words: words.to_vec(),
            seed: 1,
            era,
            rules: era.rules(),
            memory: Memory::Sc,
            tlb: TlbRefill::OnAccess,
            without: Vec::new(),
            ops_max: 6,
            programs_max: None,
            sizes: Vec::new(),
            plan: Plan::default(),
            threads: NonZeroUsize::MIN,
            wanted: Wanted::Anything,
            ends: Ends::Blamed,
        };
        let drawn = |words: &[Hunted]| jobs(&hunt(words)).take(170).filter(|job| job.drawn).count();
        let all = Hunted::all();
        assert_eq!((drawn(&all), drawn(&all[..4])), (34, 0));
    }
}
