//! What a task has still to do when its call is over (`kernel/task_work.c`, `fs/file_table.c`; K§15 exit, B57).
//!
//! The last `fput` of a file does not end it where it stands, among other descriptors or under `mmap_lock`: it is
//! queued, and runs at the return of the call, or at the end of an exit. Then it may sleep, in the eviction of a file
//! without a name, for pages that a pipe further on in the same queue holds; so the order decides whether a task
//! waits for itself.

use prim::Cpu;
use program::rules::ExitFput;

use crate::vm::VMAS;
use crate::warn::must_live;
use crate::world::World;
use crate::world::fds::{HANDLES, Open, Slot};

/// The most that one call can end: the files of all mappings, and all descriptors, of which a pipe has two.
const QUEUED: usize = VMAS + 3 * HANDLES;

/// What was put for the last time, oldest first.
pub(super) struct TaskWork {
    queued: [Slot; QUEUED],
    len: usize,
}

impl TaskWork {
    pub(super) fn none() -> Self {
        Self { queued: [Slot::CLOSED; QUEUED], len: 0 }
    }

    #[doc(alias = "task_work_add")]
    fn add(&mut self, open: Open) {
        self.queued[self.len] = Slot::of(open);
        self.len += 1;
    }
}

impl World {
    /// `fput`: a use less. What was the last one's is queued.
    pub(super) fn fput(&self, cpu: &Cpu<'_>, open: Open, work: &mut TaskWork) {
        let last = match open {
            Open::File(file) => {
                must_live(cpu, &self.open_files, file);
                self.open_files[file].put_and_test()
            }
            Open::Pipe(pipe, end) => {
                must_live(cpu, &self.pipes, pipe);
                self.pipes[pipe].put_and_test(end)
            }
            Open::SlowBlock => false,
            Open::Mirror => {
                self.mirror_users().dec();
                false
            }
        };
        if last {
            work.add(open);
        }
    }

    /// `task_work_run`.
    pub(super) fn task_work_run(&self, cpu: &Cpu<'_>, work: &TaskWork) {
        let newest_first = || work.queued[..work.len].iter().rev().filter_map(|slot| slot.open());
        let is_pipe = |open: &Open| matches!(open, Open::Pipe(..));
        match self.rules().exit_fput {
            ExitFput::NewestFirst => newest_first().for_each(|open| self.last_fput(cpu, open)),
            ExitFput::PipesFirst => {
                newest_first().filter(is_pipe).for_each(|open| self.last_fput(cpu, open));
                let others = newest_first().filter(|open| !is_pipe(open));
                others.for_each(|open| self.last_fput(cpu, open));
            }
        }
    }

    /// `__fput`: what nobody uses any more ends. May sleep.
    #[doc(alias = "__fput")]
    pub(super) fn last_fput(&self, cpu: &Cpu<'_>, open: Open) {
        match open {
            Open::File(file) => self.file_release(cpu, file),
            Open::Pipe(pipe, _) => self.pipe_release(cpu, pipe),
            Open::SlowBlock | Open::Mirror => {}
        }
    }
}
