//! `struct page`: eight words, 32 bytes (`include/linux/mm_types.h`).
//!
//! | word | head or single page | first tail of a large folio | who writes |
//! |---|---|---|---|
//! | `refcount` | references | 0 (I06) | K§2.2 |
//! | `mapcount` | mappings of this very page by PTE | the same | rmap, under the PTL |
//! | `flags` | locked, order | 0 | atomic bit operations; order only by the owner |
//! | `compound_head` | pagemap | distance to the head | the owner of an idle block |
//! | `mapping` | file it belongs to | **large mapcount** | DAX entry lock holder / rmap |
//! | `index` | file index, or `share` | **entire mapcount** | DAX entry lock holder / rmap |
//! | `private` | driver's word | **pincount** | the driver / GUP |
//! | `extra` | unused | **pages mapped by PTE** | rmap |
//!
//! Two aliases are the kernel's own and the ground of real bugs: `pgmap` shares storage with a tail's
//! `compound_head` (B10), and `share` with `index` (B48). Departure: mapcounts are stored as the
//! number of mappings, not minus one, so that zero means free.

use prim::{AtomicI32, AtomicU32, zeroed};

use crate::page::{Order, Pfn};
use crate::refcount::PageRef;

zeroed! {
    /// One frame's descriptor.
    #[derive(Debug)]
    pub struct Page {
        /// `_refcount`; meaningful on heads only.
        pub refcount: PageRef,
        /// `_mapcount + 1`.
        pub mapcount: AtomicI32,
        /// Bit 0 locked; bits 8..16 order of the folio headed here.
        pub flags: AtomicU32,
        /// See [`Head`].
        pub(super) compound_head: AtomicU32,
        /// `mapping`: address space + 1, 0 for none. On a first tail: large mapcount.
        pub(super) mapping: AtomicU32,
        /// `index`, or `share` when `mapping` is 0. On a first tail: entire mapcount.
        pub(super) index: AtomicU32,
        /// `zone_device_data`. On a first tail: pincount.
        pub private: AtomicU32,
        /// On a first tail: pages mapped by PTE.
        pub(super) extra: AtomicU32,
    }
}

/// `PG_locked`, a bit number of [`Page::flags`].
pub const LOCKED: u32 = 0;
const ORDER_SHIFT: u32 = 8;
const ORDER_MASK: u32 = 0xff << ORDER_SHIFT;

/// What `compound_head` says.
///
/// ```text
///   31                                                  1   0
///  +------------------------------------------------------+---+
///  | pages back to the head (tail) / pagemap id + 1 (head)| T |
///  +------------------------------------------------------+---+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Never written since the pagemap was made: ask the range which one it is.
    Untouched,
    /// Head or single page of this pagemap.
    Pagemap(u32),
    /// Tail, this many pages above its head.
    Tail(u32),
}

impl Head {
    #[inline(always)]
    pub(super) fn pack(self) -> u32 {
        match self {
            Self::Untouched => 0,
            Self::Pagemap(id) => (id + 1) << 1,
            Self::Tail(distance) => (distance << 1) | 1,
        }
    }

    #[inline(always)]
    pub(super) fn unpack(word: u32) -> Self {
        match (word & 1, word >> 1) {
            (1, distance) => Self::Tail(distance),
            (_, 0) => Self::Untouched,
            (_, id) => Self::Pagemap(id - 1),
        }
    }
}

impl Page {
    /// Head, tail or untouched: one READ_ONCE.
    #[inline(always)]
    #[must_use]
    #[track_caller]
    pub fn head(&self) -> Head {
        Head::unpack(self.compound_head.read())
    }

    /// `page_folio`: the head's frame as this page sees it now; may be stale at once.
    #[doc(alias = "page_folio")]
    #[inline(always)]
    #[must_use]
    pub fn head_pfn(&self, this: Pfn) -> Pfn {
        let word = self.compound_head.read();
        // Branch-free: a head is zero pages above itself.
        Pfn(this.0.wrapping_sub((word >> 1) * (word & 1)))
    }

    /// `mapping` and `index` of a head as they are in memory, for the ledger: no step.
    pub(crate) fn peek_place(&self) -> (u32, u32) {
        (self.mapping.peek(), self.index.peek())
    }

    /// [`Self::head_pfn`] for the ledger: no step.
    pub(crate) fn peek_head(&self, this: Pfn) -> Pfn {
        match self.peek_kind_of_head() {
            Head::Tail(distance) => Pfn(this.0.wrapping_sub(distance)),
            Head::Untouched | Head::Pagemap(_) => this,
        }
    }

    /// [`Self::head`] for the ledger: no step.
    pub(crate) fn peek_kind_of_head(&self) -> Head {
        Head::unpack(self.compound_head.peek())
    }

    /// [`Self::order`] for the ledger: no step.
    pub(crate) fn peek_order(&self) -> Order {
        Order(((self.flags.peek() & ORDER_MASK) >> ORDER_SHIFT) as u8)
    }

    /// Order of the folio headed here.
    #[inline(always)]
    #[must_use]
    #[track_caller]
    pub fn order(&self) -> Order {
        Order(((self.flags.read() & ORDER_MASK) >> ORDER_SHIFT) as u8)
    }

    /// Resets every flag and sets the order. Only the owner of an idle page.
    #[doc(alias = "folio_set_order")]
    #[inline(always)]
    pub(super) fn set_order(&self, order: Order) {
        self.flags.set(u32::from(order.0) << ORDER_SHIFT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_word_round_trips_and_zero_is_untouched() {
        for head in [
            Head::Untouched,
            Head::Pagemap(0),
            Head::Pagemap(9),
            Head::Tail(1),
            Head::Tail(262_143),
        ] {
            assert_eq!(Head::unpack(head.pack()), head);
        }
        assert_eq!(Head::unpack(0), Head::Untouched);
    }
}
