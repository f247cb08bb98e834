//! `refcount_t` (`include/linux/refcount.h`): a count that leaks rather than wraps.
//!
//! One locked instruction each way, and a look at what it found. A count that left its range is parked at
//! [`SATURATED`], far from zero on both sides, and its object is never freed. A speculative get is a loop, as in
//! `refcount_inc_not_zero_acquire`.

use prim::{Arena, AtomicI32, Cpu, NoMemory, Table, smp_rmb};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// `REFCOUNT_SATURATED`.
pub const SATURATED: i32 = i32::MIN / 2;

/// See the module.
#[derive(Debug)]
pub struct Refcount(Table<AtomicI32>);

#[cold]
#[inline(never)]
fn saturate(count: &AtomicI32) {
    count.set(SATURATED);
}

impl Scheme for Refcount {
    const NAME: &'static str = "refcount_t";
    const CAPS: Caps = Caps {
        zero: Learns::AtPut,
        try_get: Speculates::UnlessZero,
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
        // Release: pairs with the acquire of a speculative get.
        count.set_release(1);
    }

    #[inline(always)]
    fn get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) {
        let found = count.fetch_add_relaxed(1);
        // From zero is a use after free; from the largest, or below zero, an overflow.
        if found <= 0 || found == i32::MAX {
            saturate(count);
        }
    }

    #[inline(always)]
    fn try_get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) -> Option<()> {
        let mut seen = count.read();
        loop {
            if seen == 0 {
                return None;
            }
            // Acquire on success: pairs with the release of init.
            match count.cmpxchg_acquire(seen, seen.wrapping_add(1)) {
                Ok(_) => break,
                Err(found) => seen = found,
            }
        }
        if seen < 0 || seen == i32::MAX {
            saturate(count);
        }
        Some(())
    }

    #[inline(always)]
    fn put(&self, _cpu: &Cpu<'_>, count: &AtomicI32, (): ()) -> Put {
        // Release: pairs with the fence below of whoever puts last.
        let found = count.fetch_sub_release(1);
        if found == 1 {
            // Acquire: pairs with the release of every other put.
            smp_rmb();
            return Put::Zero;
        }
        if found <= 0 {
            saturate(count);
        }
        Put::Live
    }

    fn sum(&self, count: &AtomicI32) -> i64 {
        count.read().into()
    }
}
