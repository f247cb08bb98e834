//! One locked instruction each way: `page_ref_inc` and `page_ref_dec_and_test` (`include/linux/page_ref.h`).
//!
//! The cheapest a shared word can be, and what contended schemes are measured against. There is no speculative
//! get: an unconditional add would bring a dead object back, and its next put would free it again.

use prim::{Arena, AtomicI32, Cpu, NoMemory, Table, smp_rmb};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// See the module.
#[derive(Debug)]
pub struct Add(Table<AtomicI32>);

impl Scheme for Add {
    const NAME: &'static str = "atomic add";
    const CAPS: Caps = Caps {
        zero: Learns::AtPut,
        try_get: Speculates::Never,
        freeze: false,
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
        count.set(1);
    }

    #[inline(always)]
    fn get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) {
        // Relaxed: whoever gets can rely on a reference already.
        count.inc();
    }

    #[inline(always)]
    fn put(&self, _cpu: &Cpu<'_>, count: &AtomicI32, (): ()) -> Put {
        // Release: pairs with the fence below of whoever puts last.
        if count.fetch_sub_release(1) != 1 {
            return Put::Live;
        }
        // Acquire: pairs with the release of every other put.
        smp_rmb();
        Put::Zero
    }

    fn sum(&self, count: &AtomicI32) -> i64 {
        count.read().into()
    }
}
