//! Pages without mappings: `struct page`, the memmap, folios (K§2).
//!
//! Nothing here knows a virtual address, a file, or who owns a frame. A page is 32 bytes of words that
//! are each their own atomic, as in the kernel, because packing them would make real races
//! unreachable. Zero means free and untouched, so a memmap of any size costs nothing until used.
//!
//! | file | holds |
//! |---|---|
//! | `pfn` | [`Pfn`], [`Order`] and the arithmetic of natural alignment |
//! | `words` | [`Page`]: the words, their bits, who writes which |
//! | `memmap` | [`Memmap`]: the array, page contents, the shadow oracle |
//! | `folio` | [`Folio`]: head, counts, mapcounts, pincount |
//! | `compound` | taking pages together and apart |
//! | `ledger` | explored only: who owns each reference, and that counts agree with it |
//! | `shadow` | owner and generation of every page, captured by users, checked at each use |

mod compound;
mod folio;
mod ledger;
mod memmap;
mod pfn;
mod ram;
mod shadow;
mod words;

pub use folio::Folio;
pub use ledger::{Hold, Owners};
pub use memmap::Memmap;
pub use pfn::{Order, Pfn, Span};

pub use ram::Ram;
pub use shadow::{Oracle, Owner, Stamp};
pub use words::{FolioFlags, Head, Page};
