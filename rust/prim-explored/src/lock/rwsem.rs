//! Reader-writer semaphores (`struct rw_semaphore`, `kernel/locking/rwsem.c`).
//!
//! The word is the native one:
//!
//! | bits | meaning |
//! |---|---|
//! | 0–23 | number of readers inside |
//! | 24–47 | signature of the writer inside, or 0 |
//! | 48–63 | number of tasks in line; while not 0, new readers join it |
//!
//! And so is the line, with the order in which it is served (the native `rwsem.rs` says why). A way in is one
//! step if it leads in at once. If not, that step joins the line, and a second one ends the wait: a reader's is
//! enabled once it was let in, with the step that freed the lock; a writer's takes the lock, and is enabled when
//! nobody is inside and it is first. A writer that comes by may take a free lock that others were woken for.
//! Joining the line is a step because its order decides who goes first; taking it twice for reading deadlocks
//! if a writer comes in between.

use core::{
    cell::UnsafeCell,
    fmt,
    ops::{Deref, DerefMut},
    panic::Location,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use pgmap_sched::{self as sched, Effect, Looks, Object, Step, Verb};

use super::{Guarded, class_of};
use crate::{
    Cpu, Warn, ZeroInit, code,
    drained::{self, Until},
    edits::left_out,
    in_use, object,
    own::Own,
    queue::{Key, Turn},
    step::{self, Site},
    verb,
};

const READER: u64 = 1;
const READERS: u64 = (1 << 24) - 1;
const WRITER_SHIFT: u32 = 24;
const WRITER: u64 = READERS << WRITER_SHIFT;
const IN_LINE: u64 = 1 << 48;
const LINE: u64 = !(READERS | WRITER);
/// What a reader, and what a writer, must not find.
const READER_STOPS: u64 = WRITER | LINE;
const WRITER_STOPS: u64 = READERS | WRITER;

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
    #[doc(alias = "down_read")]
    #[track_caller]
    pub fn read<'a>(&'a self, cpu: &'a Cpu<'_>) -> ReadGuard<'a, T> {
        let site = Location::caller();
        if left_out("read", site) {
            return ReadGuard::without(self, cpu, site);
        }
        cpu.might_sleep(self.object().0);
        cpu.will_wait_for(class_of::<T>(), site);
        drained::locked(verb::DOWN_READ, self.address(), site);
        if !self.update(READER_STOPS, READER) {
            self.wait(cpu, Turn::Shared, site);
        }
        ReadGuard::new(self, cpu, site)
    }

    /// `down_read_trylock`; fails also if others are in line.
    #[doc(alias = "down_read_trylock")]
    #[must_use]
    #[track_caller]
    pub fn try_read<'a>(&'a self, cpu: &'a Cpu<'_>) -> Option<ReadGuard<'a, T>> {
        let site = Location::caller();
        if left_out("try_read", site) {
            return Some(ReadGuard::without(self, cpu, site));
        }
        drained::locked(verb::DOWN_READ_TRYLOCK, self.address(), site);
        self.take_or_settle(READER_STOPS, READER).then(|| ReadGuard::new(self, cpu, site))
    }

    /// `down_write`.
    #[doc(alias = "down_write")]
    #[track_caller]
    pub fn write<'a>(&'a self, cpu: &'a Cpu<'_>) -> WriteGuard<'a, T> {
        let site = Location::caller();
        if left_out("write", site) {
            return WriteGuard::without(self, cpu, site);
        }
        cpu.might_sleep(self.object().0);
        cpu.will_wait_for(class_of::<T>(), site);
        drained::locked(verb::DOWN_WRITE, self.address(), site);
        if !self.update(WRITER_STOPS, signature(cpu)) {
            self.wait(cpu, Turn::Exclusive, site);
        }
        WriteGuard::new(self, cpu, site)
    }

    /// `down_write_trylock`; fails also if others are in line.
    #[doc(alias = "down_write_trylock")]
    #[must_use]
    #[track_caller]
    pub fn try_write<'a>(&'a self, cpu: &'a Cpu<'_>) -> Option<WriteGuard<'a, T>> {
        let site = Location::caller();
        if left_out("try_write", site) {
            return Some(WriteGuard::without(self, cpu, site));
        }
        drained::locked(verb::DOWN_WRITE_TRYLOCK, self.address(), site);
        let taken = self.take_or_settle(WRITER_STOPS | LINE, signature(cpu));
        taken.then(|| WriteGuard::new(self, cpu, site))
    }

    /// `rwsem_is_locked` for writing, by anybody.
    #[doc(alias = "rwsem_is_locked")]
    #[must_use]
    #[track_caller]
    pub fn is_write_locked(&self) -> bool {
        self.look(Location::caller()) & WRITER != 0
    }

    /// `rwsem_is_locked`, by anybody in either way.
    #[doc(alias = "rwsem_is_locked")]
    #[must_use]
    #[track_caller]
    pub fn is_locked(&self) -> bool {
        self.look(Location::caller()) & (READERS | WRITER) != 0
    }

    /// `rwsem_is_contended`: others are in line.
    #[doc(alias = "rwsem_is_contended")]
    #[must_use]
    #[track_caller]
    pub fn is_contended(&self) -> bool {
        self.look(Location::caller()) & LINE != 0
    }

    fn look(&self, site: Site) -> u64 {
        step::on_word(verb::RWSEM_IS_LOCKED, Effect::Read, self.address(), site);
        self.word.load(Relaxed)
    }

    fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    fn object(&self) -> Object {
        object::word(self.address())
    }

    fn writer_of(word: u64) -> u32 {
        ((word & WRITER) >> WRITER_SHIFT) as u32
    }

    /// Adds `n` unless one of `obstacles` is there; the step is the caller's.
    fn update(&self, obstacles: u64, n: u64) -> bool {
        in_use::mark(self.address(), size_of::<u64>());
        let next = |word: u64| (word & obstacles == 0).then(|| word.wrapping_add(n));
        let result = self.word.fetch_update(Acquire, Relaxed, next);
        if let Ok(old) = result {
            sched::value(old, old.wrapping_add(n));
        }
        result.is_ok()
    }

    fn take_or_settle(&self, obstacles: u64, n: u64) -> bool {
        let taken = self.update(obstacles, n);
        if !taken {
            sched::settle(Effect::Read);
        }
        taken
    }

    /// Joins the line, and leaves it inside. The step that joined is the caller's.
    fn wait(&self, cpu: &Cpu<'_>, turn: Turn, site: Site) {
        let (object, me) = (self.object(), cpu.owner_word());
        let queues = &cpu.machine().queues;
        let (key, id) = (Key::of(&self.word), cpu.id().0);
        if Self::writer_of(self.word.load(Relaxed)) == me {
            let value = i64::from(me);
            cpu.warn(Warn { code: code::LOCK_RECURSION, object: object.0, value });
        }
        queues.join(key, id, turn);
        self.update(0, IN_LINE);
        let place = Place { sem: self, cpu };
        // A writer signs the word; a reader is found by what it holds.
        let owner = || match Self::writer_of(self.word.load(Relaxed)) {
            0 => cpu.machine().holder(object.0, me),
            writer => writer,
        };
        let free = || self.word.load(Relaxed) & WRITER_STOPS == 0;
        let (verb, effect) = match turn {
            Turn::Shared => (verb::DOWN_READ_SLOWPATH, Effect::Read),
            Turn::Exclusive => (verb::DOWN_WRITE_SLOWPATH, Effect::Write),
        };
        let ready = || match turn {
            Turn::Shared => !queues.has(key, id),
            Turn::Exclusive => free() && queues.is_first(key, id),
        };
        let step = Step { verb, object, effect, site };
        let until = Until {
            class: class_of::<T>().waits,
            object: object.0,
            owner: &owner,
            ready: &ready,
            looks: Looks::AtItsObject,
        };
        loop {
            drained::point_when(cpu, step, &until);
            if ready() {
                break;
            }
            // Unwinding out of a dead machine: the holder unwinds too.
            std::thread::yield_now();
        }
        if turn == Turn::Exclusive {
            self.update(WRITER_STOPS, signature(cpu).wrapping_sub(IN_LINE));
            queues.dequeue(key, id);
        }
        core::mem::forget(place);
    }

    fn release(&self, cpu: &Cpu<'_>, verb: Verb, held: u64, site: Site) {
        drained::locked(verb, self.address(), site);
        cpu.unhold(self.object().0);
        let old = self.word.fetch_sub(held, Release);
        self.serve(cpu);
        sched::value(old, self.word.load(Relaxed));
    }

    /// `rwsem_mark_wake`: lets readers in if one is first and no writer is inside. A writer goes in by itself.
    #[doc(alias = "rwsem_mark_wake")]
    fn serve(&self, cpu: &Cpu<'_>) {
        let (queues, key) = (&cpu.machine().queues, Key::of(&self.word));
        let word = self.word.load(Relaxed);
        if word & LINE != 0 && word & WRITER == 0 && queues.first(key) == Some(Turn::Shared) {
            let readers = queues.let_go(key, Turn::Shared);
            self.word.fetch_add(READER.wrapping_sub(IN_LINE).wrapping_mul(readers), Relaxed);
        }
    }
}

fn signature(cpu: &Cpu<'_>) -> u64 {
    u64::from(cpu.owner_word()) << WRITER_SHIFT
}

/// A place in line. If it is abandoned, outside a run, those behind it move up.
struct Place<'a, T: Guarded> {
    sem: &'a RwSem<T>,
    cpu: &'a Cpu<'a>,
}

impl<T: Guarded> Drop for Place<'_, T> {
    fn drop(&mut self) {
        let Self { sem, cpu } = self;
        let waited = cpu.machine().queues.dequeue(Key::of(&sem.word), cpu.id().0);
        // A reader that left the line is inside, without having got to know it.
        sem.word.fetch_sub(if waited { IN_LINE } else { READER }, Release);
        sem.serve(cpu);
    }
}

impl<T: Guarded> fmt::Debug for RwSem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word.load(Relaxed);
        let (readers, writer) = (word & READERS, Self::writer_of(word));
        write!(f, "RwSem({}, {readers} readers, writer {writer})", T::CLASS.name())
    }
}

macro_rules! guard {
    ($(#[$doc:meta])* $name:ident, $taken:ident, $verb:ident, |$cpu:ident| $held:expr) => {
        $(#[$doc])*
        #[must_use = "the lock is dropped with the guard"]
        pub struct $name<'a, T: Guarded> {
            sem: &'a RwSem<T>,
            cpu: &'a Cpu<'a>,
            /// Where it was taken; a drop has no place of its own.
            site: Site,
            /// The lock is not held, but left out.
            own: Option<Own<T>>,
        }

        impl<'a, T: Guarded> $name<'a, T> {
            fn new(sem: &'a RwSem<T>, cpu: &'a Cpu<'a>, site: Site) -> Self {
                cpu.hold(sem.object().0, class_of::<T>(), site);
                Self { sem, cpu, site, own: None }
            }

            /// What taking it comes to where that is left out: a look at what it guards.
            #[cold]
            fn without(sem: &'a RwSem<T>, cpu: &'a Cpu<'a>, site: Site) -> Self {
                step::on_word(verb::$taken, Effect::Read, sem.address(), site);
                // SAFETY: what it guards is a T, and this machine's tasks are of one thread.
                let own = unsafe { Own::read(sem.data.get()) };
                Self { sem, cpu, site, own: Some(own) }
            }
        }

        impl<T: Guarded> Deref for $name<'_, T> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                match &self.own {
                    Some(own) => own.get(),
                    // SAFETY: a writer excludes everybody, and while there is a reader nobody has `&mut T`.
                    None => unsafe { &*self.sem.data.get() },
                }
            }
        }

        impl<T: Guarded> Drop for $name<'_, T> {
            fn drop(&mut self) {
                let $cpu = self.cpu;
                if let Some(own) = &self.own {
                    let (at, data) = (self.sem.address(), self.sem.data.get());
                    return own.give_back(verb::$verb, at, self.site, data);
                }
                self.sem.release(self.cpu, verb::$verb, $held, self.site);
            }
        }

        impl<T: Guarded + fmt::Debug> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

guard!(
    /// Held for reading.
    ReadGuard,
    DOWN_READ,
    UP_READ,
    |_cpu| READER
);
guard!(
    /// Held for writing.
    WriteGuard,
    DOWN_WRITE,
    UP_WRITE,
    |cpu| signature(cpu)
);

impl<'a, T: Guarded> WriteGuard<'a, T> {
    /// `downgrade_write`: the lock is held for reading from here on, without having been free in between. Readers in
    /// line come in, unless a writer stands before them.
    #[doc(alias = "downgrade_write")]
    #[track_caller]
    pub fn downgrade(self) -> ReadGuard<'a, T> {
        let site = Location::caller();
        let (sem, cpu) = (self.sem, self.cpu);
        if self.own.is_some() {
            // Neither half is held: what was changed is given back, and looked at again.
            drop(self);
            return ReadGuard::without(sem, cpu, site);
        }
        core::mem::forget(self);
        sem.release(cpu, verb::DOWNGRADE_WRITE, signature(cpu) - READER, site);
        ReadGuard::new(sem, cpu, site)
    }
}

impl<T: Guarded> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        if let Some(own) = &mut self.own {
            return own.get_mut();
        }
        in_use::mark(self.sem.data.get().addr(), size_of::<T>());
        // SAFETY: we are the writer, and `&mut self` makes this the only reference.
        unsafe { &mut *self.sem.data.get() }
    }
}
