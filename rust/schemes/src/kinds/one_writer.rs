//! A plain count for each CPU, whose writer looks afterwards whether it was closed: `TLRefCount` of folly.
//!
//! ```text
//!   get, put        store to the cell of this CPU; then look at the mode
//!   kill            store the mode; heavy barrier; exchange each cell for CLOSED
//! ```
//!
//! Nobody but its CPU adds to a cell, so a load and a store will do, and no section is entered: between the
//! store and the look lies the light half of a barrier whose heavy half is the killer's. So either the look sees the kill,
//! or the killer sees the store. Both may happen; then whoever stored asks the cell what became of it. If it says
//! CLOSED, the killer has counted what was stored. If it does not, an exchange takes it off again, and fails if the
//! killer comes first; even a store that ran over CLOSED is undone by that, for the killer took what was there before.
//!
//! Against [`percpu`](super::percpu): no marker is stored on the way, and a kill waits for nobody, but whoever was in
//! the middle of a get at the kill must have left before the object's next life begins.

use prim::{
    Arena, AtomicI64, AtomicUsize, Cpu, NoMemory, Table, heavy_barrier, light_barrier, zeroed,
};

use super::rows::Rows;
use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// Further from zero than any number of references.
const BIAS: i64 = 1 << 61;
const DYING: usize = 1;
const CLOSED: usize = 1 << 62;

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
pub struct OneWriter {
    words: Table<Words>,
    rows: Rows<AtomicUsize>,
}

impl OneWriter {
    /// Adds to the cell of this CPU; false if that does not count any more.
    #[inline(always)]
    fn add(&self, cpu: &Cpu<'_>, count: &Words, n: usize) -> bool {
        let cell = self.rows.at(cpu, self.rows.place(self.words.index_of(count)));
        // Through a register of its own: a pair is 3 of its floors then, and 7 otherwise, on a Xeon (see there).
        cpu.percpu_add(cell, n);
        // Pairs with the heavy half in a kill.
        light_barrier(cpu);
        // Acquire: pairs with the release of init, whose cells are zero.
        count.mode.read_acquire() != DYING || was_counted(cell, n)
    }

    fn cells(&self, count: &Words) -> impl Iterator<Item = &AtomicUsize> {
        self.rows.each_from(self.rows.place(self.words.index_of(count)))
    }
}

/// What became of an addition to a cell that is being closed: the killer has it, or it is taken off again.
#[cold]
#[inline(never)]
fn was_counted(cell: &AtomicUsize, n: usize) -> bool {
    let found = cell.read();
    // Full: pairs with the exchange of the killer. Nobody else writes.
    found == CLOSED || cell.cmpxchg(found, found.wrapping_sub(n)).is_err()
}

fn signed(sum: usize) -> i64 {
    sum.cast_signed() as i64
}

impl Scheme for OneWriter {
    const NAME: &'static str = "percpu, one writer";
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
        // Release: pairs with the acquire of every get and put.
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
        // Pairs with the light half after every store to a cell.
        heavy_barrier(cpu);
        // Full: pairs with whoever asks a cell what became of its addition.
        let closed = self.cells(count).map(|cell| cell.xchg(CLOSED));
        let counted = signed(closed.fold(0, usize::wrapping_add));
        Some(count.shared.add_return(counted.wrapping_sub(BIAS)))
    }

    fn sum(&self, count: &Words) -> i64 {
        let shared = count.shared.read();
        if shared < BIAS / 2 {
            return shared;
        }
        let cells = self.cells(count).map(AtomicUsize::read);
        shared - BIAS + signed(cells.fold(0, usize::wrapping_add))
    }
}
