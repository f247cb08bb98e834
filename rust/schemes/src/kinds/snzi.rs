//! A tree of counts of which only the root knows zero: SNZI (Ellen, Lev, Luchangco, Moir, PODC 2007), two levels.
//!
//! ```text
//!   leaf, one for each CPU      twice the count in the low half, a version in the high one; the count may be one half
//!   root                        how many leaves are not zero, or one more for a moment
//! ```
//!
//! A leaf tells the root only when it leaves zero and when it comes back to it. Leaving zero takes three steps: the
//! leaf says one half, the root is counted, the leaf says one. Whoever meets a half helps, and who was not needed
//! takes its count off the root again. The version keeps a late helper from finishing somebody else's half.
//! A reference goes back to the leaf that it was taken from.

use prim::{Arena, AtomicI32, AtomicU64, Cpu, NoMemory, Table, smp_rmb, zeroed};

use super::rows::Rows;
use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

const HALF: u64 = 1;
const ONE: u64 = 2;
const VERSION: u64 = 1 << 32;

zeroed! {
    /// The root of an object.
    #[derive(Debug)]
    pub struct Root {
        nonzero: AtomicI32,
    }
}

/// See the module.
#[derive(Debug)]
pub struct Snzi {
    roots: Table<Root>,
    leaves: Rows<AtomicU64>,
}

/// Which leaf a reference was taken from.
#[derive(Clone, Copy, Debug)]
pub struct Leaf(usize);

fn halves(word: u64) -> u64 {
    word & (VERSION - 1)
}

impl Root {
    fn arrive(&self) {
        // Relaxed: whoever arrives can rely on a reference already.
        self.nonzero.inc();
    }

    fn depart(&self) -> Put {
        // Release: pairs with the fence below of whoever departs last.
        if self.nonzero.fetch_sub_release(1) != 1 {
            return Put::Live;
        }
        // Acquire: pairs with the release of every other departure.
        smp_rmb();
        Put::Zero
    }
}

/// Counts one up at a leaf; the root's zero can only come of taking back what was not needed, and somebody holds a
/// reference throughout, so that it never is one.
fn arrive(root: &Root, leaf: &AtomicU64) {
    let mut undo = 0;
    loop {
        let seen = leaf.read();
        if halves(seen) >= ONE {
            if leaf.cmpxchg(seen, seen.wrapping_add(ONE)).is_ok() {
                break;
            }
            continue;
        }
        let begins = halves(seen) == 0;
        let half = if begins { seen.wrapping_add(VERSION | HALF) } else { seen };
        if begins && leaf.cmpxchg(seen, half).is_err() {
            continue;
        }
        root.arrive();
        // Full: pairs with the exchange of a departure.
        if leaf.cmpxchg(half, half.wrapping_add(ONE - HALF)).is_err() {
            // Somebody else finished this half.
            undo += 1;
        }
        if begins {
            break;
        }
    }
    for _ in 0..undo {
        let _ = root.depart();
    }
}

impl Scheme for Snzi {
    const NAME: &'static str = "snzi";
    const CAPS: Caps =
        Caps { zero: Learns::AtPut, try_get: Speculates::Never, freeze: false, needs: Needs::Rows };
    type Count = Root;
    type Token = Leaf;

    fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        Ok(Self { roots: arena.table("roots", objects)?, leaves: Rows::new(arena, cpus, objects)? })
    }

    fn bytes(cpus: usize, objects: usize) -> usize {
        objects * size_of::<Root>() + Rows::<AtomicU64>::bytes(cpus, objects)
    }

    #[inline(always)]
    fn count(&self, object: usize) -> &Root {
        &self.roots[object]
    }

    fn init(&self, cpu: &Cpu<'_>, count: &Root) -> Leaf {
        let place = self.leaves.place(self.roots.index_of(count));
        self.leaves.each_from(place).for_each(|leaf| leaf.set(0));
        self.leaves.at(cpu, place).set(ONE);
        count.nonzero.set(1);
        Leaf(cpu.id().0)
    }

    #[inline(always)]
    fn get(&self, cpu: &Cpu<'_>, count: &Root) -> Leaf {
        arrive(count, self.leaves.at(cpu, self.leaves.place(self.roots.index_of(count))));
        Leaf(cpu.id().0)
    }

    #[inline(always)]
    fn put(&self, _cpu: &Cpu<'_>, count: &Root, token: Leaf) -> Put {
        let place = self.leaves.place(self.roots.index_of(count));
        let leaf = self.leaves.of_nth(token.0, place);
        let mut seen = leaf.read();
        loop {
            // Full: pairs with the same of every put at this leaf before it.
            match leaf.cmpxchg(seen, seen.wrapping_sub(ONE)) {
                Ok(_) if halves(seen) == ONE => return count.depart(),
                Ok(_) => return Put::Live,
                Err(found) => seen = found,
            }
        }
    }

    fn sum(&self, count: &Root) -> i64 {
        let place = self.leaves.place(self.roots.index_of(count));
        let leaves = self.leaves.each_from(place);
        leaves.map(|leaf| (halves(leaf.read()) / ONE).cast_signed()).sum()
    }
}
