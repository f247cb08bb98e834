//! Memory plugged in at run time: `memremap_pages` and what a driver then does with the frames (K§3.2, K§8.3).
//!
//! The frames lie behind the machine's devices and belong to nobody until somebody maps them, which is how
//! `lib/test_hmm.c` gets its memory. Whoever does so is the driver: it says which frames become folios, and has no pool
//! that would say so for it. Only a live world has such frames; what is explored begins with all of its devices.

use prim::Cpu;
use program::Errno;

use crate::page::{Order, Pfn, Span};
use crate::pagemap::{PagemapId, PagemapType};
use crate::world::World;

impl World {
    /// Puts the first frames that are free and aligned, so many, under a new pagemap of folios of this order.
    ///
    /// # Errors
    /// `EINVAL` for none, or no multiple of the folios' pages; `ENOMEM` when no run is free or there are too many
    /// pagemaps.
    pub fn memremap_pages(
        &self,
        cpu: &Cpu<'_>,
        kind: PagemapType,
        pages: u32,
        order: Order,
    ) -> Result<PagemapId, Errno> {
        if pages == 0 || !pages.is_multiple_of(order.pages()) {
            return Err(Errno::EINVAL);
        }
        let aligned = order.pages().max(self.geometry.pmd_pages());
        let mut start = self.spare.start.0.next_multiple_of(aligned);
        while start.checked_add(pages).is_some_and(|end| end <= self.spare.end().0) {
            let span = Span { start: Pfn(start), pages };
            match self.pagemaps().memremap_folios(cpu, kind, span, order) {
                // Somebody has a frame of it.
                Err(Errno::ENOMEM) => start += aligned,
                done => return done,
            }
        }
        Err(Errno::ENOMEM)
    }

    /// Takes a pagemap away again; sleeps until nothing refers to it.
    pub fn memunmap_pages(&self, cpu: &Cpu<'_>, id: PagemapId) {
        self.pagemaps().memunmap_pages(cpu, id, || {});
    }
}
