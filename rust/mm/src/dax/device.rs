//! `struct dax_device`: alive or not, who holds it, and taking it away (`drivers/dax/super.c`, K§5.6).
//!
//! Readers ask "alive?" inside an SRCU section; whoever kills the device clears the flag and waits for
//! the sections. Unbind runs in this order:
//!
//! 1. tell the holder: XFS freezes itself, so that who writes waits, waits for whoever has a DAX entry locked, unmaps
//!    every page, writes it back and takes its entry away, and shuts itself down, after which no fault of it is served;
//!    ext4 is no holder and is not told (`holder`, `unbind-order`, `failed-range`);
//! 2. kill the device: no address of it is given out any more (`fault-liveness` says what a fault does with one);
//! 3. `memunmap_pages`: kill the pagemap, wait for its references, let the files forget their pages, remove.
//!
//! Up to v7.3 step 3 waits for no page (B31): a reference on an fsdax page does not hold the pagemap.
//! With `teardown-pages=wait-idle` each folio in use holds one, so it does. Where entries hold their pages they are deleted
//! between steps 2 and 3, each when its page is idle. Departures: files survive
//! with their blocks, as after a remount, while the struct pages they had are gone; XFS unmaps all pages of an extent
//! before it takes their entries away; and who writes finds out that the file system is frozen where it finds out that it
//! is shut down, in `iomap_begin`, lets go of what it has, waits, and starts over, where the kernel waits before it begins.

use core::mem::offset_of;
use core::ops::Range;

use prim::{
    AtomicU32, Cpu, Guarded, LockClass, RwSem, Sleep, Srcu, SrcuGuard, WaitClass, Waiting, plain,
    wait_event, wake_up_all, zeroed,
};
use program::Errno;
use program::op::Access;
use program::rules::{DaxPages, FailedRange, FaultLiveness, Holder, TeardownPages, UnbindOrder};

use crate::dax::i_pages::Taken;
use crate::dax::{Dax, InodeId};
use crate::lock_order;
use crate::pagemap::PagemapId;

/// The wait for the end of a freeze.
const THAW: WaitClass = WaitClass::event("file system to be thawed");

/// What [`DaxDevice::shutdown`] says of a file system that has shut itself down.
const SHUT_DOWN: u32 = u32::MAX;

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
        /// Inode + 1 of the character device, when no file system is on it; written before the machine is shared.
        pub(super) dev_dax: AtomicU32,
        /// `align` of that: the order of its folios.
        pub(super) align: AtomicU32,
        /// Whether the file system has shut itself down (`xfs_is_shutdown`): [`SHUT_DOWN`]; 0 while it answers; and
        /// who has it frozen, as [`Cpu::owner_word`] has it, where only reads are answered (`sb_writers`).
        shutdown: AtomicU32,
        /// Allocation groups beside the last one; written before the machine is shared.
        more_groups: AtomicU32,
    }
}

/// Where in a device its SRCU sections are counted. Readers write there, and do not meet by it.
pub const SRCU_BYTES: Range<usize> = {
    let at = offset_of!(DaxDevice, srcu);
    at..at + size_of::<Srcu>()
};

impl DaxDevice {
    #[track_caller]
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
        self.shutdown.set(0);
        // Release: pairs with the acquire in dax_read_lock.
        self.alive.set_release(1);
    }
}

impl Dax {
    /// `dax_read_lock` of a device that is alive: it will not be taken away before the guard goes.
    ///
    /// # Errors
    /// `ENXIO` when it is dead.
    pub(super) fn dax_read_lock<'a>(&'a self, cpu: &'a Cpu<'_>) -> Result<SrcuGuard<'a>, Errno> {
        let guard = self.device[0].srcu.read_lock(cpu);
        (self.device[0].alive.read_acquire() == 1).then_some(guard).ok_or(Errno::ENXIO)
    }

    /// `dax_iomap_direct_access`, for a fault: the device answers. The pagemap of its pages, and what holds off the end
    /// of the device for as long as a fault does so.
    ///
    /// # Errors
    /// `ENXIO` when it is dead.
    #[doc(alias = "dax_iomap_direct_access")]
    pub(super) fn direct_access<'a>(
        &'a self,
        cpu: &'a Cpu<'_>,
    ) -> Result<(PagemapId, Option<SrcuGuard<'a>>), Errno> {
        let guard = self.dax_read_lock(cpu)?;
        let pagemap = self.pagemap().ok_or(Errno::ENXIO)?;
        let kept = match self.vm.pagemaps.rules.fault_liveness {
            FaultLiveness::Translation => None,
            FaultLiveness::Insertion => Some(guard),
        };
        Ok((pagemap, kept))
    }

    /// Whether the file system answers (`xfs_is_shutdown`), and lets who writes go on.
    ///
    /// # Errors
    /// `EIO` when it has shut itself down; `EAGAIN` for a write while it is frozen: [`Self::wait_for_thaw`] without a lock
    /// that others need, and start over.
    #[doc(alias = "xfs_is_shutdown")]
    pub(super) fn answers(&self, wanted: Access) -> Result<(), Errno> {
        // Acquire: pairs with the release of the shutdown.
        match (self.device[0].shutdown.read_acquire(), wanted) {
            (SHUT_DOWN, _) => Err(Errno::EIO),
            (0, _) | (_, Access::Read) => Ok(()),
            (_, Access::Write) => Err(Errno::EAGAIN),
        }
    }

    /// `sb_start_pagefault` of a frozen file system: sleeps until it is thawed, to find it shut down.
    #[doc(alias = "sb_start_pagefault")]
    pub(super) fn wait_for_thaw(&self, cpu: &Cpu<'_>) {
        let shutdown = &self.device[0].shutdown;
        let owner = shutdown.read();
        let waiting = Waiting { class: &THAW, object: 0, owner };
        let thawed = || matches!(shutdown.read_acquire(), 0 | SHUT_DOWN);
        // Uninterruptible, as percpu_down_read is.
        let _ = wait_event(cpu, shutdown, Sleep::Uninterruptible, waiting, thawed);
    }

    /// Whether the file system is frozen, and who has frozen it keeps it (`s_active`).
    pub(super) fn is_frozen(&self) -> bool {
        !matches!(self.device[0].shutdown.read(), 0 | SHUT_DOWN)
    }

    /// `mkfs.xfs -d agcount`: how many allocation groups the device has. Before the machine is shared.
    pub fn set_allocation_groups(&self, groups: u32) {
        self.device[0].more_groups.set(groups.saturating_sub(1));
    }

    /// The device's pagemap, while it is bound.
    #[must_use]
    #[track_caller]
    pub fn pagemap(&self) -> Option<PagemapId> {
        self.device[0].pagemap()
    }

    /// Whether there are no struct pages. No step: who copies from memory that is gone finds out by the fault.
    pub(crate) fn is_unplugged(&self) -> bool {
        self.device[0].pagemap.peek() == 0
    }

    /// Whether the device answers.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.device[0].alive.read() == 1
    }

    /// Takes the device away: `kill_dax`, then `memunmap_pages`.
    ///
    /// # Errors
    /// `ENODEV` when it is not bound.
    #[doc(alias = "kill_dax")]
    pub fn unbind(&self, cpu: &Cpu<'_>) -> Result<(), Errno> {
        let device = &self.device[0];
        let _device = device.lock.write(cpu);
        let pagemap = device.pagemap().ok_or(Errno::ENODEV)?;
        let pagemaps = &self.vm.pagemaps;
        match pagemaps.rules.holder {
            Holder::Xfs if self.dev_dax().is_none() => self.notify_failure(cpu),
            // Nobody holds a character device.
            Holder::Xfs | Holder::None => {}
        }
        device.alive.set(0);
        device.srcu.synchronize_srcu(cpu);
        self.kill_dev_dax(cpu);
        match pagemaps.rules.dax_pages {
            DaxPages::Normal | DaxPages::Devmap => {}
            // Entries hold pages, and these the pagemap: they go first, each once its page is idle (`dax_zap_mappings`).
            DaxPages::EntryRefs => {
                self.live_inodes().for_each(|id| self.break_layout_final(cpu, id));
            }
        }
        pagemaps.memunmap_pages(cpu, pagemap, || {
            if self.forgets() {
                self.live_inodes().for_each(|id| self.forget_entries(cpu, id));
            }
        });
        device.pagemap.set(0);
        Ok(())
    }

    /// Whether the files let go of their pages when the device goes: unless nobody waits for these, and nobody has told
    /// the file system either.
    fn forgets(&self) -> bool {
        let rules = &self.vm.pagemaps.rules;
        match (rules.holder, rules.teardown_pages) {
            (Holder::None, TeardownPages::Ignore) => self.dev_dax().is_some(),
            (Holder::Xfs, _) | (Holder::None, TeardownPages::WaitIdle) => true,
        }
    }

    /// `xfs_dax_notify_failure` of a device that is about to be removed (`MF_MEM_PRE_REMOVE`).
    #[doc(alias = "xfs_dax_notify_failure")]
    fn notify_failure(&self, cpu: &Cpu<'_>) {
        // Release: pairs with the acquire of a fault, which asks with its entry locked. Who still finds the file system
        // up is waited for there.
        let shut_down = || self.device[0].shutdown.set_release(SHUT_DOWN);
        match self.vm.pagemaps.rules.unbind_order {
            UnbindOrder::ZapThenShutdown => {
                self.device[0].shutdown.set(cpu.owner_word());
                self.live_inodes().for_each(|id| self.fail_range(cpu, id));
                shut_down();
                wake_up_all(cpu, &self.device[0].shutdown);
            }
            UnbindOrder::ShutdownThenZap => {
                shut_down();
                for id in self.live_inodes() {
                    self.scan_entries(cpu, id, self.whole_file(), |_| None::<()>);
                    self.vm.unmap_mapping_pages(cpu, id.mapping(), self.whole_file());
                }
            }
        }
    }

    /// What a file has in the range that fails: whoever has an entry locked is through, and nobody maps its page. Then the
    /// entry goes, written back or not; but before that comes the end of the range (B51).
    #[doc(alias = "xfs_dax_failure_fn")]
    fn fail_range(&self, cpu: &Cpu<'_>, id: InodeId) {
        let wraps = match self.vm.pagemaps.rules.failed_range {
            FailedRange::Wraps => self.is_before_the_last_group(id),
            FailedRange::Exact => false,
        };
        if !wraps {
            let entries = match self.vm.pagemaps.rules.dax_pages {
                DaxPages::Normal | DaxPages::Devmap => Taken::Away,
                // They hold their pages, and go when these are idle.
                DaxPages::EntryRefs => Taken::Unmapped,
            };
            self.take_entries(cpu, id, entries);
            return;
        }
        self.take_entries(cpu, id, Taken::Unmapped);
        loop {
            // No entry so far out, and the next index.
            let _ = self.entry_at(id, self.file_pages - 1);
            cpu.cond_resched();
        }
    }

    /// Whether a file has a block in an allocation group that is not the last one.
    fn is_before_the_last_group(&self, id: InodeId) -> bool {
        let more = self.device[0].more_groups.peek();
        let last = self.span.pages / (more + 1) * more;
        let blocks = (0..self.inode(id).size()).filter_map(|index| self.extent(id, index).block());
        more > 0 && blocks.map(|pfn| self.block_of(pfn)).any(|block| block < last)
    }
}
