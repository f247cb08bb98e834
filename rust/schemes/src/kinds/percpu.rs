//! A plain count for each CPU, closed by a grace period: `percpu_ref` (`lib/percpu-refcount.c`).
//!
//! ```text
//!   mode 0          percpu: gets and puts are a load and a store to the cell of their CPU
//!   mode DYING      killed: gets and puts go to the shared count, which keeps its bias until the sum is in
//! ```
//!
//! Mode and cell are used inside an RCU section, so after a grace period nobody adds to a cell who has not seen the
//! kill. Natively a section is two plain stores and no fence, and a grace period is `membarrier`, which makes every
//! running thread pass one. `pgmap-mm` has the whole of `percpu_ref`, with its switches and its revivals; this is
//! what it costs and promises at least.

use prim::{Arena, AtomicI64, AtomicUsize, Cpu, NoMemory, Table, synchronize_rcu, zeroed};

use super::rows::Rows;
use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// Further from zero than any number of references.
const BIAS: i64 = 1 << 61;
const DYING: usize = 1;

zeroed! {
    /// The shared words of an object.
    #[derive(Debug)]
    pub struct Words {
        mode: AtomicUsize,
        shared: AtomicI64,
    }
}

/// See the module.
#[derive(Debug)]
pub struct Percpu {
    words: Table<Words>,
    rows: Rows<AtomicUsize>,
}

impl Percpu {
    /// Adds to the cell of this CPU unless the object is dying; false then.
    #[inline(always)]
    fn add(&self, cpu: &Cpu<'_>, count: &Words, n: usize) -> bool {
        cpu.rcu_read_leaf(|| {
            // Acquire: pairs with the release of init, whose cells are zero.
            if count.mode.read_acquire() == DYING {
                return false;
            }
            let place = self.rows.place(self.words.index_of(count));
            cpu.percpu_add(self.rows.at(cpu, place), n);
            true
        })
    }

    fn cells(&self, count: &Words) -> impl Iterator<Item = &AtomicUsize> {
        self.rows.each_from(self.rows.place(self.words.index_of(count)))
    }

    fn counted(&self, count: &Words) -> i64 {
        let sum = self.cells(count).map(AtomicUsize::read).fold(0, usize::wrapping_add);
        sum.cast_signed() as i64
    }
}

impl Scheme for Percpu {
    const NAME: &'static str = "percpu, grace period";
    const CAPS: Caps = Caps {
        zero: Learns::AfterKill,
        try_get: Speculates::UnlessDying,
        freeze: false,
        needs: Needs::Rows,
    };
    type Count = Words;
    type Token = ();

    fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        Ok(Self { words: arena.table("counts", objects)?, rows: Rows::new(arena, cpus, objects)? })
    }

    fn bytes(cpus: usize, objects: usize) -> usize {
        objects * size_of::<Words>() + Rows::<AtomicUsize>::bytes(cpus, objects)
    }

    #[inline(always)]
    fn count(&self, object: usize) -> &Words {
        &self.words[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &Words) {
        count.shared.set(BIAS + 1);
        self.cells(count).for_each(|cell| cell.set(0));
        // Release: pairs with the acquire of every section.
        count.mode.set_release(0);
    }

    #[inline(always)]
    fn get(&self, cpu: &Cpu<'_>, count: &Words) {
        if !self.add(cpu, count, 1) {
            count.shared.inc();
        }
    }

    #[inline(always)]
    fn try_get(&self, cpu: &Cpu<'_>, count: &Words) -> Option<()> {
        self.add(cpu, count, 1).then_some(())
    }

    #[inline(always)]
    fn put(&self, cpu: &Cpu<'_>, count: &Words, (): ()) -> Put {
        if self.add(cpu, count, 1_usize.wrapping_neg()) {
            return Put::Unknown;
        }
        // Full: pairs with the same of every put after the kill, and with the kill's own addition.
        if count.shared.dec_and_test() { Put::Zero } else { Put::Live }
    }

    fn kill(&self, cpu: &Cpu<'_>, count: &Words) -> Option<i64> {
        count.mode.set(DYING);
        // Pairs with every section: it saw the kill, or has ended and its addition is in the cell.
        synchronize_rcu(cpu);
        Some(count.shared.add_return(self.counted(count).wrapping_sub(BIAS)))
    }

    fn sum(&self, count: &Words) -> i64 {
        let shared = count.shared.read();
        if shared < BIAS / 2 { shared } else { shared - BIAS + self.counted(count) }
    }
}
