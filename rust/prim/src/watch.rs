//! Looking at a machine from outside: who waits for what, and has everything come to rest?
//!
//! For the watchdog, which wants the story of a hang, and for a conductor, which steps a program and
//! must know when nothing more will happen by itself. Nothing here changes the machine.

use core::time::Duration;

use crate::{
    CpuId, Machine, TaskId, Waiter,
    slot::{NO_TASK, Slot},
    smp_mb,
    state_word::SlotState,
    wait_record::{Manner, Published},
    waiting::Waiting,
};

/// What a task is doing.
#[derive(Clone, Copy, Debug)]
pub enum TaskState {
    /// It leases no CPU.
    Idle,
    Running,
    Asleep(Waiting),
}

impl Machine {
    /// Everybody who waits now: asleep, or busy-waiting for a grace period or a bit. Who was woken does not
    /// wait any more, also before it has got round to noticing. Each entry is true of one moment; together
    /// they are a snapshot only if the machine is at rest.
    #[must_use]
    pub fn waiters(&self) -> Vec<Waiter> {
        let now = self.clock();
        let waiter = |(id, slot): (usize, &Slot)| {
            let before = slot.word.read();
            let task = slot.task.read();
            let Published { class, object, owner, since, manner } = slot.record.read()?;
            let waits = match manner {
                // The record counts only if the sleep it was read in still is the same one.
                Manner::Asleep => before.state() == SlotState::Asleep && slot.word.read() == before,
                Manner::Busily => before.state() == SlotState::Running,
            };
            (waits && task != NO_TASK).then(|| Waiter {
                cpu: CpuId(id),
                task: TaskId(task),
                class: *class,
                object,
                owner: self.task_of_owner(owner),
                for_: Duration::from_nanos(now.saturating_sub(since)),
            })
        };
        self.slots.iter().enumerate().filter_map(waiter).collect()
    }

    fn task_of_owner(&self, owner: u32) -> Option<TaskId> {
        let slot = self.slots.get((owner as usize).checked_sub(1)?)?;
        let task = slot.task.read();
        (task != NO_TASK).then_some(TaskId(task))
    }

    /// State and epoch of every slot, one after the other. The epoch moves at every change of state.
    #[must_use]
    pub fn scan(&self) -> Vec<(SlotState, u64)> {
        let read = |slot: &Slot| {
            let word = slot.word.read();
            (word.state(), word.epoch())
        };
        self.slots.iter().map(read).collect()
    }

    /// True if at some moment during the call no task was running, so that, unless somebody outside
    /// begins an operation or sends a signal, none will (deadlines and polls apart).
    ///
    /// Two scans that agree: a slot that was passive with epoch *e* in the first and in the second was
    /// passive all the while, since epochs only grow. Between the scans, then, *all* were passive at
    /// once. Only a running task ends another's sleep, and it marks the sleeper Running before its own
    /// call returns, hence before it can itself become passive: no wake-up is in flight either.
    #[must_use]
    pub fn all_passive_twice(&self) -> bool {
        let first = self.scan();
        if first.iter().any(|&(state, _)| state == SlotState::Running) {
            return false;
        }
        // Orders the second scan after the first.
        smp_mb();
        self.scan() == first
    }

    /// Another name for [`all_passive_twice`](Self::all_passive_twice), for a conductor.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.all_passive_twice()
    }

    /// What `task` is doing.
    #[must_use]
    pub fn task_state(&self, task: TaskId) -> TaskState {
        let leased = |slot: &&Slot| {
            slot.task.read() == task.0 && slot.word.read().state() != SlotState::Idle
        };
        let Some(slot) = self.slots.iter().find(leased) else {
            return TaskState::Idle;
        };
        let before = slot.word.read();
        match slot.record.read() {
            // The record counts only if the sleep it was read in still is the same one.
            Some(Published { class, object, owner, .. })
                if before.state() == SlotState::Asleep && slot.word.read() == before =>
            {
                TaskState::Asleep(Waiting { class, object, owner })
            }
            _ => TaskState::Running,
        }
    }
}
