//! Every step of an execution, for a reader who wants to walk through it: nothing is left out.

use pgmap_prim::{Subject, verb, verb_name};
use pgmap_program::errno::describe_return;
use pgmap_sched::{Control, Ended, Event, Explorer, Kind, Schedule, Trace};
use serde::Serialize;

use super::late;
use super::subject;
use crate::explored::{ExploredWorld, remark};
use crate::names;
use crate::scenario::{Role, Scenario, Unfinished};
use crate::thing::{Tables, Thing};

/// One entry of an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Number of the event; entries that are none have that of the next event.
    pub n: u32,
    /// The CPU, which is the task.
    pub cpu: u8,
    pub who: String,
    /// `call`, `return`, `step`, `waits`, `switch`, and the emulator's own `section`, `store buffer`, `spin` and
    /// `choice`.
    pub kind: &'static str,
    /// The function that takes the step.
    pub function: &'static str,
    /// What it does, by the kernel's name; of a call, the call.
    pub operation: String,
    pub object: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// Runs a schedule and tells every step.
///
/// # Errors
/// Why the scenario cannot be run, or that `control` said stop.
pub fn steps(
    scenario: &Scenario,
    schedule: &Schedule,
    control: &mut dyn FnMut() -> Control,
) -> Result<Vec<Told>, Unfinished> {
    let explored = ExploredWorld::new(scenario, control)?;
    let replayed = Explorer::new().replay(&mut &explored, schedule, Trace::Keep, control);
    if replayed.end == Ended::Stopped {
        return Err(Unfinished::Stopped);
    }
    let arena = explored.arena();
    let walk = Walk { scenario, roles: scenario.roles(), tables: Tables::of(&arena) };
    Ok(replayed.trace.iter().map(|event| walk.told(event)).collect())
}

struct Walk<'a> {
    scenario: &'a Scenario,
    roles: Vec<Role>,
    tables: Tables<'a>,
}

impl Walk<'_> {
    fn who(&self, task: u8) -> String {
        let (owner, drains) = late::owner(task, self.roles.len());
        let who = match self.roles.get(usize::from(owner)) {
            Some(role) => role.who().to_string(),
            None => return String::new(),
        };
        if drains { format!("{who}'s store buffer") } else { who }
    }

    fn told(&self, event: &Event) -> Told {
        let mut told = Told {
            n: event.index,
            cpu: late::owner(event.task.0, self.roles.len()).0,
            who: self.who(event.task.0),
            kind: "step",
            function: event.site.and_then(names::function).unwrap_or(""),
            operation: verb_name(event.verb).to_owned(),
            object: String::new(),
            before: None,
            after: None,
        };
        match event.kind {
            Kind::Step => self.access(event, &mut told),
            Kind::Record if event.verb == verb::STORE_BUFFER => told.kind = "store buffer",
            Kind::Record => told.kind = "section",
            Kind::Relax => (told.kind, told.operation) = ("spin", "cpu_relax".to_owned()),
            Kind::Choice { value, of } => {
                (told.kind, told.operation) = ("choice", format!("{value} of {of}"));
            }
            Kind::Paid { value, of, .. } => {
                (told.kind, told.operation) = ("choice", format!("{value} of {of}"));
            }
            Kind::Blocked { class, .. } => {
                (told.kind, told.operation) = ("waits", class.to_string())
            }
            Kind::Switch { to } => (told.kind, told.operation) = ("switch", self.who(to.0)),
            Kind::Note { code, a, b } => {
                let step = usize::try_from(a).ok().and_then(|n| self.scenario.program.steps.get(n));
                let call = step.map(|step| self.scenario.program.op_text(&step.op).to_string());
                told.operation = call.unwrap_or_default();
                told.kind = "call";
                if code == remark::END {
                    told.kind = "return";
                    told.after = Some(describe_return(b.cast_signed()));
                }
            }
        }
        told
    }

    fn access(&self, event: &Event, told: &mut Told) {
        let thing = self.tables.thing(event.object);
        // A bare word, and nothing in the sources says whose: at least tell it from others.
        let name = subject::name(&self.scenario.program, thing, event, None);
        told.object = match (name, Subject::of(event.object)) {
            (Some(name), _) => name,
            (None, Subject::Word(at) | Subject::Range(at)) if thing == Thing::Other => {
                format!("word at {at:#x}")
            }
            (None, _) => subject::UNNAMED.to_owned(),
        };
        if let Some((before, after)) = event.values {
            told.before = Some(subject::value(thing, before));
            told.after = Some(subject::value(thing, after));
        }
    }
}
