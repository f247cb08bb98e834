//! A count for each CPU whose cells can be closed: a kill that waits for nobody.
//!
//! ```text
//!   cell near zero          open: what this CPU took and gave back, modulo everybody else's
//!   cell near CLOSED        killed: what its adds make says so, whatever else they leave there
//!   shared near BIAS        alive: the cells are not in it
//!   shared small            killed and added up: so many references are out
//! ```
//!
//! A get or put adds to the cell of its CPU with a locked instruction and looks at what it made. A kill exchanges each
//! cell for CLOSED, which tells what was in it and sends everyone who comes later to the shared count; then adds the
//! cells to the shared count and takes the bias out in one step, so that zero cannot show before all is in.
//! There is no grace period: an add comes before the exchange of its cell and is counted, or after it and knows.
//! The price is the lock prefix that `percpu_ref` does without.

use prim::{Arena, AtomicI64, Cpu, NoMemory, Table, zeroed};

use super::rows::Rows;
use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// Further from zero than any number of references.
const BIAS: i64 = 1 << 61;
const CLOSED: i64 = i64::MIN / 2;

zeroed! {
    /// The shared word of an object.
    #[derive(Debug)]
    pub struct Words {
        shared: AtomicI64,
    }
}

/// See the module.
#[derive(Debug)]
pub struct Closed {
    words: Table<Words>,
    rows: Rows<AtomicI64>,
}

impl Closed {
    #[inline(always)]
    fn cell(&self, cpu: &Cpu<'_>, count: &Words) -> &AtomicI64 {
        self.rows.at(cpu, self.rows.place(self.words.index_of(count)))
    }

    fn cells(&self, count: &Words) -> impl Iterator<Item = &AtomicI64> {
        self.rows.each_from(self.rows.place(self.words.index_of(count)))
    }
}

fn is_closed(made: i64) -> bool {
    made < CLOSED / 2
}

impl Scheme for Closed {
    const NAME: &'static str = "percpu, closed cells";
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
        objects * size_of::<Words>() + Rows::<AtomicI64>::bytes(cpus, objects)
    }

    #[inline(always)]
    fn count(&self, object: usize) -> &Words {
        &self.words[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &Words) {
        count.shared.set(BIAS + 1);
        // Release: pairs with the acquire of a speculative get.
        self.cells(count).for_each(|cell| cell.set_release(0));
    }

    #[inline(always)]
    fn get(&self, cpu: &Cpu<'_>, count: &Words) {
        if is_closed(self.cell(cpu, count).fetch_add_relaxed(1)) {
            count.shared.inc();
        }
    }

    #[inline(always)]
    fn try_get(&self, cpu: &Cpu<'_>, count: &Words) -> Option<()> {
        // Acquire: pairs with the release of init.
        (!is_closed(self.cell(cpu, count).fetch_add_acquire(1))).then_some(())
    }

    #[inline(always)]
    fn put(&self, cpu: &Cpu<'_>, count: &Words, (): ()) -> Put {
        // Release: pairs with the exchange of a kill.
        if !is_closed(self.cell(cpu, count).fetch_sub_release(1)) {
            return Put::Unknown;
        }
        // Full: pairs with the same of every put after the kill, and with the kill's own addition.
        if count.shared.dec_and_test() { Put::Zero } else { Put::Live }
    }

    fn kill(&self, _cpu: &Cpu<'_>, count: &Words) -> Option<i64> {
        // Full: pairs with the release of every put that was counted in a cell.
        let counted: i64 = self.cells(count).map(|cell| cell.xchg(CLOSED)).sum();
        Some(count.shared.add_return(counted.wrapping_sub(BIAS)))
    }

    fn sum(&self, count: &Words) -> i64 {
        let shared = count.shared.read();
        if shared < BIAS / 2 {
            return shared;
        }
        shared - BIAS + self.cells(count).map(AtomicI64::read).sum::<i64>()
    }
}
