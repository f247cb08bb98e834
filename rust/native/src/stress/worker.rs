//! One stress thread: executes its list, holds what it took, gives it all back.
//!
//! Threads must not deadlock each other by their own doing: whoever may sleep for somebody's reference
//! first gives up its own (a truncate, a close that evicts, a write behind a truncate). What is left
//! between threads is then the kernel's business.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pgmap_mm::dax::InodeId;
use pgmap_mm::page::Span;
use pgmap_mm::vm::{GupKind, Permission};
use pgmap_mm::world::{Completes, Party, PinRequest, Return};
use pgmap_prim::{Cpu, Stopped};
use pgmap_program::Errno;
use pgmap_program::op::{
    Align, FdNo, FileIdx, FileRef, FileState, Layout, MapNo, OpenMode, PageRange, PipeNo, Prot,
    Target, WorkerId, call_number,
};

use super::actions::{Action, ActionKind, FILES, HUGE, MAPS, file_pages};
use super::gate::Gate;
use super::pace::Pace;
use crate::lab::{Lab, Patience};

/// Pins one thread keeps at most; more make it give one back first.
const PINS: usize = 6;
/// References taken and dropped by one action that is about nothing else.
const BURST: u32 = 64;
/// The descriptor of the slow block device, in every process.
const SLOW_BLOCK: u8 = 63;
/// Runs of driver memory one thread keeps at most.
const RUNS: usize = 4;

/// A thread and what it holds.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    lab: &'a Lab,
    id: WorkerId,
    pins: usize,
    runs: Vec<(Span, u64)>,
    allocations: u64,
}

/// Executes a list on a lab at rest as its only worker, from its start to its exit; what the benchmarks
/// run.
///
/// # Errors
/// [`Stopped`] when the machine is poisoned or pgmap panicked.
pub fn run_list(lab: &Lab, id: WorkerId, list: &[Action]) -> Result<(), Stopped> {
    super::round::make_files(lab)?;
    let mut worker = Worker::start(lab, id, None)?;
    list.iter().try_for_each(|action| worker.perform(action).map(drop))?;
    worker.leave()
}

impl<'a> Worker<'a> {
    /// Starts the worker, in a process of its own or as another thread of `of`.
    pub(super) fn start(lab: &'a Lab, id: WorkerId, of: Option<WorkerId>) -> Result<Self, Stopped> {
        let worker = Self { lab, id, pins: 0, runs: Vec::new(), allocations: 0 };
        let world = lab.world();
        worker
            .enter(ActionKind::Create, |cpu| -> Return {
                if let Some(of) = of {
                    world.clone_thread(of, id)?;
                } else {
                    world.spawn(cpu, id)?;
                    world.open(
                        cpu,
                        id,
                        FdNo(SLOW_BLOCK),
                        Target::SlowBlock,
                        OpenMode::ReadWriteDirect,
                    )?;
                    for which in 0..FILES {
                        // A file that a full device left out is opened when it is created.
                        let target = Target::File(FileIdx(which.into()));
                        let _ = world.open(cpu, id, FdNo(which), target, OpenMode::ReadWrite);
                    }
                }
                world.pipe(cpu, id, worker.pipe())
            })?
            .map_err(|failure| Stopped::Panic(format!("{id} did not start: {failure:?}")))?;
        Ok(worker)
    }

    /// Executes until the list or the round ends, and gives everything back.
    pub(super) fn run(
        &mut self,
        list: &[Action],
        stop: &AtomicBool,
        (gate, pace): (&Gate, &Pace),
        counts: &[AtomicU64],
    ) -> Result<(), Stopped> {
        pace.start();
        for action in list {
            gate.pass();
            if stop.load(Ordering::Relaxed) {
                break;
            }
            pace.begin();
            if self.perform(action)? {
                counts[action.kind as usize].fetch_add(1, Ordering::Relaxed);
            }
        }
        gate.pass();
        pace.begin();
        self.leave()
    }

    /// Gives everything back and ends the worker.
    fn leave(&mut self) -> Result<(), Stopped> {
        self.let_go()?;
        let runs = std::mem::take(&mut self.runs);
        let world = self.lab.world();
        self.enter(ActionKind::DevFree, |cpu| {
            runs.iter().for_each(|(span, owner)| world.dev_free(cpu, *span, *owner))
        })?;
        self.enter(ActionKind::Munmap, |cpu| world.exit(cpu, self.id))?.ok();
        Ok(())
    }

    fn enter<R>(&self, kind: ActionKind, call: impl FnOnce(&Cpu<'_>) -> R) -> Result<R, Stopped> {
        let task = Party::task(self.id, call_number(kind.call()));
        self.lab.enter(task, Patience::default(), call)
    }

    fn pipe(&self) -> PipeNo {
        PipeNo(self.id.0)
    }

    /// Gives back every reference that somebody could be waiting for.
    fn let_go(&mut self) -> Result<(), Stopped> {
        let world = self.lab.world();
        let (id, pipe) = (self.id, self.pipe());
        let pins = std::mem::take(&mut self.pins);
        self.enter(ActionKind::Unpin, |cpu| {
            for _ in 0..pins {
                let _ = world.unpin(cpu, id, None);
            }
            let _ = world.drain(cpu, id, pipe, 16);
        })
    }

    /// One action. Every result is an outcome, and the oracles judge; returns whether it did anything.
    fn perform(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Action { kind, which, page, pages, pick } = *action;
        let (world, id) = (self.lab.world(), self.id);
        let (fd, map) = (FileRef::Fd(FdNo(which)), MapNo(which % MAPS));
        let name = FileIdx(which.into());
        let range = PageRange { page, pages: 1 };
        if Self::may_wait_for_references(kind) {
            self.let_go()?;
        }
        if matches!(kind, ActionKind::Pin | ActionKind::PinRange | ActionKind::Get)
            && self.pins >= PINS
        {
            self.let_go()?;
        }
        let size = file_pages(world.geometry(), which);
        match kind {
            ActionKind::Read => self.did(kind, |cpu| {
                (page..page + pages)
                    .try_for_each(|at| world.load_checked(cpu, id, map, at).map(drop))
            }),
            ActionKind::Write => self.did(kind, |cpu| world.store_mark(cpu, id, map, page)),
            ActionKind::Pin | ActionKind::PinRange | ActionKind::Get => {
                let gup = if kind == ActionKind::Get { GupKind::Get } else { GupKind::Pin };
                let count = if kind == ActionKind::PinRange { pages } else { 1 };
                let access = if pick & 1 == 0 { Permission::Read } else { Permission::Write };
                let wanted = PinRequest { access, ..PinRequest::short(gup, map, page, count) };
                let taken = self.did(kind, |cpu| world.pin(cpu, id, wanted))?;
                self.pins += usize::from(taken);
                Ok(taken)
            }
            ActionKind::Copy => self.enter(kind, |cpu| {
                // As the system call does, it stops at the first page it cannot read.
                let copied = |_: &u32| world.vm_read(cpu, id, map, page, 1).is_ok();
                (0..BURST).take_while(copied).count() > 0
            }),
            ActionKind::Unpin => {
                let given = self.did(kind, |cpu| world.unpin(cpu, id, None))?;
                self.pins -= usize::from(given);
                Ok(given)
            }
            ActionKind::DmaWrite => self.did(kind, |cpu| world.dma_mark(cpu, id)),
            ActionKind::DmaRead => self.did(kind, |cpu| world.dma(cpu, id, None, None)),
            ActionKind::Dio => self.did(kind, |cpu| {
                let memory = if pick & 1 == 0 { Permission::Read } else { Permission::Write };
                let device = FdNo(SLOW_BLOCK);
                world.direct_io(cpu, id, device, map, page, pages, memory, Completes::AtOnce)
            }),
            ActionKind::Mmap => self.did(kind, |cpu| {
                let align = if pick & 3 == 0 { Align::Odd } else { Align::Natural };
                let prot = if pick & 12 == 0 { Prot::Read } else { Prot::ReadWrite };
                world.mmap(cpu, id, map, fd, 0, size, prot, align)
            }),
            ActionKind::Straddle => self.straddle(which % HUGE, page, pick),
            ActionKind::Munmap => self.did(kind, |cpu| world.munmap(cpu, id, map, None)),
            ActionKind::MunmapPart => {
                self.did(kind, |cpu| world.munmap(cpu, id, map, Some(PageRange { page, pages })))
            }
            ActionKind::Dontneed => self.did(kind, |cpu| world.dontneed(cpu, id, map, page)),
            ActionKind::Truncate => {
                let to = [0, size / 2, size, size, size][pick as usize % 5];
                self.on_inode(kind, name, |cpu, inode| world.dax.truncate(cpu, inode, to))
            }
            ActionKind::Punch => self.on_inode(kind, name, |cpu, inode| {
                world.dax.punch(cpu, inode, PageRange { page, pages })
            }),
            ActionKind::ZeroRange => self.on_inode(kind, name, |cpu, inode| {
                world.dax.zero_range(cpu, inode, PageRange { page, pages })
            }),
            ActionKind::Pwrite => self.did(kind, |cpu| world.pwrite_mark(cpu, id, fd, page)),
            ActionKind::Pread => self.did(kind, |cpu| world.pread_checked(cpu, id, fd, range)),
            ActionKind::Unlink => self.did(kind, |cpu| {
                let unlinked = world.unlink(cpu, name);
                // The descriptor may be closed already: then somebody else's close evicts.
                unlinked.and(world.close(cpu, id, FdNo(which)))
            }),
            ActionKind::Create => self.did(kind, |cpu| self.create(cpu, which, size, pick)),
            ActionKind::Vmsplice => {
                self.did(kind, |cpu| world.vmsplice(cpu, id, self.pipe(), map, page, 1))
            }
            ActionKind::Drain => self.enter(kind, |cpu| {
                world.drain(cpu, id, self.pipe(), pages).is_ok_and(|bytes| bytes > 0)
            }),
            ActionKind::DevAlloc => self.dev_alloc(pages, pick),
            ActionKind::DevFree => self.dev_free(),
            ActionKind::DevPeek => self.enter(kind, |cpu| {
                let found = |at: &u32| world.dev_peek(cpu, pick.wrapping_add(*at));
                (0..BURST).filter(found).count() > 0
            }),
            ActionKind::Rebind => {
                self.did(kind, |cpu| world.dax.unbind(cpu).and_then(|()| world.dax.bind(cpu)))
            }
        }
    }

    /// Performs a call and says whether it did anything.
    fn did<T, E>(
        &self,
        kind: ActionKind,
        call: impl FnOnce(&Cpu<'_>) -> Result<T, E>,
    ) -> Result<bool, Stopped> {
        self.enter(kind, |cpu| call(cpu).is_ok())
    }

    /// Sleeps, directly or behind somebody who does, until references are gone.
    fn may_wait_for_references(kind: ActionKind) -> bool {
        matches!(
            kind,
            ActionKind::Truncate
                | ActionKind::Punch
                | ActionKind::ZeroRange
                | ActionKind::Pwrite
                | ActionKind::Pread
                | ActionKind::Unlink
                | ActionKind::Create
                | ActionKind::Mmap
                | ActionKind::Munmap
                | ActionKind::MunmapPart
                | ActionKind::Straddle
                | ActionKind::Rebind
        )
    }

    /// A file's inode, kept alive by a user of its own while `call` runs.
    fn on_inode(
        &self,
        kind: ActionKind,
        name: FileIdx,
        call: impl FnOnce(&Cpu<'_>, InodeId) -> Result<(), Errno>,
    ) -> Result<bool, Stopped> {
        self.did(kind, |cpu| {
            self.lab
                .world()
                .with_inode(cpu, self.id, FileRef::File(name), |inode| call(cpu, inode).map(|()| 0))
        })
    }

    fn create(&self, cpu: &Cpu<'_>, which: u8, size: u32, pick: u32) -> Return {
        let world = self.lab.world();
        let state = match pick % 4 {
            0 => None,
            1 => Some(FileState::Unwritten),
            _ => Some(FileState::Written),
        };
        let layout = if which < HUGE { Layout::Huge } else { Layout::Contiguous };
        let name = FileIdx(which.into());
        let created = world.create_file(cpu, name, size, state, layout);
        // Whoever created it, this process opens it.
        created.and(world.open(cpu, self.id, FdNo(which), Target::File(name), OpenMode::ReadWrite))
    }

    /// Faults pages of one huge entry in by turns as a whole and one by one. Only a file that nobody has taken
    /// blocks from has such an entry, so now and then there is a new one.
    fn straddle(&self, which: u8, page: u32, pick: u32) -> Result<bool, Stopped> {
        let (world, id, kind) = (self.lab.world(), self.id, ActionKind::Straddle);
        let (name, fd) = (FileIdx(which.into()), FdNo(which));
        let size = file_pages(world.geometry(), which);
        if pick.is_multiple_of(4) {
            self.did(kind, |cpu| {
                let _ = world.unlink(cpu, name);
                let _ = world.close(cpu, id, fd);
                world.create_file(cpu, name, size, Some(FileState::Written), Layout::Huge)
            })?;
        }
        // Two numbers for each thread of a process.
        let first = MAPS + 2 * (id.0 % 2);
        let maps = [(MapNo(first), Align::Natural), (MapNo(first + 1), Align::Odd)];
        let mapped = self.did(kind, |cpu| {
            let _ = world.open(cpu, id, fd, Target::File(name), OpenMode::ReadWrite);
            maps.iter().try_for_each(|(map, align)| {
                let file = FileRef::Fd(fd);
                world.mmap(cpu, id, *map, file, 0, size, Prot::ReadWrite, *align).map(drop)
            })
        })?;
        let mut touched = false;
        for at in (page..size).chain(0..page) {
            for (map, _) in maps {
                touched |= self.did(kind, |cpu| {
                    world.dontneed(cpu, id, map, at)?;
                    world.load_checked(cpu, id, map, at)
                })?;
            }
        }
        for (map, _) in maps {
            self.did(kind, |cpu| world.munmap(cpu, id, map, None))?;
        }
        Ok(mapped && touched)
    }

    fn dev_alloc(&mut self, pages: u32, pick: u32) -> Result<bool, Stopped> {
        if self.runs.len() >= RUNS {
            self.dev_free()?;
        }
        let pmd = self.lab.world().geometry().pmd_pages();
        // Half of the runs are as large as folios get, so that heads and tails change places.
        let pages = if pick.is_multiple_of(2) { pmd } else { pages };
        self.allocations += 1;
        let owner = ((u64::from(self.id.0) + 1) << 48) | self.allocations;
        let world = self.lab.world();
        let run = self.enter(ActionKind::DevAlloc, |cpu| world.dev_alloc(cpu, pages, owner))?;
        self.runs.extend(run.iter().map(|span| (*span, owner)));
        Ok(run.is_ok())
    }

    fn dev_free(&mut self) -> Result<bool, Stopped> {
        let Some((span, owner)) = self.runs.pop() else { return Ok(false) };
        self.enter(ActionKind::DevFree, |cpu| self.lab.world().dev_free(cpu, span, owner))?;
        Ok(true)
    }
}
