//! What each task holds: locks, locked entries and read-side sections, told from the trace.

use pgmap_prim::{Subject, verb};
use pgmap_program::Program;
use pgmap_sched::{Effect, Event, Kind, Object, Task, Verb};

use super::accesses::Accesses;
use super::subject;
use crate::names;
use crate::thing::Thing;

/// Something held.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) task: Task,
    object: Object,
    pub(super) name: String,
    /// Where it was taken, as a position in the trace.
    pub(super) at: usize,
}

/// What a step does to a lock, and how a holder of it is described.
enum Change {
    Take(&'static str),
    /// Held as before, in another mode.
    Lower(&'static str),
    Release,
}

/// What is held at the end of a trace, in the order of taking.
pub(super) fn at_the_end(program: &Program, trace: &[Event], accesses: &Accesses<'_>) -> Vec<Hold> {
    let mut held: Vec<Hold> = Vec::new();
    for (at, event) in trace.iter().enumerate() {
        if !matches!(event.kind, Kind::Step | Kind::Record) {
            continue;
        }
        let thing = accesses.thing(at);
        let change = match thing {
            Some(Thing::DaxEntry) => entry(event),
            _ => section(event).or_else(|| lock(event)),
        };
        match change {
            Some(Change::Take(mode)) => {
                let name = format!("{}{mode}", name(program, event, thing));
                held.push(Hold { task: event.task, object: event.object, name, at });
            }
            Some(Change::Lower(mode)) => {
                let mine =
                    |hold: &&mut Hold| (hold.task, hold.object) == (event.task, event.object);
                if let Some(hold) = held.iter_mut().rfind(mine) {
                    hold.name = format!("{}{mode}", name(program, event, thing));
                }
            }
            Some(Change::Release) => {
                let same = |hold: &Hold| hold.object == event.object;
                let mine = |hold: &Hold| same(hold) && hold.task == event.task;
                // What has no owner may be given back by anybody.
                let found = held.iter().rposition(mine).or_else(|| held.iter().rposition(same));
                found.map(|at| held.remove(at));
            }
            None => {}
        }
    }
    held
}

/// What the thing held is called.
pub(super) fn name(program: &Program, event: &Event, thing: Option<Thing>) -> String {
    match (Subject::of(event.object), thing) {
        (Subject::Section(0), _) => "rcu_read_lock".to_owned(),
        (Subject::Section(1), _) => "irqs off".to_owned(),
        (Subject::Section(_), _) => "TLB in use".to_owned(),
        (_, Some(Thing::DaxEntry)) => "DAX entry".to_owned(),
        (_, Some(thing @ Thing::DriverLock { .. })) => {
            subject::name(program, thing, event, None).unwrap_or_else(|| "a lock".to_owned())
        }
        (_, Some(Thing::Page { pfn, .. })) => format!("folio lock of pfn {pfn:#x}"),
        _ => event.site.and_then(names::receiver).unwrap_or("a lock").to_owned(),
    }
}

/// The low bit of an entry is its lock.
fn entry(event: &Event) -> Option<Change> {
    let (before, after) = event.values?;
    match (before & 1, after & 1) {
        (0, 1) => Some(Change::Take("")),
        (1, 0) => Some(Change::Release),
        _ => None,
    }
}

fn section(event: &Event) -> Option<Change> {
    match event.verb {
        verb::SECTION_ENTER => Some(Change::Take("")),
        verb::SECTION_LEAVE => Some(Change::Release),
        _ => None,
    }
}

/// Whether a step is about a lock. What it does to its word is of no interest besides.
pub(super) fn is_lock(verb: Verb) -> bool {
    takes(verb).is_some() || gives(verb) || verb == verb::DOWNGRADE_WRITE
}

fn takes(verb: Verb) -> Option<&'static str> {
    match verb {
        verb::DOWN_READ | verb::DOWN_READ_TRYLOCK => Some(" R"),
        verb::DOWN_WRITE | verb::DOWN_WRITE_TRYLOCK | verb::DOWN_WRITE_SLOWPATH => Some(" W"),
        verb::SPIN_LOCK
        | verb::SPIN_TRYLOCK
        | verb::BIT_SPIN_LOCK
        | verb::BIT_LOCK
        | verb::BIT_TRYLOCK => Some(""),
        _ => None,
    }
}

fn gives(verb: Verb) -> bool {
    let all =
        [verb::SPIN_UNLOCK, verb::UP_READ, verb::UP_WRITE, verb::BIT_SPIN_UNLOCK, verb::BIT_UNLOCK];
    all.contains(&verb)
}

fn lock(event: &Event) -> Option<Change> {
    if gives(event.verb) {
        return Some(Change::Release);
    }
    if event.verb == verb::DOWNGRADE_WRITE {
        return Some(Change::Lower(" R"));
    }
    let mode = takes(event.verb)?;
    // A writer that must wait only announces itself: the top bits of the word count those.
    let waits = event.values.is_some_and(|(before, after)| after >> 48 > before >> 48);
    let announces = event.verb == verb::DOWN_WRITE && waits;
    (event.effect == Effect::Write && !announces).then_some(Change::Take(mode))
}
