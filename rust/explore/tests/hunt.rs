//! Races found in programs that nobody wrote.

use pgmap_explore::synth::{Caught, Hunt, Word, hunt};
use pgmap_explore::{Found, Scenario, Sort};
use pgmap_program::{Era, Invariant};
use pgmap_sched::{Control, Plan};

fn words(words: &str) -> Vec<Word> {
    words.split(' ').map(|word| Word::find(word).expect("a word")).collect()
}

#[test]
fn hunting() {
    let t = std::time::Instant::now();
    let era = if std::env::var("FAITHFUL").is_ok() { Era::V6_15 } else { Era::V6_15Sound };
    let mut rules = era.rules();
    if let Ok(b) = std::env::var("BREAK") {
        rules.apply(&b).unwrap();
    }
    let h = Hunt {
        words: words(&std::env::var("WORDS").unwrap()),
        era,
        rules,
        ops_max: std::env::var("OPS").unwrap().parse().unwrap(),
        plan: Plan {
            bound: Some(std::env::var("BOUND").map(|b| b.parse().unwrap()).unwrap_or(0)),
            ..Plan::default()
        },
    };
    match hunt(&h, &mut |_| Control::Go) {
        Caught::Found { scenario, found, tried } => {
            eprintln!("{}\n{:?}\n{tried:?}", scenario.program, found.finding)
        }
        other => eprintln!("{other:?}"),
    }
    eprintln!("{:?}", t.elapsed());
}
