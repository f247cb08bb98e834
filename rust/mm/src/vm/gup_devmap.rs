//! References through devmap entries, up to v6.14 (`mm/gup.c` of that time; K§3.7 Era A, K§4.3).
//!
//! Such an entry holds nothing of its page, whose count says how many others do beyond the one of a free page. So an
//! idle count refuses nobody, and what keeps the page a page is its pagemap, of which a reference is taken first: one
//! that is being taken away gives none. Every frame is a page of its own, those of a PMD are taken one by one.
//!
//! Departure: the kernel keeps the pagemap's reference over a run of pages; here each page takes and gives its own.

use prim::{Cpu, smp_mb_after_atomic};

use crate::page::{Folio, Hold, Pfn};
use crate::vm::Vm;
use crate::vm::gup::GupKind;

impl Vm {
    /// `try_grab_folio` of a page that a devmap entry maps; none when its pagemap is dying.
    #[doc(alias = "try_grab_folio")]
    pub(super) fn try_grab_devmap(
        &self,
        cpu: &Cpu<'_>,
        pfn: Pfn,
        kind: GupKind,
    ) -> Option<Folio<'_>> {
        let folio = self.pagemaps.folio_get_devmap(cpu, pfn)?;
        match kind {
            GupKind::Get => {}
            GupKind::Pin => {
                // Those of device-dax may be large.
                if folio.is_large() {
                    folio.pincount().add(1);
                    folio.owners_pinned(cpu, 1);
                } else {
                    let more = folio.pin_weight(1) - 1;
                    folio.page().refcount.add(more);
                    folio.owners_add(cpu, Hold::Task, more);
                }
                // As in `try_grab_folio_fast`.
                smp_mb_after_atomic();
            }
        }
        Some(folio)
    }
}
