//! `call_rcu`: what to do after a grace period, without waiting for it here.
//!
//! A fixed ring in the arena. There is no callback thread: whoever drains waits for one grace period
//! and runs everything that had been pushed before it began, in order. Callbacks run on the drainer's
//! CPU with no lock held and may push again; what they push waits for a later drain.

use core::{fmt, panic::Location};

use crate::{
    Arena, AtomicUsize, Cpu, Guarded, LockClass, NoMemory, PlainData, SpinLock, Table,
    edits::left_out, place::Place, synchronize_rcu,
};

/// The ring has no room: more deferred work than the machine was built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

crate::plain! {
    /// Positions count pushes and pops since the beginning; the ring index is their remainder.
    #[derive(Clone, Copy, Debug)]
    struct Ring {
        head: u64,
        tail: u64,
    }
}

impl Guarded for Ring {
    const CLASS: LockClass = LockClass::innermost("call_rcu");
}

crate::zeroed! {
    struct Head {
        ring: SpinLock<Ring>,
        /// `tail - head`: written under `ring`, read by anybody.
        pending: AtomicUsize,
    }
}

/// See the module's introduction.
pub struct DeferredQueue<T: PlainData> {
    head: Table<Head>,
    places: Table<Place<T>>,
}

impl<T: PlainData> DeferredQueue<T> {
    /// A queue with room for `capacity` items.
    ///
    /// # Errors
    /// [`NoMemory`] if the arena has no room.
    pub fn new(arena: &Arena, capacity: usize, name: &'static str) -> Result<Self, NoMemory> {
        let places = arena.part(name, "places", capacity)?;
        Ok(Self { head: arena.part(name, "ring", 1)?, places })
    }

    /// Defers `item` until after a grace period that begins later.
    ///
    /// # Errors
    /// [`Full`]; the item was not queued.
    #[inline]
    #[track_caller]
    pub fn push(&self, cpu: &Cpu<'_>, item: T) -> Result<(), Full> {
        match left_out("push", Location::caller()) {
            true => Ok(()),
            false => self.enqueue(cpu, item),
        }
    }

    #[doc(alias = "call_rcu")]
    fn enqueue(&self, cpu: &Cpu<'_>, item: T) -> Result<(), Full> {
        let mut ring = self.head[0].ring.lock(cpu);
        if ring.tail - ring.head == self.places.len() as u64 {
            return Err(Full);
        }
        // SAFETY: under the ring's lock, and `tail` is no item's place.
        unsafe { self.place(ring.tail).put(item) };
        ring.tail += 1;
        self.head[0].pending.inc();
        Ok(())
    }

    /// Takes what is queued now, waits for a grace period, and runs it. Returns how many items ran
    /// here; another drainer may have run some of the others.
    #[inline]
    #[track_caller]
    pub fn drain(&self, cpu: &Cpu<'_>, run: impl FnMut(&Cpu<'_>, T)) -> usize {
        match left_out("drain", Location::caller()) {
            true => 0,
            false => self.run_all(cpu, run),
        }
    }

    #[doc(alias = "rcu_barrier")]
    fn run_all(&self, cpu: &Cpu<'_>, mut run: impl FnMut(&Cpu<'_>, T)) -> usize {
        let Ring { head, tail: end } = *self.head[0].ring.lock(cpu);
        if head == end {
            return 0;
        }
        // Everything before `end` was pushed before this grace period began, whoever pops it.
        synchronize_rcu(cpu);
        let mut ran = 0;
        while let Some(item) = self.pop_before(cpu, end) {
            run(cpu, item);
            ran += 1;
        }
        ran
    }

    #[doc(alias = "rcu_cblist_dequeue")]
    fn pop_before(&self, cpu: &Cpu<'_>, end: u64) -> Option<T> {
        let mut ring = self.head[0].ring.lock(cpu);
        if ring.head >= end {
            return None;
        }
        // SAFETY: under the ring's lock, and `head < end <= tail`: an item's place.
        let item = unsafe { self.place(ring.head).get() };
        ring.head += 1;
        self.head[0].pending.dec();
        Some(item)
    }

    fn place(&self, position: u64) -> &Place<T> {
        let index = position % self.places.len() as u64;
        &self.places[index as usize]
    }

    /// Items not yet run.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.head[0].pending.read()
    }
}

impl<T: PlainData> fmt::Debug for DeferredQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeferredQueue[{}]", self.places.len())
    }
}
