//! A DAX entry: what `i_pages` holds for an index instead of a folio (K§5.1).
//!
//! ```text
//!   63   62    61   60..56 55          40 39                    4  3     2    1    0
//!  +----+-----+----+------+--------------+-----------------------+-----+----+---+------+
//!  |here|towr.|dirt|      | locker CPU+1 | pfn                   |EMPTY|ZERO|PMD|LOCKED|
//!  +----+-----+----+------+--------------+-----------------------+-----+----+---+------+
//! ```
//!
//! The low four bits are the kernel's. EMPTY is the placeholder of a fault at work; ZERO maps the shared
//! zero page; neither has a device folio. A PMD entry sits at its first index and answers for all of its
//! range. The locker's CPU is there so that a watchdog can name it.

use prim::CpuId;

use crate::page::{Order, Pfn};

const LOCKED: u64 = 1 << 0;
const PMD: u64 = 1 << 1;
const ZERO: u64 = 1 << 2;
const EMPTY: u64 = 1 << 3;
const PFN_SHIFT: u32 = 4;
const PFN_MASK: u64 = 0xf_ffff_ffff << PFN_SHIFT;
const LOCKER_SHIFT: u32 = 40;
const LOCKER_MASK: u64 = 0xffff << LOCKER_SHIFT;
const DIRTY: u64 = 1 << 61;
const HERE: u64 = 1 << 63;

/// One word of `i_pages`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DaxEntry(pub(super) u64);

impl DaxEntry {
    pub(super) const NONE: Self = Self(0);

    /// The placeholder of a fault of this order, locked by `cpu`.
    pub(super) fn empty(order: Order, cpu: CpuId) -> Self {
        Self(HERE | EMPTY | Self::order_bit(order)).locked(cpu)
    }

    /// A real entry, unlocked.
    pub(super) fn page(pfn: Pfn, order: Order) -> Self {
        Self(HERE | Self::order_bit(order) | (u64::from(pfn.0) << PFN_SHIFT))
    }

    /// The shared zero page, unlocked.
    pub(super) fn zero() -> Self {
        Self(HERE | ZERO)
    }

    fn order_bit(order: Order) -> u64 {
        if order > Order::PAGE { PMD } else { 0 }
    }

    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(super) fn is_locked(self) -> bool {
        self.0 & LOCKED != 0
    }

    pub(super) fn is_pmd(self) -> bool {
        self.0 & PMD != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 & EMPTY != 0
    }

    /// Whether a device folio stands behind it.
    pub(super) fn has_folio(self) -> bool {
        self.0 & HERE != 0 && self.0 & (ZERO | EMPTY) == 0
    }

    pub(super) fn pfn(self) -> Pfn {
        Pfn(((self.0 & PFN_MASK) >> PFN_SHIFT) as u32)
    }

    pub(super) fn locked(self, cpu: CpuId) -> Self {
        Self((self.0 & !LOCKER_MASK) | LOCKED | ((cpu.0 as u64 + 1) << LOCKER_SHIFT))
    }

    pub(super) fn unlocked(self) -> Self {
        Self(self.0 & !(LOCKED | LOCKER_MASK))
    }

    /// CPU + 1 of who holds the entry lock; 0 when unlocked.
    pub(super) fn locker(self) -> u32 {
        ((self.0 & LOCKER_MASK) >> LOCKER_SHIFT) as u32
    }

    /// `PAGECACHE_TAG_DIRTY`.
    pub(super) fn dirtied(self) -> Self {
        Self(self.0 | DIRTY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locking_an_entry_keeps_what_it_says_and_names_the_locker() {
        let entry = DaxEntry::page(Pfn(0xfff_ffff), Order(9)).dirtied();
        let locked = entry.locked(CpuId(3));
        assert!(locked.is_locked() && locked.is_pmd() && locked.has_folio());
        assert_eq!((locked.pfn(), locked.locker()), (Pfn(0xfff_ffff), 4));
        assert_eq!(locked.unlocked(), entry);
    }

    #[test]
    fn placeholders_and_the_zero_page_have_no_folio() {
        assert!(!DaxEntry::zero().has_folio());
        assert!(!DaxEntry::empty(Order::PAGE, CpuId(0)).has_folio());
        assert!(!DaxEntry::NONE.has_folio());
        assert!(DaxEntry::page(Pfn(1), Order::PAGE).has_folio());
    }
}
