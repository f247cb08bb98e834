//! A found race as kernel people tell it: CPU0 beside CPU1, time downwards, what broke it last.
//!
//! [`report`] runs the found execution once more, with a trace, and makes a [`Report`] of it: plain data, which
//! prints as a text of at most 72 columns of ASCII, to be pasted into a mail or a commit message.
//!
//! | module | what it is |
//! |---|---|
//! | `accesses` | who touches what, and where tasks meet |
//! | `subject` | what steps are about |
//! | `held` | locks and sections |
//! | `late` | stores that were seen late |
//! | `rows` | which steps are told |
//! | `steps` | all of them, one by one |
//! | `blame` | the places in the trace that matter most |
//! | `builder` | all of it together |
//! | `text` | the printed form |

mod accesses;
mod blame;
mod builder;
mod held;
mod late;
mod rows;
mod steps;
mod subject;
mod text;

use std::fmt;

use pgmap_program::{Era, Geometry, Memory, TlbRefill};
use pgmap_sched::{Control, Ended, Explorer, Trace};
use serde::{Serialize, Serializer};

use crate::explored::ExploredWorld;
use crate::finding::Sort;
use crate::found::Found;
use crate::scenario::{Scenario, Unfinished};
use crate::who::Who;

pub use rows::{ROWS_MAX, Row, Tells};
pub use steps::{Told, steps};

/// The printed form never has a longer line.
pub const WIDTH: usize = 72;

/// A race, told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What happened, in a few words.
    pub title: String,
    /// `title in A / B`: the same for every execution of the same race.
    pub signature: String,
    pub sort: Sort,
    pub invariant: BrokenInvariant,
    pub page: Option<PageNow>,
    /// Who took part.
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    pub value_changed: Option<Change>,
    /// Who last took a reference of the page.
    pub taken_by: Option<Culprit>,
    /// Who last gave up the last one.
    pub freed_by: Option<Culprit>,
    /// What each task holds at the end.
    pub held: Vec<Holds>,
    /// Who waits for what, when nobody can go on.
    pub waits: Vec<String>,
    pub detail: String,
    /// The number of a race that the era is known to have.
    pub known: Option<String>,
    /// The rules with which it goes away then.
    pub goes_away_with: Option<String>,
    pub scenario: Setting,
    /// The command that runs this execution again.
    pub reproduce: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BrokenInvariant {
    pub id: &'static str,
    pub sentence: &'static str,
    /// The row in which it was seen broken.
    pub at: Option<u32>,
}

/// A page, as the execution left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PageNow {
    #[serde(serialize_with = "hexadecimal")]
    pub pfn: u32,
    /// Head of its folio.
    #[serde(serialize_with = "hexadecimal")]
    pub head: u32,
    pub order: u8,
    pub refcount: i32,
    pub mapcount: i32,
    /// Pins: counted in a large folio, a guess from above in a small one.
    pub pins: u32,
    /// Whether it belongs to a file.
    pub in_file: bool,
}

fn hexadecimal<S: Serializer>(number: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{number:#x}"))
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    pub task: u8,
    pub who: Who,
    /// The call that is its part in the race, if it has one.
    pub guilty: Option<String>,
    /// All of its calls, in the program's words.
    pub calls: Vec<String>,
}

/// A word that became another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub what: String,
    /// `1 -> 2`.
    pub change: String,
}

/// Who did something, and where that is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Culprit {
    pub who: String,
    pub row: Option<u32>,
    pub function: String,
    /// The call, in the program's words.
    pub call: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holds {
    pub who: String,
    pub what: Vec<String>,
}

/// What was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub era: Era,
    /// Rules that differ from the era's.
    pub rules: Vec<Rule>,
    /// Steps of the protocol that were left out.
    pub without: Vec<&'static str>,
    pub geometry: Geometry,
    pub memory: Memory,
    pub tlb: TlbRefill,
    pub program: String,
    /// Preemptions that the execution needs; none if the search had no bound.
    pub preemptions: Option<u32>,
}

/// A rule that is not the era's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    pub name: &'static str,
    pub value: &'static str,
    /// What the era has.
    pub era: &'static str,
}

/// Tells what was found in a scenario.
///
/// # Errors
/// Why the scenario cannot be run, or that `control` said stop.
pub fn report(
    scenario: &Scenario,
    found: &Found,
    control: &mut dyn FnMut() -> Control,
) -> Result<Report, Unfinished> {
    let explored = ExploredWorld::new(scenario, control)?;
    let replayed = Explorer::new().replay(&mut &explored, &found.schedule, Trace::Keep, control);
    let failure = match &replayed.end {
        Ended::Failed(failure) => Some(failure),
        Ended::Stopped => return Err(Unfinished::Stopped),
        // Told as far as it goes: whoever wants to know whether it can be reproduced replays it.
        Ended::Passed | Ended::Unclear(_) => None,
    };
    let told = late::told(&replayed.trace, scenario.roles().len());
    Ok(builder::tell(scenario, found, &explored, &told, failure))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::print(self, f)
    }
}

impl Setting {
    fn of(scenario: &Scenario, found: &Found) -> Self {
        let rule = |(name, value)| {
            let era = scenario.era.rules().get(name).unwrap_or("?");
            Rule { name, value, era }
        };
        Self {
            era: scenario.era,
            rules: scenario.broken().into_iter().map(rule).collect(),
            without: scenario.without.iter().map(|it| it.step().name).collect(),
            geometry: scenario.geometry,
            memory: scenario.memory,
            tlb: scenario.tlb,
            program: scenario.program.to_string(),
            preemptions: found.preemptions,
        }
    }
}
