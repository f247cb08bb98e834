//! A machine: a fixed set of CPU slots and what they share outside the world's memory.
//!
//! As natively; but its tasks are coroutines of one thread, no task ever runs while another does, and it
//! can be put back: [`Machine::reset`] belongs before every execution, beside the restore of the arena.
//!
//! Give each task a [`TaskId`] of its own below the number of CPUs: then each has its slot, and leasing
//! orders nothing. Which of two tasks gets a slot that both prefer is recorded, not explored.

use core::panic::Location;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pgmap_sched::{self as sched, Effect};

use crate::{
    Cpu, Edit, Lease, NoCpu, Poison, TaskId, edits, hardware,
    lock::order::{Nesting, Nestings},
    looks, object, own,
    plain_word::PlainWord,
    queue::Queues,
    section,
    slot::{Slot, TALLIES},
    step, store_buffer, verb,
    warn::WarnLog,
};

/// Index of a per-CPU counter, below 64; meanings belong to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tally(pub u8);

/// An emulated machine. See the module's introduction.
#[derive(Debug)]
pub struct Machine {
    pub(crate) slots: Box<[Slot]>,
    pub(crate) queues: Queues,
    pub(crate) warnings: WarnLog,
    pub(crate) nestings: Nestings,
    poison: Mutex<Option<Poison>>,
    poisoned: PlainWord,
    /// How many of the engine's tasks have a store buffer.
    buffers: PlainWord,
    /// Whether hardware does things unasked.
    speculates: PlainWord,
    /// What is left out of the protocol.
    edits: Mutex<Vec<Edit>>,
    /// Where warnings do not end an execution: after which of them a task does not go on.
    deadly: OnceLock<fn(u16) -> bool>,
}

impl Machine {
    /// A machine with `cpus` slots (at least one).
    #[must_use]
    pub fn new(cpus: usize) -> Arc<Self> {
        Arc::new(Self {
            slots: (0..cpus.max(1)).map(|_| Slot::default()).collect(),
            queues: Queues::new(cpus.max(1)),
            warnings: WarnLog::default(),
            nestings: Nestings::default(),
            poison: Mutex::new(None),
            poisoned: PlainWord::new(0),
            buffers: PlainWord::new(0),
            speculates: PlainWord::new(0),
            edits: Mutex::default(),
            deadly: OnceLock::new(),
        })
    }

    /// Number of slots.
    #[must_use]
    pub fn cpus(&self) -> usize {
        self.slots.len()
    }

    /// As after boot: no leases, no sections, nobody queued, tallies and warnings at zero. For between
    /// executions; leases that abandoned tasks left behind end here, and so does the death of
    /// a machine: it was that of an execution.
    pub fn reset(&self) {
        self.slots.iter().for_each(Slot::reset);
        self.queues.reset();
        self.clear_warnings();
        if self.is_poisoned() {
            *self.poison.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.poisoned.set(0);
        }
        edits::put_in_force(&self.edits.lock().unwrap_or_else(PoisonError::into_inner));
        own::forget_all();
        section::reset();
        looks::reset();
        store_buffer::reset(self.buffers.get() as usize);
        hardware::reset(self.speculates.get() != 0, self.buffers.get() != 0);
    }

    /// Appends all that tasks share of the machine, in the midst of an execution: everything that
    /// [`reset`](Self::reset) puts back, but for what only counts (tallies, and how often a section was entered) and
    /// for what ends an execution (warnings, the machine's death).
    pub fn write_state(&self, words: &mut Vec<u64>) {
        self.slots.iter().for_each(|slot| slot.write_state(words));
        self.queues.write_state(words);
        section::write_state(words);
        store_buffer::write_state(words);
        hardware::write_state(words);
    }

    /// From here on, and after each [`reset`](Self::reset), these calls of primitives have no effect.
    pub fn leave_out(&self, edits: Vec<Edit>) {
        edits::put_in_force(&edits);
        *self.edits.lock().unwrap_or_else(PoisonError::into_inner) = edits;
    }

    /// From here on a warning does not end an execution: it is recorded, as outside a run, and the task goes on. After
    /// those that are `deadly` it does not, but stays where it is for ever, with all that it holds, as a task that has
    /// died of an oops.
    pub fn go_on_after_warnings(&self, deadly: fn(u16) -> bool) {
        // Said twice it is as it was said first.
        let _ = self.deadly.set(deadly);
    }

    /// What [`go_on_after_warnings`](Self::go_on_after_warnings) said.
    pub(crate) fn deadly(&self) -> Option<fn(u16) -> bool> {
        self.deadly.get().copied()
    }

    /// From the next [`reset`](Self::reset) on, hardware may do things unasked
    /// ([`may_speculate`](crate::may_speculate)).
    pub fn speculate(&self) {
        self.speculates.set(1);
    }

    /// From the next [`reset`](Self::reset) on, memory is x86's: the engine's tasks below `tasks` have a store
    /// buffer each, and as many daemons after them empty these, with
    /// [`store_buffer::drain`] for a body. 0: memory is sequentially consistent,
    /// as on a new machine.
    ///
    /// # Panics
    /// If the engine has no room for so many tasks and their daemons.
    pub fn buffer_stores(&self, tasks: usize) {
        let most = sched::MOST_TASKS / 2;
        assert!(tasks <= most, "{tasks} tasks with a store buffer, of at most {most}");
        self.buffers.set(tasks as u64);
    }

    /// Leases a slot, by preference the one numbered like the task.
    ///
    /// # Errors
    /// [`NoCpu`] if every slot is leased: more tasks at once than the machine has CPUs.
    #[track_caller]
    pub fn lease<'m>(&'m self, lease: Lease<'m>) -> Result<Cpu<'m>, NoCpu> {
        self.lease_at(lease.task.0 as usize, lease)
    }

    /// Leases the slot `hint` (modulo the number of CPUs), or the next free one after it.
    ///
    /// # Errors
    /// As [`lease`](Self::lease).
    #[track_caller]
    pub fn lease_at<'m>(&'m self, hint: usize, lease: Lease<'m>) -> Result<Cpu<'m>, NoCpu> {
        let site = Location::caller();
        let first = hint % self.cpus();
        for id in (first..self.cpus()).chain(0..first) {
            let leased = self.slots[id].try_lease();
            if step::in_task() {
                let effect = if leased { Effect::Write } else { Effect::Read };
                step::record(verb::CPU_GET, effect, object::slot(id), site);
            }
            if leased {
                return Ok(Cpu::on(self, id, lease, site));
            }
        }
        Err(NoCpu)
    }

    /// Sends `task` a signal: its interruptible sleep ends, now or as soon as it begins. Lasts until
    /// the end of the lease; a task without a lease does not notice.
    #[track_caller]
    pub fn signal(&self, task: TaskId) {
        let site = Location::caller();
        for (id, slot) in self.slots.iter().enumerate() {
            // Who leases it decides whether there is a step.
            step::touch(object::slot(id), Effect::Read);
            if slot.task.get() == u64::from(task.0) {
                if step::in_task() {
                    store_buffer::drain_own(site);
                    step::point(verb::SIGNAL, Effect::Write, object::signal(id), site);
                }
                slot.signalled.set(1);
            }
        }
    }

    /// Ends everything: every wait, now and later, abandons its operation. The first poison stays. For
    /// outside a run; inside, a failure ends the execution.
    pub fn poison(&self, poison: Poison) {
        self.poison.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(poison);
        self.poisoned.set(1);
    }

    /// Why the machine is dead, if it is.
    #[must_use]
    pub fn poisoned(&self) -> Option<Poison> {
        if !self.is_poisoned() {
            return None;
        }
        self.poison.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[inline]
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.get() != 0
    }

    /// Sum of one counter over the slots.
    ///
    /// # Panics
    /// If the index is 64 or more.
    #[must_use]
    pub fn tally(&self, tally: Tally) -> u64 {
        let index = usize::from(tally.0);
        assert!(index < TALLIES, "tally {index} of {TALLIES}");
        self.slots.iter().fold(0, |sum, slot| sum.wrapping_add(slot.tallies[index].get()))
    }

    /// The engine's task behind a signature ([`Cpu::owner_word`]).
    pub(crate) fn runner(&self, owner: u32) -> Option<sched::Task> {
        let slot = self.slots.get((owner as usize).checked_sub(1)?)?;
        let runner = slot.runner.get().checked_sub(1)?;
        u8::try_from(runner).ok().map(sched::Task)
    }

    /// The task behind a signature, as it named itself.
    pub(crate) fn task_of_owner(&self, owner: u32) -> Option<TaskId> {
        let slot = self.slots.get((owner as usize).checked_sub(1)?)?;
        let task = u32::try_from(slot.task.get()).ok()?;
        (task != crate::slot::NO_TASK).then_some(TaskId(task))
    }

    /// The signature of somebody who holds this lock, other than `me`; 0 for nobody.
    pub(crate) fn holder(&self, lock: u64, me: u32) -> u32 {
        let signed = (1..).zip(&self.slots);
        let mut others = signed.filter(|&(owner, slot)| owner != me && slot.holds(lock));
        others.next().map_or(0, |(owner, _)| owner)
    }

    /// Which classes of locks were waited for under which since the machine was made, each pair as it was first
    /// seen.
    #[must_use]
    pub fn nestings(&self) -> Vec<Nesting> {
        self.nestings.all()
    }

    /// The locks that the task on this CPU holds, outermost first, as [`Object`](sched::Object)s.
    ///
    /// # Panics
    /// If there is no such CPU.
    #[must_use]
    pub fn held(&self, cpu: crate::CpuId) -> Vec<sched::Object> {
        self.slots[cpu.0].listed().iter().map(|lock| sched::Object(lock.get())).collect()
    }
}
