//! Several threads come to what one comes to: over random programs, where memory is in one order, where stores wait at
//! a price, and where TLBs load ahead, the same final states, results of steps, failures and numbers of bounds; and first
//! the same failure, at the same bound and with the same token.
//!
//! `PGMAP_TOGETHER_PROGRAMS=500` compares that many instead of the few that a test run can afford.

mod drawn;
mod told;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::thread;

use drawn::{asked, change_a_rule, draw, report};
use pgmap_explore::catalogue::CATALOGUE;
use pgmap_explore::{
    Ends, ExploredWorld, Finding, Outcomes, Scenario, Token, Verdict, explore, explore_on,
};
use pgmap_program::{Era, Memory, Program, TlbRefill};
use pgmap_sched::{Control, Crew, Explorer, Failure, Judgement, Outcome, Plan, Schedule};
use told::Told;

/// What a search showed.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    /// Final states, what steps came to, and failures.
    ends: BTreeSet<String>,
    /// What it came to, without numbers.
    came_to: String,
    first: Option<(Schedule, Option<u32>)>,
}

/// What everybody wants to see.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    All,
    First,
}

/// What a failure is; nothing for the program's own doing.
fn told(scenario: &Scenario, explored: &ExploredWorld, failure: &Failure) -> Option<String> {
    let finding = Finding::of(scenario, explored, failure)?;
    Some(format!("{:?} {}", finding.invariant, finding.title))
}

/// One search by so many threads that have something to do from the start; and the points that were run.
fn shown(scenario: &Scenario, plan: &Plan, threads: usize, goal: Goal) -> (Shown, u64) {
    let steps = scenario.program.steps.len();
    let crew = Crew::eager();
    let help = || {
        let explored = ExploredWorld::new(scenario, &mut || Control::Go).expect("a world");
        let mut model = Told::new(&explored, steps);
        let mut judge = |failure: &Failure| match told(scenario, &explored, failure) {
            Some(_) => Judgement::Stop,
            None => Judgement::Continue,
        };
        Explorer::new().help(&mut model, &crew, &mut judge);
        model.ends()
    };
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(help)).collect();
        let explored = ExploredWorld::new(scenario, &mut || Control::Go).expect("a world");
        let mut model = Told::new(&explored, steps);
        let mut failures = BTreeSet::new();
        let mut judge = |failure: &Failure, _: &_| match told(scenario, &explored, failure) {
            Some(told) => {
                failures.insert(told);
                if goal == Goal::All { Judgement::Continue } else { Judgement::Stop }
            }
            None => Judgement::Continue,
        };
        let go = &mut |_: &_| Control::Go;
        let outcome = Explorer::new().lead(&mut model, plan, &crew, &mut judge, go);
        crew.dismiss();
        let mut ends = model.ends();
        ends.append(&mut failures);
        helpers.into_iter().for_each(|helper| ends.extend(helper.join().expect("an end")));
        let points = outcome.stats().iter().map(|stats| stats.points).sum();
        let (came_to, first) = match outcome {
            Outcome::Found { schedule, bound, .. } => ("found".into(), Some((schedule, bound))),
            Outcome::Exhausted { stats } => (format!("exhausted {}", stats.len()), None),
            Outcome::Stopped { limit, .. } => (format!("stopped {limit:?}"), None),
            Outcome::Inconclusive { why, .. } => (format!("inconclusive {why:?}"), None),
        };
        (Shown { ends, came_to, first }, points)
    })
}

#[test]
fn several_threads_come_to_what_one_comes_to() {
    let (wanted, mut random) = asked("PGMAP_TOGETHER_PROGRAMS", 25);
    let (mut compared, mut shared, mut found) = (0u64, 0u64, 0u64);
    for _ in 0..wanted {
        let text = draw(&mut random, 1);
        let program = Program::parse(&text).expect("every line was tried");
        let mut scenario = Scenario::new(program, Era::V6_15Sound);
        change_a_rule(&mut scenario, &mut random);
        if ExploredWorld::new(&scenario, &mut || Control::Go).is_err() {
            continue;
        }
        for kind in 0..3 {
            scenario.memory = if kind == 1 { Memory::Tso } else { Memory::Sc };
            scenario.tlb = if kind == 2 { TlbRefill::Speculative } else { TlbRefill::OnAccess };
            let bound = if kind == 0 { 2 } else { 1 };
            let plan = Plan { bound: Some(bound), steps_max: 4_000, ..Plan::default() };
            for goal in [Goal::All, Goal::First] {
                let (one, alone) = shown(&scenario, &plan, 1, goal);
                for threads in [2, 4] {
                    let (several, points) = shown(&scenario, &plan, threads, goal);
                    let at = || format!("{text}{:?} {kind}, {threads}", scenario.broken());
                    // Where a search ends early, who helps has seen more or less.
                    if one.first.is_none() {
                        assert!(one.ends == several.ends, "{}", at());
                    }
                    assert_eq!(one.came_to, several.came_to, "{}", at());
                    assert_eq!(one.first, several.first, "{}", at());
                    shared += u64::from(points != alone);
                    compared += 1;
                }
                found += u64::from(one.first.is_some());
            }
        }
    }
    report(&format!("{compared} comparisons, {shared} of them with other numbers, {found} found"));
    assert!(shared > compared / 10, "{shared} of {compared}");
}

/// All that a verdict says, without the numbers of executions.
fn said(scenario: &Scenario, verdict: &Verdict) -> String {
    let results = |outcomes: &Outcomes| {
        let all = outcomes.steps.iter().map(|step| {
            let results = step.results.iter().map(|(outcome, _)| format!("{outcome} "));
            format!("{}: {}", step.n, results.collect::<String>())
        });
        all.collect::<Vec<_>>()
    };
    match verdict {
        Verdict::Found { found, .. } => {
            let token: Token = found.token(scenario);
            format!("found {} {:?} {token}", found.finding.title, found.preemptions)
        }
        Verdict::Exhausted { bound, seen } => {
            let known: Vec<_> = seen.known.iter().map(|met| (&met.id, &met.token)).collect();
            let (results, orders) = (results(&seen.outcomes), &seen.lock_orders);
            format!("exhausted {bound:?} {results:?} {known:?} {orders:?} {}", seen.outcomes.met())
        }
        Verdict::NotFound { why, .. } => format!("not found {why:?}"),
        Verdict::Inconclusive { why, .. } => format!("inconclusive {why:?}"),
    }
}

/// Two that take long enough for others to take part, and one that meets races which its era is known for.
#[test]
fn a_verdict_does_not_depend_on_the_number_of_threads() {
    let reader = "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nw1 mmap 0 f 0 1 rw shared\nstart\n\
         w0 pin 0 0\nw0 unpin 0\nw1 w 0 0\nw2 ftruncate f 0\n";
    let flush = CATALOGUE.known.iter().find(|known| known.race.name == "iomap-lock");
    let two = NonZeroUsize::new(2).expect("a number above 0");
    let reader = |era| Scenario::new(Program::parse(reader).expect("a program"), era);
    let mut most = 0;
    let scenarios = [reader(Era::V6_15Sound), reader(Era::V6_15), flush.expect("a race").right()];
    for scenario in scenarios {
        for ends in [Ends::Any, Ends::News] {
            let plan = Plan { bound: Some(2), ..Plan::default() };
            let one = explore(&scenario, &plan, ends, &mut |_| Control::Go).expect("a scenario");
            let both = explore_on(two, &scenario, &plan, ends, &mut |_| Control::Go);
            let both = both.expect("a scenario");
            assert_eq!(said(&scenario, &one), said(&scenario, &both));
            let executions = one.seen().schedules();
            most = most.max(executions);
        }
    }
    // Long enough for others to be asked.
    assert!(most > 2_000, "{most}");
}
