//! Mistakes in waiting for users instead of counting them.

use core::marker::PhantomData;

use prim::{Arena, AtomicUsize, Cpu, NoMemory, Table, smp_mb};

use super::A_MISTAKE;
use crate::kinds::hazard::Hazard;
use crate::kinds::pinned::Pin;
use crate::kinds::rows::Rows;
use crate::scheme::{Caps, Put, Scheme};

/// Says that somebody uses the object, and that it is gone; what a mistake does not name is right.
pub(crate) trait Pins: Send + Sync + 'static {
    fn pin(gone: &AtomicUsize, cell: &AtomicUsize) -> bool {
        cell.set(1);
        smp_mb();
        gone.read_acquire() == 0
    }

    fn wait<'a>(cpu: &Cpu<'_>, gone: &AtomicUsize, cells: impl Iterator<Item = &'a AtomicUsize>) {
        gone.set(1);
        smp_mb();
        wait_for(cpu, cells);
    }
}

fn wait_for<'a>(cpu: &Cpu<'_>, cells: impl Iterator<Item = &'a AtomicUsize>) {
    for cell in cells {
        while cell.read_acquire() != 0 {
            cpu.relax();
        }
    }
}

/// Between the look and the name the object may go.
pub(crate) struct LooksFirst;
impl Pins for LooksFirst {
    fn pin(gone: &AtomicUsize, cell: &AtomicUsize) -> bool {
        let there = gone.read_acquire() == 0;
        if there {
            cell.set(1);
            smp_mb();
        }
        there
    }
}

/// The look passes the name, which waits in the store buffer.
pub(crate) struct Unfenced;
impl Pins for Unfenced {
    fn pin(gone: &AtomicUsize, cell: &AtomicUsize) -> bool {
        cell.set(1);
        gone.read_acquire() == 0
    }
}

/// Somebody comes after the wait and before the word.
pub(crate) struct WaitsFirst;
impl Pins for WaitsFirst {
    fn wait<'a>(cpu: &Cpu<'_>, gone: &AtomicUsize, cells: impl Iterator<Item = &'a AtomicUsize>) {
        wait_for(cpu, cells);
        gone.set(1);
    }
}

/// One object, and a cell for each CPU that says whether it is used there.
pub(crate) struct Pinned<M>(Table<AtomicUsize>, Rows<AtomicUsize>, PhantomData<fn() -> M>);

impl<M: Pins> Scheme for Pinned<M> {
    const NAME: &'static str = A_MISTAKE;
    const CAPS: Caps = Hazard::CAPS;
    type Count = AtomicUsize;
    type Token = Pin;

    fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        Ok(Self(arena.table("gone", objects)?, Rows::new(arena, cpus, objects)?, PhantomData))
    }

    fn count(&self, object: usize) -> &AtomicUsize {
        &self.0[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, gone: &AtomicUsize) -> Pin {
        gone.set_release(0);
        Pin::Owners
    }

    fn get(&self, cpu: &Cpu<'_>, _gone: &AtomicUsize) -> Pin {
        self.1.at(cpu, 0).set(1);
        smp_mb();
        Pin::Users
    }

    fn try_get(&self, cpu: &Cpu<'_>, gone: &AtomicUsize) -> Option<Pin> {
        let cell = self.1.at(cpu, 0);
        if M::pin(gone, cell) {
            return Some(Pin::Users);
        }
        cell.set_release(0);
        None
    }

    fn put(&self, cpu: &Cpu<'_>, gone: &AtomicUsize, token: Pin) -> Put {
        match token {
            Pin::Users => self.1.at(cpu, 0).set_release(0),
            Pin::Owners if gone.read() == 1 => return Put::Zero,
            Pin::Owners => {}
        }
        Put::Unknown
    }

    fn kill(&self, cpu: &Cpu<'_>, gone: &AtomicUsize) -> Option<i64> {
        M::wait(cpu, gone, self.1.each_from(0));
        Some(1)
    }

    fn sum(&self, _gone: &AtomicUsize) -> i64 {
        self.1.each_from(0).map(|cell| i64::from(cell.read() != 0)).sum()
    }
}
