//! Taking pages together and apart (`prep_compound_page`, `__split_folio_to_order`, `dax_folio_reset_order`; K§2.1, K§7.3,
//! K§7.6).
//!
//! Legal only for whoever owns the block while its count is zero: lock-free readers may be looking at
//! every word meanwhile, so each is a single store, and a reader that acts on a stale head notices when
//! it re-reads the head after taking its reference (K§4.3, `try_get_folio`).

use crate::page::words::{FolioFlags, Head};
use crate::page::{Folio, Memmap, Order, Page, Pfn, Span};

impl Memmap {
    /// Makes `head` and the pages after it one fresh folio of `order`, forgetting every word of an
    /// earlier life (B10): the count stays zero until the owner publishes it. `of` is what a head says there.
    #[doc(alias = "prep_compound_page")]
    #[inline]
    pub fn prep_folio(&self, head: Pfn, order: Order, of: Head) -> Folio<'_> {
        self.touch(head);
        let folio = Folio::at(self, head);
        let page = folio.page();
        page.compound_head.set(of.pack());
        page.set_flags(FolioFlags::new(order));
        page.mapping.set(0);
        page.index.set(0);
        page.mapcount.set(0);
        if order > Order::PAGE {
            self.prep_tails(Span { start: head.add(1), pages: order.pages() - 1 });
        }
        folio
    }

    /// [`Self::prep_folio`] of a single page that forgets nothing (B10): its words are those of its last life.
    pub fn reuse_page(&self, pfn: Pfn) -> Folio<'_> {
        self.touch(pfn);
        Folio::at(self, pfn)
    }

    #[doc(alias = "prep_compound_tail")]
    fn prep_tails(&self, tails: Span) {
        let tails = self.pages(tails);
        let mut word = Head::Tail(0).pack();
        for tail in tails {
            // The next distance: see [`Head`].
            word = word.wrapping_add(2);
            tail.compound_head.set(word);
            tail.flags.set(0);
            tail.mapcount.set(0);
        }
        let first_tail = &tails[0];
        first_tail.mapping.set(0);
        first_tail.index.set(0);
        first_tail.private.set(0);
        first_tail.extra.set(0);
    }

    /// Takes a large folio whose count is frozen apart into folios of a lower `order`: tails become heads, their counts
    /// zero still, and the original head, whose order all of them belong to until then, comes last. Each part is locked by
    /// whoever has the whole locked, and in its place of the mapping that the whole is in.
    #[doc(alias = "__split_folio_to_order")]
    pub fn split_folio(&self, folio: Folio<'_>, order: Order) {
        let page = folio.page();
        let (flags, of) = (page.folio_flags(), page.head());
        let (mapping, index) = (page.mapping.read(), page.index.read());
        let span = Span { start: folio.pfn(), pages: flags.order().pages() };
        for part in self.heads(span, order).filter(|part| *part != folio) {
            let (new, distance) = (part.page(), part.pfn().0 - folio.pfn().0);
            new.set_flags(flags.of_order(order));
            // Where the counts of the whole were, in its first tail, there is nothing: nobody maps or pins it.
            new.mapping.set(mapping);
            new.index.set(if mapping == 0 { 0 } else { index + distance });
            if order > Order::PAGE {
                self.prep_tails(Span { start: part.pfn().add(1), pages: order.pages() - 1 });
            }
            // Release: who finds by this word that the page is a head of its own finds it locked, and in its mapping.
            // Pairs with nothing that such a reader does, who has read the word before (an address dependency).
            new.compound_head.set_release(of.pack());
        }
        page.set_flags(flags.of_order(order));
    }

    /// The folios of `order` that tile a span of aligned ones, by their frames: what the pages say is not looked at.
    pub fn heads(&self, span: Span, order: Order) -> impl Iterator<Item = Folio<'_>> {
        span.blocks(order).map(|(head, _)| self.folio_at(head))
    }

    /// Takes a large folio apart into single idle pages, each saying what a head says where `compound_head` of a tail
    /// had overwritten it.
    #[doc(alias = "dax_folio_reset_order")]
    pub fn reset_order(&self, folio: Folio<'_>, of: Head) {
        let span = folio.span();
        folio.page().set_flags(FolioFlags::new(Order::PAGE));
        for pfn in span.iter() {
            let page = self.page(pfn);
            page.mapping.set(0);
            page.index.set(0);
            if pfn != folio.pfn() {
                page.private.set(0);
                page.extra.set(0);
            }
            page.compound_head.set(of.pack());
        }
    }

    /// Whether somebody holds a page of `span`. Asked by whoever owns the step out of zero there.
    #[inline]
    #[must_use]
    pub fn any_held(&self, span: Span) -> bool {
        self.is_held(span.start) || span.pages > 1 && self.any_held_of(span)
    }

    fn any_held_of(&self, span: Span) -> bool {
        let mut rest = self.pages(span);
        let mut pfn = span.start;
        while let [first, others @ ..] = rest {
            if !first.refcount.count().is_idle() || first.head_pfn(pfn) != pfn {
                if self.is_held(pfn) {
                    return true;
                }
                (rest, pfn) = (others, pfn.add(1));
                continue;
            }
            // An idle head stays idle: only the asker could give it a reference. So its tails, which
            // most often are all that follows, are idle when their own words say nothing else.
            let tails = Self::idle_tails(others);
            (rest, pfn) = (&others[tails..], pfn.add(1 + tails as u32));
        }
        false
    }

    /// How many pages, from the one after a head on, are its tails and not referenced themselves.
    #[inline]
    fn idle_tails(pages: &[Page]) -> usize {
        let mut expected = Head::Tail(0).pack();
        let is_tail = |page: &&Page| {
            // The next distance in the same place: see [`Head`].
            expected = expected.wrapping_add(2);
            page.compound_head.read() == expected && page.refcount.count().is_idle()
        };
        pages.iter().take_while(is_tail).count()
    }

    /// Whether somebody holds `pfn`, on its own or through the folio around it. A tail left over from
    /// an earlier life whose head no longer reaches it is not held.
    #[inline]
    #[must_use]
    pub fn is_held(&self, pfn: Pfn) -> bool {
        let head = self.page(pfn).head_pfn(pfn);
        let folio = Folio::at(self, head);
        !folio.refcount().is_idle() && folio.span().contains(pfn)
            || head != pfn && !self.page(pfn).refcount.count().is_idle()
    }
}
