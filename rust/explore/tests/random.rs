//! Programs drawn at random, twenty schedules of each: nothing crashes, nothing leaks, every execution
//! replays to the same end, and the sound era has no finding. And what bounds find is found without one.
//!
//! `PGMAP_RANDOM_PROGRAMS=100000` draws that many instead of the few that a test run can afford,
//! `PGMAP_COMPARED_PROGRAMS=2000` compares that many.

mod drawn;

use std::cell::RefCell;
use std::collections::BTreeSet;

use drawn::{CALLS, asked, change_a_rule, draw, report};
use pgmap_explore::{Blame, ExploredWorld, Finding, Scenario};
use pgmap_prim::SplitMix64;
use pgmap_program::{Era, Memory, Program, TlbRefill};
use pgmap_sched::{
    Control, Defect, Ended, Explorer, Failure, Judgement, Model, Outcome, Plan, Schedule, Task,
    Trace,
};

/// A world in which every execution that passes fails with [`PASSED`], so that its schedule is seen too.
struct Told<'a>(&'a ExploredWorld);

const PASSED: Defect = Defect { code: 0xff_ffff, object: 0, value: 0 };

impl Model for Told<'_> {
    fn tasks(&self) -> usize {
        self.0.tasks()
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn run(&self, task: Task) {
        self.0.run(task);
    }

    fn finish(&self) -> Result<(), Defect> {
        self.0.finish().and(Err(PASSED))
    }
}

#[test]
fn every_call_is_one() {
    // What never parses would never be drawn, in silence.
    let before = "file f 2\nfile h 4 huge\nw0 mmap 0 f 0 2 rw shared\nw0 pin 0 0\nw0 pipe 0\nw0 open 0 f rw\n\
                  w0 dev_alloc 0 1\n";
    for call in CALLS {
        // A number that is in use cannot be made again, and one that is not cannot be used.
        let ways = [format!("{before}w0 {call}\n"), format!("file f 2\nw0 {call}\n")];
        assert!(ways.iter().any(|text| Program::parse(text).is_ok()), "{call}");
    }
}

/// The sound era, the faithful one, or one wrong rule.
fn rules(scenario: &mut Scenario, random: &mut SplitMix64) {
    match random.below(4) {
        0 => {
            scenario.era = Era::V6_15;
            scenario.rules = Era::V6_15.rules();
        }
        1 => change_a_rule(scenario, random),
        _ => {}
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

#[test]
fn random_programs_neither_crash_nor_leak_and_replay_alike() {
    let (wanted, mut random) = asked("PGMAP_RANDOM_PROGRAMS", 1_000);
    let mut explorer = Explorer::new();
    let plan = Plan { bound: Some(2), schedules_max: 20, ..Plan::default() };
    let (mut programs, mut schedules, mut findings, mut early) = (0u64, 0u64, 0u64, 0);
    while programs < wanted {
        let text = draw(&mut random, 3);
        let program = Program::parse(&text).expect("every line was tried");
        let mut scenario = Scenario::new(program, Era::V6_15Sound);
        rules(&mut scenario, &mut random);
        let Ok(explored) = ExploredWorld::new(&scenario, &mut || Control::Go) else { continue };
        programs += 1;
        let seen: RefCell<Vec<(Failure, Schedule)>> = RefCell::default();
        let mut judge = |failure: &Failure, schedule: &Schedule| {
            let passed = matches!(failure, Failure::Defect { defect, .. } if *defect == PASSED);
            let finding = if passed { None } else { Finding::of(&scenario, &explored, failure) };
            if let Some(finding) = finding {
                findings += 1;
                let sound = scenario.broken().is_empty() && scenario.era == Era::V6_15Sound;
                // Any rules let a program wait for its own reference.
                let fault = finding.blame == Blame::Rules;
                assert!(!(sound && fault), "{text}{finding:#?}");
                assert!(
                    !matches!(failure, Failure::Panic { .. }),
                    "{text}{:?}\n{finding:#?}",
                    scenario.broken()
                );
            }
            seen.borrow_mut().push((failure.clone(), schedule.clone()));
            Judgement::Continue
        };
        explorer.search(&mut Told(&explored), &plan, &mut judge, &mut |_| Control::Go);
        let seen = seen.into_inner();
        schedules += seen.len() as u64;
        for (failure, schedule) in seen.iter().step_by(4) {
            let again = explorer.twice(&mut Told(&explored), schedule, &mut || Control::Go);
            let again = again.unwrap_or_else(|at| panic!("{text}{at:?}"));
            assert_eq!(again.diverged, None, "{text}");
            assert_eq!(again.end, Ended::Failed(failure.clone()), "{text}");
            let quietly =
                explorer.replay(&mut Told(&explored), schedule, Trace::Skip, &mut || Control::Go);
            assert_eq!(quietly.end, again.end, "{text}");
        }
        if programs == wanted / 5 {
            early = resident_kib();
        }
    }
    let grown = resident_kib().saturating_sub(early);
    report(&format!(
        "{programs} programs, {schedules} schedules, {findings} findings, {grown} KiB more"
    ));
    assert!(schedules > 5 * programs, "{schedules} schedules of {programs} programs");
    assert!(findings > 0);
    assert!(grown < 16 << 10, "{grown} KiB more than after a fifth of the programs");
}

/// All that a search finds, by invariant and title; None if it was stopped.
fn findings(
    scenario: &Scenario,
    explored: &ExploredWorld,
    bound: Option<u32>,
) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let mut judge = |failure: &Failure, _: &Schedule| {
        let finding = Finding::of(scenario, explored, failure);
        all.extend(finding.map(|finding| format!("{:?} {}", finding.invariant, finding.title)));
        Judgement::Continue
    };
    // Wrong rules may make a program go round for ever where stores wait; that one is not compared.
    let plan = Plan { bound, schedules_max: 300, steps_max: 4_000, ..Plan::default() };
    let outcome = Explorer::new().search(&mut &*explored, &plan, &mut judge, &mut |_| Control::Go);
    matches!(outcome, Outcome::Exhausted { .. }).then_some(all)
}

#[test]
fn what_bounds_find_is_found_without_a_bound() {
    let (wanted, mut random) = asked("PGMAP_COMPARED_PROGRAMS", 200);
    // By memory: programs, and those with findings.
    let mut compared = [(0u64, 0u64); 3];
    for _ in 0..wanted {
        let text = draw(&mut random, 1);
        let program = Program::parse(&text).expect("every line was tried");
        let mut scenario = Scenario::new(program, Era::V6_15Sound);
        (0..12).for_each(|_| change_a_rule(&mut scenario, &mut random));
        for (kind, figures) in (0..).zip(&mut compared) {
            scenario.memory = if kind == 1 { Memory::Tso } else { Memory::Sc };
            scenario.tlb = if kind == 2 { TlbRefill::Speculative } else { TlbRefill::OnAccess };
            let Ok(explored) = ExploredWorld::new(&scenario, &mut || Control::Go) else { continue };
            let Some(all) = findings(&scenario, &explored, None) else { continue };
            let Some(few) = findings(&scenario, &explored, Some(2)) else { continue };
            let at = || format!("{text}{:?} {kind}", scenario.broken());
            assert!(few.is_subset(&all), "{}: {few:?} and not {all:?}", at());
            figures.0 += 1;
            figures.1 += u64::from(!few.is_empty());
        }
    }
    report(&format!("one order, store buffers, TLBs that load ahead: {compared:?}"));
    for (programs, found) in compared {
        assert!(programs > wanted / 20 && found > 0, "{compared:?}");
    }
}
