//! Reader-writer semaphores (`struct rw_semaphore`, `kernel/locking/rwsem.c`).
//!
//! The word:
//!
//! | bits | meaning |
//! |---|---|
//! | 0–23 | number of readers inside |
//! | 24–47 | signature of the writer inside, or 0 |
//! | 48–63 | number of tasks in line; while not 0, new readers join it |
//!
//! # The line
//! Who does not get in at once joins one line and keeps its place until it is in. Whenever the lock comes free,
//! the first is served: a writer is woken, and takes the lock by itself; a reader is given the lock, and with it
//! every reader in line, past the writers among them. So phases of readers and of writers take turns, nobody
//! starves behind the line, and taking it twice for reading deadlocks if a writer comes in between, as in the
//! kernel.
//!
//! What comes by is not in line: a writer that finds the lock free takes it although others were woken for it.
//! That is the kernel's optimistic spinning. A reader does so in the kernel, too, under conditions; here it
//! joins the line, which the kernel's may as well. A reader in line never passes a writer that joined before it,
//! but with a reader that joined before that one.
//!
//! The line is the queue of the word's address; joining it, leaving it and serving it are one piece each, under
//! the queue's mutex, together with their change of the word.
//!
//! Ordering: taking is a full RMW; releasing is a full RMW too. Joining adds to the word before it looks: either
//! the release sees somebody in line, or who joins sees the release.

use core::{
    cell::UnsafeCell,
    fmt,
    ops::{Deref, DerefMut},
};

use super::{Guarded, class_of};
use crate::{
    AtomicU64, Cpu, Sleep, Waiting, Warn, ZeroInit, code,
    queue::{Key, Line, Turn},
    sleep::{End, go_to_sleep},
    state_word::Level,
    wait_record::Manner,
};

const READER: u64 = 1;
const READERS: u64 = (1 << 24) - 1;
const WRITER_SHIFT: u32 = 24;
const WRITER: u64 = READERS << WRITER_SHIFT;
const IN_LINE: u64 = 1 << 48;
const LINE: u64 = !(READERS | WRITER);

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
            self.wait(cpu, Turn::Shared);
        }
        ReadGuard { sem: self, cpu }
    }

    /// `down_read_trylock`; fails also if others are in line.
    #[must_use]
    #[inline]
    pub fn try_read<'a>(&'a self, cpu: &'a Cpu<'_>) -> Option<ReadGuard<'a, T>> {
        if self.take_read() { Some(ReadGuard { sem: self, cpu }) } else { None }
    }

    /// `down_write`.
    #[inline]
    pub fn write<'a>(&'a self, cpu: &'a Cpu<'_>) -> WriteGuard<'a, T> {
        cpu.might_sleep(self.object());
        if !self.update(READERS | WRITER, signature(cpu)) {
            self.wait(cpu, Turn::Exclusive);
        }
        WriteGuard { sem: self, cpu }
    }

    /// `down_write_trylock`; fails also if others are in line.
    #[must_use]
    #[inline]
    pub fn try_write<'a>(&'a self, cpu: &'a Cpu<'_>) -> Option<WriteGuard<'a, T>> {
        let taken = self.update(READERS | WRITER | LINE, signature(cpu));
        if taken { Some(WriteGuard { sem: self, cpu }) } else { None }
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

    /// `rwsem_is_contended`: others are in line.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        self.word.read() & LINE != 0
    }

    fn object(&self) -> u64 {
        core::ptr::from_ref(self).addr() as u64
    }

    fn writer_of(word: u64) -> u32 {
        ((word & WRITER) >> WRITER_SHIFT) as u32
    }

    #[inline]
    fn take_read(&self) -> bool {
        self.update(WRITER | LINE, READER)
    }

    /// Adds `n` unless one of `obstacles` is there.
    #[inline]
    fn update(&self, obstacles: u64, n: u64) -> bool {
        let mut word = self.word.read();
        while word & obstacles == 0 {
            match self.word.cmpxchg(word, word.wrapping_add(n)) {
                Ok(_) => return true,
                Err(found) => word = found,
            }
        }
        false
    }

    #[cold]
    fn wait(&self, cpu: &Cpu<'_>, turn: Turn) {
        let object = self.object();
        let owner = Self::writer_of(self.word.read());
        if owner == cpu.owner_word() {
            cpu.warn(Warn { code: code::LOCK_RECURSION, object, value: i64::from(owner) });
        }
        let Some(level) = cpu.next_level() else { return self.spin(cpu, turn) };
        let waiting = Waiting { class: &class_of::<T>().waits, object, owner };
        let _record = cpu.publish(waiting, Manner::Asleep);
        let mut place = Place::join(self, cpu, level, turn);
        loop {
            place.forget_wake();
            if place.go_in() {
                return;
            }
            match go_to_sleep(cpu, level, Sleep::Uninterruptible, &mut || place.go_in()) {
                End::Woken => {}
                End::Holds => return,
                // Unwinding out of a dead machine: the holder unwinds too.
                End::Interrupted => std::thread::yield_now(),
            }
        }
    }

    /// A condition inside a condition inside a condition: no level left to sleep at.
    fn spin(&self, cpu: &Cpu<'_>, turn: Turn) {
        let (obstacles, n) = match turn {
            Turn::Shared => (WRITER, READER),
            Turn::Exclusive => (READERS | WRITER, signature(cpu)),
        };
        while !self.update(obstacles, n) {
            cpu.relax();
        }
    }

    #[inline]
    fn release(&self, cpu: &Cpu<'_>, held: u64) {
        // The full RMW: see the module's introduction.
        let left = self.word.sub_return(held);
        if left & LINE != 0 && left & (READERS | WRITER) == 0 {
            self.wake(cpu);
        }
    }

    /// `rwsem_wake`.
    #[cold]
    fn wake(&self, cpu: &Cpu<'_>) {
        cpu.machine.queues.line(&cpu.machine.slots, Key::of(&self.word), |line| self.serve(line));
    }

    /// `rwsem_mark_wake`: lets in, or wakes, whoever is first. Nothing while a writer is inside.
    fn serve(&self, line: &mut Line<'_>) {
        match line.first() {
            None => {}
            Some(Turn::Exclusive) if self.word.read() & (READERS | WRITER) == 0 => {
                line.wake_first()
            }
            Some(Turn::Exclusive) => {}
            Some(Turn::Shared) => {
                let readers = line.count(Turn::Shared);
                if self.update(WRITER, (READER.wrapping_sub(IN_LINE)).wrapping_mul(readers)) {
                    line.let_go(Turn::Shared);
                }
            }
        }
    }
}

#[inline]
fn signature(cpu: &Cpu<'_>) -> u64 {
    u64::from(cpu.owner_word()) << WRITER_SHIFT
}

/// A place in line. If it is abandoned, those behind it move up.
struct Place<'a, T: Guarded> {
    sem: &'a RwSem<T>,
    cpu: &'a Cpu<'a>,
    level: Level,
    turn: Turn,
    inside: bool,
}

impl<'a, T: Guarded> Place<'a, T> {
    fn join(sem: &'a RwSem<T>, cpu: &'a Cpu<'a>, level: Level, turn: Turn) -> Self {
        cpu.waiting.set(cpu.waiting.get() + 1);
        let place = Self { sem, cpu, level, turn, inside: false };
        place.with_line(|line| {
            line.join(cpu.id().0, level, turn);
            sem.word.add_return(IN_LINE);
        });
        place
    }

    fn with_line<R>(&self, body: impl FnOnce(&mut Line<'_>) -> R) -> R {
        let machine = self.cpu.machine;
        machine.queues.line(&machine.slots, Key::of(&self.sem.word), body)
    }

    fn forget_wake(&self) {
        self.with_line(|_| self.cpu.slot.word.forget_wake(self.level));
    }

    /// Whether we are inside now. A reader is let in; a writer goes in when it is first and nobody is inside.
    fn go_in(&mut self) -> bool {
        let (sem, cpu) = (self.sem, self.cpu);
        let (id, level, turn) = (cpu.id().0, self.level, self.turn);
        let inside = self.with_line(|line| match turn {
            Turn::Shared => {
                if line.has(id, level) {
                    sem.serve(line);
                }
                !line.has(id, level)
            }
            Turn::Exclusive => {
                let goes = line.is_first(id, level)
                    && sem.update(READERS | WRITER, signature(cpu).wrapping_sub(IN_LINE));
                if goes {
                    line.leave(id, level);
                }
                goes
            }
        });
        if !inside {
            cpu.slot.record.set_owner(RwSem::<T>::writer_of(sem.word.read()));
        }
        self.inside = inside;
        inside
    }
}

impl<T: Guarded> Drop for Place<'_, T> {
    fn drop(&mut self) {
        let (sem, cpu) = (self.sem, self.cpu);
        cpu.waiting.set(cpu.waiting.get() - 1);
        if self.inside {
            return;
        }
        cpu.slot.word.rouse();
        let let_in = self.with_line(|line| {
            let waited = line.leave(cpu.id().0, self.level);
            if waited {
                sem.word.sub_return(IN_LINE);
                sem.serve(line);
            }
            !waited
        });
        if let_in {
            // A reader that did not get to know it.
            sem.release(cpu, READER);
        }
    }
}

impl<T: Guarded> fmt::Debug for RwSem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word.read();
        let (readers, writer) = (word & READERS, Self::writer_of(word));
        write!(f, "RwSem({}, {readers} readers, writer {writer})", T::CLASS.name())
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

impl<'a, T: Guarded> WriteGuard<'a, T> {
    /// `downgrade_write`: the lock is held for reading from here on, without having been free in between. Readers in
    /// line come in, unless a writer stands before them.
    #[inline]
    pub fn downgrade(self) -> ReadGuard<'a, T> {
        let Self { sem, cpu } = *core::mem::ManuallyDrop::new(self);
        // A full RMW as a release is: what was written under the lock is seen by the readers let in.
        let left = sem.word.sub_return(signature(cpu) - READER);
        if left & LINE != 0 {
            sem.wake(cpu);
        }
        ReadGuard { sem, cpu }
    }
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
        self.sem.release(self.cpu, signature(self.cpu));
    }
}

impl<T: Guarded + fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
