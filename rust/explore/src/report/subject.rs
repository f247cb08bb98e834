//! What a step is about: an object of the trace as a thing that has a name.
//!
//! Objects are offsets into the arena, and the arena knows its tables and their fields by name.

use pgmap_mm::page::{Pfn, Stamp};
use pgmap_mm::vm::{Pmd, Pte};
use pgmap_prim::{Arena, Located, Subject};
use pgmap_sched::{Event, Object};

use crate::names;

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
            ("page", "") => match Word::of(&located) {
                Some(word) => Thing::Page { pfn, word },
                None => Thing::Other,
            },
            ("contents", "") => Thing::Contents { pfn },
            ("page life", "") => Thing::Life { pfn },
            ("pte", "") => Thing::Pte,
            ("pmd", "") => Thing::Pmd,
            ("dax entry", "") => Thing::DaxEntry,
            ("tlb", "") => Thing::Tlb,
            ("tlb pages", "") => Thing::TlbPage,
            // A slab's list of what is free.
            (_, "head") => Thing::Outside,
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

    fn name(self) -> &'static str {
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
    fn name_on_tail(self) -> &'static str {
        match self {
            Self::Mapping => "large mapcount",
            Self::Index => "entire mapcount",
            Self::Private => "pincount",
            Self::Extra => "nr_pages_mapped",
            other => other.name(),
        }
    }
}

/// The page that a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Focus {
    pub(super) pfn: u32,
    /// Where the counts of its folio are.
    pub(super) head: u32,
    /// Whether the folio is large, so that its first tail has counts.
    pub(super) large: bool,
}

impl Focus {
    pub(super) fn has(&self, pfn: u32) -> bool {
        pfn == self.pfn || pfn == self.head || self.is_first_tail(pfn)
    }

    fn is_first_tail(&self, pfn: u32) -> bool {
        self.large && pfn == self.head + 1
    }
}

/// What a step's object is called, with the page if it is not the one that the report is about.
pub(super) fn name(thing: Thing, event: &Event, focus: Option<&Focus>) -> String {
    let receiver = || event.site.and_then(names::receiver);
    let foreign = |pfn: u32| match focus {
        Some(focus) if focus.has(pfn) => String::new(),
        _ => format!(" of pfn {pfn:#x}"),
    };
    match thing {
        Thing::Page { pfn, word } => match focus {
            Some(focus) if focus.is_first_tail(pfn) => word.name_on_tail().to_owned(),
            _ => format!("{}{}", word.name(), foreign(pfn)),
        },
        Thing::Contents { pfn } => format!("data{}", foreign(pfn)),
        Thing::Life { pfn } => format!("owner{}", foreign(pfn)),
        Thing::Pte => "PTE".to_owned(),
        Thing::Pmd => "PMD".to_owned(),
        Thing::DaxEntry => "DAX entry".to_owned(),
        Thing::Tlb | Thing::TlbPage => "TLB entry".to_owned(),
        Thing::Queue => "wait queue".to_owned(),
        Thing::Other | Thing::Outside => receiver().unwrap_or("a word").to_owned(),
    }
}

/// A value as a reader wants it.
pub(super) fn value(thing: Thing, value: u64) -> String {
    match thing {
        Thing::Pte => match Pte::from_bits(value) {
            Pte::None => "none".to_owned(),
            Pte::Page(page) => page.pfn().to_string(),
        },
        Thing::Pmd => match Pmd::from_bits(value) {
            Pmd::None => "none".to_owned(),
            Pmd::Table(table) => format!("table {}", table.0),
            Pmd::Leaf(leaf) => leaf.pfn().to_string(),
        },
        Thing::Life { .. } => {
            let owner = Stamp { word: value, epoch: 0 }.owner();
            match owner.as_file() {
                Some(file) => format!("inode {file}"),
                None if owner.0 == 0 => "nobody".to_owned(),
                None => "driver".to_owned(),
            }
        }
        Thing::TlbPage if value as u32 == 0 => "none".to_owned(),
        Thing::TlbPage => Pfn(value as u32).to_string(),
        Thing::DaxEntry if value == 0 => "none".to_owned(),
        // The low bit is the lock; what else an entry says does not fit a margin.
        Thing::DaxEntry if value & 1 != 0 => "locked".to_owned(),
        Thing::DaxEntry => "unlocked".to_owned(),
        Thing::Page { word: Word::Refcount | Word::Mapcount, .. } => {
            (value as u32).cast_signed().to_string()
        }
        Thing::Page { word: Word::Flags | Word::CompoundHead, .. } | Thing::Contents { .. } => {
            format!("{value:#x}")
        }
        _ => value.to_string(),
    }
}

/// Whether a page-table entry's value is about this page.
pub(super) fn points_to(thing: Thing, value: u64, focus: &Focus) -> bool {
    let leaf = match thing {
        Thing::Pte => match Pte::from_bits(value) {
            Pte::None => None,
            Pte::Page(page) => Some(page),
        },
        Thing::Pmd => match Pmd::from_bits(value) {
            Pmd::None | Pmd::Table(_) => None,
            Pmd::Leaf(leaf) => Some(leaf),
        },
        _ => None,
    };
    leaf.is_some_and(|leaf| focus.has(leaf.pfn().0))
}
