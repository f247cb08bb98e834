//! Who owns a page, and for which time: the oracle on real threads, where there is no ledger.
//!
//! One relaxed word per page. Whoever gives a page away, or takes it back, starts a new generation
//! ([`Shadow::assign`]). Whoever gains access, by filling a TLB entry or by pinning, captures the
//! word and compares it at every access. A difference is a use after free; a correct protocol never
//! shows one, because access rights are gone before the page changes hands. Plain loads and stores
//! only: the check must not add the fence whose absence it is to catch.

use prim::{Arena, AtomicU32, AtomicU64, Cpu, NoMemory, Table, by_hardware};

use crate::page::Pfn;
use crate::region;

/// An owner: 0 is nobody; files and drivers number themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(pub u32);

impl Owner {
    /// Free.
    pub const NOBODY: Self = Self(0);
    /// A private copy in ordinary memory.
    pub const ANON: Self = Self(0xffff);
    /// A device driver's own allocation.
    pub const DRIVER: Self = Self(1);

    /// The owner number of a file.
    #[must_use]
    pub fn file(inode: u32) -> Self {
        Self(inode + 2)
    }

    /// The file behind the number.
    #[must_use]
    pub fn as_file(self) -> Option<u32> {
        self.0.checked_sub(2).filter(|_| self != Self::ANON)
    }
}

/// Marks a content word written by a checking user.
const CONTENTS: u64 = 0xda0e;

/// Owner and generation, as captured.
///
/// ```text
///   63           48 47                  32 31                   0
///  +---------------+----------------------+----------------------+
///  | last task + 1 | owner                | generation           |
///  +---------------+----------------------+----------------------+
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The shadow word.
    pub word: u64,
    /// Times struct pages were unplugged.
    pub epoch: u32,
}

impl Stamp {
    /// Who owned the page when it was captured.
    #[must_use]
    pub fn owner(self) -> Owner {
        Owner((self.word >> 32) as u32 & 0xffff)
    }

    /// What a checking user writes into a page: the life it belongs to. A page never holds anything but
    /// zero or its own life's mark, unless somebody wrote with rights from an earlier one.
    #[inline(always)]
    #[must_use]
    pub fn as_contents(self) -> u64 {
        self.word << 16 | CONTENTS
    }

    /// Which life of the page this is.
    #[must_use]
    pub fn generation(self) -> u32 {
        self.word as u32
    }
}

/// Whether the shadow watches. Off is for measuring what watching costs, and for nothing else: every
/// stamp is then the same, so no comparison ever differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oracle {
    /// Assign, capture, compare.
    #[default]
    On,
    /// Touch no shadow word.
    Off,
}

#[derive(Debug)]
pub(super) struct Shadow {
    words: Table<AtomicU64>,
    epoch: Table<AtomicU32>,
}

impl Shadow {
    pub(super) fn new(arena: &Arena, pages: usize) -> Result<Self, NoMemory> {
        Ok(Self { words: arena.table(region::PAGE_LIFE, pages)?, epoch: arena.table("epoch", 1)? })
    }

    #[track_caller]
    pub(super) fn assign(&self, cpu: &Cpu<'_>, pfn: Pfn, owner: Owner) {
        let word = &self.words[pfn.as_index()];
        let generation = (word.read() as u32).wrapping_add(1);
        let task = u64::from(cpu.task().0.wrapping_add(1)) & 0xffff;
        let life = u64::from(owner.0 & 0xffff) << 32 | u64::from(generation);
        // What watches sees things as they are: no store of the protocol's.
        let _watcher = by_hardware();
        word.set(task << 48 | life);
    }

    #[inline(always)]
    #[track_caller]
    pub(super) fn capture(&self, pfn: Pfn) -> Stamp {
        Stamp { word: self.words[pfn.as_index()].read(), epoch: self.epoch[0].read() }
    }

    pub(super) fn last_task(&self, pfn: Pfn) -> Option<u32> {
        ((self.words[pfn.as_index()].read() >> 48) as u32).checked_sub(1)
    }

    pub(super) fn epoch(&self) -> &AtomicU32 {
        &self.epoch[0]
    }
}
