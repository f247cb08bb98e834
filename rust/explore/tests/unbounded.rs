//! Without a bound: what the catalogue's programs show when every class of their executions is seen.

use pgmap_explore::catalogue::{CATALOGUE, Known};
use pgmap_explore::{Ends, Verdict, explore};
use pgmap_program::Memory;
use pgmap_sched::{Control, Plan};

/// Programs with more classes than anyone waits for.
const LARGE: [&str; 3] = ["gup-pte-recheck", "gup-pmd-recheck", "iomap-lock"];

/// One of them fails late in the order in which classes are tried; bounds find it at once.
const LATE: &str = "gup-pmd-recheck";

/// Where every store may wait, and without a bound for nothing, there are more still.
fn known() -> impl Iterator<Item = &'static Known> {
    CATALOGUE.known.iter().filter(|known| known.needs == Memory::Sc)
}

fn plan() -> Plan {
    Plan { bound: None, schedules_max: 20_000, ..Plan::default() }
}

#[test]
fn each_wrong_rule_is_found_without_a_bound() {
    for known in known().filter(|known| known.race.name != LATE) {
        let verdict =
            explore(&known.wrong(), &plan(), Ends::Any, &mut |_| Control::Go).expect("a scenario");
        let Verdict::Found { found, .. } = verdict else {
            panic!("{}: {verdict:?}", known.race.assignment());
        };
        assert_eq!(
            Some(found.finding.invariant),
            known.race.invariant,
            "{}",
            known.race.assignment()
        );
    }
}

#[test]
fn the_sound_era_is_exhausted_without_a_bound() {
    for known in known().filter(|known| !LARGE.contains(&&*known.race.name)) {
        let verdict =
            explore(&known.right(), &plan(), Ends::Any, &mut |_| Control::Go).expect("a scenario");
        assert!(
            matches!(verdict, Verdict::Exhausted { bound: None, .. }),
            "{}: {verdict:?}",
            known.race.assignment()
        );
    }
}
