//! A load and a store each way: the floor.
//!
//! No count can cost less, and two threads lose references with it, as the explorer shows. It is here to be
//! measured against, on objects that one thread has to itself.

use prim::{Arena, AtomicI32, Cpu, NoMemory, Table};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// See the module.
#[derive(Debug)]
pub struct Plain(Table<AtomicI32>);

impl Scheme for Plain {
    const NAME: &'static str = "plain";
    const CAPS: Caps = Caps {
        zero: Learns::AtPut,
        try_get: Speculates::Never,
        freeze: false,
        needs: Needs::Alone,
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
        count.set(count.read().wrapping_add(1));
    }

    #[inline(always)]
    fn put(&self, _cpu: &Cpu<'_>, count: &AtomicI32, (): ()) -> Put {
        let left = count.read().wrapping_sub(1);
        count.set(left);
        if left == 0 { Put::Zero } else { Put::Live }
    }

    fn sum(&self, count: &AtomicI32) -> i64 {
        count.read().into()
    }
}
