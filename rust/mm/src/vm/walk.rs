//! Walks over page tables (`mm/pagewalk.c`): where the words of a range are, and what is behind an address.
//!
//! Nobody else knows how addresses fall into PMDs. What a walker does with an entry, and under which lock,
//! is its own affair.

use crate::vm::entry::{Leaf, Pmd, Pte, Softleaf, Vpn};
use crate::vm::tables::PageTables;
use crate::vm::word::PmdWord;
use crate::vm::{MmId, Vm};

/// The part of a range of addresses that lies under one PMD.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnderPmd<'a> {
    pub(super) word: &'a PmdWord,
    pub(super) start: Vpn,
    pub(super) end: Vpn,
}

impl PageTables {
    /// `walk_pmd_range`: the PMDs of `[start, end)`, in order. Reads none of them.
    #[doc(alias = "walk_pmd_range")]
    pub(super) fn walk_range(
        &self,
        mm: MmId,
        start: Vpn,
        end: Vpn,
    ) -> impl Iterator<Item = UnderPmd<'_>> {
        let mut at = start;
        core::iter::from_fn(move || {
            let start = at;
            at = self.end_of_pmd(start).min(end);
            (start < end).then(|| UnderPmd { word: self.pmd(mm, start), start, end: at })
        })
    }

    /// The first address of the PMD around this one.
    #[inline(always)]
    pub(super) fn start_of_pmd(&self, vpn: Vpn) -> Vpn {
        Vpn(vpn.0 & !(self.pmd_order.pages() - 1))
    }

    /// `pmd_addr_end`: one past its last.
    #[doc(alias = "pmd_addr_end")]
    #[inline(always)]
    pub(super) fn end_of_pmd(&self, vpn: Vpn) -> Vpn {
        Vpn(self.start_of_pmd(vpn).0.saturating_add(self.pmd_order.pages()))
    }

    /// Whether the part is all of it.
    #[inline]
    pub(super) fn is_whole(&self, pmd: &UnderPmd<'_>) -> bool {
        pmd.start == self.start_of_pmd(pmd.start) && pmd.end == self.end_of_pmd(pmd.start)
    }

    /// What a PMD leaf maps at one address.
    #[inline(always)]
    pub(super) fn page_of_leaf(&self, leaf: Leaf, vpn: Vpn) -> Leaf {
        leaf.page(vpn.0 - self.start_of_pmd(vpn).0)
    }

    /// What an entry of a PMD that is not walked stands for at one address.
    #[inline]
    pub(super) fn page_of_entry(&self, entry: Softleaf, vpn: Vpn) -> Softleaf {
        entry.page(vpn.0 - self.start_of_pmd(vpn).0)
    }
}

impl Vm {
    /// The hardware's walk: what is behind an address, as a PTE whatever its size. No lock, each word read once.
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn walk(&self, mm: MmId, vpn: Vpn) -> Pte {
        match self.tables.pmd(mm, vpn).load_lockless().0 {
            Pmd::None | Pmd::Invalid => Pte::None,
            Pmd::Table(table) => self.tables.pte(table, vpn).load_lockless().0,
            Pmd::Leaf(leaf) => Pte::Page(self.tables.page_of_leaf(leaf, vpn)),
            Pmd::Migration(entry) => Pte::Migration(self.tables.page_of_entry(entry, vpn)),
            Pmd::DevicePrivate(entry) => Pte::DevicePrivate(self.tables.page_of_entry(entry, vpn)),
        }
    }
}
