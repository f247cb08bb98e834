//! What is kept of a file's pages keeps the file (`evict-wait=inode-ref`; K§14, the thread of September 2022).
//!
//! Dave Chinner's answer to the wait in an eviction: access to the pages of a file is given by its inode, so whoever keeps
//! one, in a pin, a pipe or a bio, has to keep the inode as well. Then an unlink or a last close takes the name or the use
//! away and returns at once, `umount` finds a file in use, and nobody waits for anybody. The price is that the last of those
//! who keep a page evicts the file: in the context of an unpin, of a reader of a pipe, or of the end of an I/O, which must
//! not sleep (B52).
//!
//! ```text
//!   look the VMA up under mmap_lock, take a use of its inode      the mapping has one as long
//!   get_user_pages                                                none of its pages leaves the file meanwhile
//!   a use for each range that was taken, the first one goes
//!   ...
//!   put the range, then its use: the last one of a nameless file evicts
//! ```
//!
//! Departure: under this rule one call takes pages of one mapping only.

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
        let (vm, dax) = (&self.dax.vm, &self.dax);
        let (id, request) = match self.rules().evict_wait {
            EvictWait::None | EvictWait::FinalIdle => return vm.gup(cpu, mm, request, dax, out),
            EvictWait::InodeRef => match self.keep_file(cpu, mm, request) {
                Some(kept) => kept,
                None => return vm.gup(cpu, mm, request, dax, out),
            },
        };
        let taken = vm.gup(cpu, mm, &request, dax, out);
        if let Ok((_, ranges)) = taken {
            for range in &mut out[..ranges] {
                dax.igrab(id);
                *range = range.keeping(id.0);
            }
        }
        dax.iput(cpu, id);
        taken
    }

    /// A use of the file that is mapped where a request begins, and what of the request is in that mapping.
    fn keep_file(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        request: &GupRequest,
    ) -> Option<(InodeId, GupRequest)> {
        let layout = self.dax.vm.mm_layout(cpu, mm);
        let vma = layout.find(request.start).filter(|vma| !vma.is_anonymous())?;
        // The mapping keeps its file as long as the layout is locked.
        let id = InodeId(vma.mapping);
        self.dax.igrab(id);
        let pages = request.pages.min(vma.end() - request.start.0);
        Some((id, GupRequest { pages, ..*request }))
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
            self.dax.igrab(InodeId(id));
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
