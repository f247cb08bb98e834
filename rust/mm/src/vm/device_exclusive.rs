//! A device has a page of ordinary memory for itself (`make_device_exclusive`, `mm/rmap.c`; `remove_device_exclusive_entry`,
//! `mm/memory.c`; `dmirror_exclusive`, `lib/test_hmm.c`).
//!
//! Devices whose atomic operations CPUs do not take part in ask for that. The entry of the process is replaced by one that no
//! CPU walks and that holds what it held, a reference and a mapcount; the device maps the page meanwhile. The first touch of
//! a CPU puts the old entry back, once the device has been told to forget the page, and so ends it; fork does, too.
//!
//! ```text
//!   present --make_device_exclusive--> exclusive      folio locked, referenced; the device maps it; unlocked, put
//!   exclusive --fault--> present                      folio locked and referenced under the lock of the table
//! ```
//!
//! The fault sleeps for the lock of the folio without the lock of the table. Without a reference, as up to v6.2, the page may
//! be freed meanwhile, and somebody else's folio is what it locks (`exclusive-ref`, B08).

use prim::Cpu;
use program::Errno;
use program::op::{Access, Longterm};
use program::rules::ExclusiveRef;

use crate::page::{Folio, Hold};
use crate::vm::entry::TableId;
use crate::vm::fault::{Fault, FaultHandler, VmFault};
use crate::vm::gup::{GupKind, GupRange, GupRequest};
use crate::vm::mm::Layout;
use crate::vm::{Leaf, MmId, Pmd, Pte, Softleaf, Vm, Vpn};
use crate::warn::Complaint;

impl Vm {
    /// `make_device_exclusive`: the page of an address for a device, whose number is told so that it need not forget what it
    /// is about to map. The folio comes locked, with a reference, and with the notifier's sequence as it was before the entry was
    /// looked at: what is changed after that, the device hears of.
    ///
    /// # Errors
    /// `EFAULT` where nothing can be written, `EOPNOTSUPP` for what is not ordinary memory, `EBUSY` when somebody was
    /// faster, `ENOMEM`.
    pub(super) fn make_device_exclusive(
        &self,
        cpu: &Cpu<'_>,
        device: u32,
        (mm, layout, vpn): (MmId, &Layout, Vpn),
        handler: &dyn FaultHandler,
    ) -> Result<(Folio<'_>, Leaf, u32), Errno> {
        let request = GupRequest {
            start: vpn,
            pages: 1,
            kind: GupKind::Get,
            access: Access::Write,
            longterm: Longterm::Short,
        };
        let mut range = [GupRange::EMPTY];
        self.gup_under(cpu, (mm, layout), &request, handler, &mut range)?;
        let pfn = range[0].first();
        let folio = self.pagemaps.memmap.folio(pfn);
        let refuse = |errno| {
            self.pagemaps.folio_put_refs(cpu, folio, 1);
            Err(errno)
        };
        if !self.pagemaps.ram.contains(pfn) {
            return refuse(Errno::EOPNOTSUPP);
        }
        // `FOLL_SPLIT_PMD`.
        match self.tables.pmd(mm, vpn).load() {
            Pmd::Leaf(_) => self.split_huge_pmd(cpu, mm, vpn),
            Pmd::None
            | Pmd::Table(_)
            | Pmd::Migration(_)
            | Pmd::DevicePrivate(_)
            | Pmd::Invalid => {}
        }
        folio.lock(cpu);
        // Not before: a fault on what the device has already tells the device, too.
        let begun = self.mmu_interval_read_begin(cpu, device, mm);
        let _forgotten = self.invalidate_range(cpu, mm, (vpn, vpn.add(1)), Some(device));
        let made = match self.tables.pmd(mm, vpn).load() {
            Pmd::Table(table) => {
                let ptl = self.tables.lock(cpu, table);
                let word = self.tables.pte(table, vpn);
                match word.load() {
                    Pte::Page(page) if page.pfn() == pfn && page.allows(Access::Write) => {
                        self.speculate(mm, vpn, page);
                        word.clear(&ptl, self.pagemaps.rules.zap_clear);
                        self.entry_owns(cpu, page, Hold::Mapping, Hold::Task);
                        self.flush_tlb_page(cpu, mm, vpn);
                        word.publish(&ptl, Pte::Exclusive(Softleaf::of(page)));
                        self.entry_owns(cpu, page, Hold::Task, Hold::Mapping);
                        Some(page)
                    }
                    Pte::None
                    | Pte::Page(_)
                    | Pte::Migration(_)
                    | Pte::DevicePrivate(_)
                    | Pte::Exclusive(_) => None,
                }
            }
            Pmd::None | Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {
                None
            }
        };
        match made {
            Some(page) => Ok((folio, page, begun)),
            None => {
                folio.unlock(cpu);
                refuse(Errno::EBUSY)
            }
        }
    }

    /// `remove_device_exclusive_entry`: a CPU touches what a device has for itself.
    #[doc(alias = "remove_device_exclusive_entry")]
    pub(super) fn device_exclusive_fault(
        &self,
        cpu: &Cpu<'_>,
        fault: &VmFault,
        table: TableId,
        entry: Softleaf,
    ) -> Fault {
        let word = self.tables.pte(table, fault.vpn);
        let is_there = || match word.load() {
            Pte::Exclusive(now) => now == entry,
            Pte::None | Pte::Page(_) | Pte::Migration(_) | Pte::DevicePrivate(_) => false,
        };
        let ptl = self.tables.lock(cpu, table);
        if !is_there() {
            return Fault::Done;
        }
        let life = self.pagemaps.memmap.shadow_capture(entry.pfn());
        // Mapped, and so it stays what it is as long as the lock is held.
        let folio = self.pagemaps.memmap.folio(entry.pfn());
        match self.pagemaps.rules.exclusive_ref {
            ExclusiveRef::UnderLock => {
                folio.page().refcount.add(1);
                folio.owners_add(cpu, Hold::Task, 1);
            }
            ExclusiveRef::None => {}
        }
        drop(ptl);
        folio.lock(cpu);
        self.check_stamp(cpu, Complaint::LockedGone, entry.pfn(), life);
        {
            let here = (fault.vpn, fault.vpn.add(1));
            let _forgotten = self.invalidate_range(cpu, fault.mm, here, None);
            let ptl = self.tables.lock(cpu, table);
            if is_there() {
                word.publish(&ptl, Pte::Page(entry.present()));
            }
        }
        folio.unlock(cpu);
        match self.pagemaps.rules.exclusive_ref {
            ExclusiveRef::UnderLock => self.pagemaps.folio_put_refs(cpu, folio, 1),
            ExclusiveRef::None => {}
        }
        Fault::Done
    }

    /// `try_restore_exclusive_pte`: fork copies what a device has for itself as the page that it is. Says whether it could:
    /// not while somebody has the folio locked.
    #[doc(alias = "try_restore_exclusive_pte")]
    pub(super) fn restore_exclusive(
        &self,
        cpu: &Cpu<'_>,
        source: &prim::SpinGuard<'_, super::word::PtLocked>,
        word: &super::word::PteWord,
        entry: Softleaf,
    ) -> bool {
        let folio = self.pagemaps.memmap.folio(entry.pfn());
        let locked = folio.try_lock(cpu);
        if locked {
            word.publish(source, Pte::Page(entry.present()));
            folio.unlock(cpu);
        }
        locked
    }
}
