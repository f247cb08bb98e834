//! Under the explorer.

pub use pgmap_prim_explored as prim;
pub use pgmap_schemes_explored as schemes;

#[path = "scheme.rs"]
pub mod scheme;
