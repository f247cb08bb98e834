//! Look, then compare and exchange: `folio_try_get` as it is (`page_ref_add_unless` with 0).
//!
//! Zero means dead, free or frozen, and whoever tries cannot tell which. The look makes the line shared and the
//! exchange asks for it alone: contended, that is two hand-offs of the line where an add has one.
//!
//! The kernel's get is fully ordered where it succeeds, because GUP looks at the page table again afterwards; so
//! is this one. What the count alone needs is acquire.

use super::word::{OneWord, Word};

/// See the module.
pub type Cas = OneWord<UnlessZero>;

/// [`Word`] as it stands.
#[derive(Debug)]
pub enum UnlessZero {}

impl Word for UnlessZero {
    const NAME: &'static str = "cas unless zero";
}
