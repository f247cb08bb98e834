//! `handle_mm_fault`, and the only functions that make entries present (`mm/memory.c`, K§5.4).
//!
//! This room does not know files: it finds the VMA, makes a page table, and asks the
//! [`FaultHandler`]. The handler decides which frame the address shall see, makes sure its count is not
//! zero, and comes back through [`Vm::insert_page`] or [`Vm::insert_huge`], which take the mapping's
//! own reference under the page-table lock. An insert refuses a frame whose count is zero: it cannot
//! know whose page that is.

use prim::Cpu;
use program::op::Access;
use program::rules::DaxPages;

use crate::page::{Hold, Order, Pfn};
use crate::refcount::Refused;
use crate::tally;
use crate::vm::entry::TableId;
use crate::vm::mm::{Layout, Vma};
use crate::vm::{Leaf, MmId, Pmd, Pte, Vm, Vpn};

/// A fault, as its handler sees it (`struct vm_fault`).
#[derive(Clone, Copy, Debug)]
pub struct VmFault {
    /// Who faulted.
    pub mm: MmId,
    /// Where.
    pub vpn: Vpn,
    /// Which page of the file that is.
    pub pgoff: u32,
    /// What was wanted.
    pub wanted: Access,
    /// The mapping it happened in.
    pub vma: Vma,
}

/// How a fault ended (`vm_fault_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fault {
    /// An entry is in place, or somebody else's change makes it worth trying again.
    Done,
    /// Not at this size.
    Fallback,
    /// Nothing can be mapped here.
    Sigbus,
    /// No VMA, or not for this kind of access.
    Sigsegv,
    /// No memory for a table or an entry.
    Oom,
}

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Insert {
    /// Mapped, or made writable.
    Done,
    /// Something else is there by now: back out and let the access try again.
    Raced,
    /// A page is to be made writable and the entry maps another one (`-EFAULT` in the kernel, which warns unless
    /// that is the zero page).
    OtherFrame,
    /// The frame's count is zero (`-EINVAL` in the kernel).
    NoReference,
    /// No memory for a page table.
    NoMemory,
}

/// `vm_operations_struct`: what maps a page when a CPU misses it. Called with `mmap_lock` held for
/// reading; may sleep.
pub trait FaultHandler: Sync {
    /// A PMD-sized fault; only asked for when no page table is in the way.
    fn huge_fault(&self, cpu: &Cpu<'_>, fault: &VmFault) -> Fault;
    /// `vma_is_fsdax`: whether long-term pins are refused in a mapping. No step.
    #[doc(alias = "vma_is_fsdax")]
    fn is_fsdax(&self, vma: &Vma) -> bool;
    /// A page of the file is copied into a page of the caller's, for a private mapping (`dax_fault_cow_page`).
    #[doc(alias = "dax_fault_cow_page")]
    fn copy(&self, cpu: &Cpu<'_>, fault: &VmFault, into: Pfn) -> Fault;
    /// A page-sized fault.
    fn fault(&self, cpu: &Cpu<'_>, fault: &VmFault) -> Fault;
}

impl Vm {
    /// A CPU missed an entry. It tries again after [`Fault::Done`]; not for ever, though: on a machine that is given up
    /// the retry ends here.
    #[doc(alias = "do_user_addr_fault")]
    pub(super) fn handle_fault(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        vpn: Vpn,
        wanted: Access,
        handler: &dyn FaultHandler,
    ) -> Fault {
        cpu.cond_resched();
        let layout = self.mm(mm).layout.read(cpu);
        self.handle_mm_fault(cpu, mm, &layout, vpn, wanted, handler)
    }

    /// Handles a missing or insufficient entry, under `mmap_lock`. The caller retries its access on [`Fault::Done`],
    /// which promises nothing: the entry may be gone again.
    pub(super) fn handle_mm_fault(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        layout: &Layout,
        vpn: Vpn,
        wanted: Access,
        handler: &dyn FaultHandler,
    ) -> Fault {
        cpu.count(tally::FAULT);
        let Some(vma) = layout.find(vpn) else { return Fault::Sigsegv };
        if wanted == Access::Write && vma.writable == 0 {
            return Fault::Sigsegv;
        }
        let fault = VmFault { mm, vpn, pgoff: vma.pgoff_of(vpn), wanted, vma };
        // None: a page is to be mapped in its place.
        let huge_fault = || {
            let outcome = handler.huge_fault(cpu, &fault);
            if outcome == Fault::Fallback {
                cpu.count(tally::PMD_FALLBACK);
                return None;
            }
            Some(outcome)
        };
        let anonymous = vma.is_anonymous();
        // A page is copied alone.
        let copies = wanted == Access::Write && vma.private == 1 || anonymous;
        match self.tables.pmd(mm, vpn).load() {
            Pmd::None if anonymous => {
                if let Some(outcome) = self.huge_anonymous_page(cpu, &fault) {
                    return outcome;
                }
            }
            Pmd::None if copies => {}
            Pmd::None => {
                if let Some(outcome) = huge_fault() {
                    return outcome;
                }
            }
            Pmd::Table(_) => {}
            Pmd::Leaf(leaf) if leaf.allows(wanted) => return Fault::Done,
            Pmd::Leaf(leaf) if copies => {
                if self.huge_wp_reuse(cpu, &fault, leaf) {
                    return Fault::Done;
                }
                self.split_huge_pmd(cpu, mm, vpn);
            }
            Pmd::Migration(_) => {
                self.pmd_migration_entry_wait(cpu, mm, vpn);
                return Fault::Done;
            }
            Pmd::DevicePrivate(entry) => {
                return self.huge_device_private_fault(cpu, &fault, entry);
            }
            Pmd::Invalid => {
                self.wait_for_pmd(cpu, mm);
                return Fault::Done;
            }
            Pmd::Leaf(_) => {
                if let Some(outcome) = huge_fault() {
                    return outcome;
                }
                self.split_huge_pmd(cpu, mm, vpn);
            }
        }
        let table = match self.pte_alloc(cpu, mm, vpn) {
            Err(()) => return Fault::Oom,
            // A leaf appeared meanwhile: let the access look again (K§9 B26).
            Ok(None) => return Fault::Done,
            Ok(Some(table)) => table,
        };
        match self.tables.pte(table, vpn).load() {
            Pte::Page(page) if page.allows(wanted) => Fault::Done,
            Pte::Migration(_) => {
                self.migration_entry_wait(cpu, table, vpn);
                Fault::Done
            }
            Pte::DevicePrivate(entry) => self.device_private_fault(cpu, &fault, table, entry),
            Pte::Exclusive(entry) => self.device_exclusive_fault(cpu, &fault, table, entry),
            Pte::None | Pte::Page(_) if copies => self.private_write(cpu, &fault, table, handler),
            Pte::None | Pte::Page(_) => handler.fault(cpu, &fault),
        }
    }

    /// `pte_alloc`: the page table for an address; none when a leaf is there.
    pub(super) fn pte_alloc(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        vpn: Vpn,
    ) -> Result<Option<TableId>, ()> {
        let word = self.tables.pmd(mm, vpn);
        match word.load() {
            Pmd::None => {}
            Pmd::Table(table) => return Ok(Some(table)),
            Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {
                return Ok(None);
            }
        }
        let new = self.tables.alloc(cpu).map_err(|_| ())?;
        let lock = self.mm(mm).pmd_lock.lock(cpu);
        let found = match word.load() {
            Pmd::None => {
                word.publish(&lock, Pmd::Table(new));
                return Ok(Some(new));
            }
            Pmd::Table(table) => Some(table),
            Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => None,
        };
        drop(lock);
        self.tables.free_unused(cpu, new);
        Ok(found)
    }

    /// `vmf_insert_page_mkwrite`: maps `pfn` at the faulting address. An entry that is there already is
    /// only made writable, and only if it maps the same frame.
    #[doc(alias = "vmf_insert_page_mkwrite")]
    pub fn insert_page(&self, cpu: &Cpu<'_>, fault: &VmFault, pfn: Pfn) -> Insert {
        let table = match self.pte_alloc(cpu, fault.mm, fault.vpn) {
            Err(()) => return Insert::NoMemory,
            Ok(None) => return Insert::Raced,
            Ok(Some(table)) => table,
        };
        let ptl = self.tables.lock(cpu, table);
        let word = self.tables.pte(table, fault.vpn);
        let new = self.dax_leaf(pfn, fault.wanted);
        match word.load() {
            Pte::None => {}
            Pte::Page(page) if page.pfn() != pfn => {
                return match fault.wanted {
                    Access::Read => Insert::Raced,
                    Access::Write => Insert::OtherFrame,
                };
            }
            Pte::Page(page) => {
                Self::upgrade(page, new, |it| word.publish(&ptl, Pte::Page(it)));
                return Insert::Done;
            }
            // A copy of the page is being moved.
            Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => return Insert::Raced,
        }
        if new.normal_page().is_some() {
            let folio = self.pagemaps.memmap.folio(pfn);
            if let Err(Refused::Zero | Refused::Saturated(_)) = folio.page().refcount.try_add(1) {
                return Insert::NoReference;
            }
            folio.owners_add(cpu, Hold::Task, 1);
            self.add_rmap_pte(cpu, folio, pfn);
        }
        word.publish(&ptl, Pte::Page(new));
        self.entry_owns(cpu, new, Hold::Task, Hold::Mapping);
        Insert::Done
    }

    /// Whether single pages are mapped around the address, which a handler of a PMD-sized fault looks at once more. No
    /// lock: the insert looks again.
    #[track_caller]
    pub fn has_page_table(&self, fault: &VmFault) -> bool {
        match self.tables.pmd(fault.mm, fault.vpn).load() {
            Pmd::Table(_) => true,
            Pmd::None | Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {
                false
            }
        }
    }

    /// `vmf_insert_folio_pmd`: maps the PMD-sized folio headed by `head` around the faulting address.
    #[doc(alias = "vmf_insert_folio_pmd")]
    pub fn insert_huge(&self, cpu: &Cpu<'_>, fault: &VmFault, head: Pfn) -> Insert {
        let lock = self.mm(fault.mm).pmd_lock.lock(cpu);
        let word = self.tables.pmd(fault.mm, fault.vpn);
        let new = self.dax_leaf(head, fault.wanted);
        match word.load() {
            Pmd::None => {}
            // Of a file nothing else is mapped by a whole PMD.
            Pmd::Table(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {
                return Insert::Raced;
            }
            // Also if it is to be made writable, unlike a PTE: `insert_pmd` says -EEXIST, which is not told on.
            Pmd::Leaf(leaf) if leaf.pfn() != head => return Insert::Raced,
            Pmd::Leaf(leaf) => {
                Self::upgrade(leaf, new, |it| word.publish(&lock, Pmd::Leaf(it)));
                return Insert::Done;
            }
        }
        if new.normal_page().is_some() {
            let folio = self.pagemaps.memmap.folio(head);
            if folio.order() != self.tables.pmd_order || folio.pfn() != head {
                return Insert::Raced;
            }
            if let Err(Refused::Zero | Refused::Saturated(_)) = folio.page().refcount.try_add(1) {
                return Insert::NoReference;
            }
            folio.owners_add(cpu, Hold::Task, 1);
            Self::add_rmap_pmd(cpu, folio);
        }
        cpu.count(tally::PMD_MAPPED);
        word.publish(&lock, Pmd::Leaf(new));
        self.entry_owns(cpu, new, Hold::Task, Hold::Mapping);
        Insert::Done
    }

    /// What an entry of a file says: up to v6.14, and where the file's own entry holds the page, that of a DAX page has a
    /// mark, and holds nothing.
    fn dax_leaf(&self, pfn: Pfn, wanted: Access) -> Leaf {
        let leaf = Leaf::new(pfn, wanted);
        match self.pagemaps.rules.dax_pages {
            DaxPages::Devmap | DaxPages::EntryRefs if pfn != Pfn::ZERO_PAGE => leaf.made_devmap(),
            DaxPages::Devmap | DaxPages::EntryRefs | DaxPages::Normal => leaf,
        }
    }

    /// The reference of an entry, just set or just cleared, changes hands, if it has one.
    #[inline(always)]
    pub(super) fn entry_owns(&self, cpu: &Cpu<'_>, entry: Leaf, from: Hold, to: Hold) {
        if let Some(pfn) = entry.normal_page() {
            self.pagemaps.memmap.owners_move(cpu, (pfn, 1), false, from, to);
        }
    }

    /// What is there is made to allow what is wanted of the same frame.
    fn upgrade(there: Leaf, wanted: Leaf, publish: impl FnOnce(Leaf)) {
        if wanted.allows(Access::Write) {
            publish(there.made_writable());
        }
    }

    /// log2 of the pages a PMD leaf covers.
    #[must_use]
    pub fn pmd_order(&self) -> Order {
        self.tables.pmd_order
    }
}
