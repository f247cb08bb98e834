//! On threads.

pub use pgmap_prim as prim;
pub use pgmap_schemes as schemes;

#[path = "scheme.rs"]
pub mod scheme;
