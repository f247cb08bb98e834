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
//!
//! Whoever asks what an entry stands for gets a [`Kind`] and matches all of them by name, without `_`: a kind that
//! is added here compiles nowhere until each reader has said what it does with it. An entry changes under
//! `i_pages` only, and in the ways of [`DaxSlot`].

use prim::{AtomicU64, CpuId, zeroed};

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

/// What an index has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No entry.
    None,
    /// The placeholder of a fault, which may have given up (`dax_is_empty_entry`).
    Empty,
    /// The shared zero page (`dax_is_zero_entry`).
    Zero,
    /// The device folio headed at this frame.
    Folio(Pfn),
}

/// How much an entry answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// Its own index.
    Page,
    /// All of a PMD (`dax_is_pmd_entry`).
    Pmd,
}

/// One word of `i_pages`, read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DaxEntry(u64);

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

    pub(super) fn kind(self) -> Kind {
        match self.0 {
            0 => Kind::None,
            word if word & EMPTY != 0 => Kind::Empty,
            word if word & ZERO != 0 => Kind::Zero,
            word => Kind::Folio(Pfn(((word & PFN_MASK) >> PFN_SHIFT) as u32)),
        }
    }

    pub(super) fn size(self) -> Size {
        if self.0 & PMD == 0 { Size::Page } else { Size::Pmd }
    }

    pub(super) fn is_locked(self) -> bool {
        self.0 & LOCKED != 0
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

    /// `xas_clear_mark` of that.
    fn cleaned(self) -> Self {
        Self(self.0 & !DIRTY)
    }

    /// Whether somebody may have written through it (`PAGECACHE_TAG_DIRTY`): an invalidation leaves it alone.
    pub(super) fn is_dirty(self) -> bool {
        self.0 & DIRTY != 0
    }
}

zeroed! {
    /// Where an entry lies. All but [`Self::load_acquire`] under `i_pages`.
    #[derive(Debug)]
    pub(super) struct DaxSlot {
        word: AtomicU64,
    }
}

impl DaxSlot {
    /// `xas_load`.
    #[doc(alias = "xas_load")]
    #[track_caller]
    pub(super) fn load(&self) -> DaxEntry {
        DaxEntry(self.word.read())
    }

    /// The look of a sleeper. Acquire: pairs with [`Self::unlock`] and [`Self::remove`].
    #[track_caller]
    pub(super) fn load_acquire(&self) -> DaxEntry {
        DaxEntry(self.word.read_acquire())
    }

    /// For an audit: no step.
    pub(super) fn peek(&self) -> DaxEntry {
        DaxEntry(self.word.peek())
    }

    /// Grabs the entry, or changes it while it is grabbed: `entry` is locked.
    #[track_caller]
    pub(super) fn store_locked(&self, entry: DaxEntry) {
        debug_assert!(entry.is_locked(), "nobody else may see it before it is unlocked");
        self.word.set(entry.0);
    }

    /// `dax_unlock_entry`'s store.
    #[doc(alias = "dax_unlock_entry")]
    #[track_caller]
    pub(super) fn unlock(&self, entry: DaxEntry) {
        self.word.set_release(entry.unlocked().0);
    }

    /// What an entry that nobody has locked says, written back.
    #[track_caller]
    pub(super) fn clean(&self, entry: DaxEntry) {
        debug_assert!(!entry.is_locked(), "who has it locked writes what it says");
        self.word.set(entry.cleaned().0);
    }

    /// The entry goes, after its folio was let go.
    #[track_caller]
    pub(super) fn remove(&self) {
        self.word.set_release(0);
    }

    /// The entry goes, and with it nothing: a placeholder, or one whose folio is gone.
    #[track_caller]
    pub(super) fn forget(&self) {
        self.word.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locking_an_entry_keeps_what_it_says_and_names_the_locker() {
        let entry = DaxEntry::page(Pfn(0xfff_ffff), Order(9)).dirtied();
        let locked = entry.locked(CpuId(3));
        assert!(locked.is_locked());
        assert_eq!((locked.kind(), locked.size()), (Kind::Folio(Pfn(0xfff_ffff)), Size::Pmd));
        assert_eq!(locked.locker(), 4);
        assert_eq!(locked.unlocked(), entry);
    }

    #[test]
    fn every_entry_is_read_as_what_was_written() {
        assert_eq!(DaxEntry::NONE.kind(), Kind::None);
        assert_eq!(DaxEntry::zero().kind(), Kind::Zero);
        for (order, size) in [(Order::PAGE, Size::Page), (Order(9), Size::Pmd)] {
            let empty = DaxEntry::empty(order, CpuId(0));
            assert_eq!((empty.kind(), empty.size()), (Kind::Empty, size));
            // Frame 0 has a folio, too.
            for pfn in [Pfn(0), Pfn(1)] {
                let folio = DaxEntry::page(pfn, order);
                assert_eq!((folio.kind(), folio.size()), (Kind::Folio(pfn), size));
            }
        }
    }
}
