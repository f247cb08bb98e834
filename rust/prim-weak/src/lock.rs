//! Locks (`kernel/locking`). Spin locks are loom's mutexes, the bit spin lock is as natively: one word.

mod class;
mod completion;

pub use class::{Guarded, LockClass};
pub use completion::Completion;

use core::{
    fmt, mem,
    ops::{Deref, DerefMut},
};
use std::sync::PoisonError;

use loom::sync::{Mutex, MutexGuard};

use crate::{AtomicU32, Cpu, Warn, ZeroInit, code};

/// A lock and what it guards.
pub struct SpinLock<T: Guarded>(Mutex<T>);

impl<T: Guarded> SpinLock<T> {
    #[must_use]
    pub fn new(data: T) -> Self {
        Self(Mutex::new(data))
    }

    /// Waits for the lock. Acquire; pairs with the release of the guard's end.
    pub fn lock<'a>(&'a self, _cpu: &'a Cpu<'_>) -> SpinGuard<'a, T> {
        SpinGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl<T: Guarded> ZeroInit for SpinLock<T> {
    fn zeroed() -> Self {
        Self::new(T::zeroed())
    }

    fn wipe(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = T::zeroed();
    }
}

impl<T: Guarded> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpinLock({})", T::CLASS.name())
    }
}

/// The lock is held.
#[must_use = "the lock is dropped with the guard"]
pub struct SpinGuard<'a, T: Guarded>(Option<MutexGuard<'a, T>>);

impl<T: Guarded> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or_else(|| unreachable!("emptied when dropped"))
    }
}

impl<T: Guarded> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_deref_mut().unwrap_or_else(|| unreachable!("emptied when dropped"))
    }
}

impl<T: Guarded> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The execution is over, and loom's state with it.
            mem::forget(self.0.take());
        }
    }
}

impl<T: Guarded> fmt::Debug for SpinGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpinGuard({})", T::CLASS.name())
    }
}

/// Spins until the word is ours. Acquire; pairs with the release of [`bit_spin_unlock`].
pub fn bit_spin_lock(cpu: &Cpu<'_>, word: &AtomicU32, _class: &'static LockClass) {
    while word.cmpxchg_acquire(0, cpu.owner_word()).is_err() {
        loom::thread::yield_now();
    }
}

/// Gives the word back. Warns, and leaves it alone, if it is not ours.
pub fn bit_spin_unlock(cpu: &Cpu<'_>, word: &AtomicU32) {
    let owner = word.read();
    if owner != cpu.owner_word() {
        return cpu.warn(Warn { code: code::UNLOCK_OF_UNLOCKED, object: 0, value: owner.into() });
    }
    word.set_release(0);
}
