//! A scheme of one word, written down as far as it is wrong.

use core::marker::PhantomData;

use prim::{Arena, AtomicI32, Cpu, NoMemory, Table};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// The functions of such a scheme; what a mistake does not name is as in `cas`.
pub(crate) trait Word: Send + Sync + 'static {
    fn init(count: &AtomicI32) {
        count.set_release(1);
    }

    fn get(count: &AtomicI32) {
        count.inc();
    }

    fn try_get(count: &AtomicI32) -> bool {
        count.add_unless(1, 0)
    }

    fn put(count: &AtomicI32) -> Put {
        if count.dec_and_test() { Put::Zero } else { Put::Live }
    }

    fn freeze(count: &AtomicI32, expected: i32) -> bool {
        count.cmpxchg(expected, 0).is_ok()
    }

    fn unfreeze(count: &AtomicI32, refs: i32) {
        count.set_release(refs);
    }
}

/// See the module.
pub(crate) struct Wrong<W>(Table<AtomicI32>, PhantomData<fn() -> W>);

impl<W: Word> Scheme for Wrong<W> {
    const NAME: &'static str = "a planted mistake";
    const CAPS: Caps = Caps {
        zero: Learns::AtPut,
        try_get: Speculates::UnlessZero,
        freeze: true,
        needs: Needs::Nothing,
    };
    type Count = AtomicI32;
    type Token = ();

    fn new(arena: &Arena, _cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        arena.table("counts", objects).map(|counts| Self(counts, PhantomData))
    }

    fn count(&self, object: usize) -> &AtomicI32 {
        &self.0[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &AtomicI32) {
        W::init(count);
    }

    fn get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) {
        W::get(count);
    }

    fn try_get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) -> Option<()> {
        W::try_get(count).then_some(())
    }

    fn put(&self, _cpu: &Cpu<'_>, count: &AtomicI32, (): ()) -> Put {
        W::put(count)
    }

    fn freeze(&self, count: &AtomicI32, expected: i32) -> bool {
        W::freeze(count, expected)
    }

    fn unfreeze(&self, count: &AtomicI32, refs: i32) {
        W::unfreeze(count, refs);
    }

    fn sum(&self, count: &AtomicI32) -> i64 {
        count.read().max(0).into()
    }
}
