//! Steps that are left out of the protocol: none, where nobody experiments with it.

use pgmap_prim::Edit;

/// A step that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {}

/// How it would be.
#[derive(Debug)]
pub struct Step {
    pub edit: Edit,
}

impl Without {
    #[must_use]
    pub const fn step(self) -> &'static Step {
        match self {}
    }
}
