//! A count for each CPU and their sum: `LongAdder`, `ThreadCachedInt`, per-CPU statistics.
//!
//! Each CPU adds to a cell of its own with a locked instruction, so nobody waits for a line. Nobody sees zero either:
//! no cell says anything, and a sum taken while others count may never have been true. It cannot be killed, so
//! no time of it can stand beside those that can; it bounds what counting alone costs.

use prim::{Arena, AtomicI64, Cpu, NoMemory};

use super::rows::Rows;
use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// See the module.
#[derive(Debug)]
pub struct Striped(Rows<AtomicI64>);

impl Scheme for Striped {
    const NAME: &'static str = "striped counter";
    const CAPS: Caps =
        Caps { zero: Learns::Never, try_get: Speculates::Never, freeze: false, needs: Needs::Rows };
    type Count = AtomicI64;
    type Token = ();

    fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        Rows::new(arena, cpus, objects).map(Self)
    }

    fn bytes(cpus: usize, objects: usize) -> usize {
        Rows::<AtomicI64>::bytes(cpus, objects)
    }

    /// The first cell stands for all of them.
    #[inline(always)]
    fn count(&self, object: usize) -> &AtomicI64 {
        self.0.first(object)
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &AtomicI64) {
        self.0.each(count).for_each(|cell| cell.set(0));
        count.set(1);
    }

    #[inline(always)]
    fn get(&self, cpu: &Cpu<'_>, count: &AtomicI64) {
        // Relaxed, and so is a put: nobody learns anything from a cell.
        self.0.of(cpu, count).inc();
    }

    #[inline(always)]
    fn put(&self, cpu: &Cpu<'_>, count: &AtomicI64, (): ()) -> Put {
        self.0.of(cpu, count).dec();
        Put::Unknown
    }

    fn sum(&self, count: &AtomicI64) -> i64 {
        self.0.each(count).map(AtomicI64::read).sum()
    }
}
