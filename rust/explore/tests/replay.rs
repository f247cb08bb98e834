//! What was found happens again, every time; and where it cannot, the step is named.

#![allow(clippy::unwrap_used)]

mod failing;

use failing::{LOST, TORN, find, find_within, lost, scenario, torn};
use pgmap_explore::{Outcome, Scenario, Sort, Token, replay};
use pgmap_program::{Era, Program};
use pgmap_sched::Control;

fn scenarios() -> Vec<Scenario> {
    let wider = LOST.replace("file f 1", "file f 4").replace("\nw1 ", "\nw2 w 5 0\nw1 ");
    let wider = wider.replace("start", "w2 mmap 5 f 2 1 rw shared\nstart");
    vec![lost(), torn(), scenario(&wider, Era::V6_15, &[])]
}

#[test]
fn a_found_failure_is_reproduced_a_hundred_times_of_a_hundred() {
    for scenario in scenarios() {
        let found = find(&scenario);
        let word = found.token(&scenario).to_string();
        let first = replay(&word.parse().unwrap(), None, &mut || Control::Go).unwrap();
        assert!(!first.trace.is_empty());
        for round in 0..100 {
            let token: Token = word.parse().unwrap();
            let again = replay(&token, None, &mut || Control::Go).unwrap();
            assert_eq!(again.outcome, Outcome::Reproduced(found.finding.clone()), "round {round}");
            assert_eq!(again.finding.as_ref(), Some(&found.finding));
            assert_eq!(again.diverged, None);
            assert_eq!(again.trace, first.trace, "round {round}");
        }
    }
}

#[test]
fn what_an_unbounded_search_finds_is_reproduced_as_well() {
    let found = find_within(&torn(), None);
    let again = replay(&found.token(&torn()), None, &mut || Control::Go).unwrap();
    assert_eq!(again.outcome, Outcome::Reproduced(found.finding));
}

#[test]
fn the_rules_of_the_sound_era_do_not_reproduce_it() {
    let sound = (Era::V6_15Sound, Era::V6_15Sound.rules());
    for scenario in scenarios() {
        let again =
            replay(&find(&scenario).token(&scenario), Some(sound), &mut || Control::Go).unwrap();
        assert_eq!(again.outcome, Outcome::NotReproduced, "{:?}", again.finding);
        assert!(again.diverged.is_some(), "the rules make no difference");
        assert!(!again.trace.is_empty());
    }
}

#[test]
fn other_rules_with_the_same_fault_reproduce_it_wherever_the_execution_goes() {
    // The faithful era has other faults besides; this one is not among them.
    let mut rules = Era::V6_15.rules();
    let token = find(&torn()).token(&torn());
    let without = replay(&token, Some((Era::V6_15, rules)), &mut || Control::Go).unwrap();
    assert_eq!(without.outcome, Outcome::NotReproduced);
    rules.apply("truncate-break-layout=off").unwrap();
    let with = replay(&token, Some((Era::V6_15, rules)), &mut || Control::Go).unwrap();
    assert!(matches!(&with.outcome, Outcome::Reproduced(found) if found.sort == Sort::Violation));
}

#[test]
fn naming_the_own_rules_is_naming_none() {
    let token = find(&lost()).token(&lost());
    let own = (token.scenario.era, token.scenario.rules);
    let (named, unnamed) = (
        replay(&token, Some(own), &mut || Control::Go).unwrap(),
        replay(&token, None, &mut || Control::Go).unwrap(),
    );
    assert_eq!(named.outcome, unnamed.outcome);
}

#[test]
fn a_changed_program_is_noticed_and_the_step_is_named() {
    let changes = [
        (lost(), LOST, "ftruncate f 0", "pread f 0 1"),
        (lost(), LOST, "w0 w 0 0 | w0 unpin", "w0 unpin"),
        (lost(), LOST, "w0 w 0 0 | w0 unpin", "w0 unpin | w0 w 0 0"),
        (torn(), TORN, "dma_write | w0 unpin", "unpin | w0 nop"),
        (torn(), TORN, "w1 ftruncate f 0", "w1 nop"),
    ];
    for (scenario, text, from, to) in changes {
        let mut token = find(&scenario).token(&scenario);
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        token.scenario.program = Program::parse(&changed).unwrap();
        let again = replay(&token, None, &mut || Control::Go).unwrap();
        match again.outcome {
            Outcome::Cannot { step, why } => {
                assert!(why.contains(&format!("step {step}")), "{why}");
                assert!(!why.contains('\n'));
                assert_eq!(again.diverged.map(|at| at.step), Some(step));
            }
            other => panic!("{from} became {to}: {other:?}"),
        }
    }
}

#[test]
fn a_change_without_a_step_of_its_own_passes_or_fails_on_its_merits() {
    // The set-up is not scheduled: a second pin there is never given back, so the sleep is the program's own doing.
    let mut token = find(&lost()).token(&lost());
    let changed = LOST.replace("w0 pin 0 0", "w0 pin 0 0 | w0 pin 0 0");
    token.scenario.program = Program::parse(&changed).unwrap();
    let again = replay(&token, None, &mut || Control::Go).unwrap();
    assert_eq!((again.outcome, again.finding), (Outcome::NotReproduced, None));
    // A hole is punched by the same steps as a truncate to nothing.
    let changed = LOST.replace("ftruncate f 0", "punch f 0 1");
    token.scenario.program = Program::parse(&changed).unwrap();
    let again = replay(&token, None, &mut || Control::Go).unwrap();
    assert!(matches!(again.outcome, Outcome::Reproduced(_)), "{:?}", again.outcome);
}

#[test]
fn a_changed_program_decides_nothing_under_other_rules_either() {
    let mut token = find(&lost()).token(&lost());
    token.scenario.program = Program::parse(&LOST.replace("ftruncate f 0", "pread f 0 1")).unwrap();
    let sound = (Era::V6_15Sound, Era::V6_15Sound.rules());
    let again = replay(&token, Some(sound), &mut || Control::Go).unwrap();
    assert!(matches!(again.outcome, Outcome::Cannot { .. }), "{:?}", again.outcome);
}

#[test]
fn a_set_up_that_is_impossible_under_other_rules_is_an_error() {
    // Nobody gives the page back, so a truncate that waits would wait for ever.
    let text = "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nw0 pin 0 0\nw1 ftruncate f 0\n\
                start\nw0 dma_write\nw1 nop\n";
    let broken = scenario(text, Era::V6_15Sound, &["truncate-break-layout=off"]);
    let token = find(&broken).token(&broken);
    assert!(replay(&token, None, &mut || Control::Go).is_ok());
    let why = replay(&token, Some((Era::V6_15Sound, Era::V6_15Sound.rules())), &mut || Control::Go)
        .unwrap_err();
    assert!(why.to_string().contains("wait for ever"), "{why}");
}
