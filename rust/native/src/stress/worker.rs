//! One stress thread: executes its list, holds what it took, gives it all back.
//!
//! Threads must not deadlock each other by their own doing: whoever may sleep for somebody's reference
//! first gives up its own (a truncate, a close that evicts, a write behind a truncate). What is left
//! between threads is then the kernel's business.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pgmap_mm::page::Span;
use pgmap_mm::vm::GupKind;
use pgmap_mm::world::{Party, Return};
use pgmap_prim::{Cpu, Stopped};
use pgmap_program::Op;
use pgmap_program::op::{
    Access, Advice, Align, Close, DioRead, DioWrite, DmaRead, Drain, FdNo, FileIdx, FileRef,
    FileState, Ftruncate, Layout, Load, Longterm, Madvise, MapNo, Mmap, Mremap, Munmap, Open,
    OpenMode, PageRange, Pin, Pipe, PipeNo, Pread, Prot, Punch, Pvmread, Pwrite, Sharing, Target,
    Unlink, Unpin, Vmsplice, WorkerId, Zerorange, call_number,
};

use super::actions::{Action, ActionKind, FILES, HUGE, MAPS, file_pages, make_files};
use super::gate::Gate;
use super::pace::Pace;
use crate::threaded::{Patience, ThreadedWorld};

/// Pins one thread keeps at most; more make it give one back first.
const PINS: usize = 6;
/// References taken and dropped by one action that is about nothing else.
const BURST: u32 = 64;
/// The descriptor of the slow block device, in every process.
const SLOW_BLOCK: u8 = 63;
/// Runs of driver memory one thread keeps at most.
const RUNS: usize = 4;

/// Opens file `which` under its own number.
fn opens(which: u8) -> Open {
    let target = Target::File(FileIdx(which.into()));
    Open { fd: FdNo(which), target, mode: OpenMode::ReadWrite }
}

/// Maps all of a file, to write.
fn maps_all(map: MapNo, file: FileRef, pages: u32, align: Align) -> Mmap {
    let (prot, sharing) = (Prot::ReadWrite, Sharing::Shared);
    Mmap { map, file, offset: 0, pages, prot, sharing, align }
}

/// A thread and what it holds.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    pub(super) threaded: &'a ThreadedWorld,
    pub(super) id: WorkerId,
    pub(super) pins: usize,
    runs: Vec<(Span, u64)>,
    allocations: u64,
}

/// Executes a list on a world at rest as its only worker, from its start to its exit; what the benchmarks
/// run.
///
/// # Errors
/// [`Stopped`] when the machine is poisoned or pgmap panicked.
pub fn run_list(threaded: &ThreadedWorld, id: WorkerId, list: &[Action]) -> Result<(), Stopped> {
    make_files(threaded)?;
    let mut worker = Worker::start(threaded, id, None)?;
    list.iter().try_for_each(|action| worker.perform(action).map(drop))?;
    worker.leave()
}

impl<'a> Worker<'a> {
    /// Starts the worker, in a process of its own or as another thread of `of`.
    pub(super) fn start(
        threaded: &'a ThreadedWorld,
        id: WorkerId,
        of: Option<WorkerId>,
    ) -> Result<Self, Stopped> {
        let worker = Self { threaded, id, pins: 0, runs: Vec::new(), allocations: 0 };
        let world = threaded.world();
        worker
            .enter(ActionKind::Create, |cpu| -> Return {
                if let Some(of) = of {
                    world.clone_thread(cpu, of, id)?;
                } else {
                    world.spawn(cpu, id)?;
                    let (fd, mode) = (FdNo(SLOW_BLOCK), OpenMode::ReadWriteDirect);
                    world.open(cpu, id, &Open { fd, target: Target::SlowBlock, mode })?;
                    for which in 0..FILES {
                        // A file that a full device left out is opened when it is created.
                        let _ = world.open(cpu, id, &opens(which));
                    }
                }
                world.pipe(cpu, id, &Pipe { pipe: worker.pipe() })
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
        let world = self.threaded.world();
        self.enter(ActionKind::DevFree, |cpu| {
            runs.iter().for_each(|(span, owner)| world.dev_free(cpu, *span, *owner))
        })?;
        self.enter(ActionKind::Munmap, |cpu| world.exit(cpu, self.id))?.ok();
        Ok(())
    }

    pub(super) fn enter<R>(
        &self,
        kind: ActionKind,
        call: impl FnOnce(&Cpu<'_>) -> R,
    ) -> Result<R, Stopped> {
        let task = Party::task(self.id, call_number(kind.call()));
        self.threaded.enter(task, Patience::default(), call)
    }

    pub(super) fn pipe(&self) -> PipeNo {
        PipeNo(self.id.0)
    }

    /// Gives back every reference that somebody could be waiting for.
    fn let_go(&mut self) -> Result<(), Stopped> {
        let world = self.threaded.world();
        let (id, pipe) = (self.id, self.pipe());
        let pins = std::mem::take(&mut self.pins);
        self.enter(ActionKind::Unpin, |cpu| {
            for _ in 0..pins {
                let _ = world.unpin(cpu, id, &Unpin { pin: None });
            }
            let _ = world.drain(cpu, id, &Drain { pipe, pages: 16 });
        })
    }

    /// One action. Every result is an outcome, and the oracles judge; returns whether it did anything.
    fn perform(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Action { kind, which, page, pages, pick } = *action;
        let (world, id) = (self.threaded.world(), self.id);
        let (fd, map) = (FileRef::Fd(FdNo(which)), MapNo(which % MAPS));
        // A file that is looked for by its name is opened for the length of the call.
        let (name, file) = (FileIdx(which.into()), FileRef::File(FileIdx(which.into())));
        if Self::may_wait_for_references(kind) {
            self.let_go()?;
        }
        if matches!(
            kind,
            ActionKind::Pin | ActionKind::PinRange | ActionKind::Get | ActionKind::AnonGet
        ) && self.pins >= PINS
        {
            self.let_go()?;
        }
        let size = file_pages(world.geometry(), which);
        match kind {
            ActionKind::Read => self.did(kind, |cpu| {
                (page..page + pages).try_for_each(|at| {
                    world.load_checked(cpu, id, &Load { map, page: at }).map(drop)
                })
            }),
            ActionKind::Write => self.did(kind, |cpu| world.store_mark(cpu, id, map, page)),
            ActionKind::Pin | ActionKind::PinRange | ActionKind::Get => {
                let gup = if kind == ActionKind::Get { GupKind::Get } else { GupKind::Pin };
                let pages = if kind == ActionKind::PinRange { pages } else { 1 };
                let access = if pick & 1 == 0 { Access::Read } else { Access::Write };
                let wanted = Pin { map, page, pages, longterm: Longterm::Short, access };
                let taken = self.did(kind, |cpu| -> Return {
                    let ticket = world.next_pin(cpu, id)?;
                    world.pin_numbered(cpu, id, ticket, gup, &wanted)
                })?;
                self.pins += usize::from(taken);
                Ok(taken)
            }
            ActionKind::Copy => self.enter(kind, |cpu| {
                // As the system call does, it stops at the first page it cannot read.
                let copy = Pvmread { target: id, map, page, pages: 1 };
                let copied = |_: &u32| world.process_vm_readv(cpu, id, &copy).is_ok();
                (0..BURST).take_while(copied).count() > 0
            }),
            ActionKind::Unpin => {
                let given = self.calls(kind, Unpin { pin: None })?;
                self.pins -= usize::from(given);
                Ok(given)
            }
            ActionKind::DmaWrite => self.did(kind, |cpu| world.dma_mark(cpu, id)),
            ActionKind::DmaRead => self.calls(kind, DmaRead { pin: None }),
            ActionKind::Dio => {
                let (device, ticks) = (FdNo(SLOW_BLOCK), Some(0));
                match pick & 1 {
                    0 => self.calls(kind, DioWrite { device, map, page, pages, ticks }),
                    _ => self.calls(kind, DioRead { device, map, page, pages, ticks }),
                }
            }
            ActionKind::Mmap => {
                let align = if pick & 3 == 0 { Align::Odd } else { Align::Natural };
                let prot = if pick & 12 == 0 { Prot::Read } else { Prot::ReadWrite };
                self.calls(kind, Mmap { prot, ..maps_all(map, fd, size, align) })
            }
            ActionKind::Straddle => self.straddle(which % HUGE, page, pick),
            ActionKind::Munmap => self.calls(kind, Munmap { map, range: None }),
            ActionKind::MunmapPart => {
                self.calls(kind, Munmap { map, range: Some(PageRange { page, pages }) })
            }
            ActionKind::Mremap => self.calls(kind, Mremap { map }),
            ActionKind::Dontneed => {
                self.calls(kind, Madvise { map, advice: Advice::DontNeed, page })
            }
            ActionKind::Truncate => {
                let pages = [0, size / 2, size, size, size][pick as usize % 5];
                self.calls(kind, Ftruncate { file, pages })
            }
            ActionKind::Punch => self.calls(kind, Punch { file, page, pages }),
            ActionKind::ZeroRange => self.calls(kind, Zerorange { file, page, pages }),
            ActionKind::Pwrite => {
                let write = Pwrite { file: fd, page, pages: 1 };
                self.did(kind, |cpu| world.pwrite_mark(cpu, id, &write))
            }
            ActionKind::Pread => {
                let read = Pread { file: fd, page, pages: 1 };
                self.did(kind, |cpu| world.pread_checked(cpu, id, &read))
            }
            ActionKind::Unlink => self.did(kind, |cpu| {
                let unlinked = world.unlink(cpu, id, &Unlink { file: name });
                // The descriptor may be closed already: then somebody else's close evicts.
                unlinked.and(world.close(cpu, id, &Close { fd: FdNo(which) }))
            }),
            ActionKind::Create => self.did(kind, |cpu| self.create(cpu, which, size, pick)),
            ActionKind::Vmsplice => {
                self.calls(kind, Vmsplice { pipe: self.pipe(), map, page, pages: 1 })
            }
            ActionKind::Drain => self.enter(kind, |cpu| {
                let drained = world.drain(cpu, id, &Drain { pipe: self.pipe(), pages });
                drained.is_ok_and(|bytes| bytes > 0)
            }),
            ActionKind::DevAlloc => self.dev_alloc(pages, pick),
            ActionKind::DevFree => self.dev_free(),
            ActionKind::DevPeek => self.enter(kind, |cpu| {
                let found = |at: &u32| world.dev_peek(cpu, pick.wrapping_add(*at));
                (0..BURST).filter(found).count() > 0
            }),
            ActionKind::Rebind => {
                self.did(kind, |cpu| world.unbind(cpu, id).and_then(|_| world.bind(cpu, id)))
            }
            ActionKind::Anon => self.anon_map(action),
            ActionKind::AnonRead => self.anon_read(action),
            ActionKind::AnonWrite => self.anon_write(action),
            ActionKind::AnonGet => self.anon_get(action),
            ActionKind::AnonVmsplice => self.anon_vmsplice(action),
            ActionKind::AnonDontneed => self.anon_dontneed(action),
            ActionKind::AnonMunmap => self.anon_munmap(action),
            ActionKind::AnonMremap => self.anon_mremap(action),
            ActionKind::SplitHuge => self.split_huge(action),
            ActionKind::ToDevice => self.anon_todev(action),
            ActionKind::ToSystem => self.anon_tosys(action),
            ActionKind::DeviceRead => self.device_read(action),
            ActionKind::Exclusive => self.exclusive(action),
            ActionKind::MovePages => self.move_pages(action),
            ActionKind::Shrink => self.shrink(action),
        }
    }

    /// Performs an operation as a program does, and says whether it did anything.
    pub(super) fn calls(&self, kind: ActionKind, op: impl Into<Op>) -> Result<bool, Stopped> {
        let op = op.into();
        self.did(kind, |cpu| self.threaded.world().execute(cpu, self.id, &op))
    }

    /// Performs a call and says whether it did anything.
    pub(super) fn did<T, E>(
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
                | ActionKind::Mremap
                | ActionKind::Straddle
                | ActionKind::Rebind
        )
    }

    fn create(&self, cpu: &Cpu<'_>, which: u8, size: u32, pick: u32) -> Return {
        let world = self.threaded.world();
        let state = match pick % 4 {
            0 => None,
            1 => Some(FileState::Unwritten),
            _ => Some(FileState::Written),
        };
        let layout = if which < HUGE { Layout::Huge } else { Layout::Contiguous };
        let name = FileIdx(which.into());
        let created = world.create_file(cpu, name, size, state, layout);
        // Whoever created it, this process opens it.
        created.and(world.open(cpu, self.id, &opens(which)))
    }

    /// Faults pages of one huge entry in by turns as a whole and one by one. Only a file that nobody has taken
    /// blocks from has such an entry, so now and then there is a new one.
    fn straddle(&self, which: u8, page: u32, pick: u32) -> Result<bool, Stopped> {
        let (world, id, kind) = (self.threaded.world(), self.id, ActionKind::Straddle);
        let (name, fd) = (FileIdx(which.into()), FdNo(which));
        let size = file_pages(world.geometry(), which);
        if pick.is_multiple_of(4) {
            self.did(kind, |cpu| {
                let _ = world.unlink(cpu, id, &Unlink { file: name });
                let _ = world.close(cpu, id, &Close { fd });
                world.create_file(cpu, name, size, Some(FileState::Written), Layout::Huge)
            })?;
        }
        // Two numbers for each thread of a process.
        let first = MAPS + 2 * (id.0 % 2);
        let maps = [(MapNo(first), Align::Natural), (MapNo(first + 1), Align::Odd)];
        let mapped = self.did(kind, |cpu| {
            let _ = world.open(cpu, id, &opens(which));
            maps.iter().try_for_each(|(map, align)| {
                let whole = maps_all(*map, FileRef::Fd(fd), size, *align);
                world.mmap(cpu, id, &whole).map(drop)
            })
        })?;
        let mut touched = false;
        for at in (page..size).chain(0..page) {
            for (map, _) in maps {
                touched |= self.did(kind, |cpu| {
                    world.madvise(cpu, id, &Madvise { map, advice: Advice::DontNeed, page: at })?;
                    world.load_checked(cpu, id, &Load { map, page: at })
                })?;
            }
        }
        for (map, _) in maps {
            self.did(kind, |cpu| world.munmap(cpu, id, &Munmap { map, range: None }))?;
        }
        Ok(mapped && touched)
    }

    fn dev_alloc(&mut self, pages: u32, pick: u32) -> Result<bool, Stopped> {
        if self.runs.len() >= RUNS {
            self.dev_free()?;
        }
        let pmd = self.threaded.world().geometry().pmd_pages();
        // Half of the runs are as large as folios get, so that heads and tails change places.
        let pages = if pick.is_multiple_of(2) { pmd } else { pages };
        self.allocations += 1;
        let owner = ((u64::from(self.id.0) + 1) << 48) | self.allocations;
        let world = self.threaded.world();
        let run = self.enter(ActionKind::DevAlloc, |cpu| world.dev_claim(cpu, pages, owner))?;
        self.runs.extend(run.iter().map(|span| (*span, owner)));
        Ok(run.is_ok())
    }

    fn dev_free(&mut self) -> Result<bool, Stopped> {
        let Some((span, owner)) = self.runs.pop() else { return Ok(false) };
        self.enter(ActionKind::DevFree, |cpu| self.threaded.world().dev_free(cpu, span, owner))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use pgmap_program::{Era, Geometry};

    use super::*;

    #[test]
    fn an_action_may_do_to_a_file_what_its_descriptor_allows() {
        let threaded =
            ThreadedWorld::new(&Geometry::stress(2), Era::V6_15Sound.rules()).expect("a world");
        make_files(&threaded).expect("files");
        let mut worker = Worker::start(&threaded, WorkerId(0), None).expect("a worker");
        let mut does = |kind| {
            let action = Action { kind, which: 0, page: 0, pages: 1, pick: 4 };
            worker.perform(&action).expect("a machine that runs")
        };
        assert!(does(ActionKind::Pwrite) && does(ActionKind::Mmap) && does(ActionKind::Munmap));
        let reads = Open { mode: OpenMode::Read, ..opens(0) };
        threaded
            .enter(0, Patience::default(), |cpu| threaded.world().open(cpu, WorkerId(0), &reads))
            .expect("a machine that runs")
            .expect("a descriptor for reading");
        assert!(!does(ActionKind::Pwrite) && !does(ActionKind::Mmap), "both write");
        assert!(does(ActionKind::Pread));
        worker.leave().expect("gone");
    }
}
