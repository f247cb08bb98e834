//! The lock of a folio, and waiting for it without a reference (`folio_trylock`, `folio_unlock`,
//! `softleaf_entry_wait_on_locked` of `mm/filemap.c`).
//!
//! Whoever moves a folio or takes it apart has it locked from before the first migration entry until the last one is
//! gone again. Who faults on a migration entry waits until it is given
//! back, and looks again. Who takes a page back from a device has a reference on it, and sleeps for the lock.
//!
//! Departure: the word says who has it, so that a wait can name the other side; nobody notes that somebody waits.

use prim::{Cpu, Sleep, Waiting, wait_var_event, wake_up_var};

use crate::lock_order::FOLIO_LOCK;
use crate::page::{Folio, FolioFlags};

impl Folio<'_> {
    /// `folio_trylock`, by somebody with a reference: only then the folio stays what it is.
    #[must_use = "the folio is locked"]
    #[doc(alias = "folio_trylock")]
    pub(super) fn try_lock(self, cpu: &Cpu<'_>) -> bool {
        let page = self.page();
        let seen = page.folio_flags();
        let locked = seen.locked_by(cpu.owner_word());
        // Acquire: pairs with the exchange in `unlock`, and what was done under the lock before is done.
        seen.locker() == 0 && page.flags.cmpxchg_acquire(seen.word(), locked.word()).is_ok()
    }

    /// `folio_lock`, by somebody with a reference.
    #[doc(alias = "folio_lock")]
    pub(super) fn lock(self, cpu: &Cpu<'_>) {
        while !self.try_lock(cpu) {
            cpu.cond_resched();
            self.wait_on_locked(cpu);
        }
    }

    /// `__folio_set_locked`: of a folio that nobody else has seen yet.
    #[doc(alias = "__folio_set_locked")]
    pub(super) fn lock_new(self, cpu: &Cpu<'_>) {
        let locked = self.page().folio_flags().locked_by(cpu.owner_word());
        self.page().flags.set(locked.word());
    }

    /// `folio_unlock`. Full order: what was done under the lock comes before, and who goes to sleep for the lock after
    /// this either finds it free or is woken.
    #[doc(alias = "folio_unlock")]
    pub(super) fn unlock(self, cpu: &Cpu<'_>) {
        let page = self.page();
        let free = page.folio_flags().locked_by(0);
        page.flags.xchg(free.word());
        wake_up_var(cpu, &page.flags);
    }

    /// Sleeps until nobody has it locked. The caller has no reference: what it waits for may be another folio by the end,
    /// which does no harm, since it looks again.
    #[doc(alias = "softleaf_entry_wait_on_locked")]
    pub(super) fn wait_on_locked(self, cpu: &Cpu<'_>) {
        let page = self.page();
        let waiting = Waiting {
            class: &FOLIO_LOCK.waits,
            object: self.pfn().into(),
            owner: page.folio_flags().locker(),
        };
        // Acquire: pairs with the exchange in `unlock`.
        let free = || FolioFlags::from_word(page.flags.read_acquire()).locker() == 0;
        // Uninterruptible: returns when unlocked, or the machine is poisoned.
        let _ = wait_var_event(cpu, &page.flags, Sleep::Uninterruptible, waiting, free);
    }
}
