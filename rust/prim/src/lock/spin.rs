//! Spin locks (`spinlock_t`, `include/linux/spinlock.h`).
//!
//! The word: 0 free, else the owner's signature (CPU + 1), and bit 31, *parked*: somebody may be
//! queued. Natively a "CPU" is a thread that the host may preempt with the lock held, so after a short
//! spin the waiter sleeps. Holding one still forbids sleeping, as in the kernel.
//!
//! # Parking
//! A waiter queues itself, then in one RMW takes the lock or marks it *parked*. An unlocker that swaps
//! out *parked* executes a full barrier and wakes the oldest waiter. If the waiter saw the lock held,
//! its marking (or its load, if the mark was there) came before that swap, so the barrier pair of
//! [`wait`](crate::wait) applies. A waiter that takes the lock leaves the mark on: others may be queued
//! behind it, and a mark too many costs one empty look at the queue.
//!
//! Ordering: taking is acquire, unlocking is release, they pair.

use core::{
    cell::UnsafeCell,
    fmt,
    ops::{Deref, DerefMut},
};

use super::{Guarded, class_of};
use crate::{
    AtomicU32, Cpu, Sleep, Waiting, Warn, ZeroInit, code, cpu_relax,
    queue::{HowMany, Key, Turn},
    sleep::{wait_until, wake},
    smp_mb,
};

const PARKED: u32 = 1 << 31;
const OWNER: u32 = PARKED - 1;
/// Critical sections are a few dozen instructions.
const SPINS: u32 = 100;

/// A lock and what it guards.
#[repr(C)]
pub struct SpinLock<T: Guarded> {
    word: AtomicU32,
    data: UnsafeCell<T>,
}

// SAFETY: the lock hands out `&mut T` to one holder at a time; T: Send because it is PlainData.
unsafe impl<T: Guarded> Sync for SpinLock<T> {}
// SAFETY: word 0 is "free", zero bytes are a T because it is PlainData; T: Copy, so no Drop; T sits in
// an UnsafeCell.
unsafe impl<T: Guarded> ZeroInit for SpinLock<T> {}

impl<T: Guarded> SpinLock<T> {
    #[must_use]
    pub const fn new(data: T) -> Self {
        Self { word: AtomicU32::new(0), data: UnsafeCell::new(data) }
    }

    /// Waits for the lock. Taking it twice is warned about, and hangs.
    #[inline(always)]
    pub fn lock<'a>(&'a self, cpu: &'a Cpu<'_>) -> SpinGuard<'a, T> {
        if self.word.cmpxchg_acquire(0, cpu.owner_word()).is_err() {
            self.lock_slow(cpu);
        }
        SpinGuard::new(self, cpu)
    }

    #[must_use]
    #[inline(always)]
    pub fn try_lock<'a>(&'a self, cpu: &'a Cpu<'_>) -> Option<SpinGuard<'a, T>> {
        let taken = self.word.cmpxchg_acquire(0, cpu.owner_word()).is_ok();
        taken.then(|| SpinGuard::new(self, cpu))
    }

    /// True while somebody, no matter who, holds it.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.word.read() & OWNER != 0
    }

    /// A look at what the lock guards that is not the protocol's: it may lead to a complaint and to nothing
    /// else. Here nobody may look without the lock, and `look` never runs; the explorer lets it, unless the
    /// lock is held.
    #[inline(always)]
    pub fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        let _ = look;
        None
    }

    #[cold]
    fn lock_slow(&self, cpu: &Cpu<'_>) {
        let me = cpu.owner_word();
        let object = core::ptr::from_ref(self).addr() as u64;
        let mut owner = self.word.read() & OWNER;
        if owner == me {
            cpu.warn(Warn { code: code::LOCK_RECURSION, object, value: i64::from(me) });
        }
        for _ in 0..SPINS {
            cpu_relax();
            let word = self.word.read();
            if word == 0 && self.word.cmpxchg_acquire(0, me).is_ok() {
                return;
            }
            owner = word & OWNER;
        }
        let waiting = Waiting { class: &class_of::<T>().waits, object, owner };
        let key = Key::of(&self.word);
        let take = || self.take_or_mark(cpu);
        while wait_until(cpu, key, Turn::Exclusive, Sleep::Uninterruptible, waiting, take).is_err()
        {
            // Unwinding out of a dead machine: the holder unwinds too.
            std::thread::yield_now();
        }
    }

    fn take_or_mark(&self, cpu: &Cpu<'_>) -> bool {
        let mut word = self.word.read();
        loop {
            let free = word & OWNER == 0;
            if !free {
                cpu.slot.record.set_owner(word & OWNER);
            }
            if !free && word & PARKED != 0 {
                return false;
            }
            let next = if free { cpu.owner_word() } else { word } | PARKED;
            match self.word.cmpxchg(word, next) {
                Ok(_) => return free,
                Err(found) => word = found,
            }
        }
    }

    #[cold]
    fn wake_next(&self, cpu: &Cpu<'_>) {
        // Pairs with the full barrier between a waiter's queueing and its look at the word.
        smp_mb();
        wake(cpu, Key::of(&self.word), HowMany::One);
    }
}

impl<T: Guarded> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_locked() { "locked" } else { "free" };
        write!(f, "SpinLock({}, {state})", T::CLASS.name())
    }
}

/// The lock is held.
#[must_use = "the lock is dropped with the guard"]
pub struct SpinGuard<'a, T: Guarded> {
    lock: &'a SpinLock<T>,
    cpu: &'a Cpu<'a>,
}

impl<'a, T: Guarded> SpinGuard<'a, T> {
    #[inline(always)]
    fn new(lock: &'a SpinLock<T>, cpu: &'a Cpu<'a>) -> Self {
        cpu.spin_lock_taken();
        Self { lock, cpu }
    }
}

impl<T: Guarded> Deref for SpinGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: we hold the lock.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: Guarded> DerefMut for SpinGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: we hold the lock, and `&mut self` makes this the only reference.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: Guarded> Drop for SpinGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.cpu.spin_lock_dropped();
        if self.lock.word.xchg_release(0) & PARKED != 0 {
            self.lock.wake_next(self.cpu);
        }
    }
}

impl<T: Guarded + fmt::Debug> fmt::Debug for SpinGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
