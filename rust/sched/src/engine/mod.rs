//! One execution in progress: what each task stands at, what has happened, how it ended.
//!
//! A task announces a step and stands at it until the scheduler lets it run; the step then runs in
//! the task, on the way out of the point. It becomes an event of the history *lazily*, when the
//! task enters the engine again, because only then is it known what the step turned out to be
//! ([`Engine::settle`]). Nobody else can have run in between.
//!
//! Before the first decision every task runs up to its first point, in ascending order, so a task
//! that can run always has an announced step, and each decision lets exactly one event happen.
//!
//! This file keeps the state and the bookkeeping; `place` says where a task is, `guide` what leads the
//! execution and how it ends, `decide` who goes on.

mod decide;
pub(crate) mod guide;
mod paid;

use core::panic::Location;
use std::collections::HashMap;

use crate::clock::REST;
use crate::engine::guide::{End, Led};
use crate::failure::{Defect, Failure, Recurrence};
use crate::hash::Folding;
use crate::history::History;
use crate::journal::Journal;
use crate::journal::Keep;
use crate::log::{Event, Kind};
use crate::model::Identity;
use crate::place::{Place, State, Turn, spin, tasks_of};
use crate::sleep::Sleep;
use crate::step::{Effect, Looks, MOST_TASKS, Step, Task};
use crate::storm::{STREAK, Storm};

/// Events of a task's own, as words for its hash.
const RELAXED: u64 = 1;
pub(crate) const CHOSEN: u64 = 2;

/// Whether the current task's step has been let run and is not yet an event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flight {
    None,
    Step,
    Record,
}

/// The state of one execution; it is used again for the next.
pub(crate) struct Engine {
    pub(crate) places: [Place; MOST_TASKS],
    /// Tasks that state at a step that can run, as a mask.
    pub(crate) ready: u16,
    /// Tasks of which it must be asked whether they can go on: at a sleep or in a busy-wait.
    pub(crate) held: u16,
    pub(crate) tasks: usize,
    /// Tasks that need not end, as a mask.
    pub(crate) daemons: u16,
    pub(crate) now: Option<Task>,
    pub(crate) starting: bool,
    pub(crate) history: History,
    pub(crate) end: Option<End>,

    /// What has been spent: on preemptions, and on choices that cost.
    pub(crate) preemptions: u32,
    /// Choices that can cost, those that did not included.
    pub(crate) asked: u32,
    pub(crate) steps_max: u32,
    /// The number of events at which whoever runs the execution is asked next whether it goes on.
    pub(crate) rest_at: u32,
    /// Before this many events a task that can go on does, without a thought.
    pub(crate) calm_until: u32,
    /// The number of events at which a busy-wait's end and the next step are one.
    pub(crate) joined_at: u32,
    pub(crate) storm: Storm,
    /// The number of events at which to look for a storm next, and how many are between two looks.
    pub(crate) storm_check: u32,
    pub(crate) streak: u32,
    /// Who has come back to the same state, and is followed for one more round.
    rounds_of: Option<Task>,

    pub(crate) guide: Led,
    pub(crate) journal: Journal,
    /// Someone looks at events: the journal or the storm watch.
    watched: bool,
    /// The guide does.
    records_accesses: bool,
    /// Tasks that go past what they have put off, as a mask.
    pub(crate) past: u16,

    flight: Flight,
    interned: HashMap<usize, u64, Folding>,
    /// Of the choices that can cost, how many each task asked; last, for nobody else looks at it.
    pub(crate) asked_by: [u32; MOST_TASKS],
}

impl Engine {
    pub(crate) fn new(guide: Led) -> Self {
        Engine {
            places: [Place::nowhere(); MOST_TASKS],
            ready: 0,
            held: 0,
            tasks: 0,
            daemons: 0,
            now: None,
            starting: false,
            history: History::new(),
            end: None,
            preemptions: 0,
            asked: 0,
            steps_max: u32::MAX,
            rest_at: REST,
            calm_until: 0,
            joined_at: u32::MAX,
            storm: Storm::default(),
            storm_check: STREAK,
            streak: STREAK,
            rounds_of: None,
            guide,
            journal: Journal::default(),
            watched: false,
            records_accesses: false,
            past: 0,
            flight: Flight::None,
            interned: HashMap::default(),
            asked_by: [0; MOST_TASKS],
        }
    }

    /// Gets ready for one execution of `tasks` tasks, the last `daemons` of which need not end.
    pub(crate) fn begin(
        &mut self,
        tasks: usize,
        daemons: usize,
        guide: Led,
        keep: Keep,
        identity: Identity,
    ) {
        for place in &mut self.places[..tasks] {
            place.state = State::Running;
            place.sleep = None;
        }
        (self.ready, self.held) = (0, 0);
        self.tasks = tasks;
        let below = |count: usize| ((1u32 << count) - 1) as u16;
        self.daemons = below(tasks) & !below(tasks.saturating_sub(daemons));
        self.now = None;
        self.starting = true;
        self.history.clear(tasks);
        self.end = None;
        (self.preemptions, self.asked) = (0, 0);
        self.asked_by[..tasks].fill(0);
        self.rest_at = REST;
        self.calm_until = 0;
        self.joined_at = u32::MAX;
        self.storm.end();
        self.streak = guide.borrow().streak();
        self.storm_check = self.streak;
        self.rounds_of = None;
        self.guide = guide;
        self.records_accesses = false;
        self.past = 0;
        self.journal.begin(keep, identity);
        self.flight = Flight::None;
        if !self.interned.is_empty() {
            self.interned.clear();
        }
        self.watch();
    }

    #[inline]
    pub(crate) fn place(&self, task: Task) -> &Place {
        &self.places[usize::from(task.0)]
    }

    #[inline]
    fn place_mut(&mut self, task: Task) -> &mut Place {
        &mut self.places[usize::from(task.0)]
    }

    /// Whether someone looks at events one by one.
    #[inline]
    pub(crate) fn watched(&self) -> bool {
        self.watched
    }

    /// Decides whether events are looked at one by one.
    pub(crate) fn watch(&mut self) {
        self.watched = self.journal.open() || self.storm.alone();
    }

    /// Whether the guide is told what steps do to objects.
    #[inline]
    pub(crate) fn records_accesses(&self) -> bool {
        self.records_accesses
    }

    pub(crate) fn record_accesses(&mut self, on: bool) {
        self.records_accesses = on;
    }

    /// What each waiting task waits for: its step, and what the wait looks at besides.
    pub(crate) fn waits(&self) -> impl Iterator<Item = (Task, Step, Looks)> {
        tasks_of(self.held).filter_map(|task| {
            let Place { state, step, sleep } = self.place(task);
            let looks = sleep.as_ref().filter(|_| *state == State::Waiting)?.looks;
            Some((task, *step, looks))
        })
    }

    pub(crate) fn current(&self) -> Task {
        self.now.unwrap_or(Task(0))
    }

    #[inline]
    pub(crate) fn point(&mut self, step: Step) -> Turn {
        self.commit();
        let me = self.current();
        self.place_mut(me).step = step;
        if self.history.events() < self.calm_until {
            self.flight = Flight::Step;
            return Turn::Go;
        }
        self.arrive(me, State::Ready)
    }

    #[inline]
    pub(crate) fn point_when(&mut self, step: Step, sleep: Sleep) -> Turn {
        self.commit();
        let me = self.current();
        let place = self.place_mut(me);
        place.step = step;
        place.sleep = Some(sleep);
        self.arrive(me, State::Waiting)
    }

    /// A task that waits will take this step when it goes on.
    pub(crate) fn foretell(&mut self, task: Task, step: Step) {
        let place = self.place_mut(task);
        if place.state == State::Waiting {
            place.step = step;
        }
    }

    pub(crate) fn relax(&mut self, site: &'static Location<'static>) -> Turn {
        self.commit();
        let me = self.current();
        self.place_mut(me).step = spin(site);
        self.arrive(me, State::Relaxing)
    }

    #[inline(never)]
    fn arrive(&mut self, me: Task, state: State) -> Turn {
        self.place_mut(me).state = state;
        match state {
            State::Ready => self.ready |= me.bit(),
            State::Waiting | State::Relaxing | State::Circling => self.held |= me.bit(),
            State::Running | State::Finished => {}
        }
        if !self.starting {
            self.decide();
            if self.end.is_none() && self.now == Some(me) {
                if self.storm.alone() {
                    return Turn::Show(me);
                }
                if self.history.events() < self.rest_at {
                    return Turn::Go;
                }
            }
        }
        Turn::Yield(me)
    }

    /// A task has returned.
    pub(crate) fn returned(&mut self, me: Task) {
        self.commit();
        self.place_mut(me).state = State::Finished;
        if !self.starting {
            self.decide();
        }
    }

    /// A task has panicked.
    pub(crate) fn panicked(&mut self, me: Task, message: String) {
        self.commit();
        self.close(End::Failed(Failure::Panic { task: Some(me), message }));
    }

    /// Lets a task take the step it stands at.
    pub(crate) fn launch(&mut self, task: Task) {
        self.now = Some(task);
        self.ready &= !task.bit();
        self.held &= !task.bit();
        let place = self.place_mut(task);
        let state = core::mem::replace(&mut place.state, State::Running);
        place.sleep = None;
        match state {
            State::Ready | State::Waiting | State::Circling => self.flight = Flight::Step,
            State::Relaxing => {
                let site = place.step.site;
                self.local(task, RELAXED, Kind::Relax, Some(site));
                self.history.turn(task);
                self.joined_at = self.history.events();
            }
            State::Running | State::Finished => {}
        }
    }

    pub(crate) fn record(&mut self, step: Step) {
        self.commit();
        let me = self.current();
        self.place_mut(me).step = step;
        self.flight = Flight::Record;
    }

    #[inline]
    pub(crate) fn settle(&mut self, effect: Effect) {
        if self.flight != Flight::None {
            let me = self.current();
            self.place_mut(me).step.effect = effect;
        }
    }

    #[inline]
    pub(crate) fn value(&mut self, before: u64, after: u64) {
        if self.watched && self.flight != Flight::None {
            self.journal.value(before, after);
        }
    }

    pub(crate) fn note(&mut self, code: u32, a: u64, b: u64) {
        if !self.journal.keeps_trace() {
            return;
        }
        let index = self.history.events() + u32::from(self.flight != Flight::None);
        let remark = Event::bare(index, self.current(), Kind::Note { code, a, b });
        match self.flight {
            Flight::Step | Flight::Record => self.journal.remark_after(remark),
            Flight::None => self.journal.tell(remark),
        }
    }

    /// The result of a choice, or the task that must stop because the execution is over.
    pub(crate) fn choose(&mut self, n: u32) -> Result<u32, Task> {
        if n <= 1 {
            return Ok(0);
        }
        self.commit();
        let me = self.current();
        if self.history.events() >= self.steps_max {
            self.close(End::TooLong);
        }
        if self.end.is_some() {
            return Err(me);
        }
        let value = self.pick(n);
        if self.end.is_some() {
            return Err(me);
        }
        self.local(me, CHOSEN | u64::from(value) << 8, Kind::Choice { value, of: n }, None);
        self.set_calm();
        Ok(value)
    }

    /// Ends the execution with a defect; names the task that must stop.
    pub(crate) fn fail(&mut self, defect: Defect) -> Task {
        self.commit();
        let me = self.current();
        self.close(End::Failed(Failure::Defect { task: Some(me), defect }));
        me
    }

    /// Whether it is time to be asked; once each time.
    pub(crate) fn rests(&mut self) -> bool {
        let events = self.history.events();
        let due = events >= self.rest_at;
        if due {
            self.rest_at = events.saturating_add(REST);
        }
        due
    }

    /// The first end counts.
    pub(crate) fn close(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    pub(crate) fn intern(&mut self, address: usize) -> u64 {
        let next = self.interned.len() as u64;
        *self.interned.entry(address).or_insert(next)
    }

    /// Makes the step that ran last an event.
    #[inline]
    pub(crate) fn commit(&mut self) {
        if self.flight == Flight::None {
            return;
        }
        let me = self.current();
        self.history.commit(me, &self.places[usize::from(me.0)].step);
        if self.records_accesses {
            let Step { object, effect, .. } = self.place(me).step;
            self.touch(object, effect);
        }
        if self.watched {
            self.observe(me);
        }
        self.flight = Flight::None;
    }

    pub(crate) fn local(
        &mut self,
        task: Task,
        what: u64,
        kind: Kind,
        site: Option<&'static Location<'static>>,
    ) {
        let index = self.history.events();
        self.history.commit_local(task, what);
        if self.watched {
            self.storm.disturbed();
            self.journal.local(index, task, what, kind, site);
        }
    }

    #[cold]
    fn observe(&mut self, task: Task) {
        let step = self.place(task).step;
        let index = self.history.events() - 1;
        let kind = if self.flight == Flight::Record { Kind::Record } else { Kind::Step };
        let values = self.journal.step(index, task, &step, kind);
        if self.storm.alone() {
            self.storm.ran(&step, values, index);
        }
    }

    /// The whole state in which a lonely task stands at its step is the one that was kept.
    pub(crate) fn recurs(&mut self, task: Task) {
        if self.sets_aside() {
            return self.set_aside(task);
        }
        let recurrence =
            Recurrence { task, step: self.place(task).step, round: self.storm.round() };
        self.close(End::Failed(Failure::Livelock {
            tasks: vec![task],
            recurrence: Some(recurrence),
        }));
    }

    /// One more round shows what its rounds touch; after that the task, which was about to take a step, does not.
    fn set_aside(&mut self, task: Task) {
        if self.rounds_of.replace(task) != Some(task) {
            self.history.turn(task);
            return;
        }
        self.another_goes_on();
        self.storm.end();
        self.watch();
        self.flight = Flight::None;
        self.place_mut(task).state = State::Circling;
        self.held |= task.bit();
        self.now = None;
        self.decide();
    }

    /// Nobody is followed round any more.
    pub(crate) fn another_goes_on(&mut self) {
        self.rounds_of = None;
    }
}
