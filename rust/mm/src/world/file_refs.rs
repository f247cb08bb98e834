//! What is kept of a file's pages keeps the file (`evict-wait=inode-ref`; K§14, the thread of September 2022).
//!
//! Dave Chinner's answer to the wait in an eviction: access to the pages of a file is given by its inode, so whoever keeps
//! one, in a pin, a pipe or a bio, has to keep the inode as well. Then an unlink or a last close takes the name or the use
//! away and returns at once, `umount` finds a file in use, and nobody waits for anybody. The price is that the last of those
//! who keep a page evicts the file: in the context of an unpin, of a reader of a pipe, or of the end of an I/O, which must
//! not sleep (B52).
//!
//! ```text
//!   mmap_lock: the VMA stays, and with it a use of its inode
//!     get_user_pages, without a lock-free walk
//!     a use of the inode for each range that was taken
//!   ...
//!   put the range, then its use: the last one of a nameless file evicts
//! ```
//!
//! There is no lock-free GUP under this rule: who walks without a lock has a page before the inode, and the file may go,
//! and the address be another file's, between the two. Departure: one call takes pages of one mapping only.

use prim::Cpu;
use program::Errno;
use program::rules::EvictWait;

use crate::dax::InodeId;
use crate::vm::{GupRange, GupRequest, MmId};
use crate::world::World;

/// Where a reference is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// By a task, which may sleep.
    Task,
    /// By the end of an I/O, which may not.
    Completion,
}

impl World {
    /// GUP on an address space; what it takes keeps its file, if that is the rule.
    pub(super) fn gup_kept(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        request: &GupRequest,
        out: &mut [GupRange],
    ) -> Result<(u32, usize), Errno> {
        match self.rules().evict_wait {
            EvictWait::None | EvictWait::FinalIdle => {
                self.dax.vm.gup(cpu, mm, request, &self.dax, out)
            }
            EvictWait::InodeRef => self.gup_keeping(cpu, mm, request, out),
        }
    }

    fn gup_keeping(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        request: &GupRequest,
        out: &mut [GupRange],
    ) -> Result<(u32, usize), Errno> {
        let layout = self.dax.vm.mm_layout(cpu, mm);
        let vma = layout.find(request.start).ok_or(Errno::EFAULT)?;
        let pages = request.pages.min(vma.end() - request.start.0);
        let request = GupRequest { pages, ..*request };
        let taken = self.dax.vm.gup_under(cpu, (mm, &layout), &request, &self.dax, out)?;
        if !vma.is_anonymous() {
            // The mapping keeps its file as long as the layout is locked.
            let id = InodeId(vma.mapping);
            for range in &mut out[..taken.1] {
                self.dax.igrab(cpu, id);
                *range = range.keeping(id.0);
            }
        }
        Ok(taken)
    }

    /// A range is given back, and what it keeps.
    #[track_caller]
    pub(super) fn put_range(&self, cpu: &Cpu<'_>, range: &GupRange) {
        self.dax.vm.gup_put(cpu, range);
        self.let_file_go(cpu, range, Context::Task);
    }

    /// What a bio had is given back, and what it keeps.
    #[track_caller]
    pub(super) fn put_bio_range(&self, cpu: &Cpu<'_>, range: &GupRange, context: Context) {
        self.dax.vm.bio_put(cpu, range);
        self.let_file_go(cpu, range, context);
    }

    /// One more of what is kept already.
    #[must_use]
    #[track_caller]
    pub(super) fn dup_range(&self, cpu: &Cpu<'_>, range: &GupRange) -> GupRange {
        if let Some(id) = range.kept_file() {
            self.dax.igrab(cpu, InodeId(id));
        }
        self.dax.vm.gup_dup(cpu, range)
    }

    #[track_caller]
    fn let_file_go(&self, cpu: &Cpu<'_>, range: &GupRange, context: Context) {
        match (range.kept_file().map(InodeId), context) {
            (None, _) => {}
            (Some(id), Context::Task) => self.dax.iput(cpu, id),
            (Some(id), Context::Completion) => self.dax.iput_in_completion(cpu, id),
        }
    }
}
