//! A world, the machine it runs on and the memory it lives in, with one safe way in.
//!
//! Every operation leases a CPU for its length, under a task id that carries the worker and the
//! operation, so that complaints and waits name them. Whatever stops an operation that cannot return,
//! poison or a bug of ours, comes back as [`Stopped`] instead of unwinding further.

use std::sync::Arc;
use std::time::Duration;

use pgmap_mm::page::Oracle;
use pgmap_mm::world::{Party, Return, Violation, World};
use pgmap_prim::{
    Arena, Cpu, Lease, Machine, NoCpu, NoMemory, Poll, Stopped, TaskId, WarnRecord, catch_abandon,
};
use pgmap_program::op::WorkerId;
use pgmap_program::{Geometry, GeometryError, Op, Rules};

/// Why a world could not be built.
#[derive(Debug)]
pub enum ThreadedWorldError {
    /// No world can have these sizes.
    Geometry(GeometryError),
    /// Address space could not be reserved.
    NoMemory(NoMemory),
}

impl std::fmt::Display for ThreadedWorldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Geometry(error) => write!(f, "{error}"),
            Self::NoMemory(_) => write!(f, "cannot reserve address space for a world of this size"),
        }
    }
}

impl std::error::Error for ThreadedWorldError {}

/// How long an operation may sleep, and who else wants to know.
#[derive(Clone, Copy, Default)]
pub struct Patience<'a> {
    /// None waits for ever.
    pub deadline: Option<Duration>,
    /// Asked at least every 100 ms of sleep.
    pub poll: Option<&'a dyn Poll>,
}

impl std::fmt::Debug for Patience<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patience").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// A world ready to be used by many threads.
#[derive(Debug)]
pub struct ThreadedWorld {
    world: World,
    machine: Arc<Machine>,
    arena: Arena,
}

impl ThreadedWorld {
    /// A fresh world.
    ///
    /// # Errors
    /// [`ThreadedWorldError`].
    pub fn new(geometry: &Geometry, rules: Rules) -> Result<Self, ThreadedWorldError> {
        Self::with_oracle(geometry, rules, Oracle::On)
    }

    /// A fresh world that may be told not to check itself, for measuring what checking costs.
    ///
    /// # Errors
    /// [`ThreadedWorldError`].
    pub fn with_oracle(
        geometry: &Geometry,
        rules: Rules,
        oracle: Oracle,
    ) -> Result<Self, ThreadedWorldError> {
        Self::with_spare(geometry, rules, oracle, 0)
    }

    /// As that, with so many spare frames behind the devices.
    ///
    /// # Errors
    /// [`ThreadedWorldError`].
    pub fn with_spare(
        geometry: &Geometry,
        rules: Rules,
        oracle: Oracle,
        spare: u32,
    ) -> Result<Self, ThreadedWorldError> {
        geometry.validate().map_err(ThreadedWorldError::Geometry)?;
        let machine = Machine::new(geometry.cpus.into());
        let bytes = World::reserve(geometry) + World::reserve_spare(spare);
        let arena = Arena::new(bytes).map_err(ThreadedWorldError::NoMemory)?;
        let mut world = {
            // A machine just made has a CPU to spare.
            let cpu = machine
                .lease(Lease::of(TaskId(0)))
                .map_err(|_| ThreadedWorldError::NoMemory(NoMemory))?;
            World::with_spare(&arena, &cpu, geometry, rules, spare)
                .map_err(ThreadedWorldError::NoMemory)?
        };
        world.dax.vm.pagemaps.memmap.oracle = oracle;
        Ok(Self { world, machine, arena })
    }

    /// The world.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The machine under it.
    #[must_use]
    pub fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// Its memory, for failure injection.
    #[must_use]
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Runs `call` on a CPU, as `task`.
    ///
    /// # Errors
    /// [`Stopped`] when the machine is poisoned, runs out of CPUs, or pgmap itself panicked.
    pub fn enter<R>(
        &self,
        task: u32,
        patience: Patience<'_>,
        call: impl FnOnce(&Cpu<'_>) -> R,
    ) -> Result<R, Stopped> {
        self.enter_if_free(task, patience, call)?
            .map_err(|_| Stopped::Panic("every CPU of the machine is in use".to_owned()))
    }

    /// As [`Self::enter`], for callers that may be more than the machine has CPUs.
    ///
    /// # Errors
    /// [`Stopped`] as there; inside, [`NoCpu`] when every CPU is in use: nothing was done.
    pub fn enter_if_free<R>(
        &self,
        task: u32,
        patience: Patience<'_>,
        call: impl FnOnce(&Cpu<'_>) -> R,
    ) -> Result<Result<R, NoCpu>, Stopped> {
        catch_abandon(|| {
            let lease =
                Lease { task: TaskId(task), deadline: patience.deadline, poll: patience.poll };
            // A worker comes back to its own CPU, and so to its own TLB.
            self.machine.lease_at(usize::from(task as u8), lease).map(|cpu| call(&cpu))
        })
    }

    /// Executes one operation for a worker. A write stores the page's number in the file.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub fn execute(
        &self,
        worker: WorkerId,
        op: &Op,
        patience: Patience<'_>,
    ) -> Result<Return, Stopped> {
        let task = Party::task(worker, op.call_number());
        self.enter(task, patience, |cpu| self.world.execute(cpu, worker, op))
    }

    /// What the machine has complained about so far, oldest first.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub fn violations(&self) -> Result<Vec<Violation>, Stopped> {
        let records = self.machine.warnings();
        self.describe(&records)
    }

    /// Complaints as violations.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub fn describe(&self, records: &[WarnRecord]) -> Result<Vec<Violation>, Stopped> {
        self.enter(0, Patience::default(), |cpu| {
            records.iter().map(|record| self.world.violation(cpu, record)).collect()
        })
    }
}
