//! Devices that keep translations of a process, and are told when they end (`mm/mmu_notifier.c`, `mm/hmm.c`;
//! `lib/test_hmm.c`, `struct dmirror`).
//!
//! A device has page tables of its own. It fills them from those of the process (`hmm_range_fault`), and whoever changes an
//! entry of the process takes what the device has of that range away before, and lets it come back after:
//!
//! ```text
//!   who changes an entry                     the device
//!     invalidate_range_start                   read_begin: waits until nobody is in between
//!       its lock: sequence, forget             mmap_lock: what do the entries say?
//!     entry                                    its lock: has the sequence changed? ask again
//!     invalidate_range_end                     its lock: remember
//! ```
//!
//! So under its lock the device knows nothing that the process does not have: whoever was about to change it had to have
//! that lock first (I30). Without the last question it may remember what was read before a change, and use it after
//! (`mirror-retry`).
//!
//! Departures: one sequence for each device and process, where the kernel has an interval for each mirror; a device remembers
//! so many translations, and forgets the one whose place is needed; entries are read under their locks.

use prim::{
    AtomicU32, Cpu, Guarded, LockClass, RwSem, Sleep, WaitClass, Waiting, plain, wait_var_event,
    wake_up_var, zeroed,
};
use program::Errno;
use program::op::Access;
use program::rules::{ExclusivePartial, MirrorRetry};

use crate::lock_order;
use crate::page::{Pfn, Stamp};
use crate::tally;
use crate::vm::fault::{Fault, FaultHandler};
use crate::vm::{Leaf, MappingId, MmId, Pmd, Pte, Vm, Vpn};
use crate::warn::{Complaint, warn_on};

/// Mirror devices that a machine has. The first one has memory of its own.
pub(crate) const MIRRORS: u32 = 2;

/// Translations that one of them remembers of a process.
const ENTRIES: usize = 64;

/// Who waits until nobody is changing entries.
static INVALIDATION: WaitClass = WaitClass::event("mmu notifier range");

plain! {
    /// A translation of a device; empty if `entry` is 0.
    #[derive(Clone, Copy, Debug)]
    struct Translation {
        /// Owner and generation of the frame when it was read.
        shadow: u64,
        /// A [`Leaf`].
        entry: u64,
        vpn: u32,
        epoch: u32,
    }
}

plain! {
    /// What a device knows of a process.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Known {
        entries: [Translation; ENTRIES],
    }
}

impl Guarded for Known {
    const CLASS: LockClass = lock_order::MIRROR_LOCK;
}

impl Known {
    const NONE: Translation = Translation { shadow: 0, entry: 0, vpn: 0, epoch: 0 };

    fn find(&self, vpn: Vpn) -> Option<(Leaf, Stamp)> {
        let it = self.entries[vpn.0 as usize % ENTRIES];
        let stamp = Stamp { word: it.shadow, epoch: it.epoch };
        (it.entry != 0 && it.vpn == vpn.0).then(|| (Leaf::from_bits(it.entry), stamp))
    }

    fn remember(&mut self, vpn: Vpn, leaf: Leaf, stamp: Stamp) {
        self.entries[vpn.0 as usize % ENTRIES] =
            Translation { shadow: stamp.word, entry: leaf.bits(), vpn: vpn.0, epoch: stamp.epoch };
    }

    fn forget(&mut self, (start, end): (Vpn, Vpn)) {
        let gone = |it: &&mut Translation| (start.0..end.0).contains(&it.vpn);
        self.entries.iter_mut().filter(gone).for_each(|it| *it = Self::NONE);
    }
}

zeroed! {
    /// A device's view of one process (`struct dmirror`).
    #[derive(Debug)]
    pub(super) struct Mirror {
        /// 1 once the device is told of changes.
        registered: AtomicU32,
        /// `invalidate_seq`.
        sequence: AtomicU32,
        /// Ranges that somebody is changing.
        ranges: AtomicU32,
        /// `dmirror->mutex`, and what it protects.
        known: RwSem<Known>,
    }
}

/// A range of addresses of which no device knows anything that it could use, until this goes.
#[derive(Debug)]
pub(super) struct Forgotten<'a> {
    vm: &'a Vm,
    cpu: &'a Cpu<'a>,
    mm: MmId,
    /// The devices that were told, a bit each.
    told: u32,
}

impl Drop for Forgotten<'_> {
    /// `mmu_notifier_invalidate_range_end`.
    #[doc(alias = "mmu_notifier_invalidate_range_end")]
    fn drop(&mut self) {
        for device in (0..MIRRORS).filter(|device| self.told & 1 << device != 0) {
            let mirror = self.vm.mirror(device, self.mm);
            // Full order: pairs with the look of who is about to sleep in `read_begin`.
            if mirror.ranges.dec_return() == 0 {
                wake_up_var(self.cpu, &mirror.ranges);
            }
        }
    }
}

impl Vm {
    fn mirror(&self, device: u32, mm: MmId) -> &Mirror {
        &self.mirrors[(mm.0 * MIRRORS + device) as usize]
    }

    /// `mmu_notifier_invalidate_range_start`: what devices know of `[start, end)` is forgotten, but by the one that asked.
    #[must_use]
    #[doc(alias = "mmu_notifier_invalidate_range_start")]
    pub(super) fn invalidate_range<'a>(
        &'a self,
        cpu: &'a Cpu<'_>,
        mm: MmId,
        range: (Vpn, Vpn),
        asked: Option<u32>,
    ) -> Forgotten<'a> {
        let mut told = 0;
        for device in (0..MIRRORS).filter(|device| asked != Some(*device)) {
            let mirror = self.mirror(device, mm);
            // No step: nobody registers while entries are changed (`mmu_notifier_register`).
            if mirror.registered.peek() == 0 {
                continue;
            }
            let mut known = mirror.known.write(cpu);
            mirror.ranges.inc_return();
            mirror.sequence.inc_return();
            known.forget(range);
            told |= 1 << device;
        }
        Forgotten { vm: self, cpu, mm, told }
    }

    /// `mmu_interval_notifier_insert`: from here on the device is told of what changes in a process. Nobody is in the middle
    /// of a change: `mmap_lock` keeps those out who come by address, and who comes by rmap has one of the lists locked
    /// (`mm_take_all_locks`).
    #[doc(alias = "mmu_interval_notifier_insert")]
    fn mmu_notifier_register(&self, cpu: &Cpu<'_>, device: u32, mm: MmId) {
        let mirror = self.mirror(device, mm);
        if mirror.registered.read() == 1 {
            return;
        }
        let layout = self.mm(mm).layout.write(cpu);
        mirror.registered.set(1);
        for vma in layout.vmas() {
            drop(self.mapping(MappingId(vma.mapping)).i_mmap_lock_write(cpu));
        }
    }

    /// `mmu_notifier_release`: the process is gone.
    #[doc(alias = "__mmu_notifier_release")]
    pub(super) fn mmu_notifier_release(&self, cpu: &Cpu<'_>, mm: MmId) {
        for device in 0..MIRRORS {
            let mirror = self.mirror(device, mm);
            if mirror.registered.peek() != 0 {
                mirror.known.write(cpu).forget((Vpn(0), Vpn(u32::MAX)));
                mirror.registered.set(0);
            }
        }
    }

    /// `dmirror_read`, `dmirror_write`: what a device reads at an address, and then writes there if it is to.
    ///
    /// # Errors
    /// `EFAULT` where nothing is mapped or can be, `EPERM` where it may not be written, `ENOMEM` without memory for it.
    #[doc(alias = "dmirror_read")]
    pub(crate) fn mirror_access(
        &self,
        cpu: &Cpu<'_>,
        device: u32,
        (mm, vpn): (MmId, Vpn),
        write: Option<u64>,
        handler: &dyn FaultHandler,
    ) -> Result<u64, Errno> {
        self.mmu_notifier_register(cpu, device, mm);
        let wanted = if write.is_some() { Access::Write } else { Access::Read };
        loop {
            cpu.cond_resched();
            if let Some(held) = self.dmirror_do(cpu, device, (mm, vpn), (wanted, write)) {
                return Ok(held);
            }
            self.dmirror_fault(cpu, device, (mm, vpn), wanted, handler)?;
        }
    }

    /// `dmirror_do_read`, `dmirror_do_write`: by what the device knows, under its lock.
    #[doc(alias = "dmirror_do_read")]
    fn dmirror_do(
        &self,
        cpu: &Cpu<'_>,
        device: u32,
        (mm, vpn): (MmId, Vpn),
        (wanted, write): (Access, Option<u64>),
    ) -> Option<u64> {
        let known = self.mirror(device, mm).known.write(cpu);
        let (leaf, stamp) = known.find(vpn).filter(|(leaf, _)| leaf.allows(wanted))?;
        self.check_known(cpu, (mm, vpn), leaf);
        let contents = self.pagemaps.memmap.contents(leaf.pfn());
        let held = contents.read();
        if let Some(value) = write {
            contents.set(value);
        }
        self.check_stamp(cpu, Complaint::DeviceMapsStale, leaf.pfn(), stamp);
        Some(held)
    }

    /// I30: what a device knows, the process has. No step.
    #[track_caller]
    fn check_known(&self, cpu: &Cpu<'_>, (mm, vpn): (MmId, Vpn), leaf: Leaf) {
        let pmd = self.tables.pmd(mm, vpn).peek();
        let now = match pmd {
            Pmd::None | Pmd::Migration(_) | Pmd::Invalid => None,
            Pmd::Leaf(whole) => Some(self.tables.page_of_leaf(whole, vpn).pfn()),
            Pmd::DevicePrivate(entry) => Some(self.tables.page_of_entry(entry, vpn).pfn()),
            Pmd::Table(table) => match self.tables.pte(table, vpn).peek() {
                Pte::None | Pte::Migration(_) => None,
                Pte::Page(page) => Some(page.pfn()),
                Pte::DevicePrivate(entry) | Pte::Exclusive(entry) => Some(entry.pfn()),
            },
        };
        // Another thread may be making it the device's alone, of which that is not told, and the entry is none meanwhile: of a
        // folio that it has locked.
        let folio = self.pagemaps.memmap.page(leaf.pfn()).peek_head(leaf.pfn());
        let moves = self.pagemaps.memmap.page(folio).peek_flags().locker() != 0;
        if now != Some(leaf.pfn()) && !(now.is_none() && moves) {
            let held = self.pagemaps.memmap.shadow_capture(leaf.pfn()).word;
            warn_on(cpu, Complaint::DeviceMapsStale, leaf.pfn(), held.cast_signed());
        }
    }

    /// `dmirror_range_fault`: asks the process, and remembers the answer unless something has changed since.
    #[doc(alias = "dmirror_range_fault")]
    fn dmirror_fault(
        &self,
        cpu: &Cpu<'_>,
        device: u32,
        (mm, vpn): (MmId, Vpn),
        wanted: Access,
        handler: &dyn FaultHandler,
    ) -> Result<(), Errno> {
        let mirror = self.mirror(device, mm);
        let begun = self.mmu_interval_read_begin(cpu, device, mm);
        let (leaf, stamp) = self.hmm_range_fault(cpu, device, (mm, vpn), wanted, handler)?;
        // If not, the caller looks, finds nothing, and asks again.
        let _ = self.remember_unless_changed(cpu, mirror, begun, (vpn, leaf, stamp));
        Ok(())
    }

    /// `mmu_interval_read_begin`.
    pub(super) fn mmu_interval_read_begin(&self, cpu: &Cpu<'_>, device: u32, mm: MmId) -> u32 {
        let mirror = self.mirror(device, mm);
        let waiting = Waiting { class: &INVALIDATION, object: 0, owner: 0 };
        // Acquire: pairs with the decrement at the end of a range, and its entries are read next.
        let quiet = || mirror.ranges.read_acquire() == 0;
        loop {
            // First the sequence: whoever begins after the look at the ranges raises it. Acquire keeps it first.
            let begun = mirror.sequence.read_acquire();
            if quiet() {
                return begun;
            }
            // Uninterruptible: returns when nobody is in between, or the machine is poisoned.
            let _ = wait_var_event(cpu, &mirror.ranges, Sleep::Uninterruptible, waiting, quiet);
            cpu.cond_resched();
        }
    }

    /// `hmm_range_fault` of one page: what maps it, faulted in where nothing does that will do for a device.
    fn hmm_range_fault(
        &self,
        cpu: &Cpu<'_>,
        device: u32,
        (mm, vpn): (MmId, Vpn),
        wanted: Access,
        handler: &dyn FaultHandler,
    ) -> Result<(Leaf, Stamp), Errno> {
        let layout = self.mm(mm).layout.read(cpu);
        let vma = layout.find(vpn).ok_or(Errno::EFAULT)?;
        if wanted == Access::Write && vma.writable == 0 {
            return Err(Errno::EPERM);
        }
        loop {
            cpu.cond_resched();
            let found = self.hmm_walk(cpu, device, mm, vpn);
            if let Some(found) = found.filter(|(leaf, _)| leaf.allows(wanted)) {
                return Ok(found);
            }
            match self.handle_mm_fault(cpu, mm, &layout, vpn, wanted, handler) {
                Fault::Done => {}
                Fault::Oom => return Err(Errno::ENOMEM),
                Fault::Sigbus | Fault::Sigsegv | Fault::Fallback => return Err(Errno::EFAULT),
            }
        }
    }

    /// What an entry maps, read under its lock; of memory that no CPU reaches, if it is the device's own. What another
    /// device has for itself it has to give up.
    #[doc(alias = "hmm_vma_walk_pmd")]
    fn hmm_walk(&self, cpu: &Cpu<'_>, device: u32, mm: MmId, vpn: Vpn) -> Option<(Leaf, Stamp)> {
        let own = device == 0;
        let stamped = |leaf: Leaf| (leaf, self.pagemaps.memmap.shadow_capture(leaf.pfn()));
        let pmd_lock = self.mm(mm).pmd_lock.lock(cpu);
        let table = match self.tables.pmd(mm, vpn).load() {
            Pmd::None | Pmd::Migration(_) | Pmd::Invalid => return None,
            Pmd::Leaf(leaf) => return Some(stamped(self.tables.page_of_leaf(leaf, vpn))),
            Pmd::DevicePrivate(entry) => {
                let entry = self.tables.page_of_entry(entry, vpn);
                return own.then(|| stamped(entry.present()));
            }
            Pmd::Table(table) => table,
        };
        drop(pmd_lock);
        let _ptl = self.tables.lock(cpu, table);
        match self.tables.pte(table, vpn).load() {
            Pte::None | Pte::Migration(_) | Pte::Exclusive(_) => None,
            Pte::Page(page) => Some(stamped(page)),
            Pte::DevicePrivate(entry) => own.then(|| stamped(entry.present())),
        }
    }

    /// `dmirror_exclusive`: a device gets pages for itself, and maps them. Says how many.
    ///
    /// # Errors
    /// Of the first page that it does not get, if that is the first one.
    #[doc(alias = "dmirror_exclusive")]
    pub(crate) fn mirror_exclusive(
        &self,
        cpu: &Cpu<'_>,
        device: u32,
        (mm, start, pages): (MmId, Vpn, u32),
        handler: &dyn FaultHandler,
    ) -> Result<u32, Errno> {
        self.mmu_notifier_register(cpu, device, mm);
        // What the array of pages holds where nothing was written to it: what it held before.
        let mut stale = Leaf::new(Pfn::ZERO_PAGE, Access::Write);
        for at in 0..pages {
            let here = (mm, start.add(at));
            match (
                self.map_exclusive(cpu, device, here, handler),
                self.pagemaps.rules.exclusive_partial,
            ) {
                (Ok(page), _) => stale = page,
                (Err(errno), ExclusivePartial::Given) if at == 0 => return Err(errno),
                (Err(_), ExclusivePartial::Given) => return Ok(at),
                (Err(_), ExclusivePartial::Asked) => {
                    let stamp = self.pagemaps.memmap.shadow_capture(stale.pfn());
                    self.mirror(device, mm).known.write(cpu).remember(here.1, stale, stamp);
                }
            }
        }
        Ok(pages)
    }

    /// `nouveau_atomic_range_fault`: one page, which the device maps while it has the folio locked, unless it was told of a
    /// change since: neither that lock nor `mmap_lock` keeps a zap away. The test module maps it regardless.
    ///
    /// # Errors
    /// As [`Self::make_device_exclusive`].
    #[doc(alias = "nouveau_atomic_range_fault")]
    fn map_exclusive(
        &self,
        cpu: &Cpu<'_>,
        device: u32,
        (mm, vpn): (MmId, Vpn),
        handler: &dyn FaultHandler,
    ) -> Result<Leaf, Errno> {
        let mirror = self.mirror(device, mm);
        loop {
            cpu.cond_resched();
            let (folio, page, begun) = {
                let layout = self.mm(mm).layout.read(cpu);
                self.make_device_exclusive(cpu, device, (mm, &layout, vpn), handler)?
            };
            let stamp = self.pagemaps.memmap.shadow_capture(page.pfn());
            let mapped = self.remember_unless_changed(cpu, mirror, begun, (vpn, page, stamp));
            folio.unlock(cpu);
            self.pagemaps.folio_put_refs(cpu, folio, 1);
            if mapped {
                return Ok(page);
            }
        }
    }

    /// `mmu_interval_read_retry`, and what the device does about it, under its lock. Says whether it remembers.
    #[doc(alias = "mmu_interval_read_retry")]
    fn remember_unless_changed(
        &self,
        cpu: &Cpu<'_>,
        mirror: &Mirror,
        begun: u32,
        (vpn, leaf, stamp): (Vpn, Leaf, Stamp),
    ) -> bool {
        let mut known = mirror.known.write(cpu);
        let changed = || mirror.sequence.read() != begun || mirror.ranges.read() != 0;
        match self.pagemaps.rules.mirror_retry {
            MirrorRetry::Checked if changed() => {
                cpu.count(tally::MIRROR_RETRY);
                false
            }
            MirrorRetry::Checked | MirrorRetry::Ignored => {
                known.remember(vpn, leaf, stamp);
                true
            }
        }
    }
}
