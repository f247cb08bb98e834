//! Store buffers: memory as x86 keeps it (x86-TSO; Owens, Sarkar, Sewell, 2009).
//!
//! Each task has a FIFO of stores that have been made and that nobody else sees yet. It exists only in a run
//! whose machine was told so ([`Machine::buffer_stores`](crate::Machine::buffer_stores)); without, memory is
//! sequentially consistent and nothing here costs a step or a choice.
//!
//! # What happens to a store
//! A plain store (`set`, `set_release`, `this_cpu_add`, `memset`) becomes visible at once, unless its task pays to
//! let it wait. While something waits, later stores of the task queue behind it. A store that waits is taken out
//! by a *drainer*, a daemon of the engine that takes the oldest store's step, at the site of the store. So what is
//! in a buffer becomes visible whenever the search likes, in order.
//!
//! The task itself sees its own newest store (forwarding). Whatever is a locked instruction, a full barrier or
//! a sleep waits until its own buffer is empty: RMWs, failed ones too, `smp_mb`, taking a lock, queueing
//! and waking. `smp_wmb`, `smp_rmb`, acquire and release order nothing that is not in order already.
//!
//! Four things are stronger here than on the machine, so a bug that needs them is not found:
//! * **Unlocking drains.** On x86 a spin lock is given back by a plain store. What a lock guards is touched
//!   without steps, so it must not be seen before the stores made under the lock.
//! * A step that may have to wait drains first, also when it finds that it need not.
//! * A buffer holds [`CAPACITY`] stores; the next one waits until it is empty.
//! * A store that waits is made right after its task's step before it: a grace period that begins between that
//!   step and the next waits for it, where the machine might make the store only afterwards.
//!
//! Grace periods, IPIs and shoot-downs run a barrier on every CPU, or hear from it: when they return, what
//! others had stored when it began, or before they left the section that was waited for, is visible (`rcu.rs`).
//!
//! Only words of the arena in use can wait. What lies elsewhere may be gone when its store's turn comes; for
//! it the buffer drains first. And what hardware writes never was in a store buffer
//! ([`by_hardware`](crate::by_hardware)).
//!
//! # History
//! Whether a buffer is empty is something that its task and its drainer share, so putting in, taking out, and
//! finding it empty again are events on the buffer. They ride on the steps around them. A store that did
//! not wait leaves no trace of the question.

use core::cell::{Cell, RefCell};
use core::panic::Location;
use std::collections::VecDeque;

use pgmap_sched::{self as sched, Effect, Looks, MOST_TASKS, Object, Step, Task, Verb};

use crate::{
    WaitClass, hardware, in_use, object,
    step::{self, Site},
    verb,
    wipe::wipe,
};

/// Stores that one buffer holds: as many as a large x86 core's.
const CAPACITY: usize = 56;

/// A store that was made.
#[derive(Clone, Copy)]
struct Store {
    verb: Verb,
    site: Site,
    /// Where in the arena.
    offset: usize,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    /// The low `bytes` of a value: 4 or 8.
    Word { bytes: usize, value: u64 },
    /// So many zeros.
    Zeros { bytes: usize },
}

impl Store {
    fn bytes(&self) -> usize {
        match self.what {
            What::Word { bytes, .. } | What::Zeros { bytes } => bytes,
        }
    }

    /// What a task's store touches, and what whoever waits for it does.
    fn touches(&self, task: usize, touch: &mut dyn FnMut(Object)) {
        touch(self.step().object);
        (self.offset..self.offset + self.bytes())
            .step_by(4)
            .for_each(|at| touch(object::offset(at)));
        touch(object::in_flight(task));
    }

    /// What its drainer will do.
    fn step(&self) -> Step {
        let object = match self.what {
            What::Word { .. } => object::offset(self.offset),
            What::Zeros { .. } => object::range_at(self.offset),
        };
        Step { verb: self.verb, object, effect: Effect::Write, site: self.site }
    }

    /// Puts those of its bytes that lie in the word at `offset` into `word`.
    fn overlay(&self, offset: usize, word: &mut [u8]) {
        let bytes = match self.what {
            What::Word { value, .. } => value.to_le_bytes(),
            What::Zeros { .. } => [0; 8],
        };
        for (at, byte) in (offset..).zip(word) {
            if let Some(mine) = at.checked_sub(self.offset).filter(|&mine| mine < self.bytes()) {
                *byte = bytes[mine % 8];
            }
        }
    }
}

/// One task's.
struct Buffer {
    stores: RefCell<VecDeque<Store>>,
    /// Stores that were put in, and taken out, in this execution.
    pushed: Cell<u32>,
    drained: Cell<u32>,
    /// What was drained when the task last found it empty.
    known: Cell<u32>,
}

impl Buffer {
    const fn new() -> Self {
        Self {
            stores: RefCell::new(VecDeque::new()),
            pushed: Cell::new(0),
            drained: Cell::new(0),
            known: Cell::new(0),
        }
    }

    fn clear(&self) {
        let Self { stores, pushed, drained, known } = self;
        stores.borrow_mut().clear();
        for count in [pushed, drained, known] {
            count.set(0);
        }
    }
}

/// What every operation looks at, on its own so that looking needs no registration of a destructor.
struct Outline {
    /// How many tasks have a buffer; 0 without.
    tasks: Cell<u8>,
    /// Whose holds something, as a mask.
    pending: Cell<u16>,
}

thread_local! {
    static OUTLINE: Outline = const {
        Outline { tasks: Cell::new(0), pending: Cell::new(0) }
    };
    static BUFFERS: [Buffer; MOST_TASKS] = const { [const { Buffer::new() }; MOST_TASKS] };
}

/// A new execution begins, in which so many tasks have a buffer.
pub(crate) fn reset(tasks: usize) {
    let before = OUTLINE.with(|outline| {
        outline.pending.set(0);
        outline.tasks.replace(tasks as u8)
    });
    if before != 0 || tasks != 0 {
        BUFFERS.with(|buffers| buffers.iter().for_each(Buffer::clear));
    }
}

/// Appends every buffer with what waits in it.
pub(crate) fn write_state(words: &mut Vec<u64>) {
    let (tasks, pending) = OUTLINE.with(|outline| (outline.tasks.get(), outline.pending.get()));
    words.extend([u64::from(tasks), pending.into()]);
    BUFFERS.with(|buffers| {
        for buffer in &buffers[..usize::from(tasks)] {
            let Buffer { stores, pushed, drained, known } = buffer;
            words.extend([pushed, drained, known].map(|count| u64::from(count.get())));
            for store in &*stores.borrow() {
                let Store { verb: _, site: _, offset, what } = *store;
                words.push(offset as u64);
                words.extend(match what {
                    What::Word { bytes, value } => [bytes as u64, value],
                    What::Zeros { bytes } => [bytes as u64, 0],
                });
            }
        }
    });
}

/// Appends what a look finds of the stores that wait; it finds its own task's last ([`settled`]).
pub(crate) fn write_waiting(words: &mut Vec<u64>) {
    if any() {
        words.extend(me().map(|me| me as u64));
        write_state(words);
    }
}

/// Whether stores can wait at all.
#[inline]
pub(crate) fn is_on() -> bool {
    OUTLINE.with(|outline| outline.tasks.get() != 0)
}

/// Whether any store waits.
#[inline]
fn any() -> bool {
    OUTLINE.with(|outline| outline.pending.get() != 0)
}

fn pending(task: usize) -> bool {
    OUTLINE.with(|outline| outline.pending.get() & 1 << task != 0)
}

/// The task that calls, if it has a buffer.
fn me() -> Option<usize> {
    if !step::in_task() {
        return None;
    }
    let me = usize::from(sched::current()?.0);
    OUTLINE.with(|outline| me < outline.tasks.get().into()).then_some(me)
}

/// A store to a word: true if it waits, and is done as far as its task is concerned.
#[inline]
pub(crate) fn takes(verb: Verb, site: Site, address: usize, bytes: usize, value: u64) -> bool {
    is_on() && offer(verb, site, address, What::Word { bytes, value })
}

/// As [`takes`], for zeros.
pub(crate) fn takes_zeros(verb: Verb, site: Site, address: usize, bytes: usize) -> bool {
    is_on() && offer(verb, site, address, What::Zeros { bytes })
}

#[cold]
fn offer(verb: Verb, site: Site, address: usize, what: What) -> bool {
    let Some(me) = me() else { return false };
    if hardware::is_busy() {
        return false;
    }
    let Some(offset) = in_use::offset(address) else {
        empty(me, site);
        return false;
    };
    let full = BUFFERS.with(|buffers| buffers[me].stores.borrow().len() >= CAPACITY);
    if full {
        empty(me, site);
    }
    let store = Store { verb, site, offset, what };
    if !pending(me) {
        find_empty(me, site);
        if !sched::put_off(&|touch| store.touches(me, touch)) {
            return false;
        }
    }
    push(me, store);
    true
}

/// What the task does next depends on its buffer being empty again.
fn find_empty(me: usize, site: Site) {
    let news = BUFFERS.with(|buffers| {
        let drained = buffers[me].drained.get();
        buffers[me].known.replace(drained) != drained
    });
    if news {
        step::record(verb::STORE_BUFFER, Effect::Read, object::buffer(me), site);
    }
}

fn push(me: usize, store: Store) {
    step::record(verb::STORE_BUFFER, Effect::Write, object::buffer(me), store.site);
    // Who peeks sees it from now on.
    for word in (store.offset..store.offset + store.bytes()).step_by(4) {
        step::touch(object::offset(word), Effect::Write);
    }
    let first = BUFFERS.with(|buffers| {
        let buffer = &buffers[me];
        buffer.pushed.set(buffer.pushed.get() + 1);
        buffer.stores.borrow_mut().push_back(store);
        buffer.stores.borrow().len() == 1
    });
    OUTLINE.with(|outline| outline.pending.set(outline.pending.get() | 1 << me));
    if first {
        step::foretell(drainer(me), store.step());
    }
}

/// The daemon that empties a task's buffer: the tasks come first, in the same order.
fn drainer(task: usize) -> Task {
    OUTLINE.with(|outline| Task(outline.tasks.get() + task as u8))
}

/// Waits until the calling task's buffer is empty: what a locked instruction or a full barrier does first.
#[inline]
pub(crate) fn drain_own(site: Site) {
    if any() {
        drain_mine(site);
    }
}

#[cold]
fn drain_mine(site: Site) {
    if let Some(me) = me() {
        empty(me, site);
    }
}

fn empty(me: usize, site: Site) {
    if !pending(me) {
        return;
    }
    let step = Step { verb: verb::SMP_MB, object: object::buffer(me), effect: Effect::Read, site };
    let class = WaitClass::event("store buffer");
    step::wait_for(step, class, Looks::AtItsObject, &|| !pending(me));
    BUFFERS.with(|buffers| buffers[me].known.set(buffers[me].drained.get()));
}

/// The calling task has taken a step that locked instructions take, or waiters: before such its buffer is empty.
#[inline]
pub(crate) fn settles() {
    if is_on() && !hardware::is_busy() {
        sched::settles();
    }
}

/// Whether a store of the calling task waits.
#[inline]
pub(crate) fn holds_own() -> bool {
    any() && me().is_some_and(pending)
}

/// What the calling task sees in the word at this address, of which memory holds `found`.
#[inline]
pub(crate) fn forward(address: usize, bytes: usize, found: u64) -> u64 {
    if any() { forwarded(me(), address, bytes, found) } else { found }
}

/// What the word at this address will be once all stores have drained: the calling task's newest if it has
/// one, else anybody's. For looks that take no step.
#[inline]
pub(crate) fn settled(address: usize, bytes: usize, found: u64) -> u64 {
    if !any() {
        return found;
    }
    let others = (0..MOST_TASKS)
        .rev()
        .fold(found, |found, task| forwarded(Some(task), address, bytes, found));
    forwarded(me(), address, bytes, others)
}

#[cold]
fn forwarded(task: Option<usize>, address: usize, bytes: usize, found: u64) -> u64 {
    let (Some(task), Some(offset)) = (task.filter(|&task| pending(task)), in_use::offset(address))
    else {
        return found;
    };
    let mut word = found.to_le_bytes();
    BUFFERS.with(|buffers| {
        let stores = buffers[task].stores.borrow();
        stores.iter().for_each(|store| store.overlay(offset, &mut word[..bytes]));
    });
    u64::from_le_bytes(word)
}

/// The body of the daemon that drains a task's buffer.
pub fn drain(owner: Task) {
    let owner = usize::from(owner.0);
    let nothing = Step {
        verb: verb::STORE_BUFFER,
        object: object::buffer(owner),
        effect: Effect::Write,
        site: Location::caller(),
    };
    loop {
        let next = BUFFERS.with(|buffers| buffers[owner].stores.borrow().front().map(Store::step));
        let (class, looks) = (WaitClass::event("a store"), Looks::AlsoAt(object::buffer(owner)));
        step::wait_for(next.unwrap_or(nothing), class, looks, &|| pending(owner));
        let Some(store) = pop(owner) else { return };
        match store.what {
            What::Word { bytes, value } => {
                if let Some(before) = in_use::store(store.offset, bytes, value) {
                    sched::value(before, value);
                }
            }
            What::Zeros { bytes } => in_use::with_bytes(store.offset, bytes, |first| {
                wipe(first, bytes, store.site);
            }),
        }
        step::record(verb::STORE_BUFFER, Effect::Write, object::buffer(owner), store.site);
    }
}

fn pop(owner: usize) -> Option<Store> {
    let (store, left) = BUFFERS.with(|buffers| {
        let buffer = &buffers[owner];
        buffer.drained.set(buffer.drained.get() + 1);
        let mut stores = buffer.stores.borrow_mut();
        (stores.pop_front(), stores.len())
    });
    if left == 0 {
        OUTLINE.with(|outline| outline.pending.set(outline.pending.get() & !(1 << owner)));
    }
    store
}

/// Stores that were in flight at some moment, by task: how many had been made.
pub(crate) struct InFlight([u32; MOST_TASKS]);

impl InFlight {
    /// What waits now in the buffers of all but the calling task.
    pub(crate) fn now() -> Self {
        let mut all = Self([0; MOST_TASKS]);
        let tasks = OUTLINE.with(|outline| outline.tasks.get());
        (0..tasks).for_each(|task| all.note(Task(task)));
        if let Some(me) = me() {
            all.0[me] = 0;
        }
        all
    }

    /// What a task has stored by now counts.
    pub(crate) fn note(&mut self, task: Task) {
        let task = usize::from(task.0);
        // That nothing waits is something seen, too.
        step::touch(object::buffer(task), Effect::Read);
        step::touch(object::in_flight(task), Effect::Read);
        if pending(task) {
            self.0[task] = BUFFERS.with(|buffers| buffers[task].pushed.get());
        }
    }

    /// All of it is visible.
    pub(crate) fn landed(&self) -> bool {
        !any()
            || BUFFERS.with(|buffers| {
                self.0.iter().zip(buffers).all(|(&made, buffer)| buffer.drained.get() >= made)
            })
    }
}
