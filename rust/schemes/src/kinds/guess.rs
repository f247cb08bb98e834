//! Compare and exchange with a guess: most pages have one reference, so try that before looking.
//!
//! A page whose count is one is got with one locked instruction and no look before it. Any other costs a locked
//! instruction that fails, whose result is the look of the loop that follows. Proposed on the kernel's list
//! in March 2026, as a rival of the frozen bit.

use prim::{Arena, AtomicI32, Cpu, NoMemory, Table, smp_rmb};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// See the module.
#[derive(Debug)]
pub struct Guess(Table<AtomicI32>);

impl Scheme for Guess {
    const NAME: &'static str = "cas, guess 1";
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
        let mut guess = 1;
        // Full on success: pairs with the release of init and of unfreeze.
        while let Err(found) = count.cmpxchg(guess, guess.wrapping_add(1)) {
            if found == 0 {
                return None;
            }
            guess = found;
        }
        Some(())
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
