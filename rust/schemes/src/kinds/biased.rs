//! A plain count for the owner and a shared one for everybody else: biased reference counting (Choi, Shull, Torrellas,
//! PACT 2018; CPython without its lock).
//!
//! ```text
//!   owner           whose count `local` is: the CPU that began the object's life; 0 once the two are merged
//!   local           what the owner has taken, net; a load and a store each way
//!   shared          four times what the others have taken, net, which may be negative; QUEUED; MERGED
//! ```
//!
//! The owner merges when its own count comes to zero, and from then on the shared count is the whole one. Somebody
//! else's put that brings the shared count below zero cannot know what the owner holds: it says QUEUED, and the owner
//! merges when it next reviews the object. So who put last is told at once, or the owner later, and an owner that
//! never looks keeps the object for ever.

use prim::{Arena, AtomicI64, AtomicUsize, Cpu, NoMemory, Table, zeroed};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

const MERGED: i64 = 1;
const QUEUED: i64 = 2;
const ONE: i64 = 4;

zeroed! {
    /// The words of an object.
    #[derive(Debug)]
    pub struct Words {
        owner: AtomicUsize,
        local: AtomicUsize,
        shared: AtomicI64,
    }
}

/// See the module.
#[derive(Debug)]
pub struct Biased(Table<Words>);

/// What the others have taken, net.
fn refs(shared: i64) -> i64 {
    shared.div_euclid(ONE)
}

fn name(cpu: &Cpu<'_>) -> usize {
    cpu.id().0.wrapping_add(1)
}

impl Words {
    /// Nobody else stores another's name here, so what is not ours stays so.
    #[inline(always)]
    fn is_ours(&self, cpu: &Cpu<'_>) -> bool {
        self.owner.read() == name(cpu)
    }

    fn held_by_owner(&self) -> i64 {
        self.local.read().cast_signed() as i64
    }

    /// Puts the owner's count into the shared one, for good. Only the owner does.
    #[cold]
    fn merge(&self) -> Put {
        let local = self.held_by_owner();
        self.local.set(0);
        self.owner.set(0);
        self.change(|shared| refs(shared).wrapping_add(local).wrapping_mul(ONE) | MERGED)
    }

    /// Makes the shared word another; whether that is the end.
    fn change(&self, next: impl Fn(i64) -> i64) -> Put {
        let mut seen = self.shared.read();
        loop {
            let new = next(seen);
            // Full: pairs with the same of every other put, and of a merge.
            match self.shared.cmpxchg(seen, new) {
                Ok(_) if new & MERGED == 0 => return Put::Unknown,
                Ok(_) if refs(new) == 0 => return Put::Zero,
                Ok(_) => return Put::Live,
                Err(found) => seen = found,
            }
        }
    }
}

impl Scheme for Biased {
    const NAME: &'static str = "biased";
    const CAPS: Caps = Caps {
        zero: Learns::AtReview,
        try_get: Speculates::Never,
        freeze: false,
        needs: Needs::Nothing,
    };
    type Count = Words;
    type Token = ();

    fn new(arena: &Arena, _cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        arena.table("counts", objects).map(Self)
    }

    #[inline(always)]
    fn count(&self, object: usize) -> &Words {
        &self.0[object]
    }

    fn init(&self, cpu: &Cpu<'_>, count: &Words) {
        count.owner.set(name(cpu));
        count.local.set(1);
        count.shared.set(0);
    }

    #[inline(always)]
    fn get(&self, cpu: &Cpu<'_>, count: &Words) {
        if count.is_ours(cpu) {
            cpu.percpu_add(&count.local, 1);
        } else {
            count.shared.add(ONE);
        }
    }

    #[inline(always)]
    fn put(&self, cpu: &Cpu<'_>, count: &Words, (): ()) -> Put {
        if count.is_ours(cpu) {
            cpu.percpu_add(&count.local, 1_usize.wrapping_neg());
            return if count.local.read() == 0 { count.merge() } else { Put::Unknown };
        }
        count.change(|shared| {
            let new = shared.wrapping_sub(ONE);
            if new < 0 && new & MERGED == 0 { new | QUEUED } else { new }
        })
    }

    fn review(&self, cpu: &Cpu<'_>, count: &Words) -> Put {
        let queued = count.shared.read() & QUEUED != 0;
        if queued && count.is_ours(cpu) { count.merge() } else { Put::Unknown }
    }

    fn sum(&self, count: &Words) -> i64 {
        count.held_by_owner() + refs(count.shared.read())
    }
}
