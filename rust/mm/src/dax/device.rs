//! `struct dax_device`: alive or not, who holds it, and taking it away (`drivers/dax/super.c`, K§5.6).
//!
//! Readers ask "alive?" inside an SRCU section; whoever kills the device clears the flag and waits for
//! the sections. Unbind then runs in this order:
//!
//! 1. kill the device: no fault starts any more;
//! 2. kill the pagemap: no page leaves zero any more;
//! 3. unmap every file (the holder's failure notification);
//! 4. `memunmap_pages`: wait for the pagemap's references, let the files forget their pages, remove.
//!
//! Up to v7.2 step 4 waits for no page (B31): a reference on an fsdax page does not hold the pagemap.
//! With `teardown-pages=wait-idle` each folio in use holds one, so it does. Departure: files survive
//! with their blocks, as after a remount; the struct pages they had are gone.

use core::mem::offset_of;
use core::ops::Range;

use prim::{AtomicU32, Cpu, Guarded, LockClass, RwSem, Srcu, SrcuGuard, plain, zeroed};
use program::Errno;
use program::rules::TeardownPages;

use crate::dax::Dax;
use crate::lock_order;
use crate::pagemap::PagemapId;

plain! {
    /// Serialises bind and unbind.
    #[derive(Clone, Copy, Debug)]
    pub struct DeviceLocked;
}

impl Guarded for DeviceLocked {
    const CLASS: LockClass = lock_order::DEVICE_LOCK;
}

zeroed! {
    /// The device under the filesystem.
    #[derive(Debug)]
    pub(super) struct DaxDevice {
        pub(super) lock: RwSem<DeviceLocked>,
        /// `dax_srcu`.
        srcu: Srcu,
        /// `DAXDEV_ALIVE`.
        alive: AtomicU32,
        /// Pagemap + 1 while bound.
        pagemap: AtomicU32,
    }
}

/// Where in a device its SRCU sections are counted. Readers write there, and do not meet by it.
pub const SRCU_BYTES: Range<usize> = {
    let at = offset_of!(DaxDevice, srcu);
    at..at + size_of::<Srcu>()
};

impl DaxDevice {
    pub(super) fn pagemap(&self) -> Option<PagemapId> {
        self.pagemap.read().checked_sub(1).map(PagemapId)
    }

    /// Whether it is being taken away, or is gone. For the ledger: no step.
    pub(super) fn is_dead(&self) -> bool {
        self.alive.peek() == 0
    }

    /// `run_dax`.
    #[doc(alias = "run_dax")]
    pub(super) fn run(&self, pagemap: PagemapId) {
        self.pagemap.set(pagemap.0 + 1);
        // Release: pairs with the acquire in dax_read_lock_alive.
        self.alive.set_release(1);
    }
}

impl Dax {
    /// `dax_read_lock`, if the device is alive: it will not be taken away before the guard goes.
    #[doc(alias = "dax_read_lock")]
    pub(super) fn dax_read_lock_alive<'a>(&'a self, cpu: &'a Cpu<'_>) -> Option<SrcuGuard<'a>> {
        let guard = self.device[0].srcu.read_lock(cpu);
        (self.device[0].alive.read_acquire() == 1).then_some(guard)
    }

    /// The device's pagemap, while it is bound.
    #[must_use]
    pub fn pagemap(&self) -> Option<PagemapId> {
        self.device[0].pagemap()
    }

    /// Whether the device answers.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.device[0].alive.read() == 1
    }

    /// Takes the device away.
    ///
    /// # Errors
    /// `ENODEV` when it is not bound.
    pub fn unbind(&self, cpu: &Cpu<'_>) -> Result<(), Errno> {
        let device = &self.device[0];
        let _device = device.lock.write(cpu);
        let pagemap = device.pagemap().ok_or(Errno::ENODEV)?;
        let pagemaps = &self.vm.pagemaps;
        device.alive.set(0);
        device.srcu.synchronize_srcu(cpu);
        pagemaps.kill(cpu, pagemap);
        for id in self.live_inodes() {
            self.vm.unmap_mapping_pages(cpu, id.mapping(), self.whole_file());
        }
        pagemaps.memunmap_pages(cpu, pagemap, || {
            for id in self.live_inodes() {
                match pagemaps.rules.teardown_pages {
                    TeardownPages::WaitIdle => self.delete_entries(cpu, id, self.whole_file()),
                    TeardownPages::Ignore => self.forget_entries(cpu, id),
                }
            }
        });
        device.pagemap.set(0);
        Ok(())
    }
}
