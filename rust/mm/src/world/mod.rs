//! One emulated machine: a DAX filesystem on persistent memory, a driver with memory of its own,
//! processes that map, touch, reference and tear down.
//!
//! A world executes system calls for *workers*. A worker is a thread of one process; several workers may
//! share a process, as threads share an mm. Everything a system call needs is found through handles the
//! program chose (descriptors, mappings, pipes, pins), kept here so that a watchdog can say who holds
//! what.
//!
//! | file | holds |
//! |---|---|
//! | `process` | processes, workers, fork, exit |
//! | `fds` | the table of file descriptors of a process |
//! | `files` | open files and the directory; calls on files |
//! | `task_work` | what the last use of a file or pipe leaves to the return of the call |
//! | `memory` | mmap, munmap, touching memory |
//! | `pins`, `uring`, `pipes`, `direct_io` | references that outlive a call: pins, buffers, pipes, I/O in flight |
//! | `checked` | the same accesses by users who know what a page may hold |
//! | `driver`, `fracture` | driver memory; its folios taken by frame number and apart |
//! | `hmm` | pages of processes in the driver's memory |
//! | `hotplug` | pagemaps made at run time, over frames of no device |
//! | `execute` | from an [`Op`](program::Op) to the call it names |
//! | `observe` | what a page looks like, for comparison with a recording |
//! | `oracle` | complaints as violations, quiescence |
//! | `party`, `holders` | who is in a call, and who holds a page, as values |
//! | `owners`, `audit` | explored only: what the ledger says of a page, and whether tables agree |

mod audit;
mod checked;
mod direct_io;
mod driver;
mod execute;
mod fds;
mod file_refs;
mod files;
mod fracture;
mod hmm;
mod holders;
mod hotplug;
mod memory;
mod observe;
mod oracle;
mod owners;
mod p2p;
mod party;
mod pins;
mod pipes;
mod process;
mod refs;
mod task_work;
mod uring;

use alloc::boxed::Box;

use prim::{Arena, AtomicU32, Cpu, NoMemory, Slab, SpinLock, Table};
use program::op::REFS;
use program::{Died, Errno, Geometry, Rules};

use crate::dax::Dax;
use crate::devmem::{DevMem, POOL_PAGES};
use crate::page::{Memmap, Pfn, Span};
use crate::pagemap::{PagemapId, PagemapType, Pagemaps};
use crate::percpu_ref::PercpuRefs;
use crate::region;
use crate::vm::Vm;

pub use direct_io::IN_FLIGHT;
pub use holders::{HeldBy, Holder, PinNumbers};
pub use observe::{Coverage, LargeSnapshot, PageSnapshot};
pub use oracle::{Side, Violation};
pub use party::Party;
pub use pins::PinTicket;
pub use process::ProcId;
pub use refs::RELEASED;

use direct_io::Bio;
use files::{Directory, OpenFile};
use hmm::Mirror;
use pipes::Pipe;
use process::{Proc, Worker};
use refs::Counted;

/// Why a system call did not return a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An error number.
    Errno(Errno),
    /// The task died of the access.
    Died(Died),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl Failure {
    /// As recordings fold it into one integer.
    #[must_use]
    pub fn as_return(self) -> i64 {
        match self {
            Self::Errno(errno) => errno.as_return(),
            Self::Died(died) => died.as_return(),
        }
    }
}

/// What a system call returns.
pub type Return = Result<i64, Failure>;

/// Bytes in a page, the unit of `ret` for calls that transfer data.
pub const PAGE_SIZE: i64 = 4096;

/// What a frame takes: its descriptor, contents, shadow and ledger.
const FRAME_BYTES: usize = 56 + Memmap::LEDGER_BYTES;

/// The machine.
#[derive(Debug)]
pub struct World {
    /// Filesystem, and through it everything below.
    pub dax: Dax,
    /// The driver with memory of its own.
    pub devmem: DevMem,
    geometry: Geometry,
    /// Frames behind the devices, which somebody may plug in.
    spare: Span,
    dev_pagemap: Table<AtomicU32>,
    mirror: Table<Mirror>,
    directory: Table<SpinLock<Directory>>,
    open_files: Slab<OpenFile>,
    procs: Slab<Proc>,
    workers: Table<Worker>,
    pipes: Slab<Pipe>,
    bios: Slab<Bio>,
    /// Virtual time, in steps.
    clock: Table<AtomicU32>,
    /// References that a program has for itself, and what counts them.
    refs: Table<Counted>,
    counts: PercpuRefs,
}

impl World {
    /// Bytes of address space a world of this geometry needs; only what is used becomes resident.
    #[must_use]
    pub fn reserve(geometry: &Geometry) -> usize {
        let frames = Self::frames(geometry) as usize;
        let files = usize::from(geometry.files_max) * geometry.file_pages_max as usize;
        let tables = Vm::tables_of(geometry);
        frames * FRAME_BYTES
            + files * 16
            + geometry.pages as usize * 4
            + (tables << geometry.pmd_order) * 8
            + tables * 64
            + (64 << 20)
    }

    /// What so many spare frames take beside that.
    #[must_use]
    pub fn reserve_spare(spare: u32) -> usize {
        spare as usize * FRAME_BYTES + (1 << 20)
    }

    /// Builds a machine with both devices bound and no process.
    ///
    /// # Errors
    /// [`NoMemory`] when the arena is too small for the geometry.
    pub fn new(
        arena: &Arena,
        cpu: &Cpu<'_>,
        geometry: &Geometry,
        rules: Rules,
    ) -> Result<Self, NoMemory> {
        Self::with_spare(arena, cpu, geometry, rules, 0)
    }

    /// As [`Self::new`], with so many spare frames behind the devices; they take [`Self::reserve_spare`] more.
    ///
    /// # Errors
    /// As there.
    pub fn with_spare(
        arena: &Arena,
        cpu: &Cpu<'_>,
        geometry: &Geometry,
        rules: Rules,
        spare: u32,
    ) -> Result<Self, NoMemory> {
        let (pmem, dev) = Self::layout(geometry);
        let devmem = DevMem::new(arena, dev)?;
        let spare = Span { start: Pfn(Self::frames(geometry)), pages: spare };
        let frames = spare.end().0;
        let pagemaps = Pagemaps::new(arena, geometry, rules, frames, Box::new(devmem.clone()))?;
        let vm = Vm::new(arena, geometry, pagemaps)?;
        let procs = usize::from(geometry.procs_max);
        let world = Self {
            dax: Dax::new(arena, geometry, vm, pmem)?,
            devmem,
            geometry: *geometry,
            spare,
            dev_pagemap: arena.table("bound pagemaps", 1)?,
            mirror: arena.table("mirror device", 1)?,
            directory: arena.table("directory", 1)?,
            // A mapping keeps its file when the descriptor is closed.
            open_files: Slab::new(
                arena,
                Self::numbered_max(
                    geometry,
                    usize::from(geometry.fds_max) + usize::from(geometry.maps_max),
                ),
                "file",
            )?,
            procs: Slab::new(arena, procs, "task_struct")?,
            workers: arena.table("worker", usize::from(program::op::WORKERS_MAX))?,
            pipes: Slab::new(
                arena,
                Self::numbered_max(geometry, geometry.pipes_max.into()),
                region::PIPE,
            )?,
            bios: Slab::new(arena, geometry.cpus.into(), region::BIO)?,
            clock: arena.table("clock", 1)?,
            refs: arena.table("references", usize::from(REFS))?,
            counts: PercpuRefs::new(arena, geometry.cpus.into(), REFS.into())?,
        };
        world.bind_all(cpu).map_err(|_| NoMemory)?;
        Ok(world)
    }

    /// Objects behind so many numbers of each process, and one for each call in progress: whatever has a
    /// number can have its object.
    fn numbered_max(geometry: &Geometry, numbers: usize) -> usize {
        usize::from(geometry.procs_max) * numbers + usize::from(geometry.cpus)
    }

    fn bind_all(&self, cpu: &Cpu<'_>) -> Result<(), Errno> {
        self.dax.bind(cpu)?;
        let span = self.devmem.span();
        if span.pages > 0 {
            self.plug_in(cpu, PagemapType::Private)?;
        }
        self.make_refs(cpu)
    }

    /// Puts the driver's frames under a pagemap of their own.
    fn plug_in(&self, cpu: &Cpu<'_>, kind: PagemapType) -> Result<(), Errno> {
        let id = self.pagemaps().memremap_pages(cpu, kind, self.devmem.span())?;
        // Release: pairs with the acquire in `dev_pagemap`.
        self.dev_pagemap[0].set_release(id.0 + 1);
        Ok(())
    }

    /// Frame 0 is the zero page; the devices start on PMD boundaries above it.
    fn layout(geometry: &Geometry) -> (Span, Span) {
        let pmd = geometry.pmd_pages();
        let pmem = Span { start: Pfn(pmd), pages: geometry.pages };
        let dev_start = Pfn(pmem.end().0.next_multiple_of(pmd));
        (pmem, Span { start: dev_start, pages: geometry.dev_pages.min(POOL_PAGES) })
    }

    fn frames(geometry: &Geometry) -> u32 {
        Self::layout(geometry).1.end().0.next_multiple_of(geometry.pmd_pages())
    }

    /// Sizes.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.dax.vm.pagemaps.rules
    }

    fn pagemaps(&self) -> &Pagemaps {
        &self.dax.vm.pagemaps
    }

    /// The driver's pagemap.
    #[must_use]
    pub fn dev_pagemap(&self) -> Option<PagemapId> {
        // Acquire: pairs with the release in `plug_in`.
        self.dev_pagemap[0].read_acquire().checked_sub(1).map(PagemapId)
    }

    /// Does something with the driver's pagemap, which stays what it is meanwhile: whoever takes it away waits for a
    /// grace period before its number is somebody else's. Must not sleep.
    ///
    /// # Errors
    /// `ENODEV` when the driver has no memory.
    fn with_dev_pagemap<R>(
        &self,
        cpu: &Cpu<'_>,
        work: impl FnOnce(PagemapId) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let _rcu = cpu.rcu_read_lock();
        work(self.dev_pagemap().ok_or(Errno::ENODEV)?)
    }

    /// Descriptors of the mirror device.
    fn mirror_users(&self) -> &AtomicU32 {
        &self.mirror[0].users
    }

    /// Virtual time, in steps.
    #[must_use]
    pub fn now(&self) -> u32 {
        self.clock[0].read()
    }
}
