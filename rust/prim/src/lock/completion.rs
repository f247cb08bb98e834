//! Completions (`struct completion`, `kernel/sched/completion.c`), of the `complete_all` kind.
//!
//! Zero is "not done", so a fresh one needs no initialisation.

use crate::{
    AtomicU32, Cpu, Interrupted, Sleep, Waiting,
    wait::{wait_var_event, wake_up_var},
};

crate::zeroed! {
    /// Something that happens once, until [`Completion::reinit`].
    #[derive(Debug, Default)]
    pub struct Completion {
        done: AtomicU32,
    }
}

impl Completion {
    /// It happened: everybody who waits or will wait goes on. What came before it happened before
    /// what they do next.
    pub fn complete_all(&self, cpu: &Cpu<'_>) {
        // The full RMW pairs with the waiter's barrier, and its release half with `done`'s acquire.
        self.done.xchg(1);
        wake_up_var(cpu, self);
    }

    /// Waits for it.
    ///
    /// # Errors
    /// [`Interrupted`], if `sleep` allows it.
    #[doc(alias = "wait_for_completion")]
    pub fn wait(&self, cpu: &Cpu<'_>, sleep: Sleep, waiting: Waiting) -> Result<(), Interrupted> {
        wait_var_event(cpu, self, sleep, waiting, || self.done())
    }

    /// Has it happened?
    #[doc(alias = "completion_done")]
    #[must_use]
    pub fn done(&self) -> bool {
        self.done.read_acquire() != 0
    }

    /// Starts over. Nobody may be waiting or completing.
    #[doc(alias = "reinit_completion")]
    pub fn reinit(&self) {
        self.done.set(0);
    }
}
