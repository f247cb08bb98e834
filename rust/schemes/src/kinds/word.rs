//! Schemes whose count is one word: what they share, so that a file of one says its idea and no more.
//!
//! What an idea does not name is as in [`cas`](super::cas), the count of a page today: one word with the number of
//! references, zero when it is dead, free or frozen.

use core::marker::PhantomData;

use prim::{Arena, AtomicI32, Cpu, NoMemory, Table, smp_rmb};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// What the count of a page can do.
pub const PAGE: Caps = Caps {
    zero: Learns::AtPut,
    try_get: Speculates::UnlessZero,
    freeze: true,
    needs: Needs::Nothing,
};

/// What is done to the word. A function that [`Self::CAPS`] denies is not called.
pub trait Word: Send + Sync + 'static {
    /// What reports call it.
    const NAME: &'static str;
    /// What it can do.
    const CAPS: Caps = PAGE;
    /// What a frozen word says.
    const FROZEN: i32 = 0;

    /// Begins a life with one reference.
    fn init(count: &AtomicI32) {
        // Release: pairs with the acquire of a speculative get.
        count.set_release(1);
    }

    /// Takes a reference beside another.
    #[inline(always)]
    fn get(count: &AtomicI32) {
        // Relaxed: whoever gets can rely on a reference already.
        count.inc();
    }

    /// Takes a reference without holding one.
    #[inline(always)]
    fn try_get(count: &AtomicI32) -> bool {
        // Full on success: pairs with the release of init and of unfreeze.
        count.add_unless(1, 0)
    }

    /// Gives one back.
    #[inline(always)]
    fn put(count: &AtomicI32) -> Put {
        // Release: pairs with the fence below of whoever puts last.
        if count.fetch_sub_release(1) != 1 {
            return Put::Live;
        }
        // Acquire: pairs with the release of every other put.
        smp_rmb();
        Put::Zero
    }

    /// Makes a frozen word say so many references.
    fn unfreeze(count: &AtomicI32, refs: i32) {
        // Release: pairs with the acquire of a speculative get.
        count.set_release(refs);
    }

    /// References in a word at rest.
    fn sum(word: i32) -> i64 {
        word.into()
    }
}

/// The scheme that is made of an idea.
#[derive(Debug)]
pub struct OneWord<W>(Table<AtomicI32>, PhantomData<fn() -> W>);

impl<W: Word> Scheme for OneWord<W> {
    const NAME: &'static str = W::NAME;
    const CAPS: Caps = W::CAPS;
    type Count = AtomicI32;
    type Token = ();

    fn new(arena: &Arena, _cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        arena.table("counts", objects).map(|counts| Self(counts, PhantomData))
    }

    #[inline(always)]
    fn count(&self, object: usize) -> &AtomicI32 {
        &self.0[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &AtomicI32) {
        W::init(count);
    }

    #[inline(always)]
    fn get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) {
        W::get(count);
    }

    #[inline(always)]
    fn try_get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) -> Option<()> {
        (W::CAPS.try_get != Speculates::Never && W::try_get(count)).then_some(())
    }

    #[inline(always)]
    fn put(&self, _cpu: &Cpu<'_>, count: &AtomicI32, (): ()) -> Put {
        W::put(count)
    }

    fn freeze(&self, count: &AtomicI32, expected: i32) -> bool {
        // Full: pairs with the release of every put before it.
        W::CAPS.freeze && count.cmpxchg(expected, W::FROZEN).is_ok()
    }

    fn unfreeze(&self, count: &AtomicI32, refs: i32) {
        if W::CAPS.freeze {
            W::unfreeze(count, refs);
        }
    }

    fn sum(&self, count: &AtomicI32) -> i64 {
        W::sum(count.read())
    }
}
