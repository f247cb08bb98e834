//! Races found in programs that nobody wrote.

use std::num::{NonZeroU64, NonZeroUsize};

use pgmap_explore::hunt::{Caught, Hunt, Tried, Wanted, hunt};
use pgmap_explore::{Ends, Found, Scenario, Sort, attribute, processors};
use pgmap_program::op::Hunted;
use pgmap_program::{Era, Geometry, Invariant, Memory, Program, TlbRefill};
use pgmap_sched::{Control, Plan};

const B33: &str = "mmap touch reference drop truncate";

fn hunting(words: &str, era: Era, ops_max: usize) -> Hunt {
    let named = |word| Hunted::all().into_iter().find(|it| it.word == word).expect("a word");
    let words = words.split(' ').map(named).collect();
    let plan = Plan { bound: Some(0), ..Plan::default() };
    let (threads, wanted) = (processors(), Wanted::Anything);
    let (memory, tlb) = (Memory::Sc, TlbRefill::OnAccess);
    Hunt {
        words,
        seed: 1,
        era,
        rules: era.rules(),
        memory,
        tlb,
        without: Vec::new(),
        ops_max,
        programs_max: None,
        sizes: Vec::new(),
        plan,
        threads,
        wanted,
        ends: Ends::Any,
    }
}

fn found(caught: Caught) -> (Scenario, Found, Tried) {
    match caught {
        Caught::Found { scenario, found, tried, .. } => (*scenario, *found, tried),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hunt_of_so_many_programs_tries_so_many_for_any_number_of_threads() {
    let told = |threads| {
        let asked = Hunt {
            programs_max: NonZeroU64::new(40),
            threads: NonZeroUsize::new(threads).expect("threads"),
            ..hunting("mmap touch truncate", Era::V6_15Sound, 6)
        };
        match hunt(&asked, &mut |_| Control::Go) {
            Caught::Spent { tried, .. } => tried,
            other => panic!("{other:?}"),
        }
    };
    let alone = told(1);
    assert_eq!(alone.programs, 40);
    assert_eq!(told(2), alone);
}

#[test]
fn the_refault_during_a_truncation_is_found_without_being_given() {
    let (scenario, found, tried) = found(hunt(&hunting(B33, Era::V6_15, 6), &mut |_| Control::Go));
    let finding = &found.finding;
    assert_eq!((finding.sort, finding.invariant), (Sort::LostWakeup, Invariant::L2));
    let known = attribute(&scenario, &found, &mut || Control::Go)
        .expect("a scenario")
        .map(|known| known.id);
    assert_eq!((known.as_deref(), found.preemptions), (Some("B33"), Some(0)));
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
    // Deadlocks that a program asks for are nobody's race: a worker that truncates what it holds.
    let blamed = Hunt { ends: Ends::Blamed, ..hunting(B33, Era::V6_15Sound, 6) };
    let caught = hunt(&blamed, &mut |_| Control::Go);
    let Caught::Nothing { tried, .. } = caught else { panic!("{caught:?}") };
    assert!(tried.programs > 10_000, "{tried:?}");
}

#[test]
fn a_hunt_goes_on_past_known_races_and_counts_them() {
    let news = Hunt { ends: Ends::Blamed, ..hunting(B33, Era::V6_15, 5) };
    let caught = hunt(&news, &mut |_| Control::Go);
    let Caught::Nothing { known, .. } = caught else { panic!("{caught:?}") };
    let ids: Vec<&str> = known.iter().map(|met| met.id.as_str()).collect();
    assert_eq!(ids, ["B33"]);
    assert_eq!(known[0].goes_away_with, "idle-pred=ref-equals-map");
    assert!(known[0].times > 0);
}

#[test]
fn a_hunt_can_be_stopped_and_what_was_under_way_counts() {
    let mut stopped_at = Vec::new();
    let caught = hunt(&hunting(B33, Era::V6_15, 6), &mut |tried| {
        if tried.programs < 10 {
            return Control::Go;
        }
        stopped_at.push(tried.programs);
        Control::Stop
    });
    assert_eq!(stopped_at, [10], "who said stop is not asked again");
    assert!(matches!(caught, Caught::Stopped { tried, .. } if tried.programs >= 10), "{caught:?}");
}

#[test]
fn a_hunt_on_a_machine_of_other_sizes_says_so_in_what_it_catches() {
    let sizes = vec![("pmd_order".to_owned(), 9), ("pages".to_owned(), 2048)];
    let large = Hunt { sizes, ..hunting(B33, Era::V6_15, 6) };
    let (scenario, found, _) = found(hunt(&large, &mut |_| Control::Go));
    let Geometry { pmd_order, pages, gather_batch, .. } = scenario.geometry;
    let usual = Geometry::SMALL.gather_batch;
    assert_eq!((pmd_order, pages, gather_batch), (9, 2048, usual));
    assert_eq!(found.finding.invariant, Invariant::L2);
    // A machine that no program fits on tries none.
    let sizes = vec![("file_pages_max".to_owned(), 2048)];
    let none = Hunt { sizes, ..hunting(B33, Era::V6_15, 2) };
    let caught = hunt(&none, &mut |_| Control::Go);
    assert!(
        matches!(caught, Caught::Nothing { tried: Tried { programs: 0, .. }, .. }),
        "{caught:?}"
    );
}

#[test]
fn a_wrong_rule_that_takes_many_steps_is_caught_among_all_words_by_what_is_drawn() {
    // It shows only where the block that was given away is used again: more steps than anybody enumerates.
    let mut wrong = Hunt {
        words: Hunted::all(),
        ends: Ends::Blamed,
        plan: Plan { bound: Some(1), schedules_max: 20_000, ..Plan::default() },
        ..hunting(B33, Era::V6_15Sound, 6)
    };
    wrong.rules.apply("gup-pte-recheck=off").expect("a rule");
    let caught = hunt(&wrong, &mut |_| Control::Go);
    let Caught::Found { found, drawn: true, .. } = caught else { panic!("{caught:?}") };
    assert_eq!(found.finding.invariant, Invariant::I24);
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
    let all = Hunted::all();
    assert_eq!(
        all.iter().map(|it| it.word).collect::<Vec<_>>().join(" "),
        "mmap touch read reference get dma drop munmap truncate extend punch write unlink unbind exit \
         offline alloc put pipe open vmsplice mremap walk split anon anonhuge fork splithuge todev \
         tosys device dio fold collapse reflink exclusive devread movepages shrink thread release"
    );
    for it in all {
        // Most can be said only by who has mapped and pinned something, two by who has a pipe or the slow device.
        let before = match it.word {
            "mmap" | "anon" | "anonhuge" => "",
            "vmsplice" => "w0 mmap 0 f 0 1 rw shared\nw0 pipe 0\n",
            "dio" => "w0 mmap 0 f 0 1 rw shared\nw0 open 1 /dev/nullb0 rw\n",
            _ => "w0 mmap 0 f 0 1 rw shared\nw0 pin 0 0\n",
        };
        let program = Program::parse(&format!("file f 1\nfile g 1\n{before}w0 {}\n", it.text))
            .expect("a program");
        let step = program.steps.last().expect("a step");
        assert_ne!(step.op.call_number(), 0, "{it:?}");
        assert_eq!(step.op.call_number(), it.call_number(), "{it:?}");
    }
}
