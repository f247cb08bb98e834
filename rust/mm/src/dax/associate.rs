//! An entry and its folio (`dax_associate_entry`, `dax_folio_put`; K§5.3).
//!
//! Association is where a free block's pages become one folio of the entry's order, and dissociation
//! where they come apart again: the fsdax fracture, legal only at count zero. The entry itself holds no
//! reference. Caller: the holder of the entry lock, or of the `i_pages` lock with the entry unlocked.

use prim::Cpu;
use program::rules::ShareReset;

use crate::dax::entry::{DaxEntry, Kind};
use crate::dax::{Dax, InodeId};
use crate::page::{Order, Pfn};
use crate::pagemap::PagemapId;
use crate::warn::{Complaint, warn_on};

impl Dax {
    /// `dax_associate_entry`, for an extent that no other file shares.
    pub(super) fn dax_associate_entry(
        &self,
        cpu: &Cpu<'_>,
        (inode, index): (InodeId, u32),
        (head, pagemap): (Pfn, PagemapId),
        order: Order,
    ) {
        let memmap = &self.vm.pagemaps.memmap;
        for at in 0..order.pages() {
            let pfn = head.add(at);
            let count = memmap.page(pfn).refcount.count();
            if !count.is_idle() {
                warn_on(cpu, Complaint::BlockAllocatedBusy, pfn, count.into());
            }
        }
        if memmap.folio(head).mapping().is_some() {
            warn_on(cpu, Complaint::MappingOverwritten, head, 0);
        }
        let folio = memmap.prep_folio(head, order, pagemap.0);
        folio.set_mapping(Some(inode.0));
        folio.set_index_or_share(index);
    }

    /// `dax_disassociate_entry` -> `dax_folio_put`.
    ///
    /// Up to v6.18 an order-0 folio returned early and kept its `index`, which the next reader of
    /// `share` misread (B48).
    pub(super) fn dax_disassociate_entry(&self, cpu: &Cpu<'_>, entry: DaxEntry) {
        // Without a device there is no struct page to let go of.
        let Some(pagemap) = self.pagemap() else { return };
        let folio = match entry.kind() {
            Kind::None | Kind::Empty | Kind::Zero => return,
            Kind::Folio(head) => self.vm.pagemaps.memmap.folio(head),
        };
        let count = folio.refcount();
        if !count.is_idle() {
            warn_on(cpu, Complaint::BusyReset, folio.pfn(), count.into());
        }
        folio.set_mapping(None);
        if folio.is_large() {
            self.vm.pagemaps.memmap.reset_order(folio, pagemap.0);
        } else if self.vm.pagemaps.rules.share_reset == ShareReset::Cleared {
            folio.set_index_or_share(0);
        }
    }
}
