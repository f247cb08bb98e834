//! Processes and the workers that run in them (`kernel/fork.c`, `kernel/exit.c`).
//!
//! A process owns an mm and a table of handles; a worker owns its pins. A process dies with its last
//! worker, in the kernel's order: memory first (`exit_mm`), then every descriptor (`exit_files`), then what that was
//! the last use of (`task_work`), as after a close.

use prim::{AtomicU32, Cpu, Guarded, LockClass, SpinLock, plain, zeroed};
use program::Errno;
use program::op::{Fork, Thread, WorkerId};

use crate::lock_order;
use crate::vm::{GupRange, MmId};
use crate::warn::must_live;
use crate::world::fds::{Fds, HANDLES};
use crate::world::task_work::TaskWork;
use crate::world::{Return, World};

/// Pages one call can ask references on.
pub(super) const PAGES: u32 = 1024;
/// Ranges one worker can hold pinned at once.
pub(super) const PINS: usize = program::geometry::PINS_MAX as usize;

/// Names a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcId(pub u32);

plain! {
    /// A mapping the program numbered. `pages == 0` is unused.
    #[derive(Clone, Copy, Debug)]
    pub struct MapSlot {
        /// First page of its address range.
        pub start: u32,
        /// Length.
        pub pages: u32,
        /// Page of the file at `start`.
        pub pgoff: u32,
        /// The file it maps; [`MapSlot::NO_INODE`] of anonymous memory.
        pub inode: u32,
        /// 1 while a thread unmaps or moves it: the others may still touch what is left of it.
        pub busy: u32,
    }
}

impl MapSlot {
    pub(super) const NO_INODE: u32 = u32::MAX;
    pub(super) const UNUSED: Self = Self { start: 0, pages: 0, pgoff: 0, inode: 0, busy: 0 };

    /// Whether it stands somewhere, and nobody is about to change that: one without an address is being made by another
    /// thread.
    pub(super) fn is_settled(&self) -> bool {
        self.pages != 0 && self.start != 0 && self.busy == 0
    }
}

plain! {
    /// What a process holds by number.
    #[derive(Clone, Copy, Debug)]
    pub struct Handles {
        pub(super) fds: Fds,
        pub(super) maps: [MapSlot; HANDLES],
    }
}

impl Guarded for Handles {
    const CLASS: LockClass = lock_order::FILES_STRUCT;
}

impl Handles {
    const NONE: Self = Self { fds: Fds::NONE, maps: [MapSlot::UNUSED; HANDLES] };

    /// What a child inherits: not what other threads of the parent are in the middle of.
    fn of_child(mut self) -> Self {
        for map in &mut self.maps {
            map.busy = 0;
            if map.start == 0 {
                *map = MapSlot::UNUSED;
            }
        }
        self
    }
}

zeroed! {
    /// `struct task_struct`, shared by its threads.
    #[derive(Debug)]
    pub(crate) struct Proc {
        /// Workers running in it.
        workers: AtomicU32,
        pub(super) mm: AtomicU32,
        pub(super) handles: SpinLock<Handles>,
    }
}

plain! {
    /// One range held by a numbered pin.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Pinned {
        /// Number + 1; 0 is unused.
        pub(super) number: u32,
        pub(super) range: GupRange,
    }
}

plain! {
    /// The registered buffer of a worker: see `uring`.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Buffer {
        pub(super) ranges: [GupRange; PAGES as usize],
        /// How many of them there are; 0 when nothing is registered.
        pub(super) len: u32,
    }
}

plain! {
    /// The pins of a worker.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Pins {
        pub(super) held: [Pinned; PINS],
        /// The number given out last, from 1.
        pub(super) next: u32,
        pub(super) buffer: Buffer,
    }
}

impl Guarded for Pins {
    const CLASS: LockClass = lock_order::PINS;
}

zeroed! {
    /// A thread.
    #[derive(Debug)]
    pub(crate) struct Worker {
        /// Process + 1; 0 while it does not run.
        proc: AtomicU32,
        pub(super) pins: SpinLock<Pins>,
    }
}

impl World {
    /// The place of a worker, whether it runs or not.
    ///
    /// # Errors
    /// `ESRCH` for a number too high.
    pub(super) fn worker(&self, worker: WorkerId) -> Result<&Worker, Errno> {
        self.workers.get(worker.index()).ok_or(Errno::ESRCH)
    }

    /// The process a worker runs in.
    ///
    /// # Errors
    /// `ESRCH` when it does not run.
    pub fn proc_of(&self, worker: WorkerId) -> Result<ProcId, Errno> {
        self.workers
            .get(worker.index())
            .and_then(|slot| slot.proc.read().checked_sub(1))
            .map(ProcId)
            .ok_or(Errno::ESRCH)
    }

    pub(super) fn proc(&self, worker: WorkerId) -> Result<&Proc, Errno> {
        Ok(&self.procs[self.proc_of(worker)?.0])
    }

    pub(super) fn mm_of(&self, worker: WorkerId) -> Result<MmId, Errno> {
        Ok(MmId(self.proc(worker)?.mm.read()))
    }

    /// Starts a worker in a process of its own.
    ///
    /// # Errors
    /// `EEXIST` when it runs already, `ENOMEM` without a process or mm, `EINVAL` for a number too high.
    pub fn spawn(&self, cpu: &Cpu<'_>, worker: WorkerId) -> Return {
        self.check_startable(worker)?;
        let proc = self.new_proc(cpu)?;
        self.start(cpu, worker, proc)
    }

    /// Starts a worker as another thread of `of`'s process (`CLONE_VM | CLONE_FILES`).
    ///
    /// # Errors
    /// As [`Self::spawn`]; `ESRCH` when `of` does not run.
    pub fn clone_thread(&self, cpu: &Cpu<'_>, of: WorkerId, worker: WorkerId) -> Return {
        self.check_startable(worker)?;
        let proc = self.proc_of(of)?;
        // Counted before it can be seen, or it could leave uncounted. Not from zero: `of` may be on its way out, and the
        // process with it.
        if !self.procs[proc.0].workers.add_unless(1, 0) {
            return Err(Errno::ESRCH.into());
        }
        self.start(cpu, worker, proc)
    }

    /// [`Self::clone_thread`], on the CPU that the thread will run on.
    ///
    /// # Errors
    /// As there.
    pub fn clone_vm(&self, cpu: &Cpu<'_>, of: WorkerId, op: &Thread) -> Return {
        self.check_startable(op.child)?;
        let mm = self.mm_of(of)?;
        let returned = self.clone_thread(cpu, of, op.child)?;
        self.dax.vm.runs_on(cpu, mm);
        Ok(returned)
    }

    /// `fork`: the child has copies of all mappings and shares all open files and pipes; no pins.
    ///
    /// # Errors
    /// As [`Self::spawn`]; `ESRCH` when the parent does not run.
    pub fn fork(&self, cpu: &Cpu<'_>, parent: WorkerId, op: &Fork) -> Return {
        let Fork { child } = *op;
        self.check_startable(child)?;
        let from = self.proc(parent)?;
        let proc = self.new_proc(cpu)?;
        let to = &self.procs[proc.0];
        let handles = {
            // Shared under the lock, or another thread could close the last use of one meanwhile.
            let handles = from.handles.lock(cpu);
            self.share_fds(cpu, &handles.fds);
            *handles
        };
        *to.handles.lock(cpu) = handles.of_child();
        let (source, target) = (MmId(from.mm.read()), MmId(to.mm.read()));
        let mut work = TaskWork::none();
        let copied = self
            .dax
            .vm
            .fork_mm(cpu, source, target, &mut |event| self.file_event(cpu, event, &mut work));
        if let Err(errno) = copied {
            self.exit_files(cpu, to, &mut work);
            self.task_work_run(cpu, &work);
            self.procs.free(cpu, proc.0);
            return Err(errno.into());
        }
        self.start(cpu, child, proc)
    }

    /// `exit`, and what SIGKILL leads to: the registered buffer and pins, then memory, then descriptors, then what those
    /// were the last use of.
    ///
    /// # Errors
    /// `ESRCH` when the worker does not run.
    pub fn exit(&self, cpu: &Cpu<'_>, worker: WorkerId) -> Return {
        self.release_pins(cpu, self.worker(worker)?);
        // Exchanged, so that of two exits one does it.
        let id = self.worker(worker)?.proc.xchg(0).checked_sub(1).ok_or(Errno::ESRCH)?;
        self.leave(cpu, ProcId(id));
        Ok(0)
    }

    /// Every worker leaves.
    ///
    /// # Errors
    /// As [`Self::exit`].
    pub fn end(&self, cpu: &Cpu<'_>, _worker: WorkerId) -> Return {
        self.running().try_for_each(|worker| self.exit(cpu, worker).map(drop)).map(|()| 0)
    }

    /// `get_task_mm`: keeps another worker's process, and with it its mm, until [`Self::leave`].
    ///
    /// # Errors
    /// `ESRCH` when it does not run, or is about to be gone.
    #[doc(alias = "get_task_mm")]
    pub(super) fn get_proc(&self, cpu: &Cpu<'_>, worker: WorkerId) -> Result<ProcId, Errno> {
        let id = self.proc_of(worker)?;
        if !self.procs[id.0].workers.add_unless(1, 0) {
            return Err(Errno::ESRCH);
        }
        // The slot may have been another process's by the time it was counted.
        if self.proc_of(worker) != Ok(id) {
            self.leave(cpu, id);
            return Err(Errno::ESRCH);
        }
        Ok(id)
    }

    /// A worker less in a process; the last one ends it.
    pub(super) fn leave(&self, cpu: &Cpu<'_>, id: ProcId) {
        must_live(cpu, &self.procs, id.0);
        let proc = &self.procs[id.0];
        if proc.workers.dec_and_test() {
            let mut work = TaskWork::none();
            self.exit_mm(cpu, MmId(proc.mm.read()), &mut work);
            self.exit_files(cpu, proc, &mut work);
            self.task_work_run(cpu, &work);
            self.procs.free(cpu, id.0);
        }
    }

    /// Workers that run.
    pub fn running(&self) -> impl Iterator<Item = WorkerId> {
        (0..program::op::WORKERS_MAX).map(WorkerId).filter(|worker| self.proc_of(*worker).is_ok())
    }

    fn check_startable(&self, worker: WorkerId) -> Result<(), Errno> {
        match self.proc_of(worker) {
            _ if worker.index() >= self.workers.len() => Err(Errno::EINVAL),
            Ok(_) => Err(Errno::EEXIST),
            Err(_) => Ok(()),
        }
    }

    fn new_proc(&self, cpu: &Cpu<'_>) -> Result<ProcId, Errno> {
        let index = self.procs.alloc(cpu).map_err(|_| Errno::ENOMEM)?;
        match self.dax.vm.mm_create(cpu) {
            Ok(mm) => {
                let proc = &self.procs[index];
                proc.workers.set(1);
                proc.mm.set(mm.0);
                Ok(ProcId(index))
            }
            Err(errno) => {
                self.procs.free(cpu, index);
                Err(errno)
            }
        }
    }

    /// Puts a worker into a process that already counts it; takes the count back if the worker was
    /// started meanwhile.
    fn start(&self, cpu: &Cpu<'_>, worker: WorkerId, proc: ProcId) -> Return {
        if self.worker(worker)?.proc.cmpxchg(0, proc.0 + 1).is_err() {
            self.leave(cpu, proc);
            return Err(Errno::EEXIST.into());
        }
        Ok(0)
    }

    /// `exit_files`: closes every descriptor, lowest number first.
    fn exit_files(&self, cpu: &Cpu<'_>, proc: &Proc, work: &mut TaskWork) {
        // Nobody else uses the numbers of a process without workers: one step takes them all.
        let Handles { fds, .. } = core::mem::replace(&mut *proc.handles.lock(cpu), Handles::NONE);
        fds.all().for_each(|open| self.fput(cpu, open, work));
    }
}
