//! A CPU touches a page that is in a device's memory (`do_swap_page`, `mm/memory.c`; `dmirror_devmem_fault`,
//! `lib/test_hmm.c`; K§8.1).
//!
//! Under the lock of the table the entry says which page; then that lock goes, and the driver is called to bring the
//! page home. In between anybody who maps the page, after a fork, may do the same, and the page be freed and somebody
//! else's. So the folio is locked and referenced under the lock of the table: who comes second waits until the first is
//! through, and looks again. Up to v6.0 neither was done (`fault-ref`, B03, CVE-2022-3523).
//!
//! Departure: the driver's callback is here, since all that it does is to call `migrate_vma` for the page; a page that
//! somebody else has a reference on stays, and is faulted on again, as there.

use prim::{Cpu, cpu_relax};
use program::rules::FaultRef;

use crate::page::{Hold, Stamp};
use crate::vm::entry::TableId;
use crate::vm::fault::{Fault, VmFault};
use crate::vm::migrate_device::{Goes, Moved};
use crate::vm::{Pmd, Pte, Softleaf, Vm};
use crate::warn::Complaint;

impl Vm {
    /// What the entry stood for when it was read without its lock is brought home.
    #[doc(alias = "do_swap_page")]
    pub(super) fn device_private_fault(
        &self,
        cpu: &Cpu<'_>,
        fault: &VmFault,
        table: TableId,
        entry: Softleaf,
    ) -> Fault {
        let memmap = &self.pagemaps.memmap;
        let ptl = self.tables.lock(cpu, table);
        match self.tables.pte(table, fault.vpn).load() {
            Pte::DevicePrivate(now) if now == entry => {}
            Pte::None
            | Pte::Page(_)
            | Pte::Migration(_)
            | Pte::DevicePrivate(_)
            | Pte::Exclusive(_) => {
                return Fault::Done;
            }
        }
        let life = memmap.shadow_capture(entry.pfn());
        // Mapped, and so it stays what it is as long as the lock is held.
        let folio = memmap.folio(entry.pfn());
        match self.pagemaps.rules.fault_ref {
            FaultRef::UnderLock if !folio.try_lock(cpu) => {
                drop(ptl);
                folio.wait_on_locked(cpu);
                Fault::Done
            }
            FaultRef::UnderLock => {
                folio.page().refcount.add(1);
                folio.owners_add(cpu, Hold::Task, 1);
                drop(ptl);
                if folio.is_large() {
                    // A page of it goes alone (`migrate_vma_split_folio`). If it cannot be taken apart now, then later.
                    let _ = self.folio_split(cpu, folio, Some((fault.mm, fault.vpn)), 1);
                    folio.unlock(cpu);
                    self.pagemaps.folio_put_refs(cpu, folio, 1);
                    return Fault::Done;
                }
                let fault = self.migrate_to_ram(cpu, fault, (entry, life), FaultRef::UnderLock);
                folio.unlock(cpu);
                self.pagemaps.folio_put_refs(cpu, folio, 1);
                fault
            }
            FaultRef::None => {
                drop(ptl);
                self.migrate_to_ram(cpu, fault, (entry, life), FaultRef::None)
            }
        }
    }

    /// `do_huge_pmd_device_private`: a whole folio is brought home, or taken apart where there is no room for it. Departure:
    /// one that somebody has locked is waited for, where the kernel looks again at once.
    #[doc(alias = "do_huge_pmd_device_private")]
    pub(super) fn huge_device_private_fault(
        &self,
        cpu: &Cpu<'_>,
        fault: &VmFault,
        entry: Softleaf,
    ) -> Fault {
        let folio = self.pagemaps.memmap.folio_at(entry.pfn());
        {
            let lock = self.mm(fault.mm).pmd_lock.lock(cpu);
            match self.tables.pmd(fault.mm, fault.vpn).load() {
                Pmd::DevicePrivate(now) if now == entry => {}
                Pmd::None
                | Pmd::Table(_)
                | Pmd::Leaf(_)
                | Pmd::Migration(_)
                | Pmd::DevicePrivate(_)
                | Pmd::Invalid => return Fault::Done,
            }
            if !folio.try_lock(cpu) {
                drop(lock);
                folio.wait_on_locked(cpu);
                return Fault::Done;
            }
            folio.page().refcount.add(1);
            folio.owners_add(cpu, Hold::Task, 1);
        }
        let start = self.tables.start_of_pmd(fault.vpn);
        let all = (start, self.tables.pmd_order.pages());
        match self.migrate_huge(cpu, fault.mm, all, Goes::Home, Some(folio)) {
            None | Some(Moved::Yes) => {}
            Some(Moved::No) => cpu_relax(),
            Some(Moved::NoMemory) => {
                let _ = self.folio_split(cpu, folio, Some((fault.mm, fault.vpn)), 1);
            }
        }
        folio.unlock(cpu);
        self.pagemaps.folio_put_refs(cpu, folio, 1);
        Fault::Done
    }

    /// The driver's: `vmf->page` is handed to it, and must be the page of the entry still (I29).
    #[doc(alias = "dmirror_devmem_fault")]
    fn migrate_to_ram(
        &self,
        cpu: &Cpu<'_>,
        fault: &VmFault,
        (entry, life): (Softleaf, Stamp),
        held: FaultRef,
    ) -> Fault {
        self.check_stamp(cpu, Complaint::FaultPageGone, entry.pfn(), life);
        let fault_page = match held {
            FaultRef::UnderLock => Some(self.pagemaps.memmap.folio_at(entry.pfn())),
            FaultRef::None => None,
        };
        match self.migrate_page(cpu, fault.mm, &fault.vma, fault.vpn, Goes::Home, fault_page) {
            Moved::Yes => Fault::Done,
            // Somebody else has it, and must let go of it: the access looks again, as often as that takes.
            Moved::No => {
                cpu_relax();
                Fault::Done
            }
            Moved::NoMemory => Fault::Oom,
        }
    }
}
