//! Breaking layouts: no block leaves a file while somebody reaches its page (K§5.5).
//!
//! ```text
//!   invalidate_lock held exclusively: no new mapping can appear
//!   loop:
//!     unmap the file               from here on a new reference needs a fault, and faults are shut out
//!     any entry with refcount != mapcount?
//!       none -> delete all entries, done
//!       one  -> drop invalidate_lock, sleep until its page is idle, take the lock again, start over
//! ```
//!
//! "Busy" compares the count with the mapcount, "idle" asks for zero. They differ exactly when the page
//! is faulted in again during the sleep: the reference that was waited for goes, the count stays above
//! zero because of the new mapping, and nobody wakes the sleeper (B33). `idle-pred=ref-equals-map`
//! makes the two the same. Where the entry holds a reference of its own (`dax-pages=entry-refs`) it does not count either:
//! what is waited for is the step from two to one, and zero comes only when the entry is deleted, under these locks.

use prim::{Cpu, Interrupted, Sleep, WaitClass, Waiting, wait_var_event};
use program::rules::{BusyTest, IdlePred, LayoutEntries, LayoutScan, Switch};

use crate::dax::entry::Kind;
use crate::dax::{Dax, FaultsLocked, InodeId};
use crate::page::{Folio, Pfn};
use crate::tally;

/// The wait of a layout break; its object is a frame.
pub const PAGE_IDLE: WaitClass = WaitClass::event("page to become idle");

/// `invalidate_lock`, held exclusively.
pub(super) type Faults<'a> = prim::WriteGuard<'a, FaultsLocked>;

impl Dax {
    /// `filemap_invalidate_lock`.
    #[doc(alias = "filemap_invalidate_lock")]
    pub(super) fn shut_out_faults<'a>(&'a self, cpu: &'a Cpu<'_>, inode: InodeId) -> Faults<'a> {
        self.inode(inode).invalidate_lock.write(cpu)
    }

    /// `dax_break_layout` over the whole file, which is what both filesystems do (K§14).
    ///
    /// # Errors
    /// [`Interrupted`] by a signal; no entry was removed then, and `faults` is held again.
    #[doc(alias = "dax_break_layout")]
    pub(super) fn break_layout<'a>(
        &'a self,
        cpu: &'a Cpu<'_>,
        inode: InodeId,
        sleep: Sleep,
        faults: &mut Option<Faults<'a>>,
    ) -> Result<(), Interrupted> {
        let drops_lock = self.vm.pagemaps.rules.wait_drops_lock == Switch::On;
        while let Some(busy) = self.layout_busy_page(cpu, inode) {
            cpu.count(tally::LAYOUT_SLEPT);
            if drops_lock {
                *faults = None;
            }
            let woken = self.wait_page_idle(cpu, busy, sleep);
            // A page of which nobody has a reference and whose mapcount is not zero is idle and busy, for ever.
            cpu.cond_resched();
            if faults.is_none() {
                *faults = Some(self.shut_out_faults(cpu, inode));
            }
            woken?;
        }
        self.layout_is_broken(cpu, inode);
        Ok(())
    }

    /// Every page of the file was found idle.
    #[track_caller]
    pub(super) fn layout_is_broken(&self, cpu: &Cpu<'_>, inode: InodeId) {
        match self.vm.pagemaps.rules.layout_entries {
            LayoutEntries::Removed => self.delete_entries(cpu, inode, self.whole_file()),
            LayoutEntries::Kept => {}
        }
    }

    /// `dax_layout_busy_page`: unmaps the file, then looks for a page with a reference too many.
    #[doc(alias = "dax_layout_busy_page")]
    pub(super) fn layout_busy_page(&self, cpu: &Cpu<'_>, inode: InodeId) -> Option<Pfn> {
        match self.vm.pagemaps.rules.layout_scan {
            LayoutScan::WhileMapped if !self.vm.mapping(inode.mapping()).is_mapped(cpu) => {
                return None;
            }
            LayoutScan::WhileMapped | LayoutScan::Always => {}
        }
        self.vm.unmap_mapping_pages(cpu, inode.mapping(), self.whole_file());
        self.scan_entries(cpu, inode, self.whole_file(), |entry| {
            let folio = |pfn| self.vm.pagemaps.memmap.folio(pfn);
            match entry.kind() {
                Kind::None | Kind::Empty | Kind::Zero => {
                    // dax_busy_page looks for the folio before it asks what the entry is.
                    let _zero = folio(Pfn::ZERO_PAGE);
                    None
                }
                Kind::Folio(head) => {
                    let mut folios = self.frames_of(head, entry).map(folio);
                    folios.find(|folio| self.is_busy(*folio)).map(|folio| folio.pfn())
                }
            }
        })
    }

    /// `dax_page_is_busy`: others hold it than its mappings and its entry.
    #[doc(alias = "dax_busy_page")]
    fn is_busy(&self, folio: Folio<'_>) -> bool {
        match self.vm.pagemaps.rules.busy_test {
            BusyTest::Refcount => {
                folio.refcount().is_busy(folio.mapcount() + self.refs_of_entries(folio))
            }
            BusyTest::MaybePinned => folio.maybe_dma_pinned(),
        }
    }

    /// `wait_page_idle`.
    pub(super) fn wait_page_idle(
        &self,
        cpu: &Cpu<'_>,
        page: Pfn,
        sleep: Sleep,
    ) -> Result<(), Interrupted> {
        let pagemaps = &self.vm.pagemaps;
        let count = &pagemaps.memmap.page(page).refcount;
        let waiting = Waiting { class: &PAGE_IDLE, object: page.0.into(), owner: 0 };
        // The word that is tested is the word whose changes are announced. While we sleep the folio may come
        // apart and its frames go into another one: then what we waited for has long been idle, and whoever
        // uses the new folio announces it at its head. A tail's own count is zero, as is that of a folio that is
        // just being rebuilt, whose mapcount says nothing.
        let idle = || match count.count() {
            refs if refs.is_idle() => true,
            refs => match pagemaps.rules.idle_pred {
                IdlePred::RefZero => false,
                IdlePred::RefEqualsMap => {
                    let folio = pagemaps.memmap.folio(page);
                    !refs.is_busy(folio.mapcount() + self.refs_of_entries(folio))
                }
            },
        };
        wait_var_event(cpu, count, sleep, waiting, idle)
    }
}
