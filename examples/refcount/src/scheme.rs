//! A scheme of one's own: twice the count in one word, whose lowest bit says that the object is dead.
//!
//! As the frozen bit, from the other end: a refused get leaves its two behind, above the bit, and cannot reach it.

use super::prim::{Arena, AtomicU32, Cpu, NoMemory, Table, smp_rmb};
use super::schemes::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

const ONE: u32 = 2;
const DEAD: u32 = 1;

/// See the module.
#[derive(Debug)]
pub struct Doubled(Table<AtomicU32>);

impl Scheme for Doubled {
    const NAME: &'static str = "doubled";
    const CAPS: Caps = Caps {
        zero: Learns::AtPut,
        try_get: Speculates::UnlessZero,
        freeze: false,
        needs: Needs::Nothing,
    };
    type Count = AtomicU32;
    type Token = ();

    fn new(arena: &Arena, _cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        arena.table("counts", objects).map(Self)
    }

    fn count(&self, object: usize) -> &AtomicU32 {
        &self.0[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &AtomicU32) {
        count.set_release(ONE); // pairs with the acquire of try_get
    }

    fn get(&self, _cpu: &Cpu<'_>, count: &AtomicU32) {
        count.add(ONE);
    }

    fn try_get(&self, _cpu: &Cpu<'_>, count: &AtomicU32) -> Option<()> {
        (count.fetch_add_acquire(ONE) & DEAD == 0).then_some(()) // pairs with the release of init
    }

    fn put(&self, _cpu: &Cpu<'_>, count: &AtomicU32, (): ()) -> Put {
        // Release: pairs with the fence of whoever puts last. Zero is only nearly the end: somebody may have got it.
        if count.fetch_sub_release(ONE) != ONE || count.cmpxchg(0, DEAD).is_err() {
            return Put::Live;
        }
        smp_rmb();
        Put::Zero
    }

    fn sum(&self, count: &AtomicU32) -> i64 {
        let word = count.read();
        if word & DEAD == 0 { (word / ONE).into() } else { 0 }
    }
}
