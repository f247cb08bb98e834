//! Single pages of anonymous memory become a huge one (`collapse_huge_page`, `mm/khugepaged.c`; K§9 B18).
//!
//! ```text
//!   mmap_lock, list of mappings, for writing     nobody faults, nobody moves or drops entries, nobody comes by rmap
//!   PMD: table --unlink, flush--> none           CPUs fault, and wait; lock-free GUP may be below it still
//!   walkers waited for (`collapse-sync`)         none that has found the table is left
//!   each page: is there a reference beside the mapping's?    then the table comes back, and EAGAIN
//!   contents copied, PTEs cleared, pages put
//!   PMD: none --publish--> leaf                  the table waits with it
//! ```
//!
//! Lock-free GUP that has read a PTE before the counts were looked at, and takes its reference after, finds that PTE as it
//! was: it is cleared a moment later. What tells it is the PMD, which has changed already. One of two things keeps its
//! reference from outliving the page's use, then: its own second look at the PMD (`gup-pmd-recheck`), or a collapse that
//! waits for it. The second one is needed besides, for the table is another process's as soon as the huge page goes.
//!
//! Departures: pages that somebody shares or refers to are refused where the kernel lets a few be copied; nothing is
//! scanned for, it happens where it is asked for (MADV_COLLAPSE). The flush waits for no walker with interrupts off, as on
//! architectures that flush without interrupting anybody.

use prim::{Cpu, sync_irq};
use program::Errno;
use program::op::Access;
use program::rules::Switch;

use crate::page::{Folio, Hold, Owner};
use crate::tally;
use crate::vm::entry::TableId;
use crate::vm::mm::Vma;
use crate::vm::{Leaf, MappingId, MmId, Pmd, Pte, Vm, Vpn};

impl Vm {
    /// `madvise_collapse` of the huge page around an address: one that is there already is left alone.
    ///
    /// # Errors
    /// `EFAULT` outside any mapping, `EINVAL` where no huge page of anonymous memory fits or nothing is mapped, `ENOMEM`,
    /// `EAGAIN` when somebody refers to one of the pages, or shares it.
    #[doc(alias = "madvise_collapse")]
    pub(crate) fn collapse(&self, cpu: &Cpu<'_>, mm: MmId, vpn: Vpn) -> Result<(), Errno> {
        let start = self.tables.start_of_pmd(vpn);
        let layout = self.mm(mm).layout.write(cpu);
        let vma = layout.find(vpn).ok_or(Errno::EFAULT)?;
        let fits = vma.start <= start.0 && self.tables.end_of_pmd(start).0 <= vma.end();
        if !vma.is_anonymous() || !fits {
            return Err(Errno::EINVAL);
        }
        let table = match self.tables.pmd(mm, start).load() {
            Pmd::None => return Err(Errno::EINVAL),
            Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {
                return Ok(());
            }
            Pmd::Table(table) => table,
        };
        let order = self.tables.pmd_order;
        let new = self.pagemaps.ram.alloc(cpu, &self.pagemaps.memmap, order);
        let new = new.ok_or(Errno::ENOMEM)?;
        let collapsed = self.collapse_huge_page(cpu, (mm, start), (&vma, table), new);
        if !collapsed {
            cpu.count(tally::COLLAPSE_REFUSED);
            self.pagemaps.folio_put_refs(cpu, new, 1);
        }
        collapsed.then_some(()).ok_or(Errno::EAGAIN)
    }

    /// `collapse_huge_page`: says whether the new folio is mapped, with the caller's reference on it.
    fn collapse_huge_page(
        &self,
        cpu: &Cpu<'_>,
        (mm, start): (MmId, Vpn),
        (vma, table): (&Vma, TableId),
        new: Folio<'_>,
    ) -> bool {
        let _list = self.mapping(MappingId(vma.mapping)).i_mmap_lock_write(cpu);
        let around = (start, self.tables.end_of_pmd(start));
        let _forgotten = self.invalidate_range(cpu, mm, around, None);
        let word = self.tables.pmd(mm, start);
        {
            let lock = self.mm(mm).pmd_lock.lock(cpu);
            for vpn in self.huge_range(start) {
                match self.tables.pte(table, vpn).peek() {
                    Pte::Page(page) => self.speculate(mm, vpn, page),
                    // Nothing that a TLB can load.
                    Pte::None | Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => {}
                }
            }
            word.unlink(&lock);
            self.table_owns(cpu, mm, table, (Hold::Mapping, Hold::Task));
            self.flush_tlb_page(cpu, mm, start);
        }
        if self.pagemaps.rules.collapse_sync == Switch::On {
            // `tlb_remove_table_sync_one`.
            let _ = sync_irq(cpu);
        }
        let collapsed = self.copy_alone(cpu, start, table, new);
        let lock = self.mm(mm).pmd_lock.lock(cpu);
        if !collapsed {
            word.publish(&lock, Pmd::Table(table));
            self.table_owns(cpu, mm, table, (Hold::Task, Hold::Mapping));
            return false;
        }
        new.set_anon(vma.mapping, vma.pgoff_of(start));
        Self::add_rmap_pmd(cpu, new);
        self.tables.deposit(&lock, mm, start, table);
        let leaf = Leaf::new(new.pfn(), Access::Write);
        word.publish(&lock, Pmd::Leaf(leaf));
        self.entry_owns(cpu, leaf, Hold::Task, Hold::Mapping);
        true
    }

    /// `__collapse_huge_page_isolate`, `__collapse_huge_page_copy`: if nobody has any of the pages but its one mapping,
    /// what they hold goes to the new ones, and they are put. Says whether it did.
    #[doc(alias = "__collapse_huge_page_isolate")]
    fn copy_alone(&self, cpu: &Cpu<'_>, start: Vpn, table: TableId, new: Folio<'_>) -> bool {
        let memmap = &self.pagemaps.memmap;
        let ptl = self.tables.lock(cpu, table);
        if !self.huge_range(start).all(|vpn| self.is_alone(table, vpn)) {
            return false;
        }
        for (vpn, to) in self.huge_range(start).zip(new.span().iter()) {
            let word = self.tables.pte(table, vpn);
            let seen = word.load();
            let Some(pfn) = seen.normal_page() else {
                memmap.contents(to).set(0);
                continue;
            };
            // From here on what is stored in it reaches nobody.
            memmap.shadow_assign(cpu, pfn, Owner::NOBODY);
            memmap.contents(to).set(memmap.contents(pfn).read());
            word.clear(&ptl, self.pagemaps.rules.zap_clear);
            let folio = memmap.folio(pfn);
            self.remove_rmap_pte(cpu, folio, pfn);
            self.pagemaps.folio_put_refs(cpu, folio, 1);
        }
        true
    }

    /// Whether an entry maps nothing, or a page that nobody else has.
    fn is_alone(&self, table: TableId, vpn: Vpn) -> bool {
        let seen = self.tables.pte(table, vpn).load();
        match seen {
            Pte::None => true,
            Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => false,
            Pte::Page(_) => seen.normal_page().is_some_and(|pfn| {
                let folio = self.pagemaps.memmap.folio(pfn);
                let mine = self.pagemaps.ram.contains(pfn) && !folio.is_large();
                mine && !folio.refcount().is_busy(1)
            }),
        }
    }

    fn huge_range(&self, start: Vpn) -> impl Iterator<Item = Vpn> {
        (0..self.tables.pmd_order.pages()).map(move |at| start.add(at))
    }
}
