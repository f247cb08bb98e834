//! Taking pages together and apart (`prep_compound_page`, `dax_folio_reset_order`; K§2.1, K§7.6).
//!
//! Legal only for whoever owns the block while its count is zero: lock-free readers may be looking at
//! every word meanwhile, so each is a single store, and a reader that acts on a stale head notices when
//! it re-reads the head after taking its reference (K§4.3, `try_get_folio`).

use crate::page::words::Head;
use crate::page::{Folio, Memmap, Order, Pfn};

impl Memmap {
    /// Makes `head` and the pages after it one fresh folio of `order`, forgetting every word of an
    /// earlier life (B10): the count stays zero until the owner publishes it.
    pub fn prep_folio(&self, head: Pfn, order: Order, pagemap: u32) -> Folio<'_> {
        self.touch(head);
        let page = self.page(head);
        page.compound_head.set(Head::Pagemap(pagemap).pack());
        page.set_order(order);
        page.mapping.set(0);
        page.index.set(0);
        page.mapcount.set(0);
        for distance in 1..order.pages() {
            let tail = self.page(head.add(distance));
            tail.compound_head.set(Head::Tail(distance).pack());
            tail.flags.set(0);
            tail.mapcount.set(0);
        }
        if order > Order::PAGE {
            let first_tail = self.page(head.add(1));
            first_tail.mapping.set(0);
            first_tail.index.set(0);
            first_tail.private.set(0);
            first_tail.extra.set(0);
        }
        Folio::at(self, head)
    }

    /// Takes a large folio apart into single idle pages, each with its pagemap restored where
    /// `compound_head` had overwritten it.
    pub fn reset_order(&self, folio: Folio<'_>, pagemap: u32) {
        let span = folio.span();
        folio.page().set_order(Order::PAGE);
        for pfn in span.iter() {
            let page = self.page(pfn);
            page.mapping.set(0);
            page.index.set(0);
            if pfn != folio.pfn() {
                page.private.set(0);
                page.extra.set(0);
            }
            page.compound_head.set(Head::Pagemap(pagemap).pack());
        }
    }

    /// Whether somebody holds `pfn`, on its own or through the folio around it. A tail left over from
    /// an earlier life whose head no longer reaches it is not held.
    #[inline]
    #[must_use]
    pub fn is_held(&self, pfn: Pfn) -> bool {
        let head = self.page(pfn).head_pfn(pfn);
        let folio = Folio::at(self, head);
        folio.refcount() != 0 && folio.span().contains(pfn)
            || head != pfn && self.page(pfn).refcount.count() != 0
    }
}
