//! What stress saw on real threads is found again, in a program that can be told.

use pgmap_explore::{Reproduction, Sighting, reproduce};
use pgmap_program::{Era, Invariant};
use pgmap_sched::Control;

fn sighting(wrong: &[&str], invariant: Option<Invariant>, operations: &[&str]) -> Sighting {
    let era = Era::V6_15Sound;
    let mut rules = era.rules();
    wrong.iter().for_each(|wrong| rules.apply(wrong).expect("a rule"));
    let operations = operations.iter().map(|name| (*name).to_owned()).collect();
    Sighting { invariant, operations, era, rules }
}

#[test]
fn a_wrong_rule_with_a_known_program_is_told_by_that_program() {
    let seen = sighting(&["gup-pte-recheck=off"], Some(Invariant::I24), &["process_vm_readv"]);
    let again = reproduce(&seen, &mut |_| Control::Go);
    let Reproduction::Found { found, exact, tried, .. } = again else { panic!("{again:?}") };
    assert!(exact);
    assert_eq!(found.finding.invariant, Invariant::I24);
    assert_eq!(tried.programs, 1);
}

#[test]
fn a_hang_is_told_as_what_nobody_can_leave() {
    let seen = sighting(&["wait-drops-lock=off"], None, &[]);
    let again = reproduce(&seen, &mut |_| Control::Go);
    let Reproduction::Found { found, exact, .. } = again else { panic!("{again:?}") };
    assert!(exact);
    assert!(!found.finding.waits.is_empty(), "{:?}", found.finding);
}

#[test]
fn what_the_ledger_sees_earlier_is_told_in_its_own_name() {
    let seen = sighting(&["free-push=before-settled"], Some(Invariant::I10), &["dev_alloc"]);
    let again = reproduce(&seen, &mut |_| Control::Go);
    let Reproduction::Found { found, exact, .. } = again else { panic!("{again:?}") };
    assert!(!exact);
    assert_eq!(found.finding.invariant, Invariant::I02);
}

#[test]
fn nothing_is_found_where_nothing_is_wrong_and_that_is_no_proof() {
    let seen = sighting(&[], Some(Invariant::I24), &["munmap"]);
    let mut stopped_at = Vec::new();
    let again = reproduce(&seen, &mut |tried| {
        if tried.programs < 200 {
            return Control::Go;
        }
        stopped_at.push(tried.programs);
        Control::Stop
    });
    assert_eq!(stopped_at, [200], "who said stop is not asked again");
    let Reproduction::NotFound { tried } = again else { panic!("{again:?}") };
    assert!(tried.programs >= 200, "what was under way counts, too: {tried:?}");
}
