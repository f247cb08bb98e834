//! What real threads saw, found again where it can be told step by step.
//!
//! A stress run knows the invariant and who was doing what, but no interleaving. The same rules are put to the
//! explorer: first the programs that are known to break a rule in force, then all other known ones, then programs
//! nobody wrote, over the operations that were seen. The ledger knows the owner of every reference, so it may
//! object earlier and in another invariant's name than the shadow of the real run did; such a finding counts only
//! for a program that is known for a rule in force, and says that it is not exact.

use pgmap_program::op::{Hunted, call_number};
use pgmap_program::{Era, Invariant, Memory, Rules, TlbRefill};
use pgmap_sched::{Control, Plan};

use crate::bounds::explore;
use crate::catalogue::{Assignment, CATALOGUE, Known};
use crate::finding::{Finding, Sort};
use crate::found::Found;
use crate::hunt::{Caught, Hunt, Tried, Wanted, hunt};
use crate::parallel::processors;
use crate::scenario::Scenario;
use crate::verdict::{Ends, Verdict};

/// What a run on real threads saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// None: nobody could go on.
    pub invariant: Option<Invariant>,
    /// The calls that took part, by the names of the table of operations.
    pub operations: Vec<String>,
    pub era: Era,
    pub rules: Rules,
}

/// What the explorer made of a sighting.
#[derive(Clone, Debug)]
pub enum Reproduction {
    Found {
        scenario: Box<Scenario>,
        found: Box<Found>,
        /// The invariant is the one that was seen broken.
        exact: bool,
        tried: Tried,
    },
    /// Nothing like it, in so many programs; no proof of anything.
    NotFound { tried: Tried },
}

/// Executions of one program.
const SCHEDULES: u64 = 20_000;
/// Longest program nobody wrote.
const OPS_MAX: usize = 6;
/// Without these there is no page to fight over.
const ALWAYS: [&str; 6] = ["mmap", "touch", "reference", "drop", "truncate", "extend"];

impl Sighting {
    fn is_like(&self, finding: &Finding) -> bool {
        match self.invariant {
            Some(invariant) => invariant == finding.invariant,
            None => matches!(finding.sort, Sort::Deadlock | Sort::LostWakeup | Sort::Livelock),
        }
    }

    fn in_force(&self, known: &Known) -> bool {
        let all = |(rule, value): &Assignment| self.rules.is(rule, value);
        !known.race.wrong.is_empty() && known.race.wrong.iter().all(all)
    }

    fn plan(preemptions: u32) -> Plan {
        Plan { bound: Some(preemptions), schedules_max: SCHEDULES, ..Plan::default() }
    }

    /// The usual words, and those for what was seen.
    fn words(&self) -> Vec<Hunted> {
        let seen: Vec<u8> = self.operations.iter().map(|name| call_number(name)).collect();
        let takes_part =
            |it: &Hunted| ALWAYS.contains(&it.word) || seen.contains(&it.call_number());
        Hunted::all().into_iter().filter(takes_part).collect()
    }
}

/// Looks for what was seen until it is found, nothing is left to try, or the progress callback says stop.
#[must_use]
pub fn reproduce(sighting: &Sighting, progress: &mut dyn FnMut(&Tried) -> Control) -> Reproduction {
    let mut tried = Tried::default();
    let (first, rest): (Vec<&Known>, Vec<&Known>) = CATALOGUE
        .known
        .iter()
        .filter(|known| known.race.kind.fails())
        .partition(|known| sighting.in_force(known));
    let mut near = None;
    for known in first.into_iter().chain(rest) {
        let Some((scenario, found)) = try_known(sighting, known, &mut tried, progress) else {
            continue;
        };
        let exact = sighting.is_like(&found.finding);
        let hit = (Box::new(scenario), Box::new(found));
        if exact {
            let (scenario, found) = hit;
            return Reproduction::Found { scenario, found, exact, tried };
        }
        if sighting.in_force(known) && near.is_none() {
            near = Some(hit);
        }
    }
    if let Some((scenario, found)) = near {
        return Reproduction::Found { scenario, found, exact: false, tried };
    }
    let Some(invariant) = sighting.invariant else { return Reproduction::NotFound { tried } };
    search(sighting, invariant, tried, progress)
}

/// One known program under the rules of the sighting.
fn try_known(
    sighting: &Sighting,
    known: &Known,
    tried: &mut Tried,
    progress: &mut dyn FnMut(&Tried) -> Control,
) -> Option<(Scenario, Found)> {
    if progress(tried) == Control::Stop {
        return None;
    }
    let Sighting { era, rules, .. } = *sighting;
    let scenario = Scenario { era, rules, ..known.right() };
    let plan = Sighting::plan(known.preemptions.max(1));
    let before = *tried;
    // A program that cannot be set up under these rules tells nothing about them.
    // Races that the era is known for are not what somebody wants explained.
    let verdict = explore(&scenario, &plan, Ends::Blamed, &mut |_| progress(&before)).ok()?;
    tried.programs += 1;
    tried.schedules += verdict.seen().schedules();
    tried.cut += verdict.seen().cut();
    match verdict {
        Verdict::Found { found, .. } => Some((found.scenario(&scenario), *found)),
        _ => None,
    }
}

/// Programs nobody wrote, over the words of the sighting.
fn search(
    sighting: &Sighting,
    invariant: Invariant,
    before: Tried,
    progress: &mut dyn FnMut(&Tried) -> Control,
) -> Reproduction {
    let wanted = Hunt {
        words: sighting.words(),
        seed: 1,
        era: sighting.era,
        rules: sighting.rules,
        memory: Memory::Sc,
        tlb: TlbRefill::OnAccess,
        without: Vec::new(),
        ops_max: OPS_MAX,
        programs_max: None,
        sizes: Vec::new(),
        plan: Sighting::plan(1),
        threads: processors(),
        wanted: Wanted::Breaks(invariant),
        ends: Ends::Blamed,
    };
    let all = |tried: &Tried| Tried {
        programs: before.programs + tried.programs,
        schedules: before.schedules + tried.schedules,
        cut: before.cut + tried.cut,
        ..*tried
    };
    match hunt(&wanted, &mut |tried| progress(&all(tried))) {
        Caught::Found { scenario, found, tried, .. } => {
            Reproduction::Found { scenario, found, exact: true, tried: all(&tried) }
        }
        Caught::Nothing { tried, .. }
        | Caught::Spent { tried, .. }
        | Caught::Stopped { tried, .. } => Reproduction::NotFound { tried: all(&tried) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_made_of_the_operations_that_were_seen() {
        let era = Era::V6_15Sound;
        let mut rules = era.rules();
        rules.apply("evict-wait=none").expect("a rule");
        let (invariant, operations) =
            (Some(Invariant::I18), vec!["unlink".to_owned(), "munmap".to_owned()]);
        let seen = Sighting { invariant, operations, era, rules };
        let words: Vec<&str> = seen.words().iter().map(|word| word.word).collect();
        assert_eq!(
            words,
            ["mmap", "touch", "reference", "drop", "munmap", "truncate", "extend", "unlink"]
        );
        let again = search(&seen, Invariant::I18, Tried::default(), &mut |_| Control::Go);
        let Reproduction::Found { scenario, exact, .. } = again else { panic!("{again:?}") };
        assert!(exact);
        assert!(scenario.program.to_string().contains("unlink"), "{}", scenario.program);
    }

    #[test]
    fn races_that_the_era_is_known_for_explain_nothing() {
        let era = Era::V6_15;
        let seen = |invariant| Sighting {
            invariant: Some(invariant),
            operations: Vec::new(),
            era,
            rules: era.rules(),
        };
        let mut go = |tried: &Tried| match tried.programs < 2000 {
            true => Control::Go,
            false => Control::Stop,
        };
        let again = reproduce(&seen(Invariant::L2), &mut go);
        assert!(matches!(again, Reproduction::NotFound { .. }), "{again:?}");
    }
}
