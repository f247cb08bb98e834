//! Who is to blame: the places in a trace that a report points at.

use pgmap_sched::{Effect, Event, Failure, Kind, Task};

use super::accesses::Accesses;
use super::rows::TraceReader;
use crate::thing::{Thing, Word};

/// The page whose refcount changed last.
pub(super) fn last_counted(trace: &[Event], accesses: &Accesses<'_>) -> Option<u32> {
    let count = |at| match accesses.thing(at) {
        Some(Thing::Page { pfn, word: Word::Refcount }) => Some(pfn),
        _ => None,
    };
    (0..trace.len()).rev().filter(|&at| trace[at].effect == Effect::Write).find_map(count)
}

impl TraceReader<'_> {
    /// The last change of the page's refcount of this kind.
    pub(super) fn last_count(&self, kind: impl Fn(i32, i32) -> bool) -> Option<usize> {
        let head = self.focus?.head;
        let count = Thing::Page { pfn: head, word: Word::Refcount };
        let signed = |word: u64| (word as u32).cast_signed();
        (0..self.trace.len()).rev().find(|&at| {
            let values = self.trace[at].values.filter(|_| self.accesses.thing(at) == Some(count));
            values.is_some_and(|(before, after)| kind(signed(before), signed(after)))
        })
    }

    /// The change to print: of the page's refcount if it changed, else the last one where tasks meet.
    pub(super) fn changed(&self) -> Option<usize> {
        let meet = |&at: &usize| {
            let event = &self.trace[at];
            let changes = event.values.is_some_and(|(before, after)| before != after);
            let told = !matches!(
                self.accesses.thing(at),
                None | Some(Thing::Queue | Thing::Outside | Thing::Other)
            );
            told && changes && self.accesses.meet(at)
        };
        let last = || (0..self.trace.len()).rev().find(meet);
        self.last_count(|before, after| before != after).or_else(last)
    }

    /// The last step of a task, if it took one.
    pub(super) fn last_step(&self, task: Task) -> Option<usize> {
        let is = |event: &Event| event.task == task && event.kind == Kind::Step;
        self.trace.iter().rposition(is)
    }

    /// The tasks to blame, who noticed first, each with a place in the trace inside its call.
    pub(super) fn guilty(&self, failure: Option<&Failure>) -> Vec<(Task, usize)> {
        let stuck = |tasks: &mut dyn Iterator<Item = Task>| -> Vec<(Task, usize)> {
            tasks.filter_map(|task| Some((task, self.last_step(task)?))).take(2).collect()
        };
        let noticed = match failure {
            Some(Failure::Defect { task, .. } | Failure::Panic { task, .. }) => {
                task.and_then(|task| Some((task, self.last_step(task)?)))
            }
            Some(Failure::Deadlock { waits, cycle }) => {
                let ring = cycle.iter().flatten().copied();
                let all = stuck(&mut ring.chain(waits.iter().map(|wait| wait.task)));
                if all.len() > 1 {
                    return all;
                }
                all.first().copied()
            }
            Some(Failure::Livelock { tasks, .. }) => {
                stuck(&mut tasks.iter().copied()).first().copied()
            }
            None => None,
        };
        let counted = || self.last_count(|before, after| before != after);
        let noticed = noticed.or_else(|| counted().map(|at| (self.trace[at].task, at)));
        let Some((task, at)) = noticed else { return Vec::new() };
        let second = self.opponent(task).or_else(|| self.company(task));
        let second = second.map(|at| (self.trace[at].task, at));
        [(task, at)].into_iter().chain(second).collect()
    }

    /// The last step of somebody else that this task cannot but notice: about the page's refcount if it can be, so that
    /// what else they did to the page makes no other race of it; else about the page, else about anything.
    fn opponent(&self, task: Task) -> Option<usize> {
        let writes = |&at: &usize| {
            let event = &self.trace[at];
            event.task != task
                && event.effect == Effect::Write
                && self.accesses.touched_by(at, task)
        };
        let page = |&at: &usize| {
            let pfn = self.accesses.thing(at).and_then(Thing::pfn);
            pfn.is_some_and(|pfn| self.focus.is_some_and(|focus| focus.has(pfn)))
        };
        let memory = |&at: &usize| !matches!(self.accesses.thing(at), None | Some(Thing::Outside));
        let all = || (0..self.trace.len()).rev().filter(writes);
        let counts = |at: &usize| {
            let thing = self.accesses.thing(*at);
            matches!(thing, Some(Thing::Page { word: Word::Refcount, .. })) && page(at)
        };
        all().find(counts).or_else(|| all().find(page)).or_else(|| all().find(memory))
    }

    /// The last thing that anybody else did in a call of theirs.
    fn company(&self, task: Task) -> Option<usize> {
        let other = |&at: &usize| self.trace[at].task != task && self.op_at(at).is_some();
        (0..self.trace.len()).rev().find(other)
    }
}
