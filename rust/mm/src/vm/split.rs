//! Taking a mapped folio apart (`__folio_split`, `mm/huge_memory.c`; K§7.3).
//!
//! ```text
//!   locked, one reference of the caller's
//!     whoever maps it cannot change            the list of its mappings, locked for writing
//!     anybody else has a reference? -EAGAIN    may be wrong at once, and spares the rest
//!     entries -> migration entries             mapcount 0, every mapping's reference put
//!     freeze, words, unfreeze                  `pagemap/split.rs`; fails as long as somebody else has a reference
//!     migration entries -> entries             of the parts, or of the whole if it stayed one
//!   parts unlocked and put, but the caller's own
//! ```
//!
//! What a freeze has to be sure of is that nobody changes the folio's counts while its words change. Who maps it does:
//! munmap drops a mapcount and a reference without asking. So entries are taken out of the way first. The review of 2025
//! had two other answers: to freeze a mapped folio at what its mappings hold, and to look away if that fails
//! (`split-unmap`, `split-freeze`; B11).
//!
//! Departures: no swap cache, no page cache; parts are single pages.

use prim::Cpu;
use program::Errno;
use program::rules::{SplitGet, SplitUnmap, WalkPmd};

use crate::page::{Folio, Hold, Order, Pfn};
use crate::tally;
use crate::vm::migrate::HugeEntries;
use crate::vm::rmap::MapList;
use crate::vm::{MappingId, MmId, Pmd, Vm, Vpn};
use crate::warn::{Complaint, warn_on};

impl Vm {
    /// `split_huge_pages` of one address: the folio that is mapped there becomes single pages. Returns how many.
    ///
    /// # Errors
    /// `EFAULT` outside any mapping, `EINVAL` where no large folio of anonymous memory is mapped, `EAGAIN` when somebody
    /// has it locked, or has a reference: it is as it was then, mapped by pages.
    #[doc(alias = "split_huge_pages_pid")]
    pub(crate) fn split_huge_page(&self, cpu: &Cpu<'_>, mm: MmId, vpn: Vpn) -> Result<u32, Errno> {
        let layout = self.mm(mm).layout.read(cpu);
        if !layout.find(vpn).ok_or(Errno::EFAULT)?.is_anonymous() {
            return Err(Errno::EINVAL);
        }
        self.split_if_large(cpu, mm, vpn)
    }

    /// As [`Self::split_huge_page`], of an anonymous mapping whose layout the caller has locked.
    pub(super) fn split_if_large(&self, cpu: &Cpu<'_>, mm: MmId, vpn: Vpn) -> Result<u32, Errno> {
        let folio = self.folio_walk_get(cpu, mm, vpn).ok_or(Errno::EINVAL)?;
        let mut own = 1;
        let split = match folio.is_large() {
            false => Err(Errno::EINVAL),
            true if !folio.try_lock(cpu) => Err(Errno::EAGAIN),
            true => {
                match self.pagemaps.rules.split_get {
                    SplitGet::Taken => {}
                    SplitGet::Missing => {
                        self.pagemaps.folio_put_refs(cpu, folio, own);
                        own = 0;
                    }
                }
                let split = self.folio_split(cpu, folio, Some((mm, vpn)), own);
                folio.unlock(cpu);
                split
            }
        };
        if own > 0 {
            self.pagemaps.folio_put_refs(cpu, folio, own);
        }
        split
    }

    /// `folio_walk_start`, and a reference: what an entry maps, under its lock.
    #[doc(alias = "folio_walk_start")]
    pub(super) fn folio_walk_get(&self, cpu: &Cpu<'_>, mm: MmId, vpn: Vpn) -> Option<Folio<'_>> {
        let pmd_lock = match self.pagemaps.rules.walk_pmd {
            WalkPmd::Locked => Some(self.mm(mm).pmd_lock.lock(cpu)),
            WalkPmd::Stale => None,
        };
        let table = match self.tables.pmd(mm, vpn).load() {
            Pmd::None | Pmd::Migration(_) | Pmd::Invalid => return None,
            Pmd::Leaf(leaf) => return self.folio_get_mapped(cpu, leaf.normal_page()?),
            Pmd::DevicePrivate(entry) => return self.folio_get_mapped(cpu, entry.pfn()),
            Pmd::Table(table) => table,
        };
        drop(pmd_lock);
        let _ptl = self.tables.lock(cpu, table);
        self.folio_get_mapped(cpu, self.tables.pte(table, vpn).load().normal_page()?)
    }

    /// `folio_get` of what an entry maps, whose lock the caller has.
    fn folio_get_mapped(&self, cpu: &Cpu<'_>, pfn: Pfn) -> Option<Folio<'_>> {
        let folio = self.pagemaps.memmap.folio(pfn);
        let count = folio.page().refcount.peek();
        if !count.is_held() {
            warn_on(cpu, Complaint::MappedWithoutRef, folio.pfn(), count.into());
            return None;
        }
        folio.page().refcount.add(1);
        folio.owners_add(cpu, Hold::Task, 1);
        Some(folio)
    }

    /// `__folio_split`: the caller has the folio locked, and so many references, one, of its own; and both of its first page
    /// afterwards.
    #[doc(alias = "__folio_split")]
    pub(super) fn folio_split(
        &self,
        cpu: &Cpu<'_>,
        folio: Folio<'_>,
        asked: Option<(MmId, Vpn)>,
        own: i32,
    ) -> Result<u32, Errno> {
        // Mapped, and so the mapping and its list are there, as long as the caller has the layout.
        let space = folio.anon_space().ok_or(Errno::EINVAL)?;
        let list = self.mapping(MappingId(space)).i_mmap_lock_write(cpu);
        if folio.refcount().is_busy(folio.mapcount() + own) {
            cpu.count(tally::SPLIT_REFUSED);
            return Err(Errno::EAGAIN);
        }
        let mapped = self.unmap_folio(cpu, &list, folio, asked);
        let split = self.pagemaps.split_frozen(cpu, folio, Order::PAGE, mapped);
        let whole = split.as_ref().copied().unwrap_or_else(|_| folio.span());
        let parts = || self.pagemaps.memmap.heads(whole, folio.order());
        parts().for_each(|part| self.remove_migration_ptes(cpu, &list, part.pfn(), part));
        for part in parts().filter(|part| *part != folio) {
            part.unlock(cpu);
            self.pagemaps.folio_put_refs(cpu, part, 1);
        }
        split.map(|span| span.pages)
    }

    /// `unmap_folio`, and how many mappings are left: none, but for what was posted in 2025.
    fn unmap_folio(
        &self,
        cpu: &Cpu<'_>,
        list: &MapList,
        folio: Folio<'_>,
        asked: Option<(MmId, Vpn)>,
    ) -> i32 {
        match self.pagemaps.rules.split_unmap {
            SplitUnmap::MigrationEntries => {
                self.try_to_migrate(cpu, list, folio, HugeEntries::Split);
                0
            }
            SplitUnmap::StillMapped => {
                if let Some((mm, vpn)) = asked {
                    self.split_huge_pmd(cpu, mm, vpn);
                }
                folio.mapcount()
            }
        }
    }
}
