use pgmap_explore::*;
use pgmap_program::{Era, Program};
use pgmap_sched::{Control, Plan};

#[test]
fn try_it() {
    let rules: Vec<(String, u32)> =
        std::env::var("BREAK").map(|b| vec![(b, 0)]).unwrap_or_default();
    let text = std::fs::read_to_string(std::env::var("PROGRAM").unwrap()).unwrap();
    let era = if std::env::var("FAITHFUL").is_ok() { Era::V6_15 } else { Era::V6_15Sound };
    let mut scenario = Scenario::new(Program::parse(&text).unwrap(), era);
    for (rule, _) in rules {
        scenario.rules.apply(&rule).unwrap();
    }
    let bound = std::env::var("BOUND").map(|b| b.parse().unwrap()).unwrap_or(2);
    let t = std::time::Instant::now();
    let v =
        explore(&scenario, &Plan { bound: Some(bound), ..Plan::default() }, &mut |_| Control::Go)
            .unwrap();
    eprintln!("{:?}", t.elapsed());
    for s in v.stats() {
        eprintln!("{s:?}");
    }
    match v {
        Verdict::Found { found, .. } => eprintln!("{:#?}", found.finding),
        Verdict::Exhausted { waiting, .. } => eprintln!("exhausted, waiting {waiting}"),
        other => eprintln!("{other:?}"),
    }
}
