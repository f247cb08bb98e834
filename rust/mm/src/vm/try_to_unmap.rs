//! Taking a page out of a mapping unless somebody else refers to it (`try_to_unmap_one`, `write_protect_page` of
//! `mm/ksm.c`; K§4.1, K§6.6).
//!
//! Here the unmapper's half of K§4.1 decides something. Under the page-table lock: clear the entry, then read
//! the counts; only if nothing but mappings holds the page is it let go, else the entry is put back. Between
//! the two there is no lock, no flush and no other locked instruction: the exchange of the clear is the
//! barrier. GUP-fast takes its reference and re-reads the entry, so either the count shows the reference or
//! the re-read shows the clear. (The kernel has places that rely on the exchange alone, and others with an
//! `smp_mb` of their own.)
//!
//! Zap may use the same clear without the barrier and not be wrong on x86: it drops the mapcount next, with
//! a locked instruction, before anybody asks whether the page is busy.

use prim::Cpu;
use program::Errno;

use crate::page::{Hold, Pfn};
use crate::vm::gather::MmuGather;
use crate::vm::{MappingId, Pmd, Pte, Vm, Vpn};

impl Vm {
    /// Unmaps one page of a file from everybody, mapping after mapping, as long as only mappings hold it. When it
    /// returns their references have been put; lock-free walkers that are about to find their entry changed may hold
    /// others for a moment. The caller keeps faults out, so the page gets no mapping more.
    ///
    /// # Errors
    /// `EBUSY` when somebody else refers to it, `EINVAL` when a huge entry maps it: what was unmapped by then stays so.
    pub(crate) fn unmap_unreferenced(
        &self,
        cpu: &Cpu<'_>,
        mapping: MappingId,
        index: u32,
        pfn: Pfn,
    ) -> Result<(), Errno> {
        let list = self.mapping(mapping).map_list(cpu);
        let mapped = self.pagemaps.memmap.page(pfn).mapcount.read();
        let mut cleared_here = 0;
        for (mm, vpn) in list.addresses_of(index) {
            let _forgotten = self.invalidate_range(cpu, mm, (vpn, vpn.add(1)), None);
            let mut gather = MmuGather::new(self, cpu, mm);
            let cleared = self.clear_unreferenced(&mut gather, vpn, pfn);
            gather.finish();
            cleared_here += i32::from(cleared?);
        }
        // A reference taken through a mapping is seen when that is cleared. Of mappings that went by themselves, and of a
        // page without any, no entry has told whether somebody else refers to it.
        let all_told = mapped > 0 && cleared_here == mapped;
        if !all_told && self.pagemaps.memmap.folio(pfn).is_busy() {
            return Err(Errno::EBUSY);
        }
        Ok(())
    }

    /// Whether an entry of the page was there, and has gone.
    fn clear_unreferenced(
        &self,
        gather: &mut MmuGather<'_>,
        vpn: Vpn,
        pfn: Pfn,
    ) -> Result<bool, Errno> {
        let cpu = gather.cpu;
        let table = match self.tables.pmd(gather.mm, vpn).load() {
            Pmd::None => return Ok(false),
            Pmd::Table(table) => table,
            Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {
                return Err(Errno::EINVAL);
            }
        };
        let ptl = self.tables.lock(cpu, table);
        let word = self.tables.pte(table, vpn);
        let page = match word.load() {
            Pte::Page(page) if page.pfn() == pfn => page,
            Pte::None
            | Pte::Page(_)
            | Pte::Migration(_)
            | Pte::DevicePrivate(_)
            | Pte::Exclusive(_) => {
                return Ok(false);
            }
        };
        let folio = self.pagemaps.memmap.folio(pfn);
        self.speculate(gather.mm, vpn, page);
        let pte = word.clear(&ptl, self.pagemaps.rules.zap_clear);
        self.entry_owns(cpu, page, Hold::Mapping, Hold::Task);
        if folio.is_busy() {
            word.publish(&ptl, pte);
            self.entry_owns(cpu, page, Hold::Task, Hold::Mapping);
            return Err(Errno::EBUSY);
        }
        self.entry_owns(cpu, page, Hold::Task, Hold::Batch);
        gather.note_cleared(vpn);
        if page.normal_page().is_some() {
            self.remove_rmap_pte(cpu, folio, pfn);
            // Full or not, the gather ends next.
            let _ = gather.remove_folio(folio);
        }
        Ok(true)
    }
}
