//! In which turn waiters are woken (`WQ_FLAG_EXCLUSIVE`, `wake_up_nr`).

/// Kernel `WQ_FLAG_EXCLUSIVE`, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Woken by every wake-up.
    Shared,
    /// `wake_up_one` wakes only the first of these.
    Exclusive,
}

/// How many exclusive waiters a wake-up may wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HowMany {
    One,
    All,
}
