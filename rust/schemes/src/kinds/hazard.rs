//! Nothing is counted: each CPU says which object it uses. Hazard pointers (Michael 2004), one for each CPU.
//!
//! A get stores the object's name in the cell of its CPU, passes the light half of a barrier, and asks again whether
//! the object is still there. A kill says that it is gone, passes the heavy half, and waits for the CPUs that name it.
//! It waits for users of this object and for no others. A CPU has one cell, so it uses one object at a time, and
//! puts it where it got it. Like [`epoch`](super::epoch) it is a bound and stands beside nothing that counts.

use prim::{Arena, AtomicUsize, Cpu, NoMemory, Table, heavy_barrier, light_barrier};

use super::pinned::{Pin, Words};
use super::rows::Rows;
use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// See the module.
#[derive(Debug)]
pub struct Hazard {
    words: Table<Words>,
    named: Rows<AtomicUsize>,
}

impl Hazard {
    /// What the object is called in a cell; 0 is nobody.
    #[inline(always)]
    fn name(&self, count: &Words) -> usize {
        self.words.index_of(count).wrapping_add(1)
    }

    #[inline(always)]
    fn announce(&self, cpu: &Cpu<'_>, count: &Words) {
        self.named.at(cpu, 0).set(self.name(count));
        // Pairs with the heavy half in a kill.
        light_barrier(cpu);
    }

    #[inline(always)]
    fn withdraw(&self, cpu: &Cpu<'_>) {
        // Release: pairs with the acquire of a kill that waits.
        self.named.at(cpu, 0).set_release(0);
    }
}

impl Scheme for Hazard {
    const NAME: &'static str = "hazard pointer";
    const CAPS: Caps = Caps {
        zero: Learns::AtKill,
        try_get: Speculates::UnlessDying,
        freeze: false,
        needs: Needs::Tables,
    };
    type Count = Words;
    type Token = Pin;

    fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        Ok(Self { words: arena.table("counts", objects)?, named: Rows::new(arena, cpus, 1)? })
    }

    fn bytes(cpus: usize, objects: usize) -> usize {
        objects * size_of::<Words>() + Rows::<AtomicUsize>::bytes(cpus, 1)
    }

    #[inline(always)]
    fn count(&self, object: usize) -> &Words {
        &self.words[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &Words) -> Pin {
        count.begin();
        Pin::Owners
    }

    #[inline(always)]
    fn get(&self, cpu: &Cpu<'_>, count: &Words) -> Pin {
        self.announce(cpu, count);
        Pin::Users
    }

    #[inline(always)]
    fn try_get(&self, cpu: &Cpu<'_>, count: &Words) -> Option<Pin> {
        self.announce(cpu, count);
        if count.is_gone() {
            self.withdraw(cpu);
            return None;
        }
        Some(Pin::Users)
    }

    #[inline(always)]
    fn put(&self, cpu: &Cpu<'_>, count: &Words, token: Pin) -> Put {
        match token {
            Pin::Users => {
                self.withdraw(cpu);
                Put::Unknown
            }
            Pin::Owners => count.end(),
        }
    }

    fn kill(&self, cpu: &Cpu<'_>, count: &Words) -> Option<i64> {
        count.goes();
        // Pairs with the light half of every get.
        heavy_barrier(cpu);
        let name = self.name(count);
        for cell in self.named.each_from(0) {
            // Acquire: pairs with the release of whoever withdraws.
            while cell.read_acquire() == name {
                cpu.relax();
            }
        }
        Some(1)
    }

    fn sum(&self, count: &Words) -> i64 {
        let name = self.name(count);
        let users = self.named.each_from(0).filter(|cell| cell.read() == name).count();
        count.owners() + users.cast_signed() as i64
    }
}
