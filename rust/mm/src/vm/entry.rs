//! Page-table entries: what a PTE or a PMD word says (`asm/pgtable.h`).
//!
//! ```text
//!   63                      12 11   6   5     4     3     2     1     0
//!  +--------------------------+------+-----+-----+-----+-----+-----+-----+
//!  | pfn, or page table       |      |table| huge|dirty|young|write|pres.|
//!  +--------------------------+------+-----+-----+-----+-----+-----+-----+
//! ```
//!
//! Zero is "none". `huge` and `table` occur in PMDs only. Entries are written under the lock of their
//! table, cleared by an exchange, and read once without any lock by GUP and by the hardware walk.

use crate::page::Pfn;
use crate::vm::tables::TableId;

const PRESENT: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const YOUNG: u64 = 1 << 2;
const DIRTY: u64 = 1 << 3;
const HUGE: u64 = 1 << 4;
const TABLE: u64 = 1 << 5;
const SHIFT: u32 = 12;

/// A virtual page number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vpn(pub u32);

impl Vpn {
    /// The page `pages` above.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "no sum of two of a kind")]
    pub fn add(self, pages: u32) -> Self {
        Self(self.0 + pages)
    }
}

/// What an entry lets a CPU do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Load only.
    Read,
    /// Load and store.
    Write,
}

/// A PTE or PMD value, read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub u64);

impl Entry {
    /// `pte_none`.
    pub const NONE: Self = Self(0);

    /// A present PTE.
    #[must_use]
    pub fn page(pfn: Pfn, permission: Permission) -> Self {
        let write = if permission == Permission::Write { WRITE | DIRTY } else { 0 };
        Self((u64::from(pfn.0) << SHIFT) | PRESENT | YOUNG | write)
    }

    /// A present PMD leaf.
    #[must_use]
    pub fn huge(pfn: Pfn, permission: Permission) -> Self {
        Self(Self::page(pfn, permission).0 | HUGE)
    }

    /// A PMD that points to a table of PTEs.
    #[must_use]
    pub fn table(id: TableId) -> Self {
        Self((u64::from(id.0) << SHIFT) | TABLE)
    }

    /// `pte_none`.
    #[inline(always)]
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// `pte_present`; for a PMD, a leaf.
    #[inline(always)]
    #[must_use]
    pub fn is_present(self) -> bool {
        self.0 & PRESENT != 0
    }

    /// `pmd_leaf`.
    #[inline(always)]
    #[must_use]
    pub fn is_huge(self) -> bool {
        self.0 & HUGE != 0
    }

    /// Whether a CPU may do this through the entry.
    #[inline(always)]
    #[must_use]
    pub fn allows(self, wanted: Permission) -> bool {
        self.0 & PRESENT != 0 && (wanted == Permission::Read || self.0 & WRITE != 0)
    }

    /// What the entry grants.
    #[must_use]
    pub fn permission(self) -> Permission {
        if self.0 & WRITE != 0 { Permission::Write } else { Permission::Read }
    }

    /// `pte_pfn`; of a huge entry the first frame.
    #[inline(always)]
    #[must_use]
    pub fn pfn(self) -> Pfn {
        Pfn((self.0 >> SHIFT) as u32)
    }

    /// The table a PMD points to.
    #[inline(always)]
    #[must_use]
    pub fn as_table(self) -> Option<TableId> {
        (self.0 & TABLE != 0).then_some(TableId((self.0 >> SHIFT) as u32))
    }

    /// `pte_mkwrite(pte_mkdirty())`.
    #[must_use]
    pub fn made_writable(self) -> Self {
        Self(self.0 | WRITE | DIRTY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_no_table_and_a_table_is_not_present() {
        let leaf = Entry::huge(Pfn(512), Permission::Read);
        assert!(leaf.is_present() && leaf.is_huge() && leaf.as_table().is_none());
        let table = Entry::table(TableId(7));
        assert!(!table.is_present() && !table.is_huge());
        assert_eq!(table.as_table(), Some(TableId(7)));
    }

    #[test]
    fn the_zero_page_maps_without_being_none() {
        let zero = Entry::page(Pfn::ZERO_PAGE, Permission::Read);
        assert!(
            !zero.is_none() && zero.allows(Permission::Read) && !zero.allows(Permission::Write)
        );
        assert!(zero.made_writable().allows(Permission::Write));
    }
}
