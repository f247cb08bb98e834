//! An audit that is left out would have found nothing and looked at the same words: over random programs, searches that make
//! every audit and searches that leave out those whose result is known come to the same, execution by execution, where memory
//! is in one order, where stores wait at a price, and where TLBs load ahead.
//!
//! `PGMAP_AUDITED_PROGRAMS=2000` compares that many instead of the few that a test run can afford.

mod drawn;

use drawn::{asked, change_a_rule, draw, report};
use pgmap_explore::{ExploredWorld, Finding, Scenario};
use pgmap_program::{Era, Memory, Program, TlbRefill};
use pgmap_sched::{Control, Explorer, Failure, Judgement, Outcome, Plan, Stats};

/// What a search comes to, and each failure on the way with its schedule; and the audits that were left out.
#[derive(Debug, PartialEq)]
struct Shown {
    stats: Vec<Stats>,
    exhausted: bool,
    failures: Vec<String>,
    outcomes: String,
}

fn shown(scenario: &Scenario, plan: &Plan, all: bool) -> Option<(Shown, u64)> {
    let explored = ExploredWorld::new(scenario, &mut || Control::Go).ok()?;
    if all {
        explored.audit_all();
    }
    let mut failures = Vec::new();
    let mut judge = |failure: &Failure, schedule: &_| {
        let finding = Finding::of(scenario, &explored, failure).map(|it| (it.invariant, it.title));
        failures.push(format!("{finding:?} {schedule:?}"));
        Judgement::Continue
    };
    let outcome = Explorer::new().search(&mut &explored, plan, &mut judge, &mut |_| Control::Go);
    let exhausted = matches!(outcome, Outcome::Exhausted { .. });
    let outcomes = format!("{:?}", explored.step_results());
    let shown = Shown { stats: outcome.stats().to_vec(), exhausted, failures, outcomes };
    Some((shown, explored.audits_left_out()))
}

#[test]
fn audits_that_are_left_out_change_nothing() {
    let (wanted, mut random) = asked("PGMAP_AUDITED_PROGRAMS", 30);
    let (mut compared, mut failed, mut left_out) = (0, 0, [0; 3]);
    for _ in 0..wanted {
        let text = draw(&mut random, 1);
        let program = Program::parse(&text).expect("every line was tried");
        let mut scenario = Scenario::new(program, Era::V6_15Sound);
        change_a_rule(&mut scenario, &mut random);
        for (kind, left_out) in (0..).zip(&mut left_out) {
            scenario.memory = if kind == 1 { Memory::Tso } else { Memory::Sc };
            scenario.tlb = if kind == 2 { TlbRefill::Speculative } else { TlbRefill::OnAccess };
            let few = Plan { steps_max: 4_000, schedules_max: 1_000, ..Plan::default() };
            for plan in [few, Plan { bound: None, schedules_max: 300, ..few }] {
                let Some((whole, none)) = shown(&scenario, &plan, true) else { break };
                let Some((short, some)) = shown(&scenario, &plan, false) else { panic!("{text}") };
                let at = || format!("{text}{:?} {kind}, {:?}", scenario.broken(), plan.bound);
                assert!(whole == short, "{}: {whole:#?} {short:#?}", at());
                assert_eq!(none, 0, "{}", at());
                // Something was found although some of those who look for it were left out.
                let found = !whole.failures.is_empty() && some > 0;
                (compared, failed) = (compared + 1, failed + u64::from(found));
                *left_out += some;
            }
        }
    }
    report(&format!("{compared} searches, {failed} with failures; audits left out: {left_out:?}"));
    assert!(compared > wanted * 3 && failed > wanted / 3);
    assert!(left_out.iter().all(|&some| some > wanted * 20));
}
