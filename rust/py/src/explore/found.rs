//! What was found, made small and told (`_core_explore`: `FoundReport`).

use pgmap_explore::{
    Ends, Found, Report, Scenario, ScenarioError, ShrinkBudget, ShrinkProgress, Unfinished,
    attribute, report, shrink,
};
use serde::Serialize;

use crate::first_found::FirstFound;
use crate::glance::Glance;
use crate::job::{Failed, Watch};

/// A failed execution in full.
#[derive(Debug, Serialize)]
pub(crate) struct FoundReport {
    #[serde(flatten)]
    first: FirstFound,
    report: Story,
    text: String,
    /// What shrinking did; nothing where nobody asks for a smaller one, null where nobody wanted one.
    #[serde(skip_serializing_if = "Option::is_none")]
    shrunk: Option<Option<Shrunk>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Story {
    Told(Box<Report>),
    /// Somebody stopped it.
    Untold {},
}

#[derive(Debug, Serialize)]
struct Shrunk {
    tried: u64,
    kept: u64,
    complete: bool,
    from: Size,
    to: Size,
}

/// How large a program is.
#[derive(Debug, Serialize)]
struct Size {
    tasks: usize,
    steps: usize,
}

impl Size {
    fn of(scenario: &Scenario) -> Self {
        Self { tasks: scenario.roles().len(), steps: scenario.program.steps.len() }
    }
}

/// What was found, first of all as it is, then made small if wanted, with its token and its report. Executions
/// of smaller programs have so many points at most.
pub(super) fn reveal(
    scenario: &Scenario,
    found: Found,
    ends: Ends,
    shrunk: Option<u32>,
    last: &Glance,
    watch: &Watch,
) -> Result<FoundReport, Failed> {
    watch.found(FirstFound::of(scenario, &found));
    let mut at = ShrinkProgress::default();
    let (smallest, found, shrunk) = if let Some(steps_max) = shrunk {
        let budget = ShrinkBudget { steps_max, ..ShrinkBudget::default() };
        let (smallest, found) = shrink(scenario, &found, ends, &budget, &mut |progress| {
            at = *progress;
            watch.tell(last.shrunk(progress, watch.seconds()))
        })?;
        let complete = watch.halt().is_none() && !at.spent;
        let (from, to) = (Size::of(scenario), Size::of(&smallest));
        (smallest, found, Some(Shrunk { tried: at.tried, kept: at.kept, complete, from, to }))
    } else {
        (scenario.clone(), found, None)
    };
    // What ended a search for news is news. Who says stop is not told whether it is known.
    let found = match ends {
        Ends::Any => attributed(&smallest, &found, watch).unwrap_or(found),
        Ends::News | Ends::Blamed => found,
    };
    Ok(FoundReport { shrunk: Some(shrunk), ..tell(&smallest, &found, watch)? })
}

/// With the known race that it is, if it is one.
///
/// # Errors
/// That somebody says stop before this is known.
pub(super) fn attributed(
    scenario: &Scenario,
    found: &Found,
    watch: &Watch,
) -> Result<Found, Unfinished> {
    let known = attribute(scenario, found, &mut || watch.control())?;
    Ok(Found { finding: found.finding.clone().attributed(known), ..found.clone() })
}

/// A failed execution in full; without its story if somebody stops that.
pub(super) fn tell(
    scenario: &Scenario,
    found: &Found,
    watch: &Watch,
) -> Result<FoundReport, ScenarioError> {
    let (report, text) = match report(scenario, found, &mut || watch.control()) {
        Ok(report) => {
            let text = report.to_string();
            (Story::Told(Box::new(report)), text)
        }
        Err(Unfinished::Scenario(wrong)) => return Err(wrong),
        Err(Unfinished::Stopped) => {
            let title = &found.finding.title;
            let text = format!("BUG: {title}\n(ended before it was told: replay the token)\n");
            (Story::Untold {}, text)
        }
    };
    Ok(FoundReport { first: FirstFound::of(scenario, found), report, text, shrunk: None })
}
