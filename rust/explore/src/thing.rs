//! What a step is about: an object of a trace as a thing that has a name.
//!
//! Objects are offsets into the arena, and the arena knows its tables and their fields by name.

use pgmap_mm::region;
use pgmap_prim::slab::FREE_LIST;
use pgmap_prim::{Arena, Located, Subject};
use pgmap_program::driver::NAMES_MAX;
use pgmap_sched::Object;

/// A thing that steps are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    /// A word of a `struct page`.
    Page {
        pfn: u32,
        word: Word,
    },
    /// The data in a page.
    Contents {
        pfn: u32,
    },
    /// Whose a page is: not a word of the kernel's, but the moment is one.
    Life {
        pfn: u32,
    },
    Pte,
    Pmd,
    /// An entry of a file's `i_pages`.
    DaxEntry,
    Tlb,
    /// Which page a TLB entry maps, for other CPUs to see.
    TlbPage,
    /// The head of the list of a driver of the program.
    FreeList {
        driver: usize,
    },
    /// A cell of such a driver, or a lock, by its place among the driver's.
    DriverCell {
        driver: usize,
        cell: usize,
    },
    DriverLock {
        driver: usize,
        lock: usize,
    },
    Queue,
    /// Something else that lies in the arena.
    Other,
    /// What is no memory of the kernel: sections, CPUs, the emulator's own.
    Outside,
}

/// The words of `struct page`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Refcount,
    Mapcount,
    Flags,
    CompoundHead,
    Mapping,
    Index,
    Private,
    Extra,
}

/// Every word.
const WORDS: [Word; 8] = [
    Word::Refcount,
    Word::Mapcount,
    Word::Flags,
    Word::CompoundHead,
    Word::Mapping,
    Word::Index,
    Word::Private,
    Word::Extra,
];

impl Thing {
    /// The page it belongs to.
    pub(crate) fn pfn(self) -> Option<u32> {
        match self {
            Self::Page { pfn, .. } | Self::Contents { pfn } | Self::Life { pfn } => Some(pfn),
            _ => None,
        }
    }
}

/// The tables of an arena.
pub(crate) struct Tables<'a> {
    arena: &'a Arena,
}

impl<'a> Tables<'a> {
    pub(crate) fn of(arena: &'a Arena) -> Self {
        Self { arena }
    }

    pub(crate) fn thing(&self, object: Object) -> Thing {
        let offset = match Subject::of(object) {
            Subject::Word(offset) | Subject::Range(offset) => offset,
            Subject::Queue(_) => return Thing::Queue,
            _ => return Thing::Outside,
        };
        let located = usize::try_from(offset).ok().and_then(|offset| self.arena.locate(offset));
        let Some(located) = located else { return Thing::Outside };
        let pfn = located.index as u32;
        match (located.region.name, located.region.part) {
            (region::PAGE, "") => match Word::of(&located) {
                Some(word) => Thing::Page { pfn, word },
                None => Thing::Other,
            },
            (region::CONTENTS, "") => Thing::Contents { pfn },
            (region::PAGE_LIFE, "") => Thing::Life { pfn },
            (region::PTE, "") => Thing::Pte,
            (region::PMD, "") => Thing::Pmd,
            (region::DAX_ENTRY, "") => Thing::DaxEntry,
            (region::TLB, "") => Thing::Tlb,
            (region::TLB_PAGES, "") => Thing::TlbPage,
            (region::DRIVER, "") => Thing::FreeList { driver: located.index },
            (region::DRIVER_CELL, "") => {
                let (driver, cell) = (located.index / NAMES_MAX, located.index % NAMES_MAX);
                Thing::DriverCell { driver, cell }
            }
            (region::DRIVER_LOCK, "") => {
                let (driver, lock) = (located.index / NAMES_MAX, located.index % NAMES_MAX);
                Thing::DriverLock { driver, lock }
            }
            (_, FREE_LIST) => Thing::Outside,
            _ => Thing::Other,
        }
    }
}

impl Word {
    /// The one that lies here in a table of pages.
    fn of(located: &Located) -> Option<Self> {
        let field = located.field()?;
        WORDS.into_iter().find(|word| word.name() == field)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refcount => "refcount",
            Self::Mapcount => "mapcount",
            Self::Flags => "flags",
            Self::CompoundHead => "compound_head",
            Self::Mapping => "mapping",
            Self::Index => "index",
            Self::Private => "private",
            Self::Extra => "extra",
        }
    }

    /// On the first tail of a large folio, which has the counts of the whole.
    pub(crate) fn name_on_tail(self) -> &'static str {
        match self {
            Self::Mapping => "large mapcount",
            Self::Index => "entire mapcount",
            Self::Private => "pincount",
            Self::Extra => "nr_pages_mapped",
            other => other.name(),
        }
    }
}
