//! Names, users, and the end of an inode (`iput`, `evict`; K§5.5 eviction, B13, B44).
//!
//! A file lives while it has a name or a user. When the last of both goes, eviction waits for every
//! page of it (`dax_break_layout_final`), uninterruptibly and in the context of whoever dropped the last
//! user: a close, a munmap, an exit. Nothing can fault any more then, so no lock is needed to keep
//! faults out.

use prim::{Cpu, Sleep};
use program::Errno;
use program::rules::EvictWait;

use crate::dax::{Dax, InodeId};
use crate::tally;

impl Dax {
    /// `igrab`: one more user of a file that has one, or a name.
    pub fn igrab(&self, id: InodeId) {
        self.inode(id).users.inc();
    }

    /// `iput`. Evicts when this was the last user of a file without a name.
    pub fn iput(&self, cpu: &Cpu<'_>, id: InodeId) {
        let inode = self.inode(id);
        // Full order: pairs with unlink's, so that exactly one of the two sees both at zero.
        if inode.users.dec_and_test() && Self::is_dead(inode) {
            self.evict(cpu, id);
        }
    }

    /// `unlink`: the name goes. The caller holds a user, and puts it afterwards.
    pub fn unlink(&self, id: InodeId) {
        self.inode(id).nlink.dec_return();
    }

    /// `umount`: every file is put away, waiting for its pages; names and blocks stay.
    ///
    /// # Errors
    /// `EBUSY` while a file is open or mapped.
    pub fn umount(&self, cpu: &Cpu<'_>) -> Result<(), Errno> {
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
        self.free_blocks(cpu, id, 0, self.file_pages);
        self.inodes.free(cpu, id.0);
    }

    /// `dax_break_layout_final`.
    fn break_layout_final(&self, cpu: &Cpu<'_>, id: InodeId) {
        match self.vm.pagemaps.rules.evict_wait {
            EvictWait::FinalIdle => {
                let mut faults = Some(self.shut_out_faults(cpu, id));
                // Uninterruptible: comes back with every page idle.
                let _ = self.break_layout(cpu, id, Sleep::Uninterruptible, &mut faults);
            }
            EvictWait::None => self.delete_entries(cpu, id, 0, self.file_pages),
        }
    }
}
