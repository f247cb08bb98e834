//! What a step is about, in a report's words.

use pgmap_mm::page::{Pfn, Stamp};
use pgmap_mm::vm::{Pmd, Pte};
use pgmap_program::Program;
use pgmap_sched::Event;

use crate::names;
use crate::thing::{Thing, Word};

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

/// What something is called that has no name.
pub(super) const UNNAMED: &str = "a word";

/// What a step's object is called, with the page if it is not the one that the report is about.
pub(super) fn name(
    program: &Program,
    thing: Thing,
    event: &Event,
    focus: Option<&Focus>,
) -> Option<String> {
    let foreign = |pfn: u32| match focus {
        Some(focus) if focus.has(pfn) => String::new(),
        _ => format!(" of pfn {pfn:#x}"),
    };
    Some(match thing {
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
        Thing::FreeList { driver } => format!("free list of {}", program.drivers.get(driver)?.name),
        Thing::DriverCell { driver, cell } => {
            program.drivers.get(driver)?.cells.get(cell)?.to_owned()
        }
        Thing::DriverLock { driver, lock } => {
            program.drivers.get(driver)?.locks.get(lock)?.to_owned()
        }
        Thing::Queue => "wait queue".to_owned(),
        Thing::Other | Thing::Outside => event.site.and_then(names::receiver)?.to_owned(),
    })
}

/// A value as a reader wants it.
pub(super) fn value(thing: Thing, value: u64) -> String {
    match thing {
        Thing::Pte => match Pte::from_bits(value) {
            Pte::None => "none".to_owned(),
            Pte::Page(page) => page.pfn().to_string(),
            Pte::Migration(entry) => format!("migration of {}", entry.pfn()),
            Pte::DevicePrivate(entry) => format!("private {}", entry.pfn()),
            Pte::Exclusive(entry) => format!("exclusive {}", entry.pfn()),
        },
        Thing::Pmd => match Pmd::from_bits(value) {
            Pmd::None => "none".to_owned(),
            Pmd::Table(table) => format!("table {}", table.0),
            Pmd::Leaf(leaf) => leaf.pfn().to_string(),
            Pmd::Migration(entry) => format!("migration of {}", entry.pfn()),
            Pmd::DevicePrivate(entry) => format!("private {}", entry.pfn()),
            Pmd::Invalid => "invalid".to_owned(),
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
        Thing::FreeList { .. } if value == 0 => "none".to_owned(),
        Thing::FreeList { .. } => Pfn(value as u32).to_string(),
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

/// Whether the value of a page-table entry or of a list's head is about this page.
pub(super) fn points_to(thing: Thing, value: u64, focus: &Focus) -> bool {
    let pfn = match thing {
        Thing::FreeList { .. } => return focus.has(value as u32),
        Thing::Pte => match Pte::from_bits(value) {
            Pte::None => None,
            Pte::Page(page) => Some(page.pfn()),
            Pte::Migration(entry) | Pte::DevicePrivate(entry) | Pte::Exclusive(entry) => {
                Some(entry.pfn())
            }
        },
        Thing::Pmd => match Pmd::from_bits(value) {
            Pmd::None | Pmd::Table(_) | Pmd::Invalid => None,
            Pmd::Leaf(leaf) => Some(leaf.pfn()),
            Pmd::Migration(entry) | Pmd::DevicePrivate(entry) => Some(entry.pfn()),
        },
        _ => None,
    };
    pfn.is_some_and(|pfn| focus.has(pfn.0))
}
