//! `struct page`: eight words, 32 bytes (`include/linux/mm_types.h`).
//!
//! | word | head or single page | first tail of a large folio | who writes |
//! |---|---|---|---|
//! | `refcount` | references | 0 (I06) | K§2.2 |
//! | `mapcount` | mappings of this very page by PTE | the same | rmap, under the PTL |
//! | `flags` | locked and by whom, order | 0 | the folio lock; order only by the owner |
//! | `compound_head` | pagemap | distance to the head | the owner of an idle block |
//! | `mapping` | file or anonymous mapping it belongs to | **large mapcount** | DAX entry lock holder / rmap |
//! | `index` | file index, or `share` | **entire mapcount** | DAX entry lock holder / rmap |
//! | `private` | driver's word | **pincount** | the driver / GUP |
//! | `extra` | unused | **pages mapped by PTE** | rmap |
//!
//! The third page of an ordinary folio says in `private` whether it is on a list of those to be split (`_deferred_list`).
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
        /// See [`FolioFlags`].
        pub flags: AtomicU32,
        /// See [`Head`].
        pub(super) compound_head: AtomicU32,
        /// `mapping`: address space + 1, 0 for none; [`ANON`] when it is in no file, [`DAX_SHARED`]. On a first tail: large
        /// mapcount.
        pub(super) mapping: AtomicU32,
        /// `index`, or `share` when `mapping` is 0. On a first tail: entire mapcount.
        pub(super) index: AtomicU32,
        /// `zone_device_data`. On a first tail: pincount.
        pub private: AtomicU32,
        /// On a first tail: pages mapped by PTE.
        pub(super) extra: AtomicU32,
    }
}

/// `FOLIO_MAPPING_ANON`, the bit of `mapping` that says that the folio is in no file.
pub(super) const ANON: u32 = 1 << 31;

/// `PAGE_MAPPING_DAX_SHARED`: up to v6.14, what `mapping` says of a page that several files have.
pub(super) const DAX_SHARED: u32 = 1 << 30;

/// What `flags` of a head say, read once.
///
/// ```text
///   31                  16 15           8 7            0
///  +----------------------+--------------+--------------+
///  | who has it locked, or| order        |              |
///  | 0: `PG_locked`       |              |              |
///  +----------------------+--------------+--------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolioFlags(u32);

impl FolioFlags {
    const ORDER_SHIFT: u32 = 8;
    const ORDER_MASK: u32 = 0xff << Self::ORDER_SHIFT;
    const LOCKER_SHIFT: u32 = 16;

    /// Those of a folio of this order that nobody has locked.
    #[inline(always)]
    #[must_use]
    pub fn new(order: Order) -> Self {
        Self(u32::from(order.0) << Self::ORDER_SHIFT)
    }

    /// What a word says.
    #[inline(always)]
    #[must_use]
    pub fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// The word that says it.
    #[inline(always)]
    #[must_use]
    pub fn word(self) -> u32 {
        self.0
    }

    /// Order of the folio.
    #[inline(always)]
    #[must_use]
    pub fn order(self) -> Order {
        Order(((self.0 & Self::ORDER_MASK) >> Self::ORDER_SHIFT) as u8)
    }

    /// Who has it locked, as [`prim::Cpu::owner_word`] names it; 0 if nobody has.
    #[must_use]
    pub fn locker(self) -> u32 {
        self.0 >> Self::LOCKER_SHIFT
    }

    /// The same order, locked by somebody, or by nobody (0).
    #[must_use]
    pub fn locked_by(self, owner: u32) -> Self {
        Self((self.0 & Self::ORDER_MASK) | (owner << Self::LOCKER_SHIFT))
    }

    /// The same lock on a folio of another order.
    #[must_use]
    pub fn of_order(self, order: Order) -> Self {
        Self::new(order).locked_by(self.locker())
    }
}

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

    /// Whether `mapping` of a head says that several files have the page, for the ledger: no step.
    pub(crate) fn peek_marked_shared(&self) -> bool {
        self.mapping.peek() == DAX_SHARED
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

    /// [`Self::folio_flags`] for the ledger and for checks: no step.
    pub(crate) fn peek_flags(&self) -> FolioFlags {
        FolioFlags::from_word(self.flags.peek())
    }

    /// [`Self::order`] for the ledger: no step.
    pub(crate) fn peek_order(&self) -> Order {
        self.peek_flags().order()
    }

    /// Lock and order of the folio headed here.
    #[inline(always)]
    #[must_use]
    #[track_caller]
    pub fn folio_flags(&self) -> FolioFlags {
        FolioFlags::from_word(self.flags.read())
    }

    /// Order of the folio headed here.
    #[inline(always)]
    #[must_use]
    #[track_caller]
    pub fn order(&self) -> Order {
        self.folio_flags().order()
    }

    /// Sets the order, and the lock. Only the owner of an idle page.
    #[doc(alias = "folio_set_order")]
    #[inline(always)]
    pub(super) fn set_flags(&self, flags: FolioFlags) {
        self.flags.set(flags.word());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_and_an_order_do_not_touch_each_other() {
        for order in [Order::PAGE, Order(9), Order(255)] {
            let free = FolioFlags::new(order);
            assert_eq!((free.order(), free.locker()), (order, 0));
            for owner in [1, 0xffff] {
                let locked = free.locked_by(owner);
                assert_eq!((locked.order(), locked.locker()), (order, owner));
                assert_eq!(locked.locked_by(0), free);
                assert_eq!(locked.of_order(Order(3)), FolioFlags::new(Order(3)).locked_by(owner));
            }
        }
    }

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
