//! Completions (`struct completion`, `kernel/sched/completion.c`), of the `complete_all` kind.
//!
//! Zero is "not done", so a fresh one needs no initialisation.

use core::panic::Location;

use crate::{
    AtomicU32, Cpu, Interrupted, Sleep, Waiting,
    edits::left_out,
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
    #[inline]
    #[track_caller]
    pub fn complete_all(&self, cpu: &Cpu<'_>) {
        if !left_out("complete_all", Location::caller()) {
            self.finish(cpu);
        }
    }

    #[doc(alias = "complete_all")]
    fn finish(&self, cpu: &Cpu<'_>) {
        // The full RMW pairs with the waiter's barrier, and its release half with `done`'s acquire.
        self.done.xchg(1);
        wake_up_var(cpu, self);
    }

    /// Waits for it.
    ///
    /// # Errors
    /// [`Interrupted`], if `sleep` allows it.
    #[inline]
    #[track_caller]
    pub fn wait(&self, cpu: &Cpu<'_>, sleep: Sleep, waiting: Waiting) -> Result<(), Interrupted> {
        match left_out("wait", Location::caller()) {
            true => Ok(()),
            false => self.wait_for(cpu, sleep, waiting),
        }
    }

    #[doc(alias = "wait_for_completion")]
    fn wait_for(&self, cpu: &Cpu<'_>, sleep: Sleep, waiting: Waiting) -> Result<(), Interrupted> {
        wait_var_event(cpu, self, sleep, waiting, || self.done())
    }

    /// Has it happened?
    #[doc(alias = "completion_done")]
    #[must_use]
    pub fn done(&self) -> bool {
        self.done.read_acquire() != 0
    }

    /// Starts over. Nobody may be waiting or completing.
    #[inline]
    #[track_caller]
    pub fn reinit(&self) {
        if !left_out("reinit", Location::caller()) {
            self.start_over();
        }
    }

    #[doc(alias = "reinit_completion")]
    fn start_over(&self) {
        self.done.set(0);
    }
}
