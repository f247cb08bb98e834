//! A small table of counts for each CPU, and an anchor: after PAYGO (Jung and others, FAST 2019), which put it into the
//! page cache.
//!
//! ```text
//!   slot of a CPU    which object it counts; what this CPU took and gave back; what other CPUs gave back
//!   anchor           the object's shared word: what found no slot, and its owner's reference
//! ```
//!
//! A get counts in the slot of its CPU, with a load and a store, or at the anchor if that slot counts something else;
//! its token says where. A put must go there: on the same CPU it is a load and a store, on another one it is a locked
//! instruction on a word of that slot that exists for such puts. A slot whose counts have met is free to be taken.
//! So memory is a table for each CPU and a word for each object, where [`percpu`](super::percpu) has a word for each
//! of both; the price is the token, and what happens to tasks that migrate.
//!
//! The end is as with `percpu_ref`: killed, a grace period, and all slots are added to the anchor.

use prim::{Arena, AtomicI64, AtomicUsize, Cpu, NoMemory, Table, synchronize_rcu, zeroed};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// Further from zero than any number of references.
const BIAS: i64 = 1 << 61;
const DYING: usize = 1;
/// Slots of a CPU: at least three lines, so that no two CPUs share one.
const FEWEST: usize = 16;
const MOST: usize = 4096;
/// Between two owners.
const CHANGES_HANDS: usize = usize::MAX;

zeroed! {
    /// The anchor of an object.
    #[derive(Debug)]
    pub struct Anchor {
        mode: AtomicUsize,
        shared: AtomicI64,
    }
}

zeroed! {
    /// A place to count an object in.
    #[derive(Debug)]
    struct Slot {
        /// The object's number and one; 0 is nothing.
        object: AtomicUsize,
        /// Written by its own CPU alone.
        local: AtomicUsize,
        /// Below zero: what others gave back.
        remote: AtomicUsize,
    }
}

/// Where a reference is counted.
#[derive(Clone, Copy, Debug)]
pub enum Home {
    /// At the anchor.
    Anchor,
    /// In the slot of this CPU.
    Cpu(usize),
}

/// See the module.
#[derive(Debug)]
pub struct Paygo {
    anchors: Table<Anchor>,
    slots: Table<Slot>,
    /// Slots of a CPU, a power of two.
    each: usize,
    cpus: usize,
}

impl Slot {
    /// How many are out that were taken here.
    fn refs(&self) -> usize {
        // Acquire: pairs with the release of puts elsewhere.
        self.local.read().wrapping_add(self.remote.read_acquire())
    }

    /// Makes it count another object, from one on. False if it is in use. Only its own CPU does this.
    #[cold]
    #[inline(never)]
    fn turn_to(&self, name: usize) -> bool {
        let found = self.object.read();
        let is_free = found == 0 || found != CHANGES_HANDS && self.refs() == 0;
        // Full: pairs with the exchange of a kill, which may be adding up what this slot counted.
        if !is_free || self.object.cmpxchg(found, CHANGES_HANDS).is_err() {
            return false;
        }
        self.local.set(1);
        self.remote.set(0);
        // Release: pairs with the exchange of a kill.
        self.object.set_release(name);
        true
    }

    /// What it counted of an object that is dying, which nobody adds to any more.
    fn take(&self, name: usize) -> usize {
        // Full: pairs with the release of the slot's CPU; and nobody takes it from under us.
        if self.object.cmpxchg(name, CHANGES_HANDS).is_err() {
            return 0;
        }
        let refs = self.refs();
        // Release: pairs with the exchange of the slot's CPU.
        self.object.set_release(0);
        refs
    }
}

impl Paygo {
    #[inline(always)]
    fn name(&self, count: &Anchor) -> usize {
        self.anchors.index_of(count).wrapping_add(1)
    }

    #[inline(always)]
    fn slot(&self, cpu: usize, name: usize) -> &Slot {
        &self.slots[cpu.wrapping_mul(self.each).wrapping_add(name & self.each.wrapping_sub(1))]
    }

    /// Counts one more, unless the object is dying.
    #[inline(always)]
    fn take(&self, cpu: &Cpu<'_>, count: &Anchor) -> Option<Home> {
        cpu.rcu_read_leaf(|| {
            // Acquire: pairs with the release of init.
            if count.mode.read_acquire() == DYING {
                return None;
            }
            let (id, name) = (cpu.id().0, self.name(count));
            let slot = self.slot(id, name);
            if slot.object.read() == name {
                cpu.percpu_add(&slot.local, 1);
            } else if !slot.turn_to(name) {
                count.shared.inc();
                return Some(Home::Anchor);
            }
            Some(Home::Cpu(id))
        })
    }

    fn slots_of(&self, name: usize) -> impl Iterator<Item = &Slot> {
        (0..self.cpus).map(move |cpu| self.slot(cpu, name))
    }
}

/// Slots of a CPU, a power of two.
fn slots_for(objects: usize) -> usize {
    objects.next_power_of_two().clamp(FEWEST, MOST)
}

fn signed(refs: usize) -> i64 {
    refs.cast_signed() as i64
}

impl Scheme for Paygo {
    const NAME: &'static str = "paygo-like";
    const CAPS: Caps = Caps {
        zero: Learns::AfterKill,
        try_get: Speculates::UnlessDying,
        freeze: false,
        needs: Needs::Tables,
    };
    type Count = Anchor;
    type Token = Home;

    fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        let each = slots_for(objects);
        let (anchors, slots) =
            (arena.table("anchors", objects)?, arena.table("slots", cpus * each)?);
        Ok(Self { anchors, slots, each, cpus })
    }

    fn bytes(cpus: usize, objects: usize) -> usize {
        objects * size_of::<Anchor>() + cpus * slots_for(objects) * size_of::<Slot>()
    }

    #[inline(always)]
    fn count(&self, object: usize) -> &Anchor {
        &self.anchors[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &Anchor) -> Home {
        let name = self.name(count);
        // What a life that was never killed left there.
        self.slots_of(name).for_each(|slot| _ = slot.take(name));
        count.shared.set(BIAS + 1);
        // Release: pairs with the acquire of every section.
        count.mode.set_release(0);
        Home::Anchor
    }

    #[inline(always)]
    fn get(&self, cpu: &Cpu<'_>, count: &Anchor) -> Home {
        self.take(cpu, count).unwrap_or_else(|| {
            count.shared.inc();
            Home::Anchor
        })
    }

    #[inline(always)]
    fn try_get(&self, cpu: &Cpu<'_>, count: &Anchor) -> Option<Home> {
        self.take(cpu, count)
    }

    #[inline(always)]
    fn put(&self, cpu: &Cpu<'_>, count: &Anchor, home: Home) -> Put {
        let counted = cpu.rcu_read_leaf(|| {
            if count.mode.read_acquire() == DYING {
                return false;
            }
            match home {
                Home::Anchor => count.shared.dec(),
                Home::Cpu(id) if id == cpu.id().0 => {
                    cpu.percpu_add(&self.slot(id, self.name(count)).local, 1_usize.wrapping_neg());
                }
                Home::Cpu(id) => {
                    // Release: pairs with the acquire of whoever adds it up.
                    self.slot(id, self.name(count)).remote.fetch_sub_release(1);
                }
            }
            true
        });
        if counted {
            return Put::Unknown;
        }
        // Full: pairs with the same of every put after the kill, and with the kill's own addition.
        if count.shared.dec_and_test() { Put::Zero } else { Put::Live }
    }

    fn kill(&self, cpu: &Cpu<'_>, count: &Anchor) -> Option<i64> {
        count.mode.set(DYING);
        // Pairs with every section: it saw the kill, or has ended and is in a slot.
        synchronize_rcu(cpu);
        let name = self.name(count);
        let slots = self.slots_of(name).map(|slot| slot.take(name));
        let counted = signed(slots.fold(0, usize::wrapping_add));
        Some(count.shared.add_return(counted.wrapping_sub(BIAS)))
    }

    fn sum(&self, count: &Anchor) -> i64 {
        let (shared, name) = (count.shared.read(), self.name(count));
        if shared < BIAS / 2 {
            return shared;
        }
        let ours = self.slots_of(name).filter(|slot| slot.object.read() == name);
        shared - BIAS + signed(ours.map(Slot::refs).fold(0, usize::wrapping_add))
    }
}
