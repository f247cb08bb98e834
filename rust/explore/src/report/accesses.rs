//! Who touches what, in which order: the accesses of a trace by object, and where tasks meet on one.
//!
//! Two accesses of an object conflict if one of them writes. Tasks *meet* where neighbours in that relation
//! belong to different tasks: the last look before somebody else's change and the first one after it, and a
//! change that somebody else's access precedes or follows. Everything else could be moved without anybody
//! noticing, and is not what a reader looks for. A store of what was there already is no change.

use std::collections::BTreeMap;

use pgmap_prim::verb;
use pgmap_sched::{Effect, Event, Kind, Object, Task};

use crate::names;
use crate::thing::{Tables, Thing};

/// The accesses of one object.
#[derive(Default)]
struct Places {
    /// Positions in the trace.
    at: Vec<usize>,
    /// Whose they are, as a mask.
    tasks: u16,
    /// Somebody goes to sleep on it.
    sleepers: bool,
}

pub(super) struct Accesses<'a> {
    trace: &'a [Event],
    /// What each entry of the trace is about; none for what is no access.
    things: Vec<Option<Thing>>,
    objects: BTreeMap<Object, Places>,
}

impl<'a> Accesses<'a> {
    pub(super) fn of(trace: &'a [Event], tables: &Tables<'_>) -> Self {
        let mut objects: BTreeMap<Object, Places> = BTreeMap::new();
        let mut things = Vec::with_capacity(trace.len());
        for (at, event) in trace.iter().enumerate() {
            let thing = (event.kind == Kind::Step).then(|| tables.thing(event.object));
            if thing.is_some() {
                let places = objects.entry(event.object).or_default();
                places.at.push(at);
                places.tasks |= 1 << event.task.0;
                places.sleepers |= event.verb == verb::PREPARE_TO_WAIT;
            }
            things.push(thing);
        }
        Self { trace, things, objects }
    }

    pub(super) fn thing(&self, at: usize) -> Option<Thing> {
        self.things[at]
    }

    fn places(&self, at: usize) -> Option<&Places> {
        self.objects.get(&self.trace[at].object)
    }

    fn others(&self, at: usize) -> (&[usize], &[usize]) {
        let all = self.places(at).map_or(&[][..], |places| &places.at);
        match all.binary_search(&at) {
            Ok(here) => (&all[..here], &all[here + 1..]),
            Err(_) => (&[], &[]),
        }
    }

    fn writes(&self, at: usize) -> bool {
        let event = &self.trace[at];
        event.effect == Effect::Write && event.values.is_none_or(|(before, after)| before != after)
    }

    fn task(&self, at: usize) -> Task {
        self.trace[at].task
    }

    /// Whether tasks meet here.
    pub(super) fn meet(&self, at: usize) -> bool {
        let (before, after) = self.others(at);
        let me = self.task(at);
        if self.writes(at) {
            let neighbours = before.last().into_iter().chain(after.first());
            return neighbours.into_iter().any(|&other| self.task(other) != me);
        }
        if self.only_prepares(at, after) {
            return false;
        }
        let foreign_write = |places: &mut dyn Iterator<Item = &usize>| {
            places.take_while(|&&other| self.task(other) != me).any(|&other| self.writes(other))
        };
        let knows =
            before.iter().rev().find(|&&other| self.writes(other) || self.task(other) == me);
        let learns = foreign_write(&mut before.iter().rev());
        let loses = foreign_write(&mut after.iter());
        // A look at what one wrote oneself tells nothing new.
        let own = knows.is_some_and(|&other| self.writes(other) && self.task(other) == me);
        learns || loses && !own
    }

    /// The look with which a retry loop begins: the exchange that follows in the same function tells more.
    fn only_prepares(&self, at: usize, after: &[usize]) -> bool {
        let function = |at: usize| self.trace[at].site.and_then(names::function);
        after.first().is_some_and(|&next| {
            self.task(next) == self.task(at) && self.writes(next) && function(next) == function(at)
        })
    }

    /// Whether `task` accesses the object of this entry, which is another's, too.
    pub(super) fn touched_by(&self, at: usize, task: Task) -> bool {
        self.places(at).is_some_and(|places| places.tasks & 1 << task.0 != 0)
    }

    /// Whether somebody goes to sleep on the queue of this entry.
    pub(super) fn has_sleepers(&self, at: usize) -> bool {
        self.places(at).is_some_and(|places| places.sleepers)
    }
}
