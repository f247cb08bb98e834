//! What a verdict is to be read with: a program that may not be the one that was meant.
//!
//! None of this is an error, since each may be on purpose; but a program that tests less than it seems to is worse
//! than one that fails.

use std::collections::BTreeSet;

use pgmap_program::Op;
use pgmap_program::op::{Layout, WorkerId};

use crate::outcomes::{Outcomes, Results, Row};
use crate::scenario::Scenario;

/// Base pages under a PMD of the machines that Linux runs on, and their order.
const REAL_PMD: (u32, u8) = (512, 9);

/// One sentence for each thing that makes a verdict mean less than it seems to.
#[must_use]
pub fn warnings(scenario: &Scenario, outcomes: &Outcomes) -> Vec<String> {
    let strangers = strangers(scenario, outcomes);
    let apart = (!strangers.is_empty())
        .then(|| format!("nothing was tested: {} touched nothing in common", list(&strangers)));
    apart
        .into_iter()
        .chain(no_start(scenario))
        .chain(huge_files(scenario))
        .chain(failures(scenario, outcomes))
        .collect()
}

/// The workers that run at the same time, if there are several and nobody met anybody in any execution. Before one has
/// come to its end nobody knows.
#[must_use]
pub fn strangers(scenario: &Scenario, outcomes: &Outcomes) -> Vec<WorkerId> {
    let workers: Vec<WorkerId> =
        scenario.roles().into_iter().filter_map(|role| role.worker).collect();
    let known = workers.len() > 1 && outcomes.executions > 0;
    if !known || outcomes.met() { Vec::new() } else { workers }
}

/// `w0, w1 and w2`
fn list(workers: &[WorkerId]) -> String {
    let names: Vec<String> = workers.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// What was meant to run first runs at the same time as the rest.
fn no_start(scenario: &Scenario) -> Option<String> {
    let program = &scenario.program;
    let starts = program.steps.iter().any(|step| step.op == Op::Start);
    (!starts && scenario.roles().len() > 1)
        .then(|| "no line \"start\": all steps run at the same time, set-up included".to_owned())
}

/// Files for huge mappings that are none here.
fn huge_files(scenario: &Scenario) -> Vec<String> {
    let order = scenario.geometry.pmd_order;
    let (real, real_order) = REAL_PMD;
    let pages = scenario.geometry.pmd_pages();
    let huge = scenario.program.files.iter().filter(|file| file.layout == Layout::Huge);
    huge.filter_map(|file| {
        let name = &file.name;
        if file.pages >= real && order < real_order {
            Some(format!(
                "file {name} is huge, and a PMD here is of order {order} ({pages} pages), not of order \
                 {real_order} as on x86-64: --geometry pmd_order={real_order}"
            ))
        } else if file.pages < pages {
            Some(format!(
                "file {name} is huge and has {} pages, fewer than a PMD of order {order} ({pages} pages) maps: \
                 nothing of it is mapped huge",
                file.pages
            ))
        } else {
            None
        }
    })
    .collect()
}

/// Steps that never did what they were asked for, unless the program says what they are to come to.
fn failures(scenario: &Scenario, outcomes: &Outcomes) -> Vec<String> {
    let program = &scenario.program;
    let spoken_of: BTreeSet<u32> =
        program.expectations.iter().flat_map(|it| it.condition.steps()).collect();
    let failed_always = |step: &Results| step.failures().is_some() && !spoken_of.contains(&step.n);
    let rows = outcomes.rows_of(scenario, &failed_always).into_iter();
    rows.filter_map(|row| {
        let Row { place, label, text, results, .. } = row;
        let failed = failed(&results)?;
        let name = label.map_or(place.clone(), |label| format!("{label} ({place})"));
        Some(format!("{name} {text}: {failed}"))
    })
    .collect()
}

/// In which way a step failed whenever it was done.
fn failed(step: &Results) -> Option<String> {
    let failures = step.failures()?;
    let times: u64 = failures.iter().map(|(_, times)| times).sum();
    let all = match (times, step.results.len() > failures.len()) {
        (1, _) => "the only schedule".to_owned(),
        (n, false) => format!("all {n} schedules"),
        (n, true) => format!("all {n} schedules that came to it"),
    };
    Some(match failures {
        [(only, _)] => format!("{only} in {all}"),
        several => {
            let each: Vec<String> =
                several.iter().map(|(outcome, times)| format!("{outcome} in {times}")).collect();
            format!("failed in {all} ({})", each.join(", "))
        }
    })
}
