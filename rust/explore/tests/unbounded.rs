//! Without a bound: what the catalogue's programs show when every class of their executions is seen.

use pgmap_explore::catalogue::{CATALOGUE, Known};
use pgmap_explore::{Ends, Verdict, explore};
use pgmap_program::{Invariant, Memory};
use pgmap_sched::{Control, Plan};

/// Programs with more classes than anyone waits for.
const LARGE: &[&str] = &[
    "gup-pte-recheck",
    "gup-pmd-recheck",
    "mremap-pmd",
    "write-invalidate",
    "fault-liveness",
    "alloc-dying",
    "alloc-dying.any-left",
    "p2p-error",
    "iomap-lock",
    "gup-pagemap.put-only",
    "share-update",
    "ref-limit",
    "fault-ref",
    "mirror-retry.migrated",
    "migrate-check",
    "migrate-unqueue",
    "walk-pmd",
    "rmap-pmd",
    "split-freeze.mapped",
];

/// These fail late in the order in which classes are tried; bounds find them at once.
const LATE: &[&str] = &[
    "gup-pmd-recheck",
    "mremap-pmd",
    "fault-liveness",
    "alloc-dying",
    "alloc-dying.stop",
    "share-update",
    "fault-ref",
    "mirror-retry.migrated",
    "walk-pmd",
    "rmap-pmd",
];

/// A class that is tried early breaks something else than the one with the fewest preemptions does.
const OTHERWISE: &[(&str, Invariant)] =
    &[("gup-pagemap", Invariant::I12), ("alloc-pagemap", Invariant::I12)];

/// Where every store may wait, and without a bound for nothing, there are more still.
fn known() -> impl Iterator<Item = &'static Known> {
    CATALOGUE.known.iter().filter(|known| known.needs == Memory::Sc)
}

fn plan() -> Plan {
    Plan { bound: None, schedules_max: 20_000, ..Plan::default() }
}

#[test]
fn each_wrong_rule_is_found_without_a_bound() {
    let late = known().filter(|known| known.race.kind.fails()).filter(|known| {
        let verdict =
            explore(&known.wrong(), &plan(), Ends::Any, &mut |_| Control::Go).expect("a scenario");
        match verdict {
            Verdict::Found { found, .. } => {
                let broken = Some(found.finding.invariant);
                let otherwise = OTHERWISE.iter().find(|(name, _)| *name == known.race.name);
                let expected = otherwise.map(|(_, it)| *it).or(known.race.invariant);
                assert_eq!(broken, expected, "{}", known.race.name);
                false
            }
            _ => true,
        }
    });
    assert_eq!(names(late), LATE);
}

#[test]
fn the_sound_era_is_exhausted_without_a_bound() {
    let large = known().filter(|known| {
        let verdict =
            explore(&known.right(), &plan(), Ends::Any, &mut |_| Control::Go).expect("a scenario");
        assert!(!matches!(verdict, Verdict::Found { .. }), "{}: {verdict:?}", known.race.name);
        !matches!(verdict, Verdict::Exhausted { bound: None, .. })
    });
    assert_eq!(names(large), LARGE);
}

fn names(of: impl Iterator<Item = &'static Known>) -> Vec<&'static str> {
    of.map(|known| known.race.name.as_str()).collect()
}
