//! `WARN_ON` sites of the protocol.
//!
//! The kernel prints and goes on; so do we: a complaint is recorded by the machine and the world turns
//! it into a violation of the invariant named here (K§10). The object is a pfn unless said otherwise.

use prim::{Cpu, Warn};
use program::Invariant;

/// A thing that must not happen, and the invariant it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Complaint {
    /// A put took a count below zero.
    RefUnderflow = 1,
    /// A get met a negative or nearly full count.
    RefSaturated = 2,
    /// A mapcount went below zero.
    MapUnderflow = 3,
    /// A pincount went below zero.
    PinUnderflow = 4,
    /// A page was torn out of its file while its count was not zero.
    BusyReset = 5,
    /// `percpu_ref` count was zero or less after the switch to atomic mode. Object: the ref.
    PercpuUnbalanced = 6,
    /// `percpu_ref` killed twice, revived while alive, or exited in the middle of a switch. Object: the ref.
    PercpuMisuse = 7,
    /// A folio reached its free path without a pagemap.
    NoPagemap = 8,
    /// A mapping was set over another one.
    MappingOverwritten = 9,
    /// A driver's free page was not free when it was allocated.
    FreePageBusy = 10,
    /// An entry lock was released by someone who did not hold it, or a delete found no entry. Object: file index.
    EntryMisuse = 11,
    /// A block was handed back while its page was referenced or mapped.
    BlockFreedBusy = 12,
    /// A block was handed out while its page was referenced or mapped.
    BlockAllocatedBusy = 13,
    /// A page table was freed with entries in it. Object: the table.
    TableNotEmpty = 14,
    /// A slow GUP found a mapped page with no reference.
    MappedWithoutRef = 15,
    /// Struct pages went away while one of them was referenced.
    UnplugBusy = 16,
    /// A CPU reached a page through a TLB entry although the page had changed hands. Value: shadow word now.
    StaleTranslation = 17,
    /// A reference or pin outlived its page's life. Value: shadow word now.
    StalePin = 18,
    /// A reference or translation was used after the struct pages went. Value: shadow word now.
    UsedAfterUnplug = 19,
    /// A page held something its file never wrote. Value: what it held.
    ForeignContents = 20,
    /// A driver's allocation was not its own alone. Value: its count.
    AllocationShared = 21,
    /// Lock-free GUP kept a reference on a page that had changed hands since its entry was read. Value: shadow word now.
    WrongPage = 22,
    /// A page was given away while a CPU's TLB still had it. Value: that CPU.
    FreedInTlb = 23,
    /// A pagemap was taken away while references to it were out. Value: how many.
    ReleasedEarly = 24,
    /// A refcount is not the sum of its owners. Value: the count.
    RefcountWrong = 25,
    /// A reference was given up by somebody who did not own one. Value: what kind of owner.
    NotTheOwner = 26,
    /// A refcount is zero and somebody owns a reference. Value: how many.
    OwnedAtZero = 27,
    /// A mapcount is not the number of mappings. Value: the count.
    MapcountWrong = 28,
    /// A pincount is not the number of pins. Value: the count.
    PincountWrong = 29,
    /// The ledger and the tables differ on who owns a page. Value: what kind of owner.
    OwnerNotFound = 30,
    /// The words of a `percpu_ref` do not add up to the references that are out. Object: the ref. Value: what
    /// they add up to.
    PercpuSumWrong = 31,
    /// A pagemap's references are not the sum of their owners. Object: the pagemap. Value: the references.
    PagemapRefsWrong = 32,
    /// A pagemap reference was given up by somebody who did not own one. Object: the pagemap. Value: what kind of
    /// owner.
    PagemapNotTheOwner = 33,
    /// The pages in use do not hold the pagemap references that they should. Object: the pagemap. Value: how many
    /// they hold.
    PagemapPagesWrong = 34,
    /// A DAX entry names a folio of another file, index or order. Value: the index of the entry.
    EntryDisagrees = 35,
    /// A folio belongs to a file that has no entry for it. Value: the index it says.
    FolioWithoutEntry = 36,
    /// A page of a driver's free list is in use. Value: its count.
    FreePageOwned = 37,
}

impl Complaint {
    /// All complaints, for decoding a recorded code.
    pub const ALL: &'static [Complaint] = &[
        Self::RefUnderflow,
        Self::RefSaturated,
        Self::MapUnderflow,
        Self::PinUnderflow,
        Self::BusyReset,
        Self::PercpuUnbalanced,
        Self::PercpuMisuse,
        Self::NoPagemap,
        Self::MappingOverwritten,
        Self::FreePageBusy,
        Self::EntryMisuse,
        Self::BlockFreedBusy,
        Self::BlockAllocatedBusy,
        Self::TableNotEmpty,
        Self::MappedWithoutRef,
        Self::UnplugBusy,
        Self::StaleTranslation,
        Self::StalePin,
        Self::UsedAfterUnplug,
        Self::ForeignContents,
        Self::AllocationShared,
        Self::WrongPage,
        Self::FreedInTlb,
        Self::ReleasedEarly,
        Self::RefcountWrong,
        Self::NotTheOwner,
        Self::OwnedAtZero,
        Self::MapcountWrong,
        Self::PincountWrong,
        Self::OwnerNotFound,
        Self::PercpuSumWrong,
        Self::PagemapRefsWrong,
        Self::PagemapNotTheOwner,
        Self::PagemapPagesWrong,
        Self::EntryDisagrees,
        Self::FolioWithoutEntry,
        Self::FreePageOwned,
    ];

    /// The complaint behind a recorded warning code.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| *c as u16 == code)
    }

    /// The invariant that is broken.
    #[must_use]
    pub fn invariant(self) -> Invariant {
        match self {
            Self::RefUnderflow | Self::RefSaturated => Invariant::I01,
            Self::MapUnderflow | Self::PinUnderflow | Self::MapcountWrong | Self::PincountWrong => {
                Invariant::I04
            }
            Self::RefcountWrong | Self::NotTheOwner | Self::OwnerNotFound => Invariant::I03,
            Self::BusyReset
            | Self::BlockFreedBusy
            | Self::BlockAllocatedBusy
            | Self::StalePin
            | Self::ForeignContents => Invariant::I18,
            Self::StaleTranslation | Self::FreedInTlb => Invariant::I22,
            Self::UsedAfterUnplug | Self::ReleasedEarly => Invariant::I13Weak,
            Self::AllocationShared => Invariant::I10,
            Self::WrongPage => Invariant::I24,
            Self::PercpuUnbalanced | Self::PercpuMisuse | Self::PercpuSumWrong => Invariant::I14,
            Self::PagemapRefsWrong | Self::PagemapNotTheOwner | Self::PagemapPagesWrong => {
                Invariant::I12
            }
            Self::NoPagemap => Invariant::I27,
            Self::MappingOverwritten | Self::EntryDisagrees | Self::FolioWithoutEntry => {
                Invariant::I17
            }
            Self::FreePageBusy | Self::FreePageOwned => Invariant::I09,
            Self::EntryMisuse => Invariant::I19,
            Self::TableNotEmpty => Invariant::I23,
            Self::MappedWithoutRef | Self::OwnedAtZero => Invariant::I02,
            Self::UnplugBusy => Invariant::I13Strong,
        }
    }

    /// What happened, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::RefUnderflow => "refcount below zero",
            Self::RefSaturated => "refcount saturated",
            Self::MapUnderflow => "mapcount below zero",
            Self::PinUnderflow => "pincount below zero",
            Self::BusyReset => "busy page taken out of its file",
            Self::PercpuUnbalanced => "percpu_ref <= 0 after switching to atomic",
            Self::PercpuMisuse => "percpu_ref used out of turn",
            Self::NoPagemap => "freed folio without a pagemap",
            Self::MappingOverwritten => "page already belongs to a mapping",
            Self::FreePageBusy => "free page with a reference",
            Self::EntryMisuse => "DAX entry used out of turn",
            Self::BlockFreedBusy => "block freed under a reference",
            Self::BlockAllocatedBusy => "block allocated under a reference",
            Self::TableNotEmpty => "page table freed with entries",
            Self::MappedWithoutRef => "mapped page without a reference",
            Self::UnplugBusy => "struct pages gone under a reference",
            Self::StaleTranslation => "page used through a stale TLB entry",
            Self::StalePin => "page used through a reference from an earlier life",
            Self::UsedAfterUnplug => "page used after its struct page went",
            Self::ForeignContents => "page holds foreign contents",
            Self::AllocationShared => "two owners of one allocation",
            Self::ReleasedEarly => "pagemap released with references out",
            Self::FreedInTlb => "page freed while a TLB still maps it",
            Self::RefcountWrong => "refcount is not the sum of its owners",
            Self::NotTheOwner => "reference given up by who did not own it",
            Self::OwnedAtZero => "refcount zero while somebody owns a reference",
            Self::MapcountWrong => "mapcount is not the number of mappings",
            Self::PincountWrong => "pincount is not the number of pins",
            Self::OwnerNotFound => "an owner is not where such owners are kept",
            Self::PercpuSumWrong => "percpu_ref does not add up to its references",
            Self::PagemapRefsWrong => "pagemap references are not the sum of their owners",
            Self::PagemapNotTheOwner => "pagemap reference given up by who did not own it",
            Self::PagemapPagesWrong => "pages in use do not hold their pagemap",
            Self::EntryDisagrees => "a DAX entry and its folio do not agree",
            Self::FolioWithoutEntry => "a page belongs to a file that has no entry for it",
            Self::FreePageOwned => "a page of the free list is in use",
            Self::WrongPage => "reference taken on a page that was no longer mapped there",
        }
    }
}

/// `WARN_ON(1)`: the machine records it and goes on. The object is a frame unless the complaint says
/// otherwise.
#[cold]
pub fn warn_on(cpu: &Cpu<'_>, complaint: Complaint, object: impl Into<u64>, value: i64) {
    cpu.warn(Warn { code: complaint as u16, object: object.into(), value });
}
