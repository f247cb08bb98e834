//! Ways to search wrongly: each must make a test fail.

/// By the guide.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) classes: crate::dpor::Faults,
    pub(crate) tree: Tree,
}

/// Of the search within a bound.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tree {
    /// The cache compares states reached with different numbers of preemptions.
    pub(crate) forgets_preemptions: bool,
}
