//! Private mappings: a write copies the page first (`do_cow_fault`, `do_wp_page`, `copy_page_range`; `mm/memory.c`).
//!
//! What a private mapping has not written it sees of the file, read-only. A write takes a page of ordinary memory,
//! copies, and puts it into the entry, after every CPU has forgotten the old one; from then on nothing that happens to the
//! file reaches it, but a truncate takes it away (`even_cows`). Fork gives the child the entries of a mapping that
//! has such pages, and makes both sides read-only.
//!
//! Departures: no zero page stands for what nobody wrote; which copies are nobody else's is told by their count alone.

use prim::Cpu;
use program::op::Access;

use crate::page::{Hold, Pfn};
use crate::vm::entry::TableId;
use crate::vm::fault::{Fault, FaultHandler, VmFault};
use crate::vm::mm::Vma;
use crate::vm::{Leaf, MmId, Pmd, Pte, Vm, Vpn};

/// What an unmapping of a file does about private copies of its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvenCows {
    /// They go, too: the pages they are copies of are no longer in the file.
    Zapped,
    /// They stay.
    Kept,
}

impl Vm {
    /// `do_cow_fault`, `do_wp_page`: a write through a private mapping that does not have a page of its own yet.
    #[doc(alias = "do_cow_fault")]
    pub(super) fn private_write(
        &self,
        cpu: &Cpu<'_>,
        fault: &VmFault,
        table: TableId,
        handler: &dyn FaultHandler,
    ) -> Fault {
        let memmap = &self.pagemaps.memmap;
        let word = self.tables.pte(table, fault.vpn);
        let seen = word.load();
        match seen {
            Pte::Page(page) if self.wp_page_reuse(cpu, fault, table, page) => return Fault::Done,
            Pte::None | Pte::Page(_) => {}
        }
        let Some(copy) = self.pagemaps.ram.alloc(cpu, memmap) else { return Fault::Oom };
        // What is copied is kept meanwhile.
        let copied = match seen {
            Pte::None => handler.copy(cpu, fault, copy),
            Pte::Page(page) if self.keep_page(cpu, fault, table, page) => {
                memmap.contents(copy).set(memmap.contents(page.pfn()).read());
                Fault::Done
            }
            Pte::Page(_) => Fault::Fallback,
        };
        if copied == Fault::Done {
            self.replace(cpu, fault, table, seen, copy);
            if let Some(pfn) = seen.normal_page() {
                self.pagemaps.folio_put_refs(cpu, memmap.folio(pfn), 1);
            }
        }
        // The taker's own reference: the entry has one, if it came to that.
        self.pagemaps.folio_put_refs(cpu, memmap.folio(copy), 1);
        match copied {
            // Raced, or done: the access looks again.
            Fault::Fallback | Fault::Done => Fault::Done,
            Fault::Sigbus | Fault::Sigsegv | Fault::Oom => copied,
        }
    }

    /// `wp_page_reuse`: a copy that nobody else has is made writable where it is.
    fn wp_page_reuse(&self, cpu: &Cpu<'_>, fault: &VmFault, table: TableId, page: Leaf) -> bool {
        if !self.pagemaps.ram.contains(page.pfn()) {
            return false;
        }
        let ptl = self.tables.lock(cpu, table);
        let word = self.tables.pte(table, fault.vpn);
        let alone = !self.pagemaps.memmap.folio(page.pfn()).refcount().is_busy(1);
        match word.load() {
            Pte::Page(now) if now == page && alone => {
                word.publish(&ptl, Pte::Page(page.made_writable()));
                true
            }
            Pte::None | Pte::Page(_) => false,
        }
    }

    /// A reference on what an entry still maps, so that it can be copied without the lock.
    fn keep_page(&self, cpu: &Cpu<'_>, fault: &VmFault, table: TableId, page: Leaf) -> bool {
        let _ptl = self.tables.lock(cpu, table);
        match self.tables.pte(table, fault.vpn).load() {
            Pte::Page(now) if now == page => {
                if let Some(pfn) = page.normal_page() {
                    let folio = self.pagemaps.memmap.folio(pfn);
                    folio.page().refcount.add(1);
                    folio.owners_add(cpu, Hold::Task, 1);
                }
                true
            }
            Pte::None | Pte::Page(_) => false,
        }
    }

    /// `wp_page_copy`, `finish_fault`: the copy in place of what was there, if that is still so. The old translation is
    /// forgotten everywhere before the new entry can be seen.
    #[doc(alias = "wp_page_copy")]
    fn replace(&self, cpu: &Cpu<'_>, fault: &VmFault, table: TableId, seen: Pte, copy: Pfn) {
        let memmap = &self.pagemaps.memmap;
        let old = {
            let ptl = self.tables.lock(cpu, table);
            let word = self.tables.pte(table, fault.vpn);
            if word.load() != seen {
                return;
            }
            match seen {
                Pte::None => {}
                Pte::Page(page) => {
                    self.speculate(fault.mm, fault.vpn, page);
                    word.clear(&ptl, self.pagemaps.rules.zap_clear);
                    self.entry_owns(cpu, page, Hold::Mapping, Hold::Batch);
                    self.flush_tlb_page(cpu, fault.mm, fault.vpn);
                }
            }
            let old = seen.normal_page();
            let folio = memmap.folio(copy);
            folio.page().refcount.add(1);
            folio.owners_add(cpu, Hold::Task, 1);
            folio.set_mapping_anon();
            self.add_rmap_pte(cpu, folio, copy);
            let new = Leaf::new(copy, Access::Write);
            word.publish(&ptl, Pte::Page(new));
            self.entry_owns(cpu, new, Hold::Task, Hold::Mapping);
            if let Some(old) = old {
                self.remove_rmap_pte(cpu, memmap.folio(old), old);
            }
            old
        };
        if let Some(old) = old {
            self.pagemaps.folio_put_held(cpu, memmap.folio(old), 1, Hold::Batch);
        }
    }

    /// `copy_page_range` of one mapping: what the child gets of a private mapping that has copies of its own.
    ///
    /// # Errors
    /// No memory for a page table.
    pub(super) fn copy_page_range(
        &self,
        cpu: &Cpu<'_>,
        (parent, child): (MmId, MmId),
        vma: &Vma,
    ) -> Result<(), ()> {
        let addresses = || (vma.start..vma.end()).map(Vpn);
        let is_copy = |vpn| match self.walk(parent, vpn) {
            Pte::None => false,
            Pte::Page(page) => self.pagemaps.ram.contains(page.pfn()),
        };
        if vma.private == 0 || !addresses().any(is_copy) {
            return Ok(());
        }
        for vpn in addresses() {
            self.copy_present_pte(cpu, (parent, child), vpn)?;
        }
        // What was writable is not any more.
        for vpn in addresses() {
            self.flush_tlb_page(cpu, parent, vpn);
        }
        Ok(())
    }

    #[doc(alias = "copy_present_ptes")]
    fn copy_present_pte(
        &self,
        cpu: &Cpu<'_>,
        (parent, child): (MmId, MmId),
        vpn: Vpn,
    ) -> Result<(), ()> {
        let table = match self.tables.pmd(parent, vpn).load() {
            // A huge page of the file is faulted in again.
            Pmd::None | Pmd::Leaf(_) => return Ok(()),
            Pmd::Table(table) => table,
        };
        let Some(target) = self.pte_alloc(cpu, child, vpn)? else { return Ok(()) };
        let source = self.tables.lock(cpu, table);
        let word = self.tables.pte(table, vpn);
        let page = match word.load() {
            Pte::None => return Ok(()),
            Pte::Page(page) => page,
        };
        if let Some(pfn) = page.normal_page() {
            let folio = self.pagemaps.memmap.folio(pfn);
            folio.page().refcount.add(1);
            folio.owners_add(cpu, Hold::Task, 1);
            self.add_rmap_pte(cpu, folio, pfn);
        }
        let shared = page.made_readonly();
        word.publish(&source, Pte::Page(shared));
        drop(source);
        let ptl = self.tables.lock(cpu, target);
        self.tables.pte(target, vpn).publish(&ptl, Pte::Page(shared));
        self.entry_owns(cpu, shared, Hold::Task, Hold::Mapping);
        Ok(())
    }
}
