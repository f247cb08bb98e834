//! Nothing is counted: each CPU says that it uses something, and since when. Epoch-based reclamation (Fraser 2004).
//!
//! ```text
//!   cell of a CPU    how often it is pinned, in the low half; the epoch in which it was pinned first, in the high one
//! ```
//!
//! A get stores to a cell of the CPU's own, whatever the object, and passes the light half of a barrier; a put stores
//! again. A kill says that the object is gone, passes the heavy half, begins a new epoch, and waits until each CPU
//! is unpinned or was pinned in the new one. It waits for users of other objects too: that is the price of knowing
//! nothing about who uses what. No scheme that counts can be cheaper, so it is a bound and stands beside none.

use prim::{Arena, AtomicU64, Cpu, NoMemory, Table, heavy_barrier, light_barrier};

use super::pinned::{Pin, Words};
use super::rows::Rows;
use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

const EPOCH: u64 = 1 << 32;

/// See the module.
#[derive(Debug)]
pub struct Epoch {
    words: Table<Words>,
    now: Table<AtomicU64>,
    pins: Rows<AtomicU64>,
}

fn depth(pin: u64) -> u64 {
    pin & (EPOCH - 1)
}

impl Epoch {
    #[inline(always)]
    fn pin(&self, cpu: &Cpu<'_>) {
        let cell = self.pins.at(cpu, 0);
        let seen = cell.read();
        // Acquire: pairs with the addition of a kill. Whoever is pinned in its epoch sees that the object is gone.
        let pinned = if depth(seen) == 0 { self.now[0].read_acquire() } else { seen };
        cell.set(pinned.wrapping_add(1));
        // Pairs with the heavy half in a kill.
        light_barrier(cpu);
    }

    #[inline(always)]
    fn unpin(&self, cpu: &Cpu<'_>) {
        let cell = self.pins.at(cpu, 0);
        // Release: pairs with the acquire of a kill that waits.
        cell.set_release(cell.read().wrapping_sub(1));
    }
}

impl Scheme for Epoch {
    const NAME: &'static str = "epoch pin";
    const CAPS: Caps = Caps {
        zero: Learns::AtKill,
        try_get: Speculates::UnlessDying,
        freeze: false,
        needs: Needs::Tables,
    };
    type Count = Words;
    type Token = Pin;

    fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        let (words, now) = (arena.table("counts", objects)?, arena.table("epoch", 1)?);
        Ok(Self { words, now, pins: Rows::new(arena, cpus, 1)? })
    }

    fn bytes(cpus: usize, objects: usize) -> usize {
        objects * size_of::<Words>() + size_of::<AtomicU64>() + Rows::<AtomicU64>::bytes(cpus, 1)
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
    fn get(&self, cpu: &Cpu<'_>, _count: &Words) -> Pin {
        self.pin(cpu);
        Pin::Users
    }

    #[inline(always)]
    fn try_get(&self, cpu: &Cpu<'_>, count: &Words) -> Option<Pin> {
        self.pin(cpu);
        if count.is_gone() {
            self.unpin(cpu);
            return None;
        }
        Some(Pin::Users)
    }

    #[inline(always)]
    fn put(&self, cpu: &Cpu<'_>, count: &Words, token: Pin) -> Put {
        match token {
            Pin::Users => {
                self.unpin(cpu);
                Put::Unknown
            }
            Pin::Owners => count.end(),
        }
    }

    fn kill(&self, cpu: &Cpu<'_>, count: &Words) -> Option<i64> {
        count.goes();
        // Pairs with the light half of every pin.
        heavy_barrier(cpu);
        // Full: pairs with the acquire of a pin.
        let now = self.now[0].add_return(EPOCH);
        for cell in self.pins.each_from(0) {
            // Acquire: pairs with the release of an unpin.
            let lasts = |pin: u64| depth(pin) > 0 && pin < now;
            while lasts(cell.read_acquire()) {
                cpu.relax();
            }
        }
        Some(1)
    }

    /// A pin of any object counts as one of this.
    fn sum(&self, count: &Words) -> i64 {
        let pins: u64 = self.pins.each_from(0).map(|cell| depth(cell.read())).sum();
        count.owners() + pins.cast_signed()
    }
}
