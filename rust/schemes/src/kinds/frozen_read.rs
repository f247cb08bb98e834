//! The frozen bit with a look before the add (`page_count_writable`, as in version 4 of the series).
//!
//! The page's count lies in a vmemmap that may be mapped read-only (HVO), so the kernel looks before it writes. The
//! look makes the line shared and the add then asks for it alone: the gain of [`frozen`](super::frozen)
//! is mostly gone. Upstream removes the reason for the look independently.

use prim::{Arena, AtomicI32, Cpu, NoMemory, Table};

use super::frozen::{self, FROZEN};
use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// See the module.
#[derive(Debug)]
pub struct FrozenRead(Table<AtomicI32>);

impl Scheme for FrozenRead {
    const NAME: &'static str = "frozen bit, look first";
    const CAPS: Caps = Caps {
        zero: Learns::AtPut,
        try_get: Speculates::UnlessZero,
        freeze: true,
        needs: Needs::Nothing,
    };
    type Count = AtomicI32;
    type Token = ();

    fn new(arena: &Arena, _cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        arena.table("counts", objects).map(Self)
    }

    #[inline(always)]
    fn count(&self, object: usize) -> &AtomicI32 {
        &self.0[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &AtomicI32) {
        // Release: pairs with the acquire of a speculative get.
        count.set_release(1);
    }

    #[inline(always)]
    fn get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) {
        count.inc();
    }

    #[inline(always)]
    fn try_get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) -> Option<()> {
        if count.read() < 0 {
            return None;
        }
        frozen::try_get(count)
    }

    #[inline(always)]
    fn put(&self, _cpu: &Cpu<'_>, count: &AtomicI32, (): ()) -> Put {
        frozen::put(count)
    }

    fn freeze(&self, count: &AtomicI32, expected: i32) -> bool {
        // Full: pairs with the release of every put before it.
        count.cmpxchg(expected, FROZEN).is_ok()
    }

    fn unfreeze(&self, count: &AtomicI32, refs: i32) {
        // Release: pairs with the acquire of a speculative get.
        count.set_release(refs);
    }

    fn sum(&self, count: &AtomicI32) -> i64 {
        frozen::refs(count.read())
    }
}
