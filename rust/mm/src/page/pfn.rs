//! Page frame numbers, orders, and naturally aligned blocks.

use core::fmt;

/// A page frame number of the emulated machine. Frame 0 is the shared zero page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pfn(pub u32);

impl Pfn {
    /// The shared zero page: mapped by holes, never pinned, never freed (K§2.3).
    pub const ZERO_PAGE: Self = Self(0);

    /// Index into per-page tables.
    #[inline(always)]
    #[must_use]
    pub fn as_index(self) -> usize {
        self.0 as usize
    }

    /// The frame `pages` above this one.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "no sum of two of a kind")]
    pub fn add(self, pages: u32) -> Self {
        Self(self.0 + pages)
    }

    /// The first frame of the naturally aligned block of `order` around this one.
    #[inline(always)]
    #[must_use]
    pub fn align_down(self, order: Order) -> Self {
        Self(self.0 & !(order.pages() - 1))
    }

    /// Whether a block of `order` may start here.
    #[inline(always)]
    #[must_use]
    pub fn is_aligned(self, order: Order) -> bool {
        self.0 & (order.pages() - 1) == 0
    }
}

impl From<Pfn> for u64 {
    fn from(pfn: Pfn) -> Self {
        pfn.0.into()
    }
}

impl fmt::Display for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pfn {:#x}", self.0)
    }
}

/// log2 of a number of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order(pub u8);

impl Order {
    /// A single page.
    pub const PAGE: Self = Self(0);

    /// The order of a block of so many pages, if there is one.
    #[must_use]
    pub fn of(pages: u32) -> Option<Self> {
        pages.is_power_of_two().then(|| Self(pages.trailing_zeros() as u8))
    }

    /// Pages in a block of this order.
    #[inline(always)]
    #[must_use]
    pub fn pages(self) -> u32 {
        1 << self.0
    }
}

/// A run of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First frame.
    pub start: Pfn,
    /// Length in pages.
    pub pages: u32,
}

impl Span {
    /// One past the last frame.
    #[must_use]
    pub fn end(self) -> Pfn {
        self.start.add(self.pages)
    }

    /// Whether `pfn` lies inside.
    #[inline(always)]
    #[must_use]
    pub fn contains(self, pfn: Pfn) -> bool {
        pfn.0.wrapping_sub(self.start.0) < self.pages
    }

    /// Every frame, in order.
    pub fn iter(self) -> impl Iterator<Item = Pfn> {
        (self.start.0..self.start.0 + self.pages).map(Pfn)
    }

    /// The maximal naturally aligned blocks that tile the run, in ascending order, none above `largest`.
    pub fn blocks(self, largest: Order) -> impl Iterator<Item = (Pfn, Order)> {
        let mut at = self.start.0;
        let end = self.end().0;
        core::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let alignment = at.trailing_zeros();
            let room = (end - at).ilog2();
            let order = alignment.min(room).min(u32::from(largest.0)) as u8;
            let block = (Pfn(at), Order(order));
            at += Order(order).pages();
            Some(block)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn blocks_are_maximal_aligned_and_tile_the_run() {
        for (start, pages) in [(512, 512), (513, 512), (1, 1), (7, 1000), (0, 4096), (3, 2)] {
            let span = Span { start: Pfn(start), pages };
            let blocks: Vec<_> = span.blocks(Order(9)).collect();
            let mut at = start;
            for (pfn, order) in &blocks {
                assert_eq!(pfn.0, at, "gap in {span:?}");
                assert!(pfn.is_aligned(*order));
                let bigger = Order(order.0 + 1);
                let could_grow = bigger.0 <= 9
                    && pfn.is_aligned(bigger)
                    && pfn.0 + bigger.pages() <= span.end().0;
                assert!(!could_grow, "{pfn} of {span:?} is not maximal");
                at += order.pages();
            }
            assert_eq!(at, span.end().0);
        }
    }
}
