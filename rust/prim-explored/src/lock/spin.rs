//! Spin locks (`spinlock_t`, `include/linux/spinlock.h`).
//!
//! The word: 0 free, else the owner's signature (CPU + 1). Taking is one step, not enabled while somebody
//! else holds the lock, so a contended lock never spins; giving back is one. What the lock guards is touched
//! without steps: its history is the lock's.

use core::{
    cell::UnsafeCell,
    fmt,
    ops::{Deref, DerefMut},
    panic::Location,
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use pgmap_sched::{self as sched, Effect, Looks, Step};

use super::{Guarded, class_of};
use crate::{
    Cpu, Warn, ZeroInit, code,
    drained::{self, Until},
    edits::left_out,
    in_use, object,
    own::Own,
    step::{self, Site},
    verb,
};

/// What the word says while somebody peeks; no CPU signs so.
const PEEKING: u32 = u32::MAX;

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
    #[track_caller]
    pub fn lock<'a>(&'a self, cpu: &'a Cpu<'_>) -> SpinGuard<'a, T> {
        let site = Location::caller();
        if left_out("lock", site) {
            return self.without(cpu, site);
        }
        let object = object::word(self.address());
        let me = cpu.owner_word();
        if self.word.load(Relaxed) == me {
            let value = i64::from(me);
            cpu.warn(Warn { code: code::LOCK_RECURSION, object: object.0, value });
        }
        cpu.will_wait_for(class_of::<T>(), site);
        let step = Step { verb: verb::SPIN_LOCK, object, effect: Effect::Write, site };
        let until = Until {
            class: class_of::<T>().waits,
            object: object.0,
            owner: &|| self.word.load(Relaxed),
            ready: &|| self.word.load(Relaxed) == 0,
            looks: Looks::AtItsObject,
        };
        loop {
            drained::point_when(cpu, step, &until);
            if self.take(me) {
                return SpinGuard::new(self, cpu, site);
            }
            // Unwinding out of a dead machine: the holder unwinds too.
            std::thread::yield_now();
        }
    }

    #[must_use]
    #[track_caller]
    pub fn try_lock<'a>(&'a self, cpu: &'a Cpu<'_>) -> Option<SpinGuard<'a, T>> {
        let site = Location::caller();
        if left_out("try_lock", site) {
            return Some(self.without(cpu, site));
        }
        drained::locked(verb::SPIN_TRYLOCK, self.address(), site);
        if self.take(cpu.owner_word()) {
            return Some(SpinGuard::new(self, cpu, site));
        }
        sched::settle(Effect::Read);
        None
    }

    /// True while somebody, no matter who, holds it.
    #[must_use]
    #[track_caller]
    pub fn is_locked(&self) -> bool {
        step::on_word(verb::SPIN_IS_LOCKED, Effect::Read, self.address(), Location::caller());
        self.word.load(Relaxed) != 0
    }

    /// A look at what the lock guards that is not the protocol's, and no step: it may lead to a complaint and
    /// to nothing else. Nothing while somebody holds the lock.
    pub fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        step::touch_word(self.address(), Effect::Read);
        if self.word.compare_exchange(0, PEEKING, Acquire, Relaxed).is_err() {
            return None;
        }
        // SAFETY: the word says that we hold the lock.
        let seen = look(unsafe { &*self.data.get() });
        self.word.store(0, Release);
        Some(seen)
    }

    /// What taking it comes to where that is left out: a look at what it guards.
    #[cold]
    fn without<'a>(&'a self, cpu: &'a Cpu<'_>, site: Site) -> SpinGuard<'a, T> {
        step::on_word(verb::SPIN_LOCK, Effect::Read, self.address(), site);
        // SAFETY: what we guard is a T, and this machine's tasks are of one thread.
        let own = unsafe { Own::read(self.data.get()) };
        SpinGuard { lock: self, cpu, site, own: Some(own) }
    }

    fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    fn take(&self, me: u32) -> bool {
        in_use::mark(self.address(), size_of::<u32>());
        let taken = self.word.compare_exchange(0, me, Acquire, Relaxed).is_ok();
        if taken {
            sched::value(0, me.into());
        }
        taken
    }
}

impl<T: Guarded> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.word.load(Relaxed) != 0 { "locked" } else { "free" };
        write!(f, "SpinLock({}, {state})", T::CLASS.name())
    }
}

/// The lock is held.
#[must_use = "the lock is dropped with the guard"]
pub struct SpinGuard<'a, T: Guarded> {
    lock: &'a SpinLock<T>,
    cpu: &'a Cpu<'a>,
    /// Where it was taken; a drop has no place of its own.
    site: Site,
    /// The lock is not held, but left out.
    own: Option<Own<T>>,
}

impl<'a, T: Guarded> SpinGuard<'a, T> {
    fn new(lock: &'a SpinLock<T>, cpu: &'a Cpu<'a>, site: Site) -> Self {
        cpu.spin_lock_taken(object::word(lock.address()).0, class_of::<T>(), site);
        Self { lock, cpu, site, own: None }
    }
}

impl<T: Guarded> Deref for SpinGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.own {
            Some(own) => own.get(),
            // SAFETY: we hold the lock.
            None => unsafe { &*self.lock.data.get() },
        }
    }
}

impl<T: Guarded> DerefMut for SpinGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        if let Some(own) = &mut self.own {
            return own.get_mut();
        }
        in_use::mark(self.lock.data.get().addr(), size_of::<T>());
        // SAFETY: we hold the lock, and `&mut self` makes this the only reference.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: Guarded> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        let address = self.lock.address();
        if let Some(own) = &self.own {
            own.give_back(verb::SPIN_UNLOCK, address, self.site, self.lock.data.get());
            return;
        }
        drained::locked(verb::SPIN_UNLOCK, address, self.site);
        self.cpu.spin_lock_dropped(object::word(address).0);
        self.lock.word.store(0, Release);
        sched::value(self.cpu.owner_word().into(), 0);
    }
}

impl<T: Guarded + fmt::Debug> fmt::Debug for SpinGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
