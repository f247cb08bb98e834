//! Names, users, and the end of an inode (`iput`, `evict`; K§5.5 eviction, B13, B44).
//!
//! A file lives while it has a name or a user, and a name counts as a user: one word says who was the
//! last, so a close and an unlink that race cannot both think they were. Departure: the kernel's two
//! words are kept together by `i_lock`. When the last one goes, eviction waits for every page of it
//! (`dax_break_layout_final`), uninterruptibly and in the context of whoever dropped the last user: a
//! close, a munmap, an exit. Nothing can fault any more then, so no lock is needed to keep faults out.

use prim::{Cpu, Sleep};
use program::Errno;
use program::rules::{EvictWait, LayoutEntries};

use crate::dax::{Dax, InodeId};
use crate::tally;
use crate::warn::{Complaint, must_live, warn_on};

impl Dax {
    /// `igrab`: one more user of a file that has one, or a name.
    pub fn igrab(&self, cpu: &Cpu<'_>, id: InodeId) {
        must_live(cpu, &self.inodes, id.0);
        self.inode(id).count.inc();
    }

    /// `iput`. Evicts when this was the last user of a file without a name.
    pub fn iput(&self, cpu: &Cpu<'_>, id: InodeId) {
        must_live(cpu, &self.inodes, id.0);
        if self.inode(id).count.dec_and_test() {
            self.evict(cpu, id);
        }
    }

    /// `iput` where nobody may sleep. An eviction there is told, and runs all the same.
    #[doc(alias = "iput")]
    #[track_caller]
    pub(crate) fn iput_in_completion(&self, cpu: &Cpu<'_>, id: InodeId) {
        if self.inode(id).count.dec_and_test() {
            warn_on(cpu, Complaint::EvictedInCompletion, id.0, 0);
            self.evict(cpu, id);
        }
    }

    /// `unlink`: the name goes, and with it its use of the file. May evict.
    pub fn unlink(&self, cpu: &Cpu<'_>, id: InodeId) {
        self.inode(id).nlink.dec();
        self.iput(cpu, id);
    }

    /// `umount`: every file is put away, waiting for its pages; names and blocks stay.
    ///
    /// # Errors
    /// `EBUSY` while a file is open or mapped.
    pub fn umount(&self, cpu: &Cpu<'_>) -> Result<(), Errno> {
        if self.is_frozen() {
            // Only its name goes: who has frozen the file system keeps it.
            return Ok(());
        }
        if self.live_inodes().any(|id| self.inode(id).users() > 0) {
            return Err(Errno::EBUSY);
        }
        self.live_inodes().for_each(|id| self.break_layout_final(cpu, id));
        Ok(())
    }

    /// `evict`: entries, blocks, inode.
    fn evict(&self, cpu: &Cpu<'_>, id: InodeId) {
        cpu.count(tally::EVICTED);
        self.break_layout_final(cpu, id);
        self.free_blocks(cpu, id, self.whole_file());
        if self.is_cloned(id) {
            self.inode(id).cloned.set(0);
        }
        self.inodes.free(cpu, id.0);
    }

    /// `dax_break_layout_final`.
    #[doc(alias = "dax_break_layout_final")]
    pub(super) fn break_layout_final(&self, cpu: &Cpu<'_>, id: InodeId) {
        match self.vm.pagemaps.rules.evict_wait {
            EvictWait::FinalIdle => {
                let mut faults = Some(self.shut_out_faults(cpu, id));
                // Uninterruptible: comes back with every page idle.
                let _ = self.break_layout(cpu, id, Sleep::Uninterruptible, &mut faults);
                match self.vm.pagemaps.rules.layout_entries {
                    LayoutEntries::Removed => {}
                    LayoutEntries::Kept => self.delete_entries(cpu, id, self.whole_file()),
                }
            }
            // Or nobody has a page of it any more: whoever does, uses it.
            EvictWait::None | EvictWait::InodeRef => {
                self.delete_entries(cpu, id, self.whole_file())
            }
        }
    }
}
