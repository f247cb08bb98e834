//! A load: objects under a scheme, and who does what with them. `loads` has all but one, `kills` that one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pgmap_prim::measure::opaque;
use pgmap_prim::{Arena, Cpu, Lease, Machine, TaskId};
use pgmap_schemes::scheme::{Caps, Put, Scheme, Speculates};

use crate::bench::contest::Pairs;
use crate::bench::refs::refused;
use crate::bench::workload::BuildError;

/// Threads of every load but one.
pub(super) const THREADS: usize = 2;
/// Address space for an object of any scheme, and for what there is once.
const PER_OBJECT: usize = 1 << 10;
const ONCE: usize = 1 << 20;

/// Objects under a scheme, each with its owner's reference out.
pub(super) struct Objects<S: Scheme> {
    machine: Arc<Machine>,
    pub(super) scheme: S,
    pub(super) owners: Vec<S::Token>,
}

impl<S: Scheme> Objects<S> {
    pub(super) fn new(objects: usize) -> Result<Self, BuildError> {
        let machine = Machine::new(THREADS);
        let arena = Arena::new(ONCE + objects * PER_OBJECT)?;
        let scheme = S::new(&arena, THREADS, objects)?;
        let owners = {
            let cpu =
                machine.lease(Lease::of(TaskId(0))).map_err(|none| BuildError(none.to_string()))?;
            (0..objects).map(|object| scheme.init(&cpu, scheme.count(object))).collect()
        };
        Ok(Self { machine, scheme, owners })
    }

    pub(super) fn cpu(&self, thread: usize) -> Cpu<'_> {
        let leased = self.machine.lease(Lease::of(TaskId(thread as u32)));
        leased.unwrap_or_else(|_| refused("a CPU"))
    }

    #[inline(always)]
    pub(super) fn get(&self, cpu: &Cpu<'_>, object: usize) -> S::Token {
        let count = opaque(self.scheme.count(object));
        if S::CAPS.try_get == Speculates::Never {
            return self.scheme.get(cpu, count);
        }
        self.scheme.try_get(cpu, count).unwrap_or_else(|| refused("a reference"))
    }

    #[inline(always)]
    pub(super) fn put(&self, cpu: &Cpu<'_>, object: usize, token: S::Token) -> Put {
        self.scheme.put(cpu, opaque(self.scheme.count(object)), token)
    }
}

/// A load, for whichever scheme it fits.
pub(super) trait Load: 'static {
    /// What rows are called before the scheme's name.
    const NAME: &'static str;
    const THREADS: usize = THREADS;
    /// Whether it is about one object, so that it matters where that lies.
    const ONE_OBJECT: bool;
    /// What it is compared with, under the same load.
    type Floor: Scheme;
    /// The load under a scheme.
    type Of<S: Scheme>: Pairs + 'static;

    fn fits(caps: Caps) -> bool;

    /// # Errors
    /// There is no room.
    fn of<S: Scheme>() -> Result<Self::Of<S>, BuildError>;
}

pub(super) fn lock<T>(cell: &Mutex<T>) -> MutexGuard<'_, T> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}
