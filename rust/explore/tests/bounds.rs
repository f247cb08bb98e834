//! A search within a bound leaves out nothing that can be told: over random programs, at each bound, the final
//! states, what the steps came to and the failures are those of all executions within it, where memory
//! is in one order, where stores wait at a price, and where TLBs load ahead.
//!
//! `PGMAP_BOUNDED_PROGRAMS=2000` compares that many instead of the few that a test run can afford.

mod drawn;
mod told;

use std::collections::BTreeSet;

use drawn::{asked, change_a_rule, draw, report};
use pgmap_explore::{ExploredWorld, Finding, Scenario};
use pgmap_program::{Era, Memory, Program, TlbRefill};
use pgmap_sched::{Control, Explorer, Failure, Judgement, Outcome, Plan};
use told::Told;

/// Ends and failures of the executions within a bound; None if they are too many. And how many were run.
fn shown(scenario: &Scenario, plan: &Plan) -> Option<(BTreeSet<String>, u64)> {
    let explored = ExploredWorld::new(scenario, &mut || Control::Go).ok()?;
    let mut told = Told::new(&explored, scenario.program.steps.len());
    let mut failures = BTreeSet::new();
    let mut judge = |failure: &Failure, _: &_| {
        let finding = Finding::of(scenario, &explored, failure);
        failures.extend(finding.map(|it| format!("{:?} {}", it.invariant, it.title)));
        Judgement::Continue
    };
    let outcome = Explorer::new().search(&mut told, plan, &mut judge, &mut |_| Control::Go);
    let run = outcome.stats().last().map_or(0, |stats| stats.schedules + stats.pruned);
    let Outcome::Exhausted { .. } = outcome else { return None };
    failures.append(&mut told.ends());
    Some((failures, run))
}

#[test]
fn within_a_bound_nothing_is_lost_and_nothing_is_dearer() {
    let (wanted, mut random) = asked("PGMAP_BOUNDED_PROGRAMS", 100);
    // By memory: comparisons, executions of all and of those that are left.
    let mut compared = [(0u64, 0u64, 0u64); 3];
    for _ in 0..wanted {
        let text = draw(&mut random, 1);
        let program = Program::parse(&text).expect("every line was tried");
        let mut scenario = Scenario::new(program, Era::V6_15Sound);
        change_a_rule(&mut scenario, &mut random);
        for (kind, figures) in (0..).zip(&mut compared) {
            scenario.memory = if kind == 1 { Memory::Tso } else { Memory::Sc };
            scenario.tlb = if kind == 2 { TlbRefill::Speculative } else { TlbRefill::OnAccess };
            for bound in [1, 2] {
                let some = Plan { bound: Some(bound), steps_max: 4_000, ..Plan::default() };
                let all = Plan { cache_bytes: 0, schedules_max: 400, ..some };
                let Some((whole, most)) = shown(&scenario, &all) else { break };
                let Some((left, few)) = shown(&scenario, &some) else { panic!("{text}") };
                let at = || format!("{text}{:?} {kind}, bound {bound}", scenario.broken());
                assert!(whole == left, "{}: {whole:#?} {left:#?}", at());
                *figures = (figures.0 + 1, figures.1 + most, figures.2 + few);
            }
        }
    }
    report(&format!("one order, store buffers, TLBs that load ahead: {compared:?}"));
    for (times, all, left) in compared {
        assert!(times > wanted / 2 && left < all, "{compared:?}");
    }
}
