//! Read-side sections as events, without scheduling points of their own.
//!
//! Entering counts with the section's *first step*, leaving with its *last*. Nothing is lost by that:
//!
//! * Being inside does nothing but hold up waiters. A section that began earlier than its first step would only
//!   forbid orders. It must not count before that step, though: with `p; enter; a` in the program, a waiter may
//!   come between `p` and `a` and find nobody (that is how a pointer fetched before the section goes
//!   stale), and the task may be preempted exactly there, at `a`.
//! * Leaving later than the last step would only forbid orders, too.
//!
//! So a section of one step is never seen by a waiter and leaves no trace. A longer one is recorded as a
//! read of one object per kind of waiter, when it is found that the first step has run and another begins, and
//! as another read when it ends; a waiter's steps are writes of that object. The records say
//! exactly which sections each waiter found: executions that differ in that have different histories.
//!
//! Per task and thread: the kinds that are *entering* (no step yet) and *arriving* (the first step is
//! announced; once the task does anything else, that step has run).

use core::cell::Cell;
use core::panic::Location;

use pgmap_sched::{self as sched, Effect, Object};

use crate::{
    event::{self, Site},
    object, verb,
};

/// Index of a section's marker in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rcu,
    Leaf,
    Irq,
    Access,
}

pub(crate) const KINDS: usize = 4;
const RCU: Object = object::section(0);
const IRQ: Object = object::section(1);
const ACCESS: Object = object::section(2);

impl Kind {
    const ALL: [Self; KINDS] = [Self::Rcu, Self::Leaf, Self::Irq, Self::Access];

    fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Whom it holds up. Interrupts off hold up grace periods too.
    fn objects(self) -> &'static [Object] {
        match self {
            Self::Rcu | Self::Leaf => &[RCU],
            Self::Irq => &[RCU, IRQ],
            Self::Access => &[ACCESS],
        }
    }
}

/// What a waiter waits for: its object, and the kinds that hold it up.
pub(crate) struct Waiters {
    pub(crate) object: Object,
    pub(crate) kinds: &'static [Kind],
}

pub(crate) const GRACE_PERIOD: Waiters =
    Waiters { object: RCU, kinds: &[Kind::Rcu, Kind::Leaf, Kind::Irq] };
pub(crate) const IPI: Waiters = Waiters { object: IRQ, kinds: &[Kind::Irq] };
pub(crate) const SHOOT_DOWN: Waiters = Waiters { object: ACCESS, kinds: &[Kind::Access] };

#[derive(Clone, Copy)]
struct Pending {
    entering: u8,
    arriving: u8,
    site: Option<Site>,
}

const NONE: Pending = Pending { entering: 0, arriving: 0, site: None };

struct Sections {
    /// Tasks with something pending, as a mask; above, those whose steps are no points ([`at_once`]).
    tasks: Cell<u32>,
    pending: [Cell<Pending>; sched::MOST_TASKS],
}

thread_local! {
    static SECTIONS: Sections = const {
        Sections {
            tasks: Cell::new(0),
            pending: [const { Cell::new(NONE) }; sched::MOST_TASKS],
        }
    };
}

/// What becomes of the step that a task is about to take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It is a scheduling point.
    Step,
    /// It happens together with the one before it.
    AtOnce,
}

const AT_ONCE: u32 = sched::MOST_TASKS as u32;

/// The task is about to do something else.
#[inline]
pub(crate) fn advance() -> Pace {
    SECTIONS.with(|sections| match sections.tasks.get() {
        0 => Pace::Step,
        _ => sections.advance(),
    })
}

/// The steps of `act` are one event with the one before, and nobody comes in between. It must not wait.
pub(crate) fn at_once(act: impl FnOnce()) {
    let Some(bit) = me().map(|task| 1 << (AT_ONCE + task as u32)) else { return act() };
    SECTIONS.with(|sections| sections.tasks.set(sections.tasks.get() | bit));
    act();
    SECTIONS.with(|sections| sections.tasks.set(sections.tasks.get() & !bit));
}

/// The outermost section of this kind begins.
pub(crate) fn enter(kind: Kind, site: Site) {
    if let Some(task) = me() {
        SECTIONS.with(|sections| {
            let pending = sections.pending[task].get();
            let entering = pending.entering | kind.bit();
            sections.set(task, Pending { entering, site: Some(site), ..pending });
        });
    }
}

/// The outermost section of this kind ends.
pub(crate) fn leave(kind: Kind, site: Site) {
    if let Some(task) = me() {
        let seen = SECTIONS.with(|sections| {
            let Pending { entering, arriving, site } = sections.pending[task].get();
            let rest = !kind.bit();
            let pending = Pending { entering: entering & rest, arriving: arriving & rest, site };
            sections.set(task, pending);
            (entering | arriving) & kind.bit() == 0
        });
        if seen {
            record(kind, verb::SECTION_LEAVE, site);
        }
    }
}

/// Has the first step of the task's section of this kind run?
pub(crate) fn has_arrived(task: sched::Task, kind: Kind) -> bool {
    SECTIONS.with(|sections| {
        let Pending { entering, arriving, .. } = sections.pending[usize::from(task.0)].get();
        (entering | arriving) & kind.bit() == 0
    })
}

/// A new execution begins.
pub(crate) fn reset() {
    SECTIONS.with(|sections| {
        sections.tasks.set(0);
        sections.pending.iter().for_each(|pending| pending.set(NONE));
    });
}

/// Appends what is pending, by task.
pub(crate) fn write_state(words: &mut Vec<u64>) {
    SECTIONS.with(|sections| {
        words.push(sections.tasks.get().into());
        words.extend(sections.pending.iter().map(|pending| {
            let Pending { entering, arriving, site: _ } = pending.get();
            u64::from(entering) << 8 | u64::from(arriving)
        }));
    });
}

fn me() -> Option<usize> {
    if !event::in_task() {
        return None;
    }
    sched::current().map(|task| usize::from(task.0))
}

fn record(kind: Kind, verb: sched::Verb, site: Site) {
    for &object in kind.objects() {
        event::record(verb, Effect::Read, object, site);
    }
}

impl Sections {
    fn set(&self, task: usize, pending: Pending) {
        self.pending[task].set(pending);
        let rest = self.tasks.get() & !(1 << task);
        let any = pending.entering | pending.arriving != 0;
        self.tasks.set(rest | u32::from(any) << task);
    }

    #[cold]
    fn advance(&self) -> Pace {
        let Some(task) = me() else { return Pace::Step };
        if self.tasks.get() & 1 << (AT_ONCE + task as u32) != 0 {
            return Pace::AtOnce;
        }
        let Pending { entering, arriving, site } = self.pending[task].get();
        self.set(task, Pending { entering: 0, arriving: entering, site });
        for kind in Kind::ALL.into_iter().filter(|kind| arriving & kind.bit() != 0) {
            record(kind, verb::SECTION_ENTER, site.unwrap_or(Location::caller()));
        }
        Pace::Step
    }
}
