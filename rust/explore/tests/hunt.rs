//! Races found in programs that nobody wrote.

use std::num::NonZeroUsize;

use pgmap_explore::synth::{Caught, Hunt, Tried, WORDS, Word, hunt};
use pgmap_explore::{Found, Scenario, Sort, processors};
use pgmap_program::{Era, Invariant};
use pgmap_sched::{Control, Plan};

const B33: &str = "mmap touch reference drop truncate";

fn hunting(words: &str, era: Era, ops_max: usize) -> Hunt {
    let words = words.split(' ').map(|word| Word::find(word).expect("a word")).collect();
    let plan = Plan { bound: Some(0), ..Plan::default() };
    Hunt { words, era, rules: era.rules(), ops_max, plan, threads: processors() }
}

fn found(caught: Caught) -> (Scenario, Found, Tried) {
    match caught {
        Caught::Found { scenario, found, tried } => (*scenario, *found, tried),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_refault_during_a_truncation_is_found_without_being_given() {
    let (scenario, found, tried) = found(hunt(&hunting(B33, Era::V6_15, 6), &mut |_| Control::Go));
    let finding = &found.finding;
    assert_eq!((finding.sort, finding.invariant), (Sort::LostWakeup, Invariant::L2));
    assert_eq!((finding.known, found.preemptions), (Some("B33"), Some(0)));
    assert_eq!((tried.ops, scenario.program.steps.len()), (5, 6), "{}", scenario.program);
}

#[test]
fn a_hunt_catches_the_same_whatever_the_number_of_threads() {
    let told = |threads| {
        let threads = NonZeroUsize::new(threads).expect("a number above 0");
        let (scenario, caught, tried) =
            found(hunt(&Hunt { threads, ..hunting(B33, Era::V6_15, 6) }, &mut |_| Control::Go));
        (caught.token(&scenario).to_string(), tried)
    };
    let alone = told(1);
    assert_eq!(told(2), alone);
    assert_eq!(told(4), alone);
}

#[test]
fn the_sound_era_has_no_race_in_any_program_of_those_words() {
    let caught = hunt(&hunting(B33, Era::V6_15Sound, 6), &mut |_| Control::Go);
    let Caught::Nothing { tried } = caught else { panic!("{caught:?}") };
    assert!(tried.programs > 10_000, "{tried:?}");
}

#[test]
fn a_hunt_can_be_stopped() {
    let caught = hunt(&hunting(B33, Era::V6_15, 6), &mut |tried| {
        if tried.programs < 10 { Control::Go } else { Control::Stop }
    });
    assert!(matches!(caught, Caught::Stopped { tried } if tried.programs == 10), "{caught:?}");
}

#[test]
fn a_wrong_rule_is_caught_with_more_words() {
    let mut wrong = hunting("mmap touch reference drop unlink munmap", Era::V6_15Sound, 4);
    wrong.rules.apply("evict-wait=none").expect("a rule");
    let (_, found, _) = found(hunt(&wrong, &mut |_| Control::Go));
    assert_eq!(found.finding.invariant, Invariant::I18);
}

#[test]
fn every_word_is_an_operation() {
    for word in WORDS {
        let mapped =
            if word.word == "mmap" { "" } else { "w0 mmap 0 f 0 1 rw shared\nw0 pin 0 0\n" };
        let text = format!("file f 1\n{mapped}w0 {}", word.op);
        assert!(pgmap_program::Program::parse(&text).is_ok(), "{text}");
    }
}
