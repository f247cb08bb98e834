//! `struct folio`: a head page and the counts of the whole (K§2.3, K§2.4).
//!
//! A [`Folio`] is a borrowed name, not a reference: holding one says nothing about the count. The
//! large counts live in the first tail, as in the kernel, so they exist only while the folio is large.

use prim::AtomicU32;

use crate::page::words::{ANON, DAX_SHARED};
use crate::page::{Memmap, Order, Page, Pfn, Span};
use crate::refcount::Count;

/// A folio by its head frame.
#[derive(Clone, Copy, Debug)]
pub struct Folio<'m> {
    memmap: &'m Memmap,
    /// The head's descriptor: what the kernel's `struct folio *` is.
    head: &'m Page,
}

impl PartialEq for Folio<'_> {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.head, other.head)
    }
}

impl<'m> Folio<'m> {
    #[inline(always)]
    pub(super) fn at(memmap: &'m Memmap, head: Pfn) -> Self {
        Self { memmap, head: memmap.page(head) }
    }

    #[inline(always)]
    pub(super) fn memmap(self) -> &'m Memmap {
        self.memmap
    }

    /// Frame of the head.
    #[inline(always)]
    #[must_use]
    pub fn pfn(self) -> Pfn {
        self.memmap.pfn_of(self.head)
    }

    /// The head page.
    #[inline(always)]
    #[must_use]
    pub fn page(self) -> &'m Page {
        self.head
    }

    /// `folio_order`.
    #[doc(alias = "folio_order")]
    #[inline(always)]
    #[must_use]
    pub fn order(self) -> Order {
        self.page().order()
    }

    /// `folio_test_large`; these carry a pincount (`folio_has_pincount`).
    #[doc(alias = "folio_test_large")]
    #[inline(always)]
    #[must_use]
    pub fn is_large(self) -> bool {
        self.order() > Order::PAGE
    }

    /// Whether a frame is one of its own, as its words say without a step: nothing changes them under a reference.
    #[must_use]
    pub fn peek_has(self, pfn: Pfn) -> bool {
        let (memmap, pages) = (self.memmap, self.page().peek_order().pages());
        memmap.page(pfn).peek_head(pfn) == self.pfn()
            && Span { start: self.pfn(), pages }.contains(pfn)
    }

    /// The frames it covers.
    #[must_use]
    pub fn span(self) -> Span {
        Span { start: self.pfn(), pages: self.order().pages() }
    }

    /// `folio_ref_count`.
    #[doc(alias = "folio_ref_count")]
    #[inline(always)]
    #[must_use]
    pub fn refcount(self) -> Count {
        self.page().refcount.count()
    }

    /// Whether others than its mappings hold it.
    #[must_use]
    pub fn is_busy(self) -> bool {
        self.refcount().is_busy(self.mapcount())
    }

    /// `folio_mapcount`: all mappings, a PMD counting once.
    #[doc(alias = "folio_mapcount")]
    #[must_use]
    pub fn mapcount(self) -> i32 {
        if self.is_large() {
            self.large_mapcount().read().cast_signed()
        } else {
            self.page().mapcount.read()
        }
    }

    /// `_large_mapcount + 1`. Only on a large folio.
    #[must_use]
    pub fn large_mapcount(self) -> &'m AtomicU32 {
        &self.first_tail().mapping
    }

    /// `_entire_mapcount + 1`. Only on a large folio.
    #[must_use]
    pub fn entire_mapcount(self) -> &'m AtomicU32 {
        &self.first_tail().index
    }

    /// `_pincount`. Only on a large folio.
    #[inline(always)]
    #[must_use]
    pub fn pincount(self) -> &'m AtomicU32 {
        &self.first_tail().private
    }

    /// Pages with at least one PTE mapping. Only on a large folio.
    #[must_use]
    pub fn nr_pages_mapped(self) -> &'m AtomicU32 {
        &self.first_tail().extra
    }

    /// `_deferred_list`: 1 while it is on a list. Only on a folio of four pages or more.
    #[must_use]
    pub fn deferred_list(self) -> &'m AtomicU32 {
        &self.memmap.page(self.pfn().add(2)).private
    }

    /// References that one pin of `pages` pages adds to the count (K§2.3).
    #[inline(always)]
    #[must_use]
    pub fn pin_weight(self, pages: u32) -> i32 {
        let pages = pages.cast_signed();
        if self.is_large() { pages } else { pages * self.memmap.pin_bias }
    }

    /// `folio_maybe_dma_pinned`: exact for large folios, a guess from above for small ones.
    #[doc(alias = "folio_maybe_dma_pinned")]
    #[must_use]
    pub fn maybe_dma_pinned(self) -> bool {
        if self.is_large() {
            self.pincount().read() > 0
        } else {
            self.refcount().get().cast_unsigned() >= self.memmap.pin_bias.cast_unsigned()
        }
    }

    /// The address space it belongs to.
    #[inline(always)]
    #[must_use]
    #[track_caller]
    pub fn mapping(self) -> Option<u32> {
        self.page().mapping.read().checked_sub(1)
    }

    /// `folio->mapping = mapping`.
    #[track_caller]
    pub fn set_mapping(self, mapping: Option<u32>) {
        self.page().mapping.set(mapping.map_or(0, |id| id + 1));
    }

    /// Whether `mapping` says no file, but that several have the page (`PAGE_MAPPING_DAX_SHARED`).
    #[must_use]
    #[track_caller]
    pub fn is_marked_shared(self) -> bool {
        self.page().mapping.read() == DAX_SHARED
    }

    /// `folio->mapping = PAGE_MAPPING_DAX_SHARED`.
    #[track_caller]
    pub fn mark_shared(self) {
        self.page().mapping.set(DAX_SHARED);
    }

    /// `folio->mapping` of a page that is in no file: where who maps it is listed, and which page of that it is.
    #[doc(alias = "__folio_set_anon")]
    pub fn set_anon(self, space: u32, index: u32) {
        self.page().mapping.set(ANON | (space + 1));
        self.page().index.set(index);
    }

    /// `folio_anon_vma`: where those are listed who map a folio that is in no file.
    #[doc(alias = "folio_anon_vma")]
    #[must_use]
    #[track_caller]
    pub fn anon_space(self) -> Option<u32> {
        let word = self.page().mapping.read();
        (word & ANON != 0).then_some((word & !ANON).wrapping_sub(1))
    }

    /// `folio->index`, which is `folio->share` while there is no mapping.
    #[must_use]
    #[track_caller]
    pub fn index_or_share(self) -> u32 {
        self.page().index.read()
    }

    /// Writes the aliased word.
    #[track_caller]
    pub fn set_index_or_share(self, value: u32) {
        self.page().index.set(value);
    }

    #[inline(always)]
    fn first_tail(self) -> &'m Page {
        self.memmap.page(self.pfn().add(1))
    }
}
