//! Look, then compare and exchange: `folio_try_get` as it is (`page_ref_add_unless` with 0).
//!
//! Zero means dead, free or frozen, and whoever tries cannot tell which. The look makes the line shared and the
//! exchange asks for it alone: contended, that is two hand-offs of the line where an add has one.
//!
//! The kernel's get is fully ordered where it succeeds, because GUP looks at the page table again afterwards; so
//! is this one. What the count alone needs is acquire.

use prim::{Arena, AtomicI32, Cpu, NoMemory, Table, smp_rmb};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// See the module.
#[derive(Debug)]
pub struct Cas(Table<AtomicI32>);

impl Scheme for Cas {
    const NAME: &'static str = "cas unless zero";
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
        // Release: pairs with the exchange of a speculative get.
        count.set_release(1);
    }

    #[inline(always)]
    fn get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) {
        count.inc();
    }

    #[inline(always)]
    fn try_get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) -> Option<()> {
        // Full on success: pairs with the release of init and of unfreeze.
        count.add_unless(1, 0).then_some(())
    }

    #[inline(always)]
    fn put(&self, _cpu: &Cpu<'_>, count: &AtomicI32, (): ()) -> Put {
        // Release, and acquire of whoever is last: they pair with each other.
        if count.fetch_sub_release(1) != 1 {
            return Put::Live;
        }
        smp_rmb();
        Put::Zero
    }

    fn freeze(&self, count: &AtomicI32, expected: i32) -> bool {
        // Full: pairs with the release of every put before it.
        count.cmpxchg(expected, 0).is_ok()
    }

    fn unfreeze(&self, count: &AtomicI32, refs: i32) {
        // Release: pairs with the exchange of a speculative get.
        count.set_release(refs);
    }

    fn sum(&self, count: &AtomicI32) -> i64 {
        count.read().into()
    }
}
