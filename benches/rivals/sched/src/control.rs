//! What the caller of long work says whenever it is asked.

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Go,
    Stop,
}
