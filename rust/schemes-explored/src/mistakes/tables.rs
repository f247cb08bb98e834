//! Mistakes in counts of which no CPU knows the whole.

use prim::{Arena, AtomicI64, Cpu, NoMemory, Table};

use super::A_MISTAKE;
use crate::kinds::biased::Biased;
use crate::kinds::paygo::{Anchor, Home, Paygo};
use crate::scheme::{Caps, Put, Scheme};

/// A put counts on the CPU that it happens to be on.
pub(crate) struct Wandering(Paygo);

impl Scheme for Wandering {
    const NAME: &'static str = A_MISTAKE;
    const CAPS: Caps = Paygo::CAPS;
    type Count = Anchor;
    type Token = Home;

    fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        Paygo::new(arena, cpus, objects).map(Self)
    }

    fn count(&self, object: usize) -> &Anchor {
        self.0.count(object)
    }

    fn init(&self, cpu: &Cpu<'_>, count: &Anchor) -> Home {
        self.0.init(cpu, count)
    }

    fn get(&self, cpu: &Cpu<'_>, count: &Anchor) -> Home {
        self.0.get(cpu, count)
    }

    fn try_get(&self, cpu: &Cpu<'_>, count: &Anchor) -> Option<Home> {
        self.0.try_get(cpu, count)
    }

    fn put(&self, cpu: &Cpu<'_>, count: &Anchor, home: Home) -> Put {
        let here = match home {
            Home::Anchor => Home::Anchor,
            Home::Cpu(_) => Home::Cpu(cpu.id().0),
        };
        self.0.put(cpu, count, here)
    }

    fn kill(&self, cpu: &Cpu<'_>, count: &Anchor) -> Option<i64> {
        self.0.kill(cpu, count)
    }

    fn sum(&self, count: &Anchor) -> i64 {
        self.0.sum(count)
    }
}

const MERGED: i64 = 1 << 60;

/// The owner adds its count to the others' and then says that it has: a put in between is told nothing, and neither
/// is the owner. The owner is CPU 0; below zero the others' word says by itself that the owner must look.
pub(crate) struct SaidLate(Table<[AtomicI64; 2]>);

impl SaidLate {
    fn merge([local, shared]: &[AtomicI64; 2]) -> Put {
        let left = shared.add_return(local.xchg(-1));
        shared.or(MERGED);
        if left == 0 { Put::Zero } else { Put::Unknown }
    }
}

impl Scheme for SaidLate {
    const NAME: &'static str = A_MISTAKE;
    const CAPS: Caps = Biased::CAPS;
    type Count = [AtomicI64; 2];
    type Token = ();

    fn new(arena: &Arena, _cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        arena.table("counts", objects).map(Self)
    }

    fn count(&self, object: usize) -> &Self::Count {
        &self.0[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, [local, shared]: &Self::Count) {
        local.set(1);
        shared.set(0);
    }

    fn get(&self, cpu: &Cpu<'_>, [local, shared]: &Self::Count) {
        if cpu.id().0 == 0 && local.read() > 0 { local.inc() } else { shared.inc() }
    }

    fn put(&self, cpu: &Cpu<'_>, count: &Self::Count, (): ()) -> Put {
        let [local, shared] = count;
        if cpu.id().0 == 0 && local.read() > 0 {
            return if local.dec_return() == 0 { Self::merge(count) } else { Put::Unknown };
        }
        if shared.sub_return(1) == MERGED { Put::Zero } else { Put::Unknown }
    }

    fn review(&self, cpu: &Cpu<'_>, count: &Self::Count) -> Put {
        let [local, shared] = count;
        let is_owners = cpu.id().0 == 0 && local.read() > 0;
        if is_owners && shared.read() < 0 { Self::merge(count) } else { Put::Unknown }
    }

    fn sum(&self, [local, shared]: &Self::Count) -> i64 {
        local.read().max(0) + (shared.read() & !MERGED)
    }
}
