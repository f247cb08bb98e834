//! Happens-before, as numbers: what an execution has done so far, up to the order of steps that
//! commute.
//!
//! Each event's hash mixes its task's previous event, its verb, object and effect, the hash of
//! the object's last write and, for a write, the sum of the hashes of the reads since that
//! write. That is exactly what the event depends on, so equal hashes mean equal causal pasts.
//! The *signature* of a prefix is the sum of all its events' hashes: a sum, because it must not
//! depend on the order in which independent events happened to run. Two prefixes with one
//! signature have executed the same partial order and therefore stand in the same state.

use crate::hash::{mix, mix64};
use crate::step::{Effect, MOST_TASKS, Object, Step, Task};

const FIRST_CAPACITY: usize = 256;
const NOBODY: u8 = u8::MAX;
/// Marks events that touch no object: they enter the past of their task alone.
const LOCAL: u128 = 1 << 127;

/// What an execution remembers of one object; one cache line.
#[derive(Clone, Copy)]
struct Trail {
    object: u64,
    /// The execution that wrote this entry; entries of earlier ones count as absent.
    epoch: u32,
    /// Event index + 1 of the last write, and of the last write by any other task than that.
    last: u32,
    last_of_another: u32,
    writer: u8,
    /// Who touched it, as a mask.
    by: u16,
    write: u128,
    reads: u128,
}

const EMPTY: Trail = Trail {
    object: 0,
    epoch: 0,
    last: 0,
    last_of_another: 0,
    writer: NOBODY,
    by: 0,
    write: 0,
    reads: 0,
};

/// One access that a spinning task has made since its previous turn.
#[derive(Clone, Copy)]
struct Access {
    object: u64,
    at: u32,
}

/// The causal past of one execution.
pub(crate) struct History {
    trails: Vec<Trail>,
    used: usize,
    epoch: u32,
    /// Where each task's past begins.
    births: [u128; MOST_TASKS],
    tasks: [u128; MOST_TASKS],
    signature: u128,
    events: u32,
    since_relax: [Vec<Access>; MOST_TASKS],
}

impl History {
    pub(crate) fn new() -> Self {
        History {
            trails: vec![EMPTY; FIRST_CAPACITY],
            used: 0,
            epoch: 0,
            births: core::array::from_fn(|id| mix(id as u128 + 1, 0, 0)),
            tasks: [0; MOST_TASKS],
            signature: 0,
            events: 0,
            since_relax: Default::default(),
        }
    }

    /// Forgets everything, for an execution of `tasks` tasks.
    pub(crate) fn clear(&mut self, tasks: usize) {
        self.used = 0;
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.trails.fill(EMPTY);
            self.epoch = 1;
        }
        self.tasks[..tasks].copy_from_slice(&self.births[..tasks]);
        self.signature = 0;
        self.events = 0;
        self.since_relax[..tasks].iter_mut().for_each(Vec::clear);
    }

    pub(crate) fn signature(&self) -> u128 {
        self.signature
    }

    /// How many events have been committed.
    pub(crate) fn events(&self) -> u32 {
        self.events
    }

    /// Takes a step that has run into the past.
    #[inline]
    pub(crate) fn commit(&mut self, task: Task, step: &Step) {
        let me = usize::from(task.0);
        let index = self.events + 1;
        let past = self.tasks[me];
        let trail = self.trail(step.object);
        trail.by |= task.bit();
        let write = step.effect == Effect::Write;
        let what = (u128::from(step.object.0) << 64)
            | (u128::from(step.verb.0) << 8)
            | u128::from(write as u8);
        let hash = if write {
            // Both are digests already: their halves crosswise cannot cancel but by chance.
            let before = trail.write.wrapping_add(trail.reads.rotate_left(64));
            let hash = mix(past, what, before);
            if trail.writer != task.0 {
                trail.last_of_another = trail.last;
                trail.writer = task.0;
            }
            trail.last = index;
            trail.write = hash;
            trail.reads = 0;
            hash
        } else {
            let hash = mix(past, what, trail.write);
            trail.reads = trail.reads.wrapping_add(hash);
            hash
        };
        self.since_relax[me].push(Access { object: step.object.0, at: index });
        self.enter(me, hash);
    }

    /// Takes an event into the past of its task alone: a choice, a turn of a busy-wait.
    pub(crate) fn commit_local(&mut self, task: Task, what: u64) {
        let me = usize::from(task.0);
        let hash = mix(self.tasks[me], LOCAL | u128::from(what), 0);
        self.enter(me, hash);
    }

    #[inline]
    fn enter(&mut self, me: usize, hash: u128) {
        self.tasks[me] = hash;
        self.signature = self.signature.wrapping_add(hash);
        self.events += 1;
    }

    /// Begins a new turn: accesses from here on are what the next [`relax`](crate::relax)
    /// watches.
    pub(crate) fn turn(&mut self, task: Task) {
        self.since_relax[usize::from(task.0)].clear();
    }

    /// What the next [`relax`](crate::relax) of a task watches.
    pub(crate) fn watched(&self, task: Task) -> impl Iterator<Item = u64> {
        self.since_relax[usize::from(task.0)].iter().map(|access| access.object)
    }

    /// Whether another task has written an object since this one first touched it in its present
    /// turn. The first touch counts, not the last: the value that made the task wait may be
    /// the older one.
    pub(crate) fn stirred(&mut self, task: Task) -> bool {
        let accesses = core::mem::take(&mut self.since_relax[usize::from(task.0)]);
        let stirred = accesses.iter().any(|access| {
            let trail = self.trail(Object(access.object));
            let foreign = if trail.writer == task.0 { trail.last_of_another } else { trail.last };
            foreign > access.at
        });
        self.since_relax[usize::from(task.0)] = accesses;
        stirred
    }

    /// The objects that several tasks touched and one of them wrote, each with a mask of these tasks.
    pub(crate) fn met(&self) -> impl Iterator<Item = (Object, u16)> {
        let here = self.trails.iter().filter(|trail| trail.epoch == self.epoch);
        here.filter(|trail| trail.writer != NOBODY && trail.by.count_ones() > 1)
            .map(|trail| (Object(trail.object), trail.by))
    }

    #[inline]
    fn trail(&mut self, object: Object) -> &mut Trail {
        if self.used * 2 >= self.trails.len() {
            self.grow();
        }
        let at = Self::place(&self.trails, object.0, self.epoch);
        let trail = &mut self.trails[at];
        if trail.epoch != self.epoch {
            self.used += 1;
            *trail = Trail { object: object.0, epoch: self.epoch, ..EMPTY };
        }
        trail
    }

    #[inline]
    fn place(trails: &[Trail], object: u64, epoch: u32) -> usize {
        let mask = trails.len() - 1;
        let mut at = mix64(object, 0) as usize & mask;
        while trails[at].epoch == epoch && trails[at].object != object {
            at = (at + 1) & mask;
        }
        at
    }

    #[cold]
    fn grow(&mut self) {
        let mut wider = vec![EMPTY; self.trails.len() * 2];
        for trail in self.trails.iter().filter(|trail| trail.epoch == self.epoch) {
            let at = Self::place(&wider, trail.object, self.epoch);
            wider[at] = *trail;
        }
        self.trails = wider;
    }
}
