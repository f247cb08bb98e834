//! Pages of a file, as everything that takes pages away from mappings and files is told them.

/// Pages `[first, end)` of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange {
    first: u32,
    end: u32,
}

impl FileRange {
    /// This many pages from `first` on, as far as page numbers go.
    #[must_use]
    pub fn of(first: u32, pages: u32) -> Self {
        Self { first, end: first.saturating_add(pages) }
    }

    /// From `first` on, up to `end`; none if that comes before.
    #[must_use]
    pub fn up_to(first: u32, end: u32) -> Self {
        Self { first, end: end.max(first) }
    }

    /// One page.
    #[must_use]
    pub fn page(index: u32) -> Self {
        Self::of(index, 1)
    }

    /// The first page.
    #[must_use]
    pub fn first(self) -> u32 {
        self.first
    }

    /// One past the last page.
    #[must_use]
    pub fn end(self) -> u32 {
        self.end
    }

    /// How many pages.
    #[must_use]
    pub fn len(self) -> u32 {
        self.end - self.first
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.first == self.end
    }

    /// The pages in both.
    #[must_use]
    pub fn overlap(self, other: Self) -> Self {
        Self::up_to(self.first.max(other.first), self.end.min(other.end))
    }

    /// Each page.
    pub fn pages(self) -> impl Iterator<Item = u32> {
        self.first..self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_overlap_in_the_pages_that_are_in_both() {
        let range = FileRange::of(2, 3);
        for (other, both) in [
            (FileRange::of(0, 2), 0..0),
            (FileRange::of(0, 3), 2..3),
            (FileRange::page(4), 4..5),
            (FileRange::of(4, u32::MAX), 4..5),
            (FileRange::of(5, 1), 0..0),
            (FileRange::of(0, 9), 2..5),
        ] {
            for overlap in [range.overlap(other), other.overlap(range)] {
                assert!(overlap.pages().eq(both.clone()), "{other:?}");
                assert_eq!(overlap.is_empty(), both.is_empty());
                assert_eq!(overlap.len() as usize, both.len());
            }
        }
    }

    #[test]
    fn a_range_that_would_end_before_it_begins_has_no_pages() {
        assert!(FileRange::up_to(3, 2).is_empty() && FileRange::of(3, 0).is_empty());
        assert_eq!(FileRange::of(u32::MAX, 2).end(), u32::MAX);
    }
}
