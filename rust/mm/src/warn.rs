//! `WARN_ON` sites of the protocol.
//!
//! The kernel prints and goes on; so do we: a complaint is recorded by the machine and the world turns
//! it into a violation of the invariant named here (K§10). One row a complaint: its code, the invariant, what is
//! told of it, and what happened in a few words.

use prim::{Cpu, Ghost, Slab, Warn, ZeroInit};
use program::Invariant;

/// What a complaint is about, and what is told of it beside its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A page, and the life it is in.
    Life,
    /// A page, and the life it was in before: the value is its shadow word now.
    EarlierLife,
    /// A page, and who owns its references.
    Owners,
    /// A page, and the CPU whose TLB has it: the value.
    Tlb,
    /// A pagemap, and who owns its references.
    PagemapOwners,
    /// Something else: nothing beside the value.
    Value,
}

impl Told {
    /// Whether the object of the complaint is a frame.
    #[must_use]
    pub fn is_of_page(self) -> bool {
        match self {
            Self::Life | Self::EarlierLife | Self::Owners | Self::Tlb => true,
            Self::PagemapOwners | Self::Value => false,
        }
    }
}

macro_rules! complaints {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $invariant:ident, $told:ident, $title:literal;)*) => {
        /// A thing that must not happen, and the invariant it breaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Complaint {
            $($(#[$doc])* $name = $code,)*
        }

        impl Complaint {
            /// The complaint behind a recorded warning code.
            #[must_use]
            pub fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The invariant that is broken.
            #[must_use]
            pub fn invariant(self) -> Invariant {
                match self {
                    $(Self::$name => Invariant::$invariant,)*
                }
            }

            /// What it is about.
            #[must_use]
            pub fn told(self) -> Told {
                match self {
                    $(Self::$name => Told::$told,)*
                }
            }

            /// What happened, in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }
        }
    };
}

complaints! {
    /// A put took a count below zero.
    RefUnderflow = 1, I01, Life, "refcount below zero";
    /// A get met a negative or nearly full count.
    RefSaturated = 2, I01, Life, "refcount saturated";
    /// A mapcount went below zero.
    MapUnderflow = 3, I04, Life, "mapcount below zero";
    /// A pincount went below zero.
    PinUnderflow = 4, I04, Life, "pincount below zero";
    /// A page was torn out of its file while its count was not zero.
    BusyReset = 5, I18, Life, "busy page taken out of its file";
    /// `percpu_ref` count was zero or less after the switch to atomic mode. Object: the ref.
    PercpuUnbalanced = 6, I14, Value, "percpu_ref <= 0 after switching to atomic";
    /// `percpu_ref` killed twice, revived while alive, or exited in the middle of a switch. Object: the ref.
    PercpuMisuse = 7, I14, Value, "percpu_ref used out of turn";
    /// A folio reached its free path without a pagemap.
    NoPagemap = 8, I27, Life, "freed folio without a pagemap";
    /// A mapping was set over another one.
    MappingOverwritten = 9, I17, Life, "page already belongs to a mapping";
    /// A driver's free page was not free when it was allocated.
    FreePageBusy = 10, I09, Life, "free page with a reference";
    /// An entry lock was released by someone who did not hold it, or a delete found no entry. Object: file index.
    EntryMisuse = 11, I19, Value, "DAX entry used out of turn";
    /// A block was handed back while its page was referenced or mapped.
    BlockFreedBusy = 12, I18, Life, "block freed under a reference";
    /// A block was handed out while its page was referenced or mapped.
    BlockAllocatedBusy = 13, I18, Life, "block allocated under a reference";
    /// A page table was freed with entries in it. Object: the table.
    TableNotEmpty = 14, I23, Value, "page table freed with entries";
    /// A slow GUP found a mapped page with no reference.
    MappedWithoutRef = 15, I02, Life, "mapped page without a reference";
    /// Struct pages went away while one of them was referenced.
    UnplugBusy = 16, I13Strong, Life, "struct pages gone under a reference";
    /// A CPU reached a page through a TLB entry although the page had changed hands.
    StaleTranslation = 17, I22, EarlierLife, "page used through a stale TLB entry";
    /// A reference or pin outlived its page's life.
    StalePin = 18, I18, EarlierLife, "page used through a reference from an earlier life";
    /// A reference or translation was used after the struct pages went.
    UsedAfterUnplug = 19, I13Weak, EarlierLife, "page used after its struct page went";
    /// A page held something its file never wrote. Value: what it held.
    ForeignContents = 20, I18, Life, "page holds foreign contents";
    /// A driver's allocation was not its own alone. Value: its count.
    AllocationShared = 21, I10, Life, "two owners of one allocation";
    /// Lock-free GUP kept a reference on a page that had changed hands since its entry was read.
    WrongPage = 22, I24, EarlierLife, "reference taken on a page that was no longer mapped there";
    /// A page was given away while a CPU's TLB still had it.
    FreedInTlb = 23, I22, Tlb, "page freed while a TLB still maps it";
    /// A pagemap was taken away while references to it were out. Value: how many.
    ReleasedEarly = 24, I13Weak, Life, "pagemap released with references out";
    /// A refcount is not the sum of its owners. Value: the count.
    RefcountWrong = 25, I03, Owners, "refcount is not the sum of its owners";
    /// A reference was given up by somebody who did not own one. Value: what kind of owner.
    NotTheOwner = 26, I03, Owners, "reference given up by who did not own it";
    /// A refcount is zero and somebody owns a reference. Value: how many.
    OwnedAtZero = 27, I02, Owners, "refcount zero while somebody owns a reference";
    /// A mapcount is not the number of mappings. Value: the count.
    MapcountWrong = 28, I04, Owners, "mapcount is not the number of mappings";
    /// A pincount is not the number of pins. Value: the count.
    PincountWrong = 29, I04, Owners, "pincount is not the number of pins";
    /// The ledger and the tables differ on who owns a page. Value: what kind of owner.
    OwnerNotFound = 30, I03, Owners, "an owner is not where such owners are kept";
    /// The words of a `percpu_ref` do not add up to the references that are out. Object: the ref. Value: what
    /// they add up to.
    PercpuSumWrong = 31, I14, Value, "percpu_ref does not add up to its references";
    /// A pagemap's references are not the sum of their owners. Value: the references.
    PagemapRefsWrong = 32, I12, PagemapOwners, "pagemap references are not the sum of their owners";
    /// A pagemap reference was given up by somebody who did not own one. Value: what kind of
    /// owner.
    PagemapNotTheOwner = 33, I12, PagemapOwners, "pagemap reference given up by who did not own it";
    /// The pages in use do not hold the pagemap references that they should. Value: how many
    /// they hold.
    PagemapPagesWrong = 34, I12, PagemapOwners, "pages in use do not hold their pagemap";
    /// A DAX entry names a folio of another file, index or order. Value: the index of the entry.
    EntryDisagrees = 35, I17, Life, "a DAX entry and its folio do not agree";
    /// A folio belongs to a file that has no entry for it. Value: the index it says.
    FolioWithoutEntry = 36, I17, Life, "a page belongs to a file that has no entry for it";
    /// A page of a driver's free list is in use. Value: its count.
    FreePageOwned = 37, I09, Life, "a page of the free list is in use";
    /// Struct pages went away while page tables still mapped one of them, and nobody else had a reference.
    UnplugMapped = 38, I13Weak, Life, "struct pages gone while they are mapped";
    /// A fault came to a struct page that had gone since the fault asked where it is.
    FaultAfterUnplug = 39, I13Weak, EarlierLife, "a fault works on a struct page that is gone";
    /// A reference by frame number is on a folio that the page is no part of.
    WrongFolio = 40, I24, Life, "reference taken on a folio that has not got the page";
    /// A count was given back that nobody had frozen. Value: the count.
    UnfrozenLive = 41, I05, Owners, "count given back that was not frozen";
    /// A folio was frozen although entries map it. Value: its mapcount.
    FrozenMapped = 42, I05, Owners, "folio frozen while it is mapped";
    /// A migration entry stands for a page whose folio nobody has locked. Value: its count.
    MigrationUnlocked = 43, I26, Life, "migration entry of a folio that is not locked";
    /// A mapping of a struct page that had gone was taken down. Value: what its map count came to.
    UnmapAfterUnplug = 44, I13Weak, EarlierLife, "an unmap works on a struct page that is gone";
    /// A file gave up a struct page that had gone. Value: none.
    FileAfterUnplug = 45, I13Weak, EarlierLife, "a file lets go of a struct page that is gone";
    /// A driver's fault was called for a page that had changed hands since its entry was read.
    FaultPageGone = 46, I29, EarlierLife, "a driver's fault is for a page that is gone";
    /// A page was taken from a driver's free list before the put that freed it had stored its count. Value: its count.
    FreePageUnsettled = 47, I09, Life, "a page of the free list without the count of a free page";
    /// The put that freed a folio read its words after the driver's callback, and they were another folio's. Value: none.
    ReadAfterFree = 48, I08, Life, "a freed folio read by who freed it, and it is another one";
    /// A page was allocated, and is a part of a folio that is long gone by its words. Value: none.
    StaleCompound = 49, I27, Life, "a page allocated with the words of an earlier folio";
    /// The end of an I/O had the last use of a nameless file, and evicts it where nobody may sleep. Object: the inode.
    EvictedInCompletion = 50, I20, Value, "a file is evicted by the end of an I/O, which must not sleep";
    /// A lookup found a range whose pagemap had exited its reference count. Value: none.
    LookupAfterExit = 52, I15, Life, "a pagemap looked up after its reference count was given up";
    /// A reference was taken on a struct page that had gone. Value: the count that it came to.
    GrabbedAfterUnplug = 51, I13Weak, EarlierLife, "a reference taken on a struct page that is gone";
    /// A page of anonymous memory held what nobody stored there. Object: which page of its mapping. Value: what it held.
    NotKept = 53, I28, Value, "anonymous memory does not hold what was stored there";
    /// A fault locked a page that had been freed since its entry was read.
    LockedGone = 65, I29, EarlierLife, "a fault locks a page that is gone";
    /// A device used a translation of a page that the process does not have there.
    DeviceMapsStale = 66, I30, EarlierLife, "a device uses a page that its process does not have";
    /// A folio was taken off a list that a shrinker walks. Value: its count.
    UnlinkedPrivate = 67, I05, Life, "a folio is taken off the private list of a shrinker";
    /// A page's share word is not the number of entries that have it. Value: the word.
    ShareMiscounted = 54, I17, Life, "a shared page does not count the entries that have it";
    /// A page was allocated although its pagemap is being taken away. Value: none.
    AllocatedDying = 55, I11, Life, "a page allocated while its pagemap is dying";
    /// A walker by frame number wrote to the struct page of a tail that only the folio's head may have been asked about:
    /// all such tails share one page by now. Value: none.
    SharedTailWritten = 56, I06, Life, "a shared tail written by a walker";
    /// A reference was taken unasked after the last one had gone. Object: the ref's number.
    RefReleased = 58, I14, Value, "a reference taken on what has been released";
    /// More references were put than were taken. Object: the ref's number.
    RefNotHeld = 59, I14, Value, "a reference put that nobody had";
    /// A get took a count past its largest number. Value: what it came to.
    RefWrapped = 57, I01, Life, "refcount wrapped";
    /// A file, a pipe, a process or an address space is used, or given back, that is free. Object: its number.
    NobodyHasIt = 60, I03, Value, "something is used or given back that nobody has any more";
}

impl Complaint {
    /// Whether it is no warning but the end of the task: it works on a struct page that is not there.
    #[must_use]
    pub fn is_an_oops(self) -> bool {
        matches!(self, Self::FaultAfterUnplug | Self::UnmapAfterUnplug | Self::FileAfterUnplug)
    }
}

/// Complains where what is used or given back is free. When explored only: the object could be somebody else's by now.
#[inline(always)]
#[track_caller]
pub fn must_live<T: ZeroInit>(cpu: &Cpu<'_>, of: &Slab<T>, index: u32) {
    Ghost::<()>::new().with(|()| {
        if !of.peek_live(index) {
            warn_on(cpu, Complaint::NobodyHasIt, index, 0);
        }
    });
}

/// `WARN_ON(1)`: the machine records it and goes on.
#[cold]
pub fn warn_on(cpu: &Cpu<'_>, complaint: Complaint, object: impl Into<u64>, value: i64) {
    cpu.warn(Warn { code: complaint as u16, object: object.into(), value });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Complaint> {
        (0..=u16::MAX).filter_map(Complaint::from_code)
    }

    #[test]
    fn a_recorded_code_is_the_complaint_that_was_recorded() {
        assert!(all().count() > 30);
        assert!(all().all(|complaint| Complaint::from_code(complaint as u16) == Some(complaint)));
        assert_eq!(Complaint::from_code(0), None);
    }

    #[test]
    fn what_is_about_counters_of_pagemaps_names_no_page() {
        for complaint in all() {
            let told = complaint.told();
            assert_eq!(complaint.invariant() == Invariant::I12, told == Told::PagemapOwners);
            assert!(
                complaint.invariant() != Invariant::I14 || told == Told::Value,
                "{complaint:?}"
            );
        }
    }
}
