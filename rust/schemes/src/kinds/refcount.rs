//! `refcount_t` (`include/linux/refcount.h`): a count that leaks rather than wraps.
//!
//! One locked instruction each way, and a look at what it found. A count that left its range is parked at
//! [`SATURATED`], far from zero on both sides, and its object is never freed. A speculative get is a loop, as in
//! `refcount_inc_not_zero_acquire`.

use prim::{AtomicI32, smp_rmb};

use super::word::{OneWord, PAGE, Word};
use crate::scheme::{Caps, Put};

/// `REFCOUNT_SATURATED`.
pub const SATURATED: i32 = i32::MIN / 2;

/// See the module.
pub type Refcount = OneWord<Saturating>;

/// See the module.
#[derive(Debug)]
pub enum Saturating {}

#[cold]
#[inline(never)]
fn saturate(count: &AtomicI32) {
    count.set(SATURATED);
}

impl Word for Saturating {
    const NAME: &'static str = "refcount_t";
    const CAPS: Caps = Caps { freeze: false, ..PAGE };

    #[inline(always)]
    fn get(count: &AtomicI32) {
        let found = count.fetch_add_relaxed(1);
        // From zero is a use after free; from the largest, or below zero, an overflow.
        if found <= 0 || found == i32::MAX {
            saturate(count);
        }
    }

    #[inline(always)]
    fn try_get(count: &AtomicI32) -> bool {
        let mut seen = count.read();
        loop {
            if seen == 0 {
                return false;
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
        true
    }

    #[inline(always)]
    fn put(count: &AtomicI32) -> Put {
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
}
