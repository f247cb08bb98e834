//! The entries of a file and their locks (K§5.1, K§5.2).
//!
//! Everything below happens under the `i_pages` spinlock except waiting. A locked entry has one owner;
//! who wants it sleeps as an exclusive waiter on the entry's own word, and each unlock wakes one of them.
//! Whoever was woken and then does not take the entry must pass the wake-up on, or a sleeper is lost
//! (B25, I19). Removing an entry wakes everybody: there is nothing left to own.

use core::convert::Infallible;

use prim::{
    Cpu, Sleep, SpinGuard, Waiting, lock_map_acquire, lock_map_release, wait_event_exclusive,
    wake_up_all, wake_up_one,
};

use program::rules::{BusyScan, EntryWaitKey, TeardownPages, WriteInvalidate};

use crate::dax::entry::{DaxEntry, DaxSlot, Kind, Size};
use crate::dax::{Dax, IPages, InodeId};
use crate::lock_order::DAX_ENTRY;
use crate::page::Order;
use crate::tally;
use crate::vm::{Fault, FileRange};
use crate::warn::{Complaint, warn_on};

/// What a file's entries are to the order of locks.
fn in_lock_order(inode: InodeId) -> u64 {
    u64::from(inode.0) << 32
}

/// Whether page tables show what is no longer so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mapped {
    Nowhere,
    Stale,
}

/// What becomes of entries whose pages fail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nobody maps their pages.
    Unmapped,
    /// They go.
    Away,
}

/// An entry this task has locked.
#[derive(Clone, Copy, Debug)]
#[must_use = "a locked entry stops every fault on its range until it is unlocked"]
pub(super) struct Grabbed {
    pub(super) inode: InodeId,
    /// Where the entry sits: the first index of its range.
    pub(super) index: u32,
    /// What it says, locked.
    pub(super) entry: DaxEntry,
}

impl Dax {
    #[inline]
    fn slot(&self, inode: InodeId, index: u32) -> &DaxSlot {
        &self.entries[self.row(inode) + index as usize]
    }

    /// `xas_load`: the entry that answers for `index`, and where it sits.
    #[doc(alias = "xas_load")]
    pub(super) fn entry_at(&self, inode: InodeId, index: u32) -> (u32, DaxEntry) {
        let entry = self.slot(inode, index).load();
        if entry != DaxEntry::NONE {
            return (index, entry);
        }
        let head = index & !(self.pmd_order().pages() - 1);
        let huge = self.slot(inode, head).load();
        match huge.size() {
            Size::Page => (index, DaxEntry::NONE),
            Size::Pmd => (head, huge),
        }
    }

    pub(super) fn order_of(&self, size: Size) -> Order {
        match size {
            Size::Page => Order::PAGE,
            Size::Pmd => self.pmd_order(),
        }
    }

    /// Sleeps until the entry at `index` is unlocked or gone; the spinlock is dropped meanwhile. Whoever
    /// unlocks it wakes the sleepers at its first index, whatever index they `asked` for (B25).
    #[doc(alias = "wait_entry_unlocked")]
    fn wait_entry<'a>(
        &'a self,
        cpu: &'a Cpu<'_>,
        inode: InodeId,
        (index, asked): (u32, u32),
        lock: SpinGuard<'a, IPages>,
    ) -> SpinGuard<'a, IPages> {
        let slot = self.slot(inode, index);
        let key = match self.vm.pagemaps.rules.entry_wait_key {
            EntryWaitKey::Rounded => slot,
            EntryWaitKey::Unrounded => self.slot(inode, asked),
        };
        let owner = slot.load().locker();
        drop(lock);
        cpu.count(tally::ENTRY_WAITED);
        let waiting = Waiting {
            class: &DAX_ENTRY.waits,
            object: (u64::from(inode.0) << 32) | u64::from(index),
            owner,
        };
        // Acquire: pairs with the release in unlock_entry.
        let unlocked = || !slot.load_acquire().is_locked();
        // Uninterruptible: returns when unlocked, or the machine is poisoned.
        let _ = wait_event_exclusive(cpu, key, Sleep::Uninterruptible, waiting, unlocked);
        self.inode(inode).i_pages.lock(cpu)
    }

    /// `get_next_unlocked_entry`, for an index. To the order of locks the entry is taken from here on, whether it
    /// had to be waited for or not.
    #[doc(alias = "get_next_unlocked_entry")]
    fn get_unlocked_entry<'a>(
        &'a self,
        cpu: &'a Cpu<'_>,
        inode: InodeId,
        index: u32,
    ) -> (SpinGuard<'a, IPages>, u32, DaxEntry) {
        let any = |_| Ok::<_, Infallible>(());
        let Ok(got) = self.get_suitable_entry(cpu, inode, index, any);
        got
    }

    /// The loop of [`Self::get_unlocked_entry`], which ends at an entry that does not suit, locked or not.
    #[doc(alias = "get_next_unlocked_entry")]
    fn get_suitable_entry<'a, E>(
        &'a self,
        cpu: &'a Cpu<'_>,
        inode: InodeId,
        index: u32,
        suits: impl Fn(DaxEntry) -> Result<(), E>,
    ) -> Result<(SpinGuard<'a, IPages>, u32, DaxEntry), E> {
        lock_map_acquire(cpu, &DAX_ENTRY, in_lock_order(inode));
        let mut lock = self.inode(inode).i_pages.lock(cpu);
        loop {
            let (at, entry) = self.entry_at(inode, index);
            if let Err(why) = suits(entry) {
                lock_map_release(cpu, in_lock_order(inode));
                return Err(why);
            }
            if !entry.is_locked() {
                return Ok((lock, at, entry));
            }
            lock = self.wait_entry(cpu, inode, (at, index), lock);
        }
    }

    /// `put_unlocked_entry`: passes on the wake-up of an entry that was waited for and not taken.
    fn put_unlocked_entry(&self, cpu: &Cpu<'_>, inode: InodeId, index: u32, entry: DaxEntry) {
        lock_map_release(cpu, in_lock_order(inode));
        if entry != DaxEntry::NONE {
            wake_up_one(cpu, self.slot(inode, index));
        }
    }

    /// `grab_mapping_entry`: the entry for `index`, locked; a placeholder if there was none.
    ///
    /// # Errors
    /// [`Fault::Fallback`] when a smaller entry is in the way of a PMD. That is not waited for if it is locked: the
    /// fault would fall back all the same.
    pub(super) fn grab_mapping_entry(
        &self,
        cpu: &Cpu<'_>,
        inode: InodeId,
        index: u32,
        order: Order,
    ) -> Result<Grabbed, Fault> {
        let none = |index| self.slot(inode, index).load() == DaxEntry::NONE;
        let has_room = |entry: DaxEntry| {
            let room = order == Order::PAGE
                || entry.size() == Size::Pmd
                || (index..index + order.pages()).all(none);
            room.then_some(()).ok_or(Fault::Fallback)
        };
        let (mut lock, mut at, mut entry) = self.get_suitable_entry(cpu, inode, index, has_room)?;
        let given_up = match entry.kind() {
            Kind::Empty => entry.size() == Size::Pmd,
            Kind::None | Kind::Zero | Kind::Folio(_) => false,
        };
        if order == Order::PAGE && given_up {
            // A PMD fault gave up here: its placeholder makes room for a page.
            self.slot(inode, at).forget();
            lock.nrpages -= self.pmd_order().pages();
            wake_up_all(cpu, self.slot(inode, at));
            (at, entry) = (index, DaxEntry::NONE);
        }
        let pages = order.pages();
        let locked = match entry.kind() {
            Kind::None => {
                lock.nrpages += pages;
                lock.end = lock.end.max(index + pages);
                DaxEntry::empty(order, cpu.id())
            }
            Kind::Empty | Kind::Zero | Kind::Folio(_) => entry.locked(cpu.id()),
        };
        self.slot(inode, at).store_locked(locked);
        Ok(Grabbed { inode, index: at, entry: locked })
    }

    /// `dax_insert_entry`'s store: a new locked entry in place of a grabbed one.
    #[doc(alias = "dax_insert_entry")]
    pub(super) fn replace_entry(&self, cpu: &Cpu<'_>, grabbed: &mut Grabbed, new: DaxEntry) {
        let _lock = self.inode(grabbed.inode).i_pages.lock(cpu);
        grabbed.entry = new.locked(cpu.id());
        self.slot(grabbed.inode, grabbed.index).store_locked(grabbed.entry);
    }

    /// A grabbed huge entry makes room for one of a page in it, which is grabbed instead. Its folio was let go.
    #[doc(alias = "dax_insert_entry")]
    pub(super) fn downgrade_entry(&self, cpu: &Cpu<'_>, grabbed: &mut Grabbed, index: u32) {
        let huge = self.slot(grabbed.inode, grabbed.index);
        let entry = DaxEntry::empty(Order::PAGE, cpu.id());
        {
            let mut lock = self.inode(grabbed.inode).i_pages.lock(cpu);
            huge.forget();
            lock.nrpages -= self.pmd_order().pages() - 1;
            self.slot(grabbed.inode, index).store_locked(entry);
        }
        wake_up_all(cpu, huge);
        *grabbed = Grabbed { index, entry, ..*grabbed };
    }

    /// `dax_unlock_entry`.
    #[doc(alias = "dax_unlock_entry")]
    pub(super) fn unlock_entry(&self, cpu: &Cpu<'_>, grabbed: Grabbed) {
        let slot = self.slot(grabbed.inode, grabbed.index);
        {
            let _lock = self.inode(grabbed.inode).i_pages.lock(cpu);
            if slot.load() != grabbed.entry {
                warn_on(cpu, Complaint::EntryMisuse, grabbed.index, 0);
            }
            slot.unlock(grabbed.entry);
        }
        lock_map_release(cpu, in_lock_order(grabbed.inode));
        wake_up_one(cpu, slot);
    }

    /// Looks at every entry of these pages that is not locked, waiting for those that are; stops at the first
    /// for which `found` answers.
    pub(super) fn scan_entries<T>(
        &self,
        cpu: &Cpu<'_>,
        inode: InodeId,
        range: FileRange,
        mut found: impl FnMut(DaxEntry) -> Option<T>,
    ) -> Option<T> {
        let had = { self.inode(inode).i_pages.lock(cpu).end };
        let range = range.overlap(FileRange::of(0, had));
        let mut index = range.first();
        while index < range.end() {
            if self.entry_at(inode, index).1 == DaxEntry::NONE {
                index += 1;
                continue;
            }
            let (lock, at, entry) = self.get_unlocked_entry(cpu, inode, index);
            let answer = if entry == DaxEntry::NONE { None } else { found(entry) };
            self.put_unlocked_entry(cpu, inode, at, entry);
            drop(lock);
            if answer.is_some() {
                return answer;
            }
            // Ends by itself, unless the rule is wrong.
            cpu.cond_resched();
            index = match self.vm.pagemaps.rules.busy_scan {
                BusyScan::PastEntry => match entry.size() {
                    Size::Page => index + 1,
                    Size::Pmd => at + self.pmd_order().pages(),
                },
                // What was found is at the head of its range, and so is what comes next.
                BusyScan::NextIndex => at + 1,
            };
        }
        None
    }

    /// `dax_delete_mapping_range`: removes every entry of these pages and lets go of its folio.
    #[doc(alias = "dax_delete_mapping_range")]
    pub(super) fn delete_entries(&self, cpu: &Cpu<'_>, inode: InodeId, range: FileRange) {
        let had = { self.inode(inode).i_pages.lock(cpu).end };
        for index in range.overlap(FileRange::of(0, had)).pages() {
            if self.entry_at(inode, index).1 == DaxEntry::NONE {
                continue;
            }
            let (lock, at, entry) = self.get_unlocked_entry(cpu, inode, index);
            self.delete_unlocked_entry(cpu, lock, (inode, at), entry);
        }
    }

    /// `__dax_invalidate_entry`: an unlocked entry goes, and lets go of its folio; who waits for it looks again.
    #[doc(alias = "__dax_invalidate_entry")]
    fn delete_unlocked_entry(
        &self,
        cpu: &Cpu<'_>,
        mut lock: SpinGuard<'_, IPages>,
        (inode, at): (InodeId, u32),
        entry: DaxEntry,
    ) {
        lock_map_release(cpu, in_lock_order(inode));
        if entry == DaxEntry::NONE {
            return;
        }
        self.dax_disassociate_entry(cpu, inode, entry);
        let slot = self.slot(inode, at);
        slot.remove();
        lock.nrpages -= self.order_of(entry.size()).pages();
        drop(lock);
        wake_up_all(cpu, slot);
    }

    /// `invalidate_inode_pages2_range`, for pages to which a write has just given blocks: first their entries, then
    /// what maps them.
    #[doc(alias = "invalidate_inode_pages2_range")]
    pub(super) fn invalidate_inode_pages(&self, cpu: &Cpu<'_>, inode: InodeId, range: FileRange) {
        let mut unmaps = false;
        for index in range.pages() {
            unmaps |= self.invalidate_entry(cpu, inode, index) == Mapped::Stale;
        }
        if unmaps {
            self.vm.unmap_mapping_pages(cpu, inode.mapping(), range);
        }
    }

    /// `dax_invalidate_mapping_entry_sync`: a clean entry goes.
    #[doc(alias = "dax_invalidate_mapping_entry_sync")]
    fn invalidate_entry(&self, cpu: &Cpu<'_>, inode: InodeId, index: u32) -> Mapped {
        let (_, entry) = self.entry_at(inode, index);
        if entry == DaxEntry::NONE {
            return Mapped::Nowhere;
        }
        // The block is in place, so whoever grabs the entry from now on maps it; only who grabbed it
        // before can still insert the zero page, and is waited for here.
        let (lock, at, entry) = self.get_unlocked_entry(cpu, inode, index);
        let is_real = match entry.kind() {
            Kind::None | Kind::Empty | Kind::Zero => false,
            Kind::Folio(_) => true,
        };
        let (deletes, unmaps) = match self.vm.pagemaps.rules.write_invalidate {
            WriteInvalidate::DeleteThenUnmap => (!entry.is_dirty(), true),
            WriteInvalidate::ZeroOnly => (false, !is_real),
        };
        if deletes {
            self.delete_unlocked_entry(cpu, lock, (inode, at), entry);
        } else {
            self.put_unlocked_entry(cpu, inode, at, entry);
            drop(lock);
        }
        if unmaps { Mapped::Stale } else { Mapped::Nowhere }
    }

    /// `mf_dax_kill_procs` over a file: each entry is locked, and who maps its page unmapped; then it is unlocked, or goes.
    /// Nobody is told that a page of it is referenced: its struct page goes, and whoever takes that away tells.
    #[doc(alias = "mf_dax_kill_procs")]
    pub(super) fn take_entries(&self, cpu: &Cpu<'_>, inode: InodeId, taken: Taken) {
        let had = { self.inode(inode).i_pages.lock(cpu).end };
        for index in FileRange::of(0, had).pages() {
            if self.entry_at(inode, index).1 == DaxEntry::NONE {
                continue;
            }
            let (lock, at, entry) = self.get_unlocked_entry(cpu, inode, index);
            if entry == DaxEntry::NONE {
                self.put_unlocked_entry(cpu, inode, at, entry);
                continue;
            }
            let grabbed = Grabbed { inode, index: at, entry: entry.locked(cpu.id()) };
            self.slot(inode, at).store_locked(grabbed.entry);
            drop(lock);
            let pages = FileRange::of(at, self.order_of(entry.size()).pages());
            self.vm.unmap_mapping_pages(cpu, inode.mapping(), pages);
            match taken {
                Taken::Unmapped => self.unlock_entry(cpu, grabbed),
                Taken::Away => self.remove_grabbed_entry(cpu, grabbed),
            }
        }
    }

    /// `invalidate_inode_pages2_range` of an entry that is locked.
    #[doc(alias = "invalidate_inode_pages2_range")]
    fn remove_grabbed_entry(&self, cpu: &Cpu<'_>, grabbed: Grabbed) {
        let slot = self.slot(grabbed.inode, grabbed.index);
        {
            let mut lock = self.inode(grabbed.inode).i_pages.lock(cpu);
            self.forget_folio(cpu, grabbed.inode, grabbed.entry);
            slot.remove();
            lock.nrpages -= self.order_of(grabbed.entry.size()).pages();
        }
        lock_map_release(cpu, in_lock_order(grabbed.inode));
        wake_up_all(cpu, slot);
    }

    /// `__dax_clear_dirty_range`: what was written through mappings of these pages is written back.
    #[doc(alias = "__dax_clear_dirty_range")]
    pub(super) fn clear_dirty(&self, cpu: &Cpu<'_>, inode: InodeId, range: FileRange) {
        let had = { self.inode(inode).i_pages.lock(cpu).end };
        for index in range.overlap(FileRange::of(0, had)).pages() {
            if !self.entry_at(inode, index).1.is_dirty() {
                continue;
            }
            let (lock, at, entry) = self.get_unlocked_entry(cpu, inode, index);
            self.slot(inode, at).clean(entry);
            self.put_unlocked_entry(cpu, inode, at, entry);
            drop(lock);
        }
    }

    /// The struct pages of a file go, and every entry that nobody has locked. Where unbind waits for pages to be idle it
    /// lets go of its folio first, otherwise the struct pages are gone already as far as anybody cares (B50). Who has an
    /// entry locked finds out for itself.
    #[track_caller]
    pub(super) fn forget_entries(&self, cpu: &Cpu<'_>, inode: InodeId) {
        let folios = match self.vm.pagemaps.rules.teardown_pages {
            TeardownPages::WaitIdle => true,
            TeardownPages::Ignore => false,
        };
        let mut lock = self.inode(inode).i_pages.lock(cpu);
        for index in 0..lock.end {
            let slot = self.slot(inode, index);
            let entry = slot.load();
            if entry == DaxEntry::NONE || entry.is_locked() {
                continue;
            }
            if folios {
                self.dax_disassociate_entry(cpu, inode, entry);
            }
            slot.forget();
            lock.nrpages -= self.order_of(entry.size()).pages();
            wake_up_all(cpu, slot);
        }
    }

    /// The entries of a file whose device is not there, once nobody has one locked; the struct pages went long ago.
    #[track_caller]
    pub(super) fn drop_entries(&self, cpu: &Cpu<'_>, inode: InodeId) {
        let range = self.whole_file();
        self.scan_entries(cpu, inode, range, |_| None::<()>);
        self.forget_entries(cpu, inode);
    }

    /// Pages covered by entries; 0 after eviction.
    #[must_use]
    pub fn nrpages(&self, cpu: &Cpu<'_>, inode: InodeId) -> u32 {
        self.inode(inode).i_pages.lock(cpu).nrpages
    }
}
