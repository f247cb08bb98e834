//! Page-table entries: what a PTE or a PMD says (`asm/pgtable.h`).
//!
//! ```text
//!   63                      12 11 10  9     8     7     6     5     4     3     2     1     0
//!  +--------------------------+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+
//!  | pfn, or page table       |excl.|priv.|inval|migr.|devm.|table| huge|dirty|young|write|pres.|
//!  +--------------------------+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+
//! ```
//!
//! Zero is "none". `huge`, `table` and `invalid` occur in PMDs only; `huge` without `present` is an entry of a whole PMD that
//! no CPU walks. `devmap` is the mark of a DAX page up to v6.14, whose
//! entry holds neither a reference nor a mapcount (`dax-pages`).
//!
//! | kind | hardware walks it | mapcount | reference | a CPU that touches it |
//! |---|---|---|---|---|
//! | page, leaf | yes | one | one | goes on |
//! | device-private | no | one | one | has the page brought back (`migrate_to_ram`) |
//! | device-exclusive | no | one | one | takes the page back from the device |
//! | migration | no | none | none | waits until the folio is unlocked |
//! | invalid | no | as the leaf it was | as the leaf it was | waits for the lock of the PMD |
//!
//! A migration entry stands for a page whose folio somebody has locked, and who will put a present entry back (I26). An
//! invalid PMD is one that is being split, under its lock from beginning to end.
//!
//! Whoever reads an entry gets a [`Pte`] or a [`Pmd`] and matches every kind by name, without `_` and without
//! asking for one kind alone: a kind that is added here compiles nowhere until each reader has said what it
//! does with it. The words themselves, and how they change, are in `word`.

use core::fmt;

use program::op::Access;

use crate::page::Pfn;

const PRESENT: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const YOUNG: u64 = 1 << 2;
const DIRTY: u64 = 1 << 3;
const HUGE: u64 = 1 << 4;
const TABLE: u64 = 1 << 5;
const DEVMAP: u64 = 1 << 6;
const MIGRATION: u64 = 1 << 7;
const INVALID: u64 = 1 << 8;
const DEVICE_PRIVATE: u64 = 1 << 9;
const EXCLUSIVE: u64 = 1 << 10;
const SHIFT: u32 = 12;

/// Names a PTE table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableId(pub u32);

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

/// What a present entry maps: its bits without `huge`, which is a PTE that maps the same, and what a TLB keeps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Leaf(u64);

/// What an entry says that is not present (`softleaf_t`): the frame it stands for, and what a CPU may do there once it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Softleaf(u64);

/// A PTE, read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pte {
    /// `pte_none`.
    None,
    /// `pte_present`.
    Page(Leaf),
    /// `softleaf_is_migration`.
    Migration(Softleaf),
    /// `softleaf_is_device_private`: a mapping like a page's, of memory that no CPU reaches.
    DevicePrivate(Softleaf),
    /// `softleaf_is_device_exclusive`: a mapping like a page's, of ordinary memory that a device has for itself for now.
    Exclusive(Softleaf),
}

/// A PMD, read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pmd {
    /// `pmd_none`.
    None,
    /// A table of PTEs.
    Table(TableId),
    /// `pmd_leaf`.
    Leaf(Leaf),
    /// `pmd_is_migration_entry`: stands for a whole folio that is being moved.
    Migration(Softleaf),
    /// `pmd_is_device_private_entry`: maps a whole folio of memory that no CPU reaches.
    DevicePrivate(Softleaf),
    /// A leaf that is being split (`pmd_mkinvalid`). Which it was only the splitter asks, who has read it.
    Invalid,
}

impl Leaf {
    /// A frame, for this.
    #[must_use]
    pub fn new(pfn: Pfn, permission: Access) -> Self {
        let write = match permission {
            Access::Read => 0,
            Access::Write => WRITE | DIRTY,
        };
        Self((u64::from(pfn.0) << SHIFT) | PRESENT | YOUNG | write)
    }

    /// `pte_pfn`; of a PMD leaf the first frame.
    #[doc(alias = "pte_pfn")]
    #[inline(always)]
    #[must_use]
    pub fn pfn(self) -> Pfn {
        Pfn((self.0 >> SHIFT) as u32)
    }

    /// Whether a CPU may do this through the entry.
    #[inline(always)]
    #[must_use]
    pub fn allows(self, wanted: Access) -> bool {
        wanted == Access::Read || self.0 & WRITE != 0
    }

    /// `pte_mkwrite(pte_mkdirty())`.
    #[must_use]
    pub fn made_writable(self) -> Self {
        Self(self.0 | WRITE | DIRTY)
    }

    /// `pte_mkdevmap`: an entry that holds nothing of its page.
    #[doc(alias = "pte_mkdevmap")]
    #[must_use]
    pub(super) fn made_devmap(self) -> Self {
        Self(self.0 | DEVMAP)
    }

    /// `pte_devmap`.
    #[doc(alias = "pte_devmap")]
    #[inline(always)]
    #[must_use]
    pub(super) fn is_devmap(self) -> bool {
        self.0 & DEVMAP != 0
    }

    /// `vm_normal_page`: the page that the entry holds a reference and a mapcount of. The zero page is none, and
    /// neither is what a devmap entry maps.
    #[doc(alias = "vm_normal_page")]
    #[inline(always)]
    #[must_use]
    pub(crate) fn normal_page(self) -> Option<Pfn> {
        Some(self.pfn()).filter(|pfn| *pfn != Pfn::ZERO_PAGE && !self.is_devmap())
    }

    /// `pte_wrprotect`.
    #[doc(alias = "pte_wrprotect")]
    #[must_use]
    pub(super) fn made_readonly(self) -> Self {
        Self(self.0 & !WRITE)
    }

    /// Of a PMD leaf, what it maps `pages` above its first page.
    #[inline(always)]
    pub(super) fn page(self, pages: u32) -> Self {
        Self(self.0 + (u64::from(pages) << SHIFT))
    }

    /// What a TLB keeps.
    #[inline(always)]
    pub(super) fn bits(self) -> u64 {
        self.0
    }

    /// What a TLB kept.
    #[inline(always)]
    pub(super) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl Softleaf {
    /// What stands for a page in place of an entry that maps it.
    #[must_use]
    pub fn of(leaf: Leaf) -> Self {
        Self(leaf.0 & (u64::MAX << SHIFT | WRITE))
    }

    /// `softleaf_to_pfn`.
    #[doc(alias = "softleaf_to_pfn")]
    #[must_use]
    pub fn pfn(self) -> Pfn {
        Pfn((self.0 >> SHIFT) as u32)
    }

    /// The entry that takes its place when the page is mapped again.
    #[must_use]
    pub(super) fn present(self) -> Leaf {
        let permission = if self.0 & WRITE != 0 { Access::Write } else { Access::Read };
        Leaf::new(self.pfn(), permission)
    }

    /// Of an entry of a whole PMD, what stands for the page so many above its first.
    #[must_use]
    pub(super) fn page(self, pages: u32) -> Self {
        Self(self.0 + (u64::from(pages) << SHIFT))
    }

    /// The same for another frame.
    #[must_use]
    pub(super) fn of_frame(self, pfn: Pfn) -> Self {
        Self(u64::from(pfn.0) << SHIFT | self.0 & WRITE)
    }

    /// `make_readable_migration_entry`, of one that is there.
    #[doc(alias = "make_readable_migration_entry")]
    #[must_use]
    pub(super) fn made_readonly(self) -> Self {
        Self(self.0 & !WRITE)
    }
}

impl fmt::Debug for Softleaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instead of {:?}", self.present())
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write = if self.allows(Access::Write) { "rw" } else { "ro" };
        write!(f, "{} {write}", self.pfn())
    }
}

impl Pte {
    /// What the bits of a PTE say.
    #[inline(always)]
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        if bits & PRESENT != 0 {
            Self::Page(Leaf(bits))
        } else if bits & MIGRATION != 0 {
            Self::Migration(Softleaf(bits & !MIGRATION))
        } else if bits & DEVICE_PRIVATE != 0 {
            Self::DevicePrivate(Softleaf(bits & !DEVICE_PRIVATE))
        } else if bits & EXCLUSIVE != 0 {
            Self::Exclusive(Softleaf(bits & !EXCLUSIVE))
        } else {
            Self::None
        }
    }

    /// The page that the entry holds a reference and a mapcount of.
    pub(super) fn normal_page(self) -> Option<Pfn> {
        match self {
            Self::None | Self::Migration(_) => None,
            Self::Page(page) => page.normal_page(),
            Self::DevicePrivate(entry) | Self::Exclusive(entry) => Some(entry.pfn()),
        }
    }

    /// The bits that say this.
    #[inline(always)]
    pub(super) fn bits(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Page(leaf) => leaf.0,
            Self::Migration(entry) => entry.0 | MIGRATION,
            Self::DevicePrivate(entry) => entry.0 | DEVICE_PRIVATE,
            Self::Exclusive(entry) => entry.0 | EXCLUSIVE,
        }
    }
}

impl Pmd {
    /// What the entry holds a reference and a mapcount of, as a leaf; of a file's, too.
    pub(super) fn held(self) -> Option<Leaf> {
        match self {
            Self::None | Self::Table(_) | Self::Migration(_) | Self::Invalid => None,
            Self::Leaf(leaf) => Some(leaf),
            Self::DevicePrivate(entry) => Some(entry.present()),
        }
    }

    /// What the bits of a PMD say.
    #[inline(always)]
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        if bits & HUGE != 0 {
            if bits & PRESENT != 0 {
                Self::Leaf(Leaf(bits & !HUGE))
            } else if bits & MIGRATION != 0 {
                Self::Migration(Softleaf(bits & !(HUGE | MIGRATION)))
            } else {
                Self::DevicePrivate(Softleaf(bits & !(HUGE | DEVICE_PRIVATE)))
            }
        } else if bits & TABLE != 0 {
            Self::Table(TableId((bits >> SHIFT) as u32))
        } else if bits & INVALID != 0 {
            Self::Invalid
        } else {
            Self::None
        }
    }

    /// The bits that say this.
    #[inline(always)]
    pub(super) fn bits(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Table(id) => (u64::from(id.0) << SHIFT) | TABLE,
            Self::Leaf(leaf) => leaf.0 | HUGE,
            Self::Migration(entry) => entry.0 | MIGRATION | HUGE,
            Self::DevicePrivate(entry) => entry.0 | DEVICE_PRIVATE | HUGE,
            Self::Invalid => INVALID,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERMISSIONS: [Access; 2] = [Access::Read, Access::Write];
    /// The zero page, which maps without being none, and the highest.
    const PFNS: [Pfn; 3] = [Pfn::ZERO_PAGE, Pfn(512), Pfn(u32::MAX)];

    /// How many kinds there are. A new one does not compile until it is counted, and then one of it is in the list.
    const fn kinds_of_pte(any: Pte) -> usize {
        match any {
            Pte::None
            | Pte::Page(_)
            | Pte::Migration(_)
            | Pte::DevicePrivate(_)
            | Pte::Exclusive(_) => 5,
        }
    }

    const fn kinds_of_pmd(any: Pmd) -> usize {
        match any {
            Pmd::None
            | Pmd::Table(_)
            | Pmd::Leaf(_)
            | Pmd::Migration(_)
            | Pmd::DevicePrivate(_)
            | Pmd::Invalid => 6,
        }
    }

    const A_LEAF: Leaf = Leaf((512 << SHIFT) | PRESENT);
    const AN_ENTRY: Softleaf = Softleaf(512 << SHIFT);
    const PTES: [Pte; kinds_of_pte(Pte::None)] = [
        Pte::None,
        Pte::Page(A_LEAF),
        Pte::Migration(AN_ENTRY),
        Pte::DevicePrivate(AN_ENTRY),
        Pte::Exclusive(AN_ENTRY),
    ];
    const PMDS: [Pmd; kinds_of_pmd(Pmd::None)] = [
        Pmd::None,
        Pmd::Table(TableId(7)),
        Pmd::Leaf(A_LEAF),
        Pmd::Migration(AN_ENTRY),
        Pmd::DevicePrivate(AN_ENTRY),
        Pmd::Invalid,
    ];

    fn leaves() -> impl Iterator<Item = Leaf> {
        let normal = PFNS
            .into_iter()
            .flat_map(|pfn| PERMISSIONS.map(|permission| Leaf::new(pfn, permission)));
        normal.flat_map(|leaf| [leaf, leaf.made_devmap()])
    }

    #[test]
    fn an_entry_holds_its_page_unless_it_is_the_zero_page_or_devmap() {
        for pfn in PFNS {
            let leaf = Leaf::new(pfn, Access::Write);
            assert_eq!(leaf.normal_page(), Some(pfn).filter(|pfn| *pfn != Pfn::ZERO_PAGE));
            let marked = leaf.made_devmap();
            assert_eq!((marked.pfn(), marked.normal_page()), (pfn, None));
            assert!(marked.is_devmap() && !leaf.is_devmap() && marked.allows(Access::Write));
        }
    }

    #[test]
    fn every_entry_is_read_as_what_was_written() {
        let tables = [0, u32::MAX].map(|id| Pmd::Table(TableId(id)));
        for pmd in tables.into_iter().chain(leaves().map(Pmd::Leaf)).chain(PMDS) {
            assert_eq!(Pmd::from_bits(pmd.bits()), pmd);
        }
        let instead = leaves().flat_map(|leaf| {
            let entry = Softleaf::of(leaf);
            [Pte::Migration(entry), Pte::DevicePrivate(entry), Pte::Exclusive(entry)]
        });
        let huge = leaves().flat_map(|leaf| {
            let entry = Softleaf::of(leaf);
            [Pmd::Migration(entry), Pmd::DevicePrivate(entry)]
        });
        for pmd in huge {
            assert_eq!(Pmd::from_bits(pmd.bits()), pmd);
        }
        for pte in leaves().map(Pte::Page).chain(instead).chain(PTES) {
            assert_eq!(Pte::from_bits(pte.bits()), pte);
        }
    }

    #[test]
    fn what_stands_for_a_page_becomes_the_entry_it_was() {
        for pfn in PFNS {
            for permission in PERMISSIONS {
                let leaf = Leaf::new(pfn, permission);
                let entry = Softleaf::of(leaf);
                assert_eq!((entry.pfn(), entry.present()), (pfn, leaf));
                assert_eq!(entry.made_readonly().present(), Leaf::new(pfn, Access::Read));
                assert_eq!(Pte::Migration(entry).normal_page(), None);
                assert_eq!(Pte::DevicePrivate(entry).normal_page(), Some(pfn));
                assert_eq!(Pte::Exclusive(entry).normal_page(), Some(pfn));
                assert_eq!(entry.of_frame(Pfn(3)).present(), Leaf::new(Pfn(3), permission));
            }
        }
    }

    #[test]
    fn none_is_zero_and_nothing_else_is() {
        assert_eq!((Pte::from_bits(0), Pmd::from_bits(0)), (Pte::None, Pmd::None));
        assert!(leaves().all(|leaf| Pte::Page(leaf).bits() != 0 && Pmd::Leaf(leaf).bits() != 0));
        assert_ne!(Pmd::Table(TableId(0)).bits(), 0);
        assert_ne!(Pte::Migration(Softleaf(0)).bits(), 0);
        assert_ne!(Pte::DevicePrivate(Softleaf(0)).bits(), 0);
        assert_ne!(Pte::Exclusive(Softleaf(0)).bits(), 0);
        assert_ne!(Pmd::Migration(Softleaf(0)).bits(), 0);
        assert_ne!(Pmd::DevicePrivate(Softleaf(0)).bits(), 0);
    }

    #[test]
    fn a_leaf_allows_stores_once_it_is_made_writable() {
        for pfn in PFNS {
            let [read, write] = PERMISSIONS.map(|permission| Leaf::new(pfn, permission));
            assert!(read.allows(Access::Read) && !read.allows(Access::Write));
            assert!(write.allows(Access::Read) && write.allows(Access::Write));
            assert_eq!((read.made_writable(), read.pfn()), (write, pfn));
        }
    }

    #[test]
    fn a_page_of_a_leaf_allows_what_the_leaf_does() {
        for permission in PERMISSIONS {
            let leaf = Leaf::new(Pfn(512), permission);
            assert_eq!(leaf.page(511), Leaf::new(Pfn(1023), permission));
            assert_eq!(Softleaf::of(leaf).page(511), Softleaf::of(leaf.page(511)));
        }
    }
}
