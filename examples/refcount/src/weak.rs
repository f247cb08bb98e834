//! Under loom.

pub use pgmap_prim_weak as prim;
pub use pgmap_schemes_weak as schemes;

#[path = "scheme.rs"]
pub mod scheme;
