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
    /// The cache takes states for equal that differ in who was there last.
    pub(crate) forgets_task: bool,
    /// What tasks wait for counts for nothing.
    pub(crate) forgets_waits: bool,
    /// What others do later than right after a step counts for nothing.
    pub(crate) forgets_what_is_ahead: bool,
    /// A read and a write of the same object are taken to commute.
    pub(crate) reads_commute: bool,
    /// A helper makes states known that have a failure below them.
    pub(crate) publishes_failures: bool,
    /// A helper makes states known that it is not done with.
    pub(crate) publishes_early: bool,
    /// Each thread numbers objects as it comes upon them.
    pub(crate) numbers_alone: bool,
    /// What others do after a task's next step, and before it settles, counts for nothing.
    pub(crate) forgets_what_is_unsettled: bool,
    /// What goes past what a task has put off is taken for its own.
    pub(crate) forgets_what_goes_past: bool,
    /// A step is put off though nobody can tell.
    pub(crate) puts_all_off: bool,
    /// Nothing is put off.
    pub(crate) puts_nothing_off: bool,
    /// No preemption is left out.
    pub(crate) leaves_nothing_out: bool,
}
