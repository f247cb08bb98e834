//! Reader-writer semaphores (`struct rw_semaphore`, `kernel/locking/rwsem.c`).
//!
//! The word:
//!
//! | bits | meaning |
//! |---|---|
//! | 0–23 | number of readers inside |
//! | 24–47 | signature of the writer inside, or 0 |
//! | 48–63 | number of writers waiting; while not 0, new readers wait too |
//!
//! The last row is why writers do not starve, and why taking it twice for reading deadlocks if a
//! writer comes in between: both as in the kernel. Readers wait as shared, writers as exclusive
//! waiters, so a release wakes all readers and one writer; who has no business yet sleeps again.
//!
//! Ordering: taking is a full RMW; releasing is a full RMW too, which pairs with the waiter's barrier
//! between queueing and looking ([`wait`](crate::wait)).

use core::{
    cell::{Cell, UnsafeCell},
    fmt,
    ops::{Deref, DerefMut},
};

use super::{Guarded, wait_class};
use crate::{
    AtomicU64, Cpu, Sleep, Waiting, Warn, ZeroInit, code,
    queue::{HowMany, Key, Turn},
    sleep::{wait_until, wake},
};

const READER: u64 = 1;
const READERS: u64 = (1 << 24) - 1;
const WRITER_SHIFT: u32 = 24;
const WRITER: u64 = READERS << WRITER_SHIFT;
const WAITING_WRITER: u64 = 1 << 48;
const WAITING_WRITERS: u64 = !(READERS | WRITER);

/// A sleeping lock for many readers or one writer, and what it guards.
#[repr(C)]
pub struct RwSem<T: Guarded> {
    word: AtomicU64,
    data: UnsafeCell<T>,
}

// SAFETY: hands out `&mut T` to one writer, or `&T` to readers; T is PlainData: Send, and without
// interior mutability, hence fit to be shared.
unsafe impl<T: Guarded> Sync for RwSem<T> {}
// SAFETY: word 0 is "free", zero bytes are a T because it is PlainData; T: Copy, so no Drop; T sits in
// an UnsafeCell.
unsafe impl<T: Guarded> ZeroInit for RwSem<T> {}

impl<T: Guarded> RwSem<T> {
    #[must_use]
    pub const fn new(data: T) -> Self {
        Self { word: AtomicU64::new(0), data: UnsafeCell::new(data) }
    }

    /// `down_read`.
    #[inline]
    pub fn read<'a>(&'a self, cpu: &'a Cpu<'_>) -> ReadGuard<'a, T> {
        cpu.might_sleep(self.object());
        if !self.take_read() {
            self.wait(cpu, Turn::Shared, || self.take_read());
        }
        ReadGuard { sem: self, cpu }
    }

    /// `down_read_trylock`; fails also if writers wait.
    #[must_use]
    #[inline]
    pub fn try_read<'a>(&'a self, cpu: &'a Cpu<'_>) -> Option<ReadGuard<'a, T>> {
        if self.take_read() { Some(ReadGuard { sem: self, cpu }) } else { None }
    }

    /// `down_write`.
    #[inline]
    pub fn write<'a>(&'a self, cpu: &'a Cpu<'_>) -> WriteGuard<'a, T> {
        cpu.might_sleep(self.object());
        if !self.take_write(cpu) {
            self.write_slow(cpu);
        }
        WriteGuard { sem: self, cpu }
    }

    /// `down_write_trylock`.
    #[must_use]
    #[inline]
    pub fn try_write<'a>(&'a self, cpu: &'a Cpu<'_>) -> Option<WriteGuard<'a, T>> {
        if self.take_write(cpu) { Some(WriteGuard { sem: self, cpu }) } else { None }
    }

    /// `rwsem_is_locked` for writing, by anybody.
    #[must_use]
    pub fn is_write_locked(&self) -> bool {
        self.word.read() & WRITER != 0
    }

    /// `rwsem_is_locked`, by anybody in either way.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.word.read() & (READERS | WRITER) != 0
    }

    fn object(&self) -> u64 {
        core::ptr::from_ref(self).addr() as u64
    }

    fn writer_of(word: u64) -> u32 {
        ((word & WRITER) >> WRITER_SHIFT) as u32
    }

    #[inline]
    fn take_read(&self) -> bool {
        self.update(WRITER | WAITING_WRITERS, READER)
    }

    #[inline]
    fn take_write(&self, cpu: &Cpu<'_>) -> bool {
        self.update(READERS | WRITER, u64::from(cpu.owner_word()) << WRITER_SHIFT)
    }

    /// Adds `n` unless one of `obstacles` is there.
    #[inline]
    fn update(&self, obstacles: u64, n: u64) -> bool {
        let mut word = self.word.read();
        while word & obstacles == 0 {
            match self.word.cmpxchg(word, word + n) {
                Ok(_) => return true,
                Err(found) => word = found,
            }
        }
        false
    }

    #[cold]
    fn write_slow(&self, cpu: &Cpu<'_>) {
        let announced = Announced { sem: self, cpu, taken: Cell::new(false) };
        self.word.add_return(WAITING_WRITER);
        self.wait(cpu, Turn::Exclusive, || self.take_write(cpu));
        announced.taken.set(true);
    }

    #[cold]
    fn wait(&self, cpu: &Cpu<'_>, turn: Turn, take: impl Fn() -> bool) {
        let object = self.object();
        let owner = Self::writer_of(self.word.read());
        if owner == cpu.owner_word() {
            cpu.warn(Warn { code: code::LOCK_RECURSION, object, value: i64::from(owner) });
        }
        let waiting = Waiting { class: wait_class::<T>(), object, owner };
        let take = || {
            let taken = take();
            if !taken {
                cpu.slot.record.set_owner(Self::writer_of(self.word.read()));
            }
            taken
        };
        let key = Key::of(&self.word);
        while wait_until(cpu, key, turn, Sleep::Uninterruptible, waiting, &take).is_err() {
            // Unwinding out of a dead machine: the holder unwinds too.
            std::thread::yield_now();
        }
    }

    #[inline]
    fn release(&self, cpu: &Cpu<'_>, held: u64) {
        // The full RMW pairs with the waiters' barrier: after it one load tells if there are any.
        let left = self.word.sub_return(held);
        if left & READERS == 0 {
            wake(cpu, Key::of(&self.word), HowMany::One);
        }
    }
}

/// A writer that waits. If it is abandoned, the readers it held off may go in.
struct Announced<'a, T: Guarded> {
    sem: &'a RwSem<T>,
    cpu: &'a Cpu<'a>,
    taken: Cell<bool>,
}

impl<T: Guarded> Drop for Announced<'_, T> {
    fn drop(&mut self) {
        self.sem.word.sub_return(WAITING_WRITER);
        if !self.taken.get() {
            wake(self.cpu, Key::of(&self.sem.word), HowMany::All);
        }
    }
}

impl<T: Guarded> fmt::Debug for RwSem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word.read();
        let (readers, writer) = (word & READERS, Self::writer_of(word));
        write!(f, "RwSem({}, {readers} readers, writer {writer})", T::CLASS.name)
    }
}

/// Held for reading.
#[must_use = "the lock is dropped with the guard"]
pub struct ReadGuard<'a, T: Guarded> {
    sem: &'a RwSem<T>,
    cpu: &'a Cpu<'a>,
}

impl<T: Guarded> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: while we are a reader nobody has `&mut T`.
        unsafe { &*self.sem.data.get() }
    }
}

impl<T: Guarded> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.sem.release(self.cpu, READER);
    }
}

impl<T: Guarded + fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Held for writing.
#[must_use = "the lock is dropped with the guard"]
pub struct WriteGuard<'a, T: Guarded> {
    sem: &'a RwSem<T>,
    cpu: &'a Cpu<'a>,
}

impl<T: Guarded> Deref for WriteGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: we are the writer.
        unsafe { &*self.sem.data.get() }
    }
}

impl<T: Guarded> DerefMut for WriteGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: we are the writer, and `&mut self` makes this the only reference.
        unsafe { &mut *self.sem.data.get() }
    }
}

impl<T: Guarded> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.sem.release(self.cpu, u64::from(self.cpu.owner_word()) << WRITER_SHIFT);
    }
}

impl<T: Guarded + fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
