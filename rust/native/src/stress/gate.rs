//! The gate between two actions, so that a round can come to rest without ending.
//!
//! While it is closed nobody begins an action: whoever comes to it stands there, holding no CPU, and every
//! other worker is inside an action or gone. The monitor closes it to see the state of things: once those who
//! are inside an action all sleep, nobody runs, no wake-up is on its way, and nobody stands between making
//! something true and saying so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many workers are where. The rest is inside an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outside {
    /// At the closed gate.
    pub(super) standing: usize,
    /// Gone for good.
    pub(super) gone: usize,
}

/// See the module's introduction.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// What workers look at; changed under the mutex.
    closed: AtomicBool,
    outside: Mutex<Outside>,
    opened: Condvar,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Outside> {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By a worker between two actions.
    pub(super) fn pass(&self) {
        // Relaxed: who misses the closing comes here again after its action.
        if self.closed.load(Ordering::Relaxed) {
            self.stand();
        }
    }

    #[cold]
    fn stand(&self) {
        let mut outside = self.lock();
        outside.standing += 1;
        while self.closed.load(Ordering::Relaxed) {
            outside = self.opened.wait(outside).unwrap_or_else(PoisonError::into_inner);
        }
        outside.standing -= 1;
    }

    /// A worker does nothing any more.
    pub(super) fn leave(&self) {
        self.lock().gone += 1;
    }

    /// Holds workers up, until the result is dropped.
    pub(super) fn close(&self) -> Closed<'_> {
        let _outside = self.lock();
        self.closed.store(true, Ordering::Relaxed);
        Closed(self)
    }

    /// Where the workers are. Who stands stays there while the gate is closed.
    pub(super) fn outside(&self) -> Outside {
        *self.lock()
    }
}

/// The gate is closed.
#[derive(Debug)]
pub(super) struct Closed<'a>(&'a Gate);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        let _outside = self.0.lock();
        self.0.closed.store(false, Ordering::Relaxed);
        self.0.opened.notify_all();
    }
}
