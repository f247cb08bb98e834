//! Private mappings: a write copies the page first (`do_cow_fault`, `do_wp_page`, `copy_page_range`; `mm/memory.c`).
//! Anonymous ones are their sort without a file: what nobody has written yet is zero (`do_anonymous_page`).
//!
//! What a private mapping has not written it sees of the file, read-only. A write takes a page of ordinary memory,
//! copies, and puts it into the entry, after every CPU has forgotten the old one; from then on nothing that happens to the
//! file reaches it, but a truncate takes it away (`even_cows`). Fork gives the child the entries of a mapping that
//! has such pages, and makes both sides read-only.
//!
//! Departures: no zero page stands for what nobody wrote; which copies are nobody else's is told by their count alone.

use prim::Cpu;
use program::op::Access;

use crate::page::{Folio, Hold, Order, Pfn};
use crate::vm::entry::TableId;
use crate::vm::fault::{Fault, FaultHandler, VmFault};
use crate::vm::mm::Vma;
use crate::vm::walk::UnderPmd;
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
            // Since the caller looked.
            Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => return Fault::Done,
            Pte::None | Pte::Page(_) => {}
        }
        let Some(folio) = self.pagemaps.ram.alloc(cpu, memmap, Order::PAGE) else {
            return Fault::Oom;
        };
        let copy = folio.pfn();
        // What is copied is kept meanwhile.
        let copied = match seen {
            Pte::None if fault.vma.is_anonymous() => {
                memmap.contents(copy).set(0);
                Fault::Done
            }
            Pte::None => handler.copy(cpu, fault, copy),
            Pte::Page(page) if self.keep_page(cpu, fault, table, page) => {
                memmap.contents(copy).set(memmap.contents(page.pfn()).read());
                Fault::Done
            }
            Pte::Page(_) | Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => {
                Fault::Fallback
            }
        };
        if copied == Fault::Done {
            self.replace(cpu, fault, table, seen, copy);
            if let Some(pfn) = seen.normal_page() {
                self.pagemaps.folio_put_refs(cpu, memmap.folio(pfn), 1);
            }
        }
        // The taker's own reference: the entry has one, if it came to that.
        self.pagemaps.folio_put_refs(cpu, folio, 1);
        match copied {
            // Raced, or done: the access looks again.
            Fault::Fallback | Fault::Done => Fault::Done,
            Fault::Sigbus | Fault::Sigsegv | Fault::Oom => copied,
        }
    }

    /// `wp_page_reuse`: a copy that nobody else has is made writable where it is.
    fn wp_page_reuse(&self, cpu: &Cpu<'_>, fault: &VmFault, table: TableId, page: Leaf) -> bool {
        if !self.pagemaps.peek_is_reached(page.pfn()) {
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
            Pte::None
            | Pte::Page(_)
            | Pte::Migration(_)
            | Pte::DevicePrivate(_)
            | Pte::Exclusive(_) => false,
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
            Pte::None
            | Pte::Page(_)
            | Pte::Migration(_)
            | Pte::DevicePrivate(_)
            | Pte::Exclusive(_) => false,
        }
    }

    /// `wp_page_copy`, `finish_fault`: the copy in place of what was there, if that is still so. The old translation is
    /// forgotten everywhere before the new entry can be seen.
    #[doc(alias = "wp_page_copy")]
    fn replace(&self, cpu: &Cpu<'_>, fault: &VmFault, table: TableId, seen: Pte, copy: Pfn) {
        let memmap = &self.pagemaps.memmap;
        let here = (fault.vpn, fault.vpn.add(1));
        let _forgotten = self.invalidate_range(cpu, fault.mm, here, None);
        let old = {
            let ptl = self.tables.lock(cpu, table);
            let word = self.tables.pte(table, fault.vpn);
            if word.load() != seen {
                return;
            }
            match seen {
                Pte::None | Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => {}
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
            folio.set_anon(fault.vma.mapping, fault.pgoff);
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
            Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => true,
        };
        let copied = vma.is_anonymous() || vma.private == 1 && addresses().any(is_copy);
        if !copied {
            return Ok(());
        }
        let _forgotten = self.invalidate_range(cpu, parent, (Vpn(vma.start), Vpn(vma.end())), None);
        for part in self.tables.walk_range(parent, Vpn(vma.start), Vpn(vma.end())) {
            self.copy_pmd_range(cpu, (parent, child), &part)?;
        }
        // What was writable is not any more.
        for vpn in addresses() {
            self.flush_tlb_page(cpu, parent, vpn);
        }
        Ok(())
    }

    /// One PMD: as a whole, or each of its pages.
    fn copy_pmd_range(
        &self,
        cpu: &Cpu<'_>,
        (parent, child): (MmId, MmId),
        part: &UnderPmd<'_>,
    ) -> Result<(), ()> {
        let table = loop {
            match part.word.load() {
                Pmd::Leaf(leaf) if self.pagemaps.peek_is_reached(leaf.pfn()) => {
                    if self.copy_huge_pmd(cpu, (parent, child), part.start)? {
                        return Ok(());
                    }
                }
                Pmd::Migration(_) | Pmd::DevicePrivate(_) => {
                    if self.copy_huge_pmd(cpu, (parent, child), part.start)? {
                        return Ok(());
                    }
                }
                // A huge page of the file is faulted in again.
                Pmd::None | Pmd::Leaf(_) => return Ok(()),
                Pmd::Invalid => self.wait_for_pmd(cpu, parent),
                Pmd::Table(table) => break table,
            }
        };
        if let Some(target) = self.pte_alloc(cpu, child, part.start)? {
            for vpn in (part.start.0..part.end.0).map(Vpn) {
                self.copy_pte(cpu, (table, target), vpn);
            }
        }
        Ok(())
    }

    #[doc(alias = "copy_present_ptes")]
    fn copy_pte(&self, cpu: &Cpu<'_>, (table, target): (TableId, TableId), vpn: Vpn) {
        while let Some(locked) = self.copy_pte_unless_locked(cpu, (table, target), vpn) {
            cpu.cond_resched();
            locked.wait_on_locked(cpu);
        }
    }

    /// The folio that has to be unlocked first, if one has.
    #[track_caller]
    fn copy_pte_unless_locked(
        &self,
        cpu: &Cpu<'_>,
        (table, target): (TableId, TableId),
        vpn: Vpn,
    ) -> Option<Folio<'_>> {
        // Both at once, the child's first, for nobody else is in the child yet: a migration entry must not have become a
        // page again between the look and the copy, since whoever does that comes by here only once.
        let ptl = self.tables.lock(cpu, target);
        let source = self.tables.lock(cpu, table);
        let word = self.tables.pte(table, vpn);
        let copy = self.tables.pte(target, vpn);
        let seen = word.load();
        let shared = match seen {
            Pte::None => return None,
            Pte::Exclusive(entry) if !self.restore_exclusive(cpu, &source, word, entry) => {
                return Some(self.pagemaps.memmap.folio(entry.pfn()));
            }
            Pte::Exclusive(entry) => Pte::Page(entry.present().made_readonly()),
            Pte::Page(page) => Pte::Page(page.made_readonly()),
            Pte::Migration(entry) => Pte::Migration(entry.made_readonly()),
            Pte::DevicePrivate(entry) => Pte::DevicePrivate(entry.made_readonly()),
        };
        if let Some(pfn) = seen.normal_page() {
            let folio = self.pagemaps.memmap.folio(pfn);
            folio.page().refcount.add(1);
            folio.owners_add(cpu, Hold::Task, 1);
            self.add_rmap_pte(cpu, folio, pfn);
        }
        word.publish(&source, shared);
        copy.publish(&ptl, shared);
        if let Some(pfn) = shared.normal_page() {
            self.pagemaps.memmap.owners_move(cpu, (pfn, 1), false, Hold::Task, Hold::Mapping);
        }
        None
    }
}
