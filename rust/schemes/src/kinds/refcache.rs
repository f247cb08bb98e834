//! Differences that each CPU keeps to itself for a while: after Refcache (RadixVM: Clements, Kaashoek, Zeldovich,
//! EuroSys 2013).
//!
//! ```text
//!   slot of a CPU    which object; what this CPU took and gave back since its last flush
//!   the object       the count as far as it has been told; since which epoch it says zero; whether it was touched since
//!   epoch            ends when each CPU that takes part has flushed
//! ```
//!
//! A get or put changes a slot of its CPU. What was taken on one CPU and is given back on another is known to neither,
//! so an object may say zero while somebody holds it, and its true end may be a while ago when it does. An object that
//! says zero and is not touched for two epochs has gone: every CPU has flushed in between, and whoever still had
//! something to say has said it. A CPU with nothing to do must say so ([`Scheme::leave`]), or no epoch ends.
//!
//! Refcache keeps a queue of what is to be reviewed on each CPU; here whoever reviews says which object. It has weak
//! references besides, which are left out.

use prim::{Arena, AtomicU64, AtomicUsize, Cpu, NoMemory, Table, smp_mb, zeroed};

use super::rows::Rows;
use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// Slots of a CPU: at least two lines, so that no two CPUs share one.
const FEWEST: usize = 8;
const MOST: usize = 4096;
/// The count, in the low half, as two's complement.
const COUNT: u64 = (1 << 32) - 1;
/// It said zero and is under review.
const ZERO: u64 = 1 << 32;
/// And has been touched since.
const TOUCHED: u64 = 1 << 33;
/// The epoch in which it said so, above.
const SINCE: u32 = 34;

zeroed! {
    /// A difference that is not told yet.
    #[derive(Debug)]
    struct Slot {
        /// The object's number and one; 0 is nothing.
        object: AtomicUsize,
        delta: AtomicUsize,
    }
}

/// See the module.
pub type Refcache = Patient<2>;

/// Refcache that believes a zero after so many epochs.
#[derive(Debug)]
pub struct Patient<const EPOCHS: u64> {
    words: Table<AtomicU64>,
    slots: Table<Slot>,
    /// Slots of a CPU, a power of two.
    each: usize,
    epoch: Table<AtomicU64>,
    /// 0 while the CPU takes no part; else one more than the number of epochs it has flushed in.
    flushed: Rows<AtomicU64>,
}

/// Slots of a CPU, a power of two.
fn slots_for(objects: usize) -> usize {
    objects.next_power_of_two().clamp(FEWEST, MOST)
}

fn refs(word: u64) -> i32 {
    (word & COUNT) as u32 as i32
}

fn zero_since(epoch: u64) -> u64 {
    ZERO | epoch << SINCE
}

impl<const EPOCHS: u64> Patient<EPOCHS> {
    #[inline(always)]
    fn add(&self, cpu: &Cpu<'_>, count: &AtomicU64, n: usize) {
        let name = self.words.index_of(count).wrapping_add(1);
        let place = name & self.each.wrapping_sub(1);
        let slot = &self.slots[cpu.id().0.wrapping_mul(self.each).wrapping_add(place)];
        if slot.object.read() == name {
            cpu.percpu_add(&slot.delta, n);
        } else {
            self.make_room(cpu, slot);
            slot.delta.set(n);
            slot.object.set(name);
        }
    }

    #[cold]
    #[inline(never)]
    fn make_room(&self, cpu: &Cpu<'_>, slot: &Slot) {
        self.join(cpu);
        self.tell(slot);
    }

    /// Takes part again: epochs wait for this CPU from here on.
    fn join(&self, cpu: &Cpu<'_>) {
        let flushed = self.flushed.at(cpu, 0);
        if flushed.read() == 0 {
            flushed.set(self.epoch[0].read_acquire().wrapping_add(1));
            // Pairs with the exchange of whoever ends an epoch: what this CPU does next comes after it takes part.
            smp_mb();
        }
    }

    /// Empties a slot.
    fn tell(&self, slot: &Slot) {
        let name = slot.object.read();
        let delta = slot.delta.read() as u32;
        slot.object.set(0);
        if name == 0 || delta == 0 {
            return;
        }
        let count = &self.words[name.wrapping_sub(1)];
        let mut seen = count.read();
        loop {
            let sum = u64::from((seen as u32).wrapping_add(delta));
            // Acquire: pairs with the exchange of whoever ended the last epoch.
            let flags = match seen & ZERO {
                0 if sum == 0 => zero_since(self.epoch[0].read_acquire()),
                0 => 0,
                _ => seen & !COUNT | TOUCHED,
            };
            // Full: pairs with the exchange of a review.
            match count.cmpxchg(seen, sum | flags) {
                Ok(_) => return,
                Err(found) => seen = found,
            }
        }
    }

    fn flush(&self, cpu: &Cpu<'_>) {
        let first = cpu.id().0 * self.each;
        (first..first + self.each).for_each(|slot| self.tell(&self.slots[slot]));
    }

    /// Ends the epoch if everybody has flushed in it.
    fn end(&self, epoch: u64) {
        // Acquire: pairs with the release of a flush.
        let has_flushed = |cell: &AtomicU64| {
            let flushed = cell.read_acquire();
            flushed == 0 || flushed > epoch.wrapping_add(1)
        };
        if self.flushed.each_from(0).all(has_flushed) {
            // Full: pairs with the acquire of whoever reads it. It fails if somebody else ended it.
            let _ = self.epoch[0].cmpxchg(epoch, epoch.wrapping_add(1));
        }
    }

    /// Whether the object has gone by now.
    fn judge(&self, count: &AtomicU64) -> Put {
        let epoch = self.epoch[0].read_acquire();
        let seen = count.read_acquire();
        if seen & ZERO == 0 || epoch < (seen >> SINCE) + EPOCHS {
            return Put::Unknown;
        }
        let (next, put) = match refs(seen) {
            0 if seen & TOUCHED == 0 => (0, Put::Zero),
            0 => (zero_since(epoch), Put::Unknown),
            _ => (seen & COUNT, Put::Unknown),
        };
        // Full: pairs with the exchange of a flush, and of another review.
        if count.cmpxchg(seen, next).is_ok() { put } else { Put::Unknown }
    }
}

impl<const EPOCHS: u64> Scheme for Patient<EPOCHS> {
    const NAME: &'static str = "refcache-like";
    const CAPS: Caps = Caps {
        zero: Learns::AtReview,
        try_get: Speculates::Never,
        freeze: false,
        needs: Needs::Tables,
    };
    type Count = AtomicU64;
    type Token = ();

    fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        let each = slots_for(objects);
        Ok(Self {
            words: arena.table("counts", objects)?,
            slots: arena.table("slots", cpus * each)?,
            each,
            epoch: arena.table("epoch", 1)?,
            flushed: Rows::new(arena, cpus, 1)?,
        })
    }

    fn bytes(cpus: usize, objects: usize) -> usize {
        let slots = cpus * slots_for(objects) * size_of::<Slot>();
        let once = size_of::<AtomicU64>() + Rows::<AtomicU64>::bytes(cpus, 1);
        objects * size_of::<AtomicU64>() + slots + once
    }

    #[inline(always)]
    fn count(&self, object: usize) -> &AtomicU64 {
        &self.words[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &AtomicU64) {
        let name = self.words.index_of(count).wrapping_add(1);
        let ours = self.slots.iter().filter(|slot| slot.object.read() == name);
        // What a life that never ended left there.
        ours.for_each(|slot| slot.delta.set(0));
        count.set(1);
    }

    #[inline(always)]
    fn get(&self, cpu: &Cpu<'_>, count: &AtomicU64) {
        self.add(cpu, count, 1);
    }

    #[inline(always)]
    fn put(&self, cpu: &Cpu<'_>, count: &AtomicU64, (): ()) -> Put {
        self.add(cpu, count, 1_usize.wrapping_neg());
        Put::Unknown
    }

    fn review(&self, cpu: &Cpu<'_>, count: &AtomicU64) -> Put {
        self.join(cpu);
        let epoch = self.epoch[0].read_acquire();
        self.flush(cpu);
        // Release: pairs with the acquire of whoever ends the epoch.
        self.flushed.at(cpu, 0).set_release(epoch.wrapping_add(2));
        self.end(epoch);
        self.judge(count)
    }

    fn leave(&self, cpu: &Cpu<'_>) {
        self.flush(cpu);
        // Release: pairs with the acquire of whoever ends the epoch.
        self.flushed.at(cpu, 0).set_release(0);
    }

    fn sum(&self, count: &AtomicU64) -> i64 {
        let name = self.words.index_of(count).wrapping_add(1);
        let ours = self.slots.iter().filter(|slot| slot.object.read() == name);
        let told = (count.read() & COUNT) as u32;
        let sum = ours.fold(told, |sum, slot| sum.wrapping_add(slot.delta.read() as u32));
        i64::from(sum.cast_signed())
    }
}
