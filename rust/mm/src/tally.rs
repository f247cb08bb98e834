//! What a machine counts: the slow paths a run must have walked to have meant anything.
//!
//! A tally is a per-CPU cell bumped with a plain store, so counting never adds a fence that could
//! hide a race. Engines print these beside their verdict.

use prim::Tally;

macro_rules! tallies {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $label:literal;)*) => {
        $($(#[$doc])* pub const $name: Tally = Tally($id);)*
        /// Every tally with the name it carries in reports.
        pub const ALL: &[(Tally, &str)] = &[$(($name, $label)),*];
    };
}

tallies! {
    /// `gup_fast` grabbed a folio and then found the PTE or PMD changed: reference given back.
    RECHECK_LOST = 0, "recheck_lost";
    /// A head was read, referenced, and no longer was the page's head: reference given back.
    HEAD_CHANGED = 1, "head_changed";
    /// A layout break slept for a referenced page.
    LAYOUT_SLEPT = 2, "layout_slept";
    /// A pagemap was killed while references to it were out, and had to wait.
    KILL_WITH_REFS = 3, "kill_with_refs";
    /// A page table was freed while a lock-free walker stood in an IRQ-off section.
    TABLE_FREED_UNDER_WALKER = 4, "table_freed_under_walker";
    /// `gup_fast` took everything it was asked for.
    GUP_FAST = 17, "gup_fast";
    /// `gup_fast` gave up and the slow path took over.
    GUP_SLOW = 5, "gup_slow";
    /// `try_get` met a count of zero.
    TRY_GET_REFUSED = 6, "try_get_refused";
    /// A split found that somebody else had a reference.
    SPLIT_REFUSED = 18, "split_refused";
    /// A collapse into a huge page found that somebody else had a reference on one of the pages.
    COLLAPSE_REFUSED = 19, "collapse_refused";
    /// A TLB shoot-down had to wait for a CPU in the middle of an access.
    FLUSH_WAITED = 7, "flush_waited";
    /// A DAX entry was found locked and waited for.
    ENTRY_WAITED = 8, "entry_waited";
    /// A PMD-sized fault fell back to PTEs.
    PMD_FALLBACK = 9, "pmd_fallback";
    /// A PMD leaf was installed.
    PMD_MAPPED = 10, "pmd_mapped";
    /// An access was served by a TLB entry.
    TLB_HIT = 11, "tlb_hit";
    /// A page fault was taken.
    FAULT = 12, "fault";
    /// `pgmap_alloc_folios` refused a range.
    ALLOC_REFUSED = 13, "alloc_refused";
    /// A gather filled its batch and flushed early.
    GATHER_FULL = 14, "gather_full";
    /// An inode was evicted.
    EVICTED = 15, "evicted";
    /// A flush was forced because another gather ran on the same mm.
    NESTED_FLUSH = 16, "nested_flush";
    /// A device was told of a change while it asked what an entry says, and asked again.
    MIRROR_RETRY = 20, "mirror_retry";
}
