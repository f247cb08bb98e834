//! What the ledger says of a page, in words. Natively it says nothing.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::page::{Hold, Owners, Pfn};
use crate::pagemap::{PagemapHold, PagemapId};
use crate::world::World;
use crate::world::party::Party;

impl World {
    /// Who owns references on the folio around a frame: "2 by pins (w0 pin), 1 by page table entries (w1 write)".
    pub(super) fn owners_told(&self, pfn: Pfn) -> Option<String> {
        let owners = self.dax.vm.pagemaps.memmap.owners(pfn)?;
        let told = Self::owning(&owners).map(|hold| {
            let (refs, last) = (owners.of(hold), Party::of(owners.last(hold)));
            format!("{refs} by {} ({last})", hold.name())
        });
        let told: Vec<String> = told.collect();
        Some(if told.is_empty() { "nobody".into() } else { told.join(", ") })
    }

    /// Who owns the references of a pagemap: "16 by memremap, 1 by pages in use".
    pub(super) fn pagemap_owners_told(&self, id: PagemapId) -> Option<String> {
        let owners = self.pagemaps().owners(id)?;
        let owning = PagemapHold::ALL.into_iter().filter(|hold| owners.of(*hold) != 0);
        let told = owning.map(|hold| format!("{} by {}", owners.of(hold), hold.name()));
        let told: Vec<String> = told.collect();
        Some(if told.is_empty() { "nobody".into() } else { told.join(", ") })
    }

    /// An owner who is not `noticed`, if there is one: what the ledger adds to who is found in tables.
    pub(super) fn owner_besides(&self, pfn: Pfn, noticed: Party) -> Option<(Party, Hold)> {
        let owners = self.dax.vm.pagemaps.memmap.owners(pfn)?;
        let others = Self::owning(&owners).filter(|hold| owners.of(*hold) > 0);
        let mut owning = others.map(|hold| (Party::of(owners.last(hold)), hold));
        owning.find(|(party, _)| *party != noticed)
    }

    /// The kinds that own something, or owe it.
    fn owning(owners: &Owners) -> impl Iterator<Item = Hold> + '_ {
        Hold::ALL.into_iter().filter(|hold| owners.of(*hold) != 0)
    }
}
